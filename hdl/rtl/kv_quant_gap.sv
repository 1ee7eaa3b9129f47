// Difference of two fp16 or bfloat16 numbers, exact but for bits that only their presence matters of.
//
// Bf16, bf16_i  both are bfloat16: significands of 8 bits with three zeros below them, in units of 2^-136 where those
//            of fp16 are in units of 2^-24
// a_i, b_i   cleaned (no NaN, infinity, -0), b_i <= a_i; sym_i: |a_i| instead, b_i is ignored
// exp_o      the exponent field, at least 1, of the one of larger magnitude; 2 cycles later
// gap_o      floor(difference / 2^(exp - 11)), the difference in those units; 3 cycles later
// lost_o     a bit of the difference was lost; 3 cycles later
// Two numbers every cycle; no handshake. Nothing moves in a cycle with en_i = 0.
//
// A bit is lost only if the exponents differ by more than 10. The difference then has at least
// 20 bits in front of it: as many as a code of 8 bits and an 11-bit significand need.
module kv_quant_gap #(
    parameter bit Bf16 = 1'b0,
    localparam int unsigned ExpW = Bf16 ? 8 : 5
) (
    input  logic        clk_i,
    input  logic        en_i,
    input  logic        bf16_i,
    input  logic [15:0] a_i,
    input  logic [15:0] b_i,
    input  logic        sym_i,
    output logic [ExpW-1:0] exp_o,
    output logic [21:0] gap_o,
    output logic        lost_o
);

  // Stage 1: the larger and the smaller magnitude, and how far they are apart. Of two numbers of the
  // same sign the larger magnitude is known; of others a larger exponent is enough.
  logic [ExpW-1:0] a_exp, b_exp;
  logic [ExpW:0] apart;
  logic [10:0] a_sig, b_sig;
  logic adds, b_large;

  kv_quant_part #(
      .Bf16(Bf16)
  ) u_a (
      .bf16_i(bf16_i),
      .x_i   (a_i[14:0]),
      .exp_o (a_exp),
      .sig_o (a_sig)
  );

  kv_quant_part #(
      .Bf16(Bf16)
  ) u_b (
      .bf16_i(bf16_i),
      .x_i   (b_i[14:0]),
      .exp_o (b_exp),
      .sig_o (b_sig)
  );

  assign apart   = {1'b0, a_exp} - {1'b0, b_exp};
  assign adds    = a_i[15] != b_i[15];
  assign b_large = !sym_i && (adds ? apart[ExpW] : a_i[15]);

  logic [10:0] large1_q, small1_q;
  logic [ExpW-1:0] exp1_q, exp2_q, shift1_q;
  logic sub1_q;

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      large1_q <= b_large ? b_sig : a_sig;
      small1_q <= sym_i ? '0 : b_large ? a_sig : b_sig;
      exp1_q   <= b_large ? b_exp : a_exp;
      shift1_q <= b_large ? b_exp - a_exp : apart[ExpW-1:0];
      sub1_q   <= !sym_i && !adds;
    end
  end

  // Stage 2: the smaller in the frame of the larger, complemented if it is to be subtracted. With
  // a lost bit the complement without the one that completes it is the floor.
  logic [20:0] aligned;
  logic sticky;
  logic [10:0] large2_q;
  logic [21:0] small2_q;
  logic carry2_q, lost2_q;

  assign aligned = {small1_q, 10'd0} >> shift1_q;

  always_comb begin
    sticky = 1'b0;
    for (int i = 0; i < 11; i++) sticky |= small1_q[i] && shift1_q > ExpW'(i + 10);
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      large2_q <= large1_q;
      exp2_q   <= exp1_q;
      small2_q <= {1'b0, aligned} ^ {22{sub1_q}};
      carry2_q <= sub1_q && !sticky;
      lost2_q  <= sticky;
    end
  end

  assign exp_o = exp2_q;

  // Stage 3: the difference.
  always_ff @(posedge clk_i) begin
    if (en_i) begin
      gap_o  <= {1'b0, large2_q, 10'd0} + small2_q + 22'(carry2_q);
      lost_o <= lost2_q;
    end
  end

endmodule
