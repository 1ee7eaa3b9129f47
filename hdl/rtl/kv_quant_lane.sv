// One lane of QUANTIZE: the code of one element, exactly rounded (docs/engine.md, section 4).
//
// x_i, min_i   cleaned fp16 (no NaN, infinity, -0), min_i <= x_i; min_i is ignored if symmetric
// sym_i        the code of |x_i| with the sign of x_i, reversed with flip_i (given with x_i)
// offset_i     the code is 8 more, and at most 15
// limit_i      largest magnitude of a code, 2^b - 1 or 2^(b-1) - 1
// shift_i      10 + exponent of the scale's 11-bit significand in units of 2^-24; 63 for a
//              scale of 0. Given 2 cycles after x_i.
// sig_i        the significand, 1024 to 2047, without its leading one; recip_i = floor(2^27 / it).
//              Given 4 cycles after x_i.
// code_o       the code in two's complement, 10 cycles after x_i
// One element every cycle; no handshake. Nothing moves in a cycle with en_i = 0.
//
// With D = x - mn and S = m 2^t the scale, both in units of 2^-24, and A = floor(2 D / 2^t),
// D / S lies in [A, A + 1) / 2m, and at A / 2m exactly if no bit of D was lost. As s is the rounded scale of a group
// that holds x, D / S is at most 255 (2m + 1) / 2m, or 255 * 1.5 for a scale of few bits: A < 2^20. The reciprocal
// gives floor(A / 2m), or one less if the true quotient is above that by less than 1/64; the remainder says which, and
// how to round.
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

  // Stages 1 to 3: D in units of 2^(exponent - 11), and how far that is from those of A.
  logic [21:0] gap3;
  logic lost3;
  logic [4:0] exp2;
  logic [6:0] right3_q;
  logic [9:1] neg_q;

  kv_quant_gap u_gap (
      .clk_i (clk_i),
      .en_i  (en_i),
      .a_i   (x_i),
      .b_i   (min_i),
      .sym_i (sym_i),
      .exp_o (exp2),
      .gap_o (gap3),
      .lost_o(lost3)
  );

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      neg_q    <= {neg_q[8:1], sym_i && x_i[15] ^ flip_i};
      right3_q <= {1'b0, shift_i} - {2'b0, exp2};
    end
  end

  // Stage 4: A, by steps of 16 and the rest of the way, and whether a bit was lost. What a step to
  // the left drops is 0, as A < 2^20.
  logic [34:0] coarse;
  logic [34:0] fine;
  logic [14:0] dropped;
  logic lost_coarse;
  logic [19:0] a4_q;
  logic lost4_q;

  always_comb begin
    lost_coarse = 1'b0;
    unique case (right3_q[6:4])
      3'b110:  coarse = {gap3[2:0], 32'd0};
      3'b111:  coarse = {gap3[18:0], 16'd0};
      3'b000:  coarse = {13'd0, gap3};
      3'b001: begin
        coarse = {29'd0, gap3[21:16]};
        lost_coarse = |gap3[15:0];
      end
      default: begin
        coarse = '0;
        lost_coarse = |gap3;
      end
    endcase
    {fine, dropped} = {coarse, 15'd0} >> right3_q[3:0];
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      a4_q    <= fine[19:0];
      lost4_q <= lost3 || lost_coarse || dropped != '0;
    end
  end

  // Stages 5 to 8: quotient, one too small at most, and its remainder.
  logic [35:0] product;
  logic [8:0] quot5_q, quot6_q, quot7_q, quot8_q, quot9_q;
  logic [12:0] a5_q, a6_q, a7_q, rem8_q, back7_q;
  logic [10:0] sig5_q, sig6_q, sig7_q, sig8_q;
  logic [8:5] lost_q;

  assign product = 36'(a4_q[19:2]) * 36'(recip_i);

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      quot5_q <= product[34:26];
      quot6_q <= quot5_q;
      quot7_q <= quot6_q;
      quot8_q <= quot7_q;
      back7_q <= {12'(20'(quot6_q) * 20'(sig6_q)), 1'b0};
      rem8_q  <= a7_q - back7_q;
      a5_q    <= a4_q[12:0];
      a6_q    <= a5_q;
      a7_q    <= a6_q;
      sig5_q  <= {1'b1, sig_i};
      sig6_q  <= sig5_q;
      sig7_q  <= sig6_q;
      sig8_q  <= sig7_q;
      lost_q  <= {lost_q[7:5], lost4_q};
    end
  end

  // Stage 9: the next quotient from a remainder of half of 2m on, half to even, and from 2m on: one
  // too small, it was so by little.
  logic up9_q;

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      quot9_q <= quot8_q;
      up9_q   <= rem8_q >= {2'b0, sig8_q} + 13'(!(lost_q[8] || quot8_q[0]));
    end
  end

  // Stage 10: round, clamp, sign.
  logic [8:0] rounded;
  logic [7:0] clamped;
  assign rounded = quot9_q + 9'(up9_q);
  assign clamped = rounded > {1'b0, limit_i} ? limit_i : rounded[7:0];

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      if (offset_i && !neg_q[9] && clamped[3]) code_o <= 8'd15;
      else code_o <= (neg_q[9] ? -clamped : clamped) + {4'd0, offset_i, 3'd0};
    end
  end

  wire unused = &{1'b0, product[35], product[25:0], fine[34:20]};

endmodule
