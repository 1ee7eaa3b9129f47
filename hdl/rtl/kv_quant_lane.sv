// One lane of QUANTIZE: the code of one element, exactly rounded (docs/engine.md, section 4).
//
// x_i, min_i   cleaned fp16 (no NaN, infinity, -0); min_i = 0 if symmetric
// sym_i        min_i does not count; the code has the sign of x_i, reversed with flip_i (given with x_i)
// offset_i     the code is 8 more, and at most 15
// limit_i      largest magnitude of a code, 2^b - 1 or 2^(b-1) - 1
// shift_i      10 + exponent of the scale's 11-bit significand in units of 2^-24; 63 for a
//              scale of 0. Given 2 cycles after x_i.
// sig_i        the significand, 1024 to 2047, without its leading one; recip_i = floor(2^27 / it).
//              Given 4 cycles after x_i.
// code_o       the code in two's complement, 10 cycles after x_i
// One element every cycle; no handshake. Nothing moves in a cycle with en_i = 0.
//
// With D = |x - mn| and S = m 2^t the scale, both integers in units of 2^-24, and
// A = floor(2 D / 2^t), D / S lies in [A, A + 1) / 2m, and at A / 2m exactly if no bit of D was lost. The
// reciprocal gives floor(A / 2m) or one less; the remainder says which, and how to round.
module kv_quant_lane (
    input  logic        clk_i,
    input  logic        en_i,
    input  logic [15:0] x_i,
    input  logic [15:0] min_i,
    input  logic        sym_i,
    input  logic        flip_i,
    input  logic        offset_i,
    input  logic [ 7:0] limit_i,
    input  logic [ 5:0] shift_i,
    input  logic [ 9:0] sig_i,
    input  logic [17:0] recip_i,
    output logic [ 7:0] code_o
);

  // Magnitude of an fp16 number in units of 2^-24.
  function automatic logic [39:0] fixed(input logic [14:0] h);
    logic [39:0] v;
    v = 40'({h[14:10] != '0, h[9:0]});
    fixed = v << (h[14:10] == '0 ? 5'd0 : h[14:10] - 5'd1);
  endfunction

  // Stage 1: to fixed point.
  logic [39:0] x1_q, min1_q;
  logic x_neg1_q, min_neg1_q;
  // Stage 2: D = |x - mn|, where mn <= x.
  logic [40:0] d2_q;
  logic        neg2_q, flip1_q;
  logic [40:0] plus, minus;
  logic        invert;

  assign plus   = {1'b0, x_neg1_q ? min1_q : x1_q};
  assign minus  = {1'b0, x_neg1_q ? x1_q : min1_q};
  assign invert = x_neg1_q == min_neg1_q && !sym_i;

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      x1_q       <= fixed(x_i[14:0]);
      min1_q     <= fixed(min_i[14:0]);
      x_neg1_q   <= x_i[15];
      min_neg1_q <= min_i[15];
      d2_q       <= sym_i ? {1'b0, x1_q} : plus + (minus ^ {41{invert}}) + 41'(invert);
      neg2_q     <= sym_i && x_neg1_q ^ flip1_q;
      flip1_q    <= flip_i;
    end
  end

  // Stages 3 and 4: A = (2^11 D) >> shift, and whether a bit was lost.
  logic [51:0] wide;
  logic [36:0] coarse;
  logic [24:0] fine3_q, fine;
  logic        lost_wide, lost_coarse, lost3_q, lost4_q, lost_fine;
  logic [ 1:0] shift3_q;
  logic [21:0] a4_q;

  assign wide = {d2_q, 11'd0};

  always_comb begin
    unique case (shift_i[5:4])
      2'd0: begin
        coarse = wide[36:0];
        lost_wide = 1'b0;
      end
      2'd1: begin
        coarse = {1'b0, wide[51:16]};
        lost_wide = |wide[15:11];
      end
      2'd2: begin
        coarse = {17'd0, wide[51:32]};
        lost_wide = |wide[31:11];
      end
      2'd3: begin
        coarse = {33'd0, wide[51:48]};
        lost_wide = |wide[47:11];
      end
    endcase
    unique case (shift_i[3:2])
      2'd0: begin
        fine = coarse[24:0];
        lost_coarse = 1'b0;
      end
      2'd1: begin
        fine = coarse[28:4];
        lost_coarse = |coarse[3:0];
      end
      2'd2: begin
        fine = coarse[32:8];
        lost_coarse = |coarse[7:0];
      end
      2'd3: begin
        fine = coarse[36:12];
        lost_coarse = |coarse[11:0];
      end
    endcase
  end

  always_comb begin
    unique case (shift3_q)
      2'd0: lost_fine = 1'b0;
      2'd1: lost_fine = fine3_q[0];
      2'd2: lost_fine = |fine3_q[1:0];
      2'd3: lost_fine = |fine3_q[2:0];
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      fine3_q  <= fine;
      lost3_q  <= lost_wide || lost_coarse;
      shift3_q <= shift_i[1:0];
      a4_q     <= 22'(fine3_q >> shift3_q);
      lost4_q  <= lost3_q || lost_fine;
    end
  end

  // Stages 5 to 8: quotient, one too small at most, and its remainder.
  logic [33:0] product;
  logic [9:0] quot5_q;
  logic [9:0] quot6_q, quot7_q, quot8_q, quot9_q;
  logic [12:0] a5_q, a6_q, a7_q, rem8_q;
  logic [12:0] back7_q;
  logic [10:0] sig5_q, sig6_q, sig7_q, sig8_q;
  logic [ 8:5] lost_q;
  logic [ 9:3] neg_q;

  assign product = 34'(a4_q[21:4]) * 34'(recip_i);

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      quot5_q    <= product[33:24];
      quot6_q    <= quot5_q;
      quot7_q    <= quot6_q;
      quot8_q    <= quot7_q;
      back7_q    <= {12'(22'(quot6_q) * 22'(sig6_q)), 1'b0};
      rem8_q     <= a7_q - back7_q;
      a5_q       <= a4_q[12:0];
      a6_q       <= a5_q;
      a7_q       <= a6_q;
      sig5_q     <= {1'b1, sig_i};
      sig6_q     <= sig5_q;
      sig7_q     <= sig6_q;
      sig8_q     <= sig7_q;
      lost_q     <= {lost_q[7:5], lost4_q};
      neg_q      <= {neg_q[8:3], neg2_q};
    end
  end

  // Stage 9: where the remainder lies among 0, m, 2m and 3m.
  logic more9_q, up0_9_q, up1_9_q;
  logic [12:0] sig_x3;

  assign sig_x3 = {2'b0, sig8_q} + {1'b0, sig8_q, 1'b0};

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      quot9_q <= quot8_q;
      more9_q <= rem8_q >= {1'b0, sig8_q, 1'b0};
      up0_9_q <= rem8_q > {2'b0, sig8_q} || (rem8_q == {2'b0, sig8_q} && (lost_q[8] || quot8_q[0]));
      up1_9_q <= rem8_q > sig_x3 || (rem8_q == sig_x3 && (lost_q[8] || !quot8_q[0]));
    end
  end

  // Stage 10: round, clamp, sign.
  logic up9;
  logic [9:0] rounded;
  assign up9     = more9_q ? up1_9_q : up0_9_q;
  logic [7:0] clamped;

  assign rounded = quot9_q + 10'(more9_q) + 10'(up9);
  assign clamped = rounded > {2'd0, limit_i} ? limit_i : rounded[7:0];

  always_ff @(posedge clk_i) begin
    if (en_i) code_o <= offset_i && !neg_q[9] && clamped[3] ? 8'd15 : (neg_q[9] ? -clamped : clamped) + {4'd0, offset_i, 3'd0};
  end

  wire unused = &{1'b0, product[23:0]};

endmodule
