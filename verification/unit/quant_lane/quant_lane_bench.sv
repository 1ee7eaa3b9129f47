// kv_quant_lane with kv_quant_recip before it: the code of one element for a scale, by ports alone.
//
// Bf16, bf16_i              numbers are bfloat16
// x_i, min_i, scale_i       cleaned fp16, given together; scale_i is negative only with offset_i
// sym_i, offset_i, limit_i  as kv_quant_lane; to be kept while elements are under way
// code_o                    8 cycles later; of an offset code the four bits that count
module quant_lane_bench #(
    parameter bit Bf16 = 1'b0
) (
    input  logic        clk_i,
    input  logic        en_i,
    input  logic        bf16_i,
    input  logic [15:0] x_i,
    input  logic [15:0] min_i,
    input  logic [15:0] scale_i,
    input  logic        sym_i,
    input  logic        offset_i,
    input  logic [ 7:0] limit_i,
    output logic [ 7:0] code_o
);

  logic [Bf16 ? 8 : 5:0] shift, shift2_q;
  logic [9:0] sig, sig2_q, recip;
  logic [19:0] divisor_q[3:5];
  logic [7:0] code;

  kv_quant_recip #(
      .Bf16(Bf16)
  ) u_recip (
      .clk_i  (clk_i),
      .bf16_i (bf16_i),
      .en_i   (en_i),
      .scale_i(scale_i[14:0]),
      .shift_o(shift),
      .sig_o  (sig),
      .recip_o(recip)
  );

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      shift2_q     <= shift;
      sig2_q       <= sig;
      divisor_q[3] <= {recip, sig2_q};
      divisor_q[4] <= divisor_q[3];
      divisor_q[5] <= divisor_q[4];
    end
  end

  kv_quant_lane #(
      .Bf16(Bf16)
  ) u_lane (
      .clk_i   (clk_i),
      .bf16_i  (bf16_i),
      .en_i    (en_i),
      .x_i     (x_i),
      .min_i   (min_i),
      .sym_i   (sym_i),
      .flip_i  (scale_i[15]),
      .offset_i(offset_i),
      .limit_i (limit_i),
      .shift_i (shift2_q),
      .sig_i   (divisor_q[5][9:0]),
      .recip_i (divisor_q[5][19:10]),
      .code_o  (code)
  );

  assign code_o = code & (offset_i ? 8'h0F : 8'hFF);

endmodule
