// One lane of QUANTIZE: the code of one element, exactly rounded (docs/engine.md, section 4).
//
// Bf16, bf16_i  numbers are bfloat16 in the form of kv_quant_gap; units are 2^-136 then
// x_i, min_i   cleaned fp16 or bfloat16 (no NaN, infinity, -0), min_i <= x_i; min_i is ignored if symmetric
// sym_i        the code of |x_i| with the sign of x_i, reversed with flip_i (given with x_i)
// offset_i     in four bits, the code is 8 more, and at most 15; what is above them is of no use
// limit_i      largest magnitude of a code, 2^b - 1 or 2^(b-1) - 1; 8 with offset_i. Given 6 cycles
//              after x_i: an element has its own.
// shift_i      10 + exponent of the scale's 11-bit significand in units of 2^-24; 63 for a
//              scale of 0 (511 if Bf16). Given 2 cycles after x_i.
// sig_i        the significand, 1024 to 2047, without its leading one; recip_i = floor(2^21 / it), 2047 at
//              most, without its leading one. Given 5 cycles after x_i.
// code_o       the code in two's complement, 8 cycles after x_i
// One element every cycle; no handshake. Nothing moves in a cycle with en_i = 0.
//
// With D = x - mn and S = m 2^t the scale, both in those units, and A = floor(2 D / 2^t),
// D / S lies in [A, A + 1) / 2m, and at A / 2m exactly if no bit of D was lost. As s is the rounded scale of a group
// that holds x, D / S is at most 255 (2m + 1) / 2m, or 255 * 1.5 for a scale of few bits: A < 2^20. The reciprocal
// gives floor(A / 2m), or one less if the true quotient is above that by less than 0.26: the remainder is then above
// m, as it is where the quotient is to be rounded up. So it is compared with m alone.
module kv_quant_lane #(
    parameter bit Bf16 = 1'b0,
    localparam int unsigned ExpW = Bf16 ? 8 : 5
) (
    input  logic        clk_i,
    input  logic        en_i,
    input  logic        bf16_i,
    input  logic [15:0] x_i,
    input  logic [15:0] min_i,
    input  logic        sym_i,
    input  logic        flip_i,
    input  logic        offset_i,
    input  logic [ 7:0] limit_i,
    input  logic [ExpW:0] shift_i,
    input  logic [ 9:0] sig_i,
    input  logic [ 9:0] recip_i,
    output logic [ 7:0] code_o
);

  // Stages 1 to 3: D in units of 2^(exponent - 11), and how far that is from those of A.
  logic [21:0] gap3;
  logic lost3;
  logic [ExpW-1:0] exp2;
  logic [ExpW+1:0] right3_q;
  logic [7:1] neg_q;

  kv_quant_gap #(
      .Bf16(Bf16)
  ) u_gap (
      .clk_i (clk_i),
      .en_i  (en_i),
      .bf16_i(bf16_i),
      .a_i   (x_i),
      .b_i   (min_i),
      .sym_i (sym_i),
      .exp_o (exp2),
      .gap_o (gap3),
      .lost_o(lost3)
  );

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      neg_q    <= {neg_q[6:1], sym_i && x_i[15] ^ flip_i};
      right3_q <= {1'b0, shift_i} - {2'b0, exp2};
    end
  end

  // Stages 4 and 5: A, by steps of 16 and the rest of the way, and whether a bit was lost. What a step to
  // the left drops is 0, as A < 2^20.
  logic [34:0] coarse, coarse4_q;
  logic [34:0] fine;
  logic [14:0] dropped;
  logic lost_coarse, lost4_q, lost5_q;
  logic [3:0] right4_q;
  logic [19:0] a5_q;

  always_comb begin
    lost_coarse = 1'b0;
    unique case (right3_q[ExpW+1:4])
      -(ExpW-2)'(2):  coarse = {gap3[2:0], 32'd0};
      -(ExpW-2)'(1):  coarse = {gap3[18:0], 16'd0};
      (ExpW-2)'(0):  coarse = {13'd0, gap3};
      (ExpW-2)'(1): begin
        coarse = {29'd0, gap3[21:16]};
        lost_coarse = |gap3[15:0];
      end
      default: begin
        coarse = '0;
        lost_coarse = |gap3;
      end
    endcase
  end

  assign {fine, dropped} = {coarse4_q, 15'd0} >> right4_q;

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      coarse4_q <= coarse;
      right4_q  <= right3_q[3:0];
      lost4_q   <= lost3 || lost_coarse;
      a5_q      <= fine[19:0];
      lost5_q   <= lost4_q || dropped != '0;
    end
  end

  // Stages 6 and 7: quotient Q, one too small at most, and 2 Q m beside A - m.
  logic [28:0] product;
  logic [8:0] quot6_q, quot7_q;
  logic [13:0] a6_q, less7_q, back7_q;
  logic [10:0] sig6_q;
  logic lost6_q, exact7_q;

  assign product = 29'(a5_q[19:2]) * 29'({1'b1, recip_i});

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      quot6_q  <= product[28:20];
      a6_q     <= a5_q[13:0];
      sig6_q   <= {1'b1, sig_i};
      lost6_q  <= lost5_q;
      quot7_q  <= quot6_q;
      back7_q  <= {13'(20'(quot6_q) * 20'(sig6_q)), 1'b0};
      less7_q  <= a6_q - 14'(sig6_q);
      exact7_q <= !lost6_q && !quot6_q[0];
    end
  end

  // Stage 8: the next quotient from a remainder of m on, half to even. Clamp and sign are the quotient's; minus
  // a number is its complement and one. With an offset the greatest positive code is one less than the limit.
  logic [13:0] over;
  logic [7:0] limit7_q, bounded;
  logic at_limit, more;

  assign at_limit = quot7_q >= {1'b0, limit7_q};
  assign bounded  = (at_limit ? limit7_q : quot7_q[7:0]) ^ {8{neg_q[7]}} ^ {4'd0, offset_i, 3'd0};
  assign over     = less7_q - back7_q - 14'(exact7_q);
  assign more     = (!over[13] && !at_limit) ^ neg_q[7];

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      limit7_q <= limit_i - 8'(offset_i && !neg_q[6]);
      code_o   <= bounded + 8'(more);
    end
  end

  wire unused = &{1'b0, product[19:0], fine[34:20], over[12:0]};

endmodule
