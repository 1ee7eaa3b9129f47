// The parts of an fp16 or bfloat16 number in one form; combinational.
//
// Bf16, bf16_i  x_i is a bfloat16, not an fp16
// x_i           its magnitude: finite
// exp_o         its exponent field, 1 for subnormals too
// sig_o         its significand with the leading one, if it has one; three zeros below that of a bfloat16
// The value is sig 2^(exp - 1) in units of 2^-24, of 2^-136 if bfloat16.
module kv_quant_part #(
    parameter bit Bf16 = 1'b0,
    localparam int unsigned ExpW = Bf16 ? 8 : 5
) (
    input  logic            bf16_i,
    input  logic [    14:0] x_i,
    output logic [ExpW-1:0] exp_o,
    output logic [    10:0] sig_o
);

  logic hidden;

  if (Bf16) begin : gen_both
    logic [ExpW-1:0] field;
    assign hidden = x_i[14:10] != '0 || (bf16_i && x_i[9:7] != '0);
    assign field  = bf16_i ? x_i[14:7] : {3'd0, x_i[14:10]};
    assign exp_o  = {field[7:1], field[0] || !hidden};
    assign sig_o  = {hidden, bf16_i ? {x_i[6:0], 3'd0} : x_i[9:0]};
  end else begin : gen_fp16
    assign hidden = x_i[14:10] != '0;
    assign exp_o  = {x_i[14:11], x_i[10] || !hidden};
    assign sig_o  = {hidden, x_i[9:0]};
    wire unused = &{1'b0, bf16_i};
  end

endmodule
