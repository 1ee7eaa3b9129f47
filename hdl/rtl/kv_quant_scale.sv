// Scale of a group: RN16((max - min) / (2^b - 1)), RN16(max|x| / (2^(b-1) - 1)) if symmetric, RN16(m / -8) if offset
// (docs/engine.md, section 4), exactly rounded.
//
// high_i, low_i  cleaned fp16, low_i <= high_i; symmetric: high_i = max|x|, low_i is ignored
// sym_i          symmetric
// width_i        c: the divisor is 2^c - 1, c = 1 to 8
// offset_i       high_i is m, of either sign; sym_i is set and width_i is 3
// scale_o        the scale, 7 cycles later; negative only with offset_i; never -0, never beyond 65504
// One scale every cycle; no handshake. Nothing moves in a cycle with en_i = 0.
//
// With D = max - min in units of 2^-24 and h its leading bit, the result is found in units of
// 2^j, j = max(0, h - c - 10): A = floor(2 D / 2^j), then G = floor(A / (2^c - 1)) by a constant
// reciprocal, one too small at most, and the remainder, which is G shifted and subtracted. G has one or two bits
// below the 11 that are kept.
module kv_quant_scale (
    input  logic        clk_i,
    input  logic        en_i,
    input  logic [15:0] high_i,
    input  logic [15:0] low_i,
    input  logic        sym_i,
    input  logic        offset_i,
    input  logic [ 3:0] width_i,
    output logic [15:0] scale_o
);

  function automatic logic [39:0] fixed(input logic [14:0] h);
    logic [39:0] v;
    v = 40'({h[14:10] != '0, h[9:0]});
    fixed = v << (h[14:10] == '0 ? 5'd0 : h[14:10] - 5'd1);
  endfunction

  // Stage 1: to fixed point. Stage 2: D.
  logic [39:0] high1_q, low1_q;
  logic high_neg1_q, low_neg1_q, invert;
  logic [40:0] plus, minus, d2_q;

  assign plus   = {1'b0, high_neg1_q ? low1_q : high1_q};
  assign minus  = {1'b0, high_neg1_q ? high1_q : low1_q};
  assign invert = high_neg1_q == low_neg1_q;

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      high1_q     <= fixed(high_i[14:0]);
      low1_q      <= sym_i ? '0 : fixed(low_i[14:0]);
      high_neg1_q <= high_i[15] && !sym_i;
      low_neg1_q  <= low_i[15] && !sym_i;
      d2_q        <= plus + (minus ^ {41{invert}}) + 41'(invert);
    end
  end

  // m, and with it the sign of -m, on its way to the end.
  logic [6:1] neg_q;
  always_ff @(posedge clk_i) if (en_i) neg_q <= {neg_q[5:1], high_i[15]};

  // Stage 3: the unit 2^j.
  logic [40:0] d3_q;
  logic [5:0] top, unit3_q, below;

  always_comb begin
    top = '0;
    for (int i = 0; i < 41; i++) if (d2_q[i]) top = 6'(i);
  end
  assign below = 6'(width_i) + 6'd10;

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      d3_q    <= d2_q;
      unit3_q <= top > below ? top - below : '0;
    end
  end

  // Stage 4: A, and whether a bit was lost.
  logic [41:0] aligned, kept;
  logic [19:0] a4_q;
  logic [ 4:0] unit4_q;
  logic        lost4_q;

  assign aligned = {d3_q, 1'b0} >> unit3_q;
  assign kept    = aligned << unit3_q;

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      a4_q    <= aligned[19:0];
      lost4_q <= kept != {d3_q, 1'b0};
      unit4_q <= unit3_q[4:0];
    end
  end

  // Stage 5: times floor(2^(16 + c) / (2^c - 1)); A is cut by two bits where it has more than 18.
  logic [17:0] recip, factor;
  logic        cut;
  logic [35:0] product5_q;
  logic [19:0] a5_q;
  logic [ 4:0] unit5_q;
  logic        lost5_q;

  assign cut    = width_i >= 4'd7;
  assign factor = cut ? a4_q[19:2] : a4_q[17:0];

  always_comb begin
    unique case (width_i)
      4'd1: recip = 18'd131072;
      4'd2: recip = 18'd87381;
      4'd3: recip = 18'd74898;
      4'd4: recip = 18'd69905;
      4'd5: recip = 18'd67650;
      4'd6: recip = 18'd66576;
      4'd7: recip = 18'd66052;
      default: recip = 18'd65793;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      product5_q <= 36'(factor) * 36'(recip);
      a5_q       <= a4_q;
      unit5_q    <= unit4_q;
      lost5_q    <= lost4_q;
    end
  end

  // Stage 6: G and the remainder.
  logic [13:0] quot, quot6_q;
  logic [9:0] rem6_q;
  logic [ 4:0] unit6_q;
  logic        lost6_q;

  assign quot = offset_i ? 14'(a5_q >> 3) : 14'(product5_q >> (cut ? 5'd14 + 5'(width_i) : 5'd16 + 5'(width_i)));

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      quot6_q <= quot;
      rem6_q  <= offset_i ? {7'd0, a5_q[2:0]} : a5_q[9:0] - 10'(quot << width_i) + quot[9:0];
      unit6_q <= unit5_q;
      lost6_q <= lost5_q;
    end
  end

  // Stage 7: correct, round half to even. As an integer in units of 2^j with j > 0 the leading
  // one adds one to the exponent field, which is therefore j; with j = 0 the integer is the pattern.
  logic more, big, half, sticky, up;
  logic [9:0] divisor;
  logic [13:0] exact;
  logic [11:0] whole;
  logic [14:0] pattern;

  assign divisor = offset_i ? 10'd8 : (10'd1 << width_i) - 10'd1;
  assign more    = rem6_q >= divisor;
  assign exact   = quot6_q + 14'(more);
  assign big     = exact[12];
  assign whole   = big ? {1'b0, exact[12:2]} : exact[12:1];
  assign half    = big ? exact[1] : exact[0];
  assign sticky  = lost6_q || (rem6_q != '0 && rem6_q != divisor) || (big && exact[0]);
  assign up      = half && (sticky || whole[0]);
  assign pattern = {unit6_q + 5'(big), 10'd0} + 15'(whole) + 15'(up);

  always_ff @(posedge clk_i) begin
    if (en_i) scale_o <= {offset_i && !neg_q[6] && pattern != '0, pattern};
  end

  wire unused = &{1'b0, aligned[41:20], product5_q, exact[13], unit3_q[5]};

endmodule
