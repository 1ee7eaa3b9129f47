// Scale of a group: RN16((max - min) / (2^b - 1)), RN16(max|x| / (2^(b-1) - 1)) if symmetric, RN16(m / -8) if offset
// (docs/engine.md, section 4), exactly rounded.
//
// Bf16, bf16_i   numbers are bfloat16 in the form of kv_quant_gap, and so is the scale; units are 2^-136 then
// high_i, low_i  cleaned fp16 or bfloat16, low_i <= high_i; symmetric: high_i = max|x|, low_i is ignored
// sym_i          symmetric
// width_i        c: the divisor is 2^c - 1, c = 1 to 8; a scale has its own
// offset_i       high_i is m, of either sign; sym_i is set and width_i is 3
// scale_o        the scale, 9 cycles later; negative only with offset_i; never -0, never beyond the range
// One scale every cycle; no handshake. Nothing moves in a cycle with en_i = 0.
//
// With D = max - min in units of 2^-24 and h its leading bit, the result is found in units of
// 2^j, j = max(0, h - c - 10). A = 2 D / 2^j is kept with 8 - c zeros below, so that its leading bit is bit 19 if j > 0,
// and so is the divisor. Then G = A / divisor by a constant reciprocal, too small by less than 0.1: it has one or two
// bits below the 11 that are kept, and which of the two a comparison tells. The remainder tells how to round.
// Of a bfloat16 three bits less are kept, in units of 2^(j + 3): A is eight times less.
module kv_quant_scale #(
    parameter bit Bf16 = 1'b0,
    localparam int unsigned ExpW = Bf16 ? 8 : 5,
    localparam int unsigned LeftW = ExpW + 2
) (
    input  logic        clk_i,
    input  logic        en_i,
    input  logic        bf16_i,
    input  logic [15:0] high_i,
    input  logic [15:0] low_i,
    input  logic        sym_i,
    input  logic        offset_i,
    input  logic [ 3:0] width_i,
    output logic [15:0] scale_o
);

  // Stages 1 to 3: D in units of 2^(exponent - 11).
  logic [21:0] gap3;
  logic lost3;
  logic [ExpW-1:0] exp2;
  logic [8:1] neg_q;  // m, and with it the sign of -m, on its way to the end
  logic [3:0] width_q[1:5];

  kv_quant_gap #(
      .Bf16(Bf16)
  ) u_gap (
      .clk_i (clk_i),
      .en_i  (en_i),
      .bf16_i(bf16_i),
      .a_i   (high_i),
      .b_i   (low_i),
      .sym_i (sym_i),
      .exp_o (exp2),
      .gap_o (gap3),
      .lost_o(lost3)
  );

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      neg_q      <= {neg_q[7:1], high_i[15]};
      width_q[1] <= width_i;
      for (int i = 2; i <= 5; i++) width_q[i] <= width_q[i-1];
    end
  end

  // Stage 4: how far A can go to the left until its leading bit is bit 19 (farther than anything: there is none), and how far it
  // would for j = 0.
  logic [21:0] gap4_q;
  logic lost4_q;
  localparam logic signed [LeftW-1:0] None = Bf16 ? LeftW'(300) : LeftW'(31);
  logic signed [LeftW-1:0] lead, plain3_q, lead4_q, plain4_q;

  always_comb begin
    lead = None;
    for (int i = 0; i < 22; i++) if (gap3[i]) lead = LeftW'(19 - i);
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      plain3_q <= {2'b0, exp2} - LeftW'(width_q[2]) - LeftW'(2);
      plain4_q <= plain3_q;
      lead4_q  <= lead;
      gap4_q   <= gap3;
      lost4_q  <= lost3;
    end
  end

  // Stage 5: the lesser of the two, -9 to 19; the rest is j.
  logic signed [LeftW-1:0] rest;
  logic [21:0] gap5_q;
  logic [4:0] left5_q;
  logic [ExpW-1:0] unit5_q;
  logic lost5_q;

  assign rest = plain4_q - lead4_q;

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      left5_q <= 5'(rest[LeftW-1] ? plain4_q : lead4_q) + 5'd9;
      unit5_q <= rest[LeftW-1] ? '0 : rest[ExpW-1:0];
      gap5_q  <= gap4_q;
      lost5_q <= lost4_q;
    end
  end

  // Stage 6: A.
  logic [28:0] moved;
  logic [19:0] a6_q;
  logic [ExpW-1:0] unit6_q;
  logic lost6_q, short;

  assign moved = 29'(gap5_q) << left5_q;
  assign short = Bf16 && bf16_i;

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      a6_q    <= short ? {3'd0, moved[28:12]} : moved[28:9];
      lost6_q <= lost5_q || moved[8:0] != '0 || (short && moved[11:9] != '0);
      unit6_q <= unit5_q;
    end
  end

  // Stage 7: times floor(2^(16 + c) / (2^c - 1)); and whether the quotient has 12 bits below the point of the
  // divisor, not 11, before those that are kept.
  logic [17:0] recip_q;
  logic [35:0] product;
  logic [8:0] divisor6_q, divisor7_q;
  logic [12:0] quot7_q;
  logic [11:0] a7_q;
  logic [ExpW-1:0] unit7_q;
  logic lost7_q, big7_q;

  assign product = 36'(a6_q[19:2]) * 36'(recip_q);

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      unique case (width_q[5])
        4'd1: recip_q <= 18'd131072;
        4'd2: recip_q <= 18'd87381;
        4'd3: recip_q <= offset_i ? 18'd65536 : 18'd74898;
        4'd4: recip_q <= 18'd69905;
        4'd5: recip_q <= 18'd67650;
        4'd6: recip_q <= 18'd66576;
        4'd7: recip_q <= 18'd66052;
        default: recip_q <= 18'd65793;
      endcase
      divisor6_q <= offset_i ? 9'd256 : 9'd256 - 9'(9'd256 >> width_q[5]);
      divisor7_q <= divisor6_q;
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      quot7_q <= product[35:23];
      big7_q  <= {1'b0, short ? a6_q[16:9] : a6_q[19:12]} >= divisor6_q;
      a7_q    <= a6_q[11:0];
      unit7_q <= unit6_q;
      lost7_q <= lost6_q;
    end
  end

  // Stage 8: the 11 bits that are kept, W, one too small at most, and 2 W d beside A - d: d is half of what
  // one in W stands for.
  logic [11:0] whole, whole8_q, back8_q, less8_q;
  logic [9:0] half;
  logic [ExpW-1:0] exp8_q;
  logic exact8_q;

  assign whole = big7_q ? quot7_q[12:1] : quot7_q[11:0];
  assign half  = big7_q ? {divisor7_q, 1'b0} : {1'b0, divisor7_q};

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      whole8_q <= whole;
      back8_q  <= {11'(22'(whole) * 22'(half)), 1'b0};
      less8_q  <= a7_q - 12'(half);
      exact8_q <= !lost7_q && !whole[0];
      exp8_q   <= unit7_q + ExpW'(big7_q);
    end
  end

  // Stage 9: round half to even. As an integer in units of 2^j with j > 0 the leading one adds one to the
  // exponent field, which is therefore j; with j = 0 the integer is the pattern. The estimate is too small
  // only where the remainder is above d anyhow.
  logic [11:0] over;
  logic [14:0] pattern;

  assign over    = less8_q - back8_q - 12'(exact8_q);
  assign pattern = (short ? 15'({exp8_q, 7'd0}) : {exp8_q[4:0], 10'd0}) + 15'(whole8_q) + 15'(!over[11]);

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      scale_o[14:0] <= pattern;
      scale_o[15]   <= offset_i && !neg_q[8] && (exp8_q != '0 || whole8_q != '0 || !over[11]);
    end
  end

  wire unused = &{1'b0, product[22:0], rest, over[10:0]};

endmodule
