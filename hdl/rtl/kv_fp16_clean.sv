// Cleans one fp16 or bfloat16 input lane (docs/engine.md, section 4); combinational.
//
// bf16_i x_i is a bfloat16, not an fp16; constant 0 where there are none.
// x_i    any 16 bits.
// x_o    NaN -> 0, infinity -> 65504 (bfloat16: (2 - 2^-7) 2^127) of its sign, -0 -> +0, all else as it is.
// bad_o  x_i was NaN or infinite.
module kv_fp16_clean (
    input  logic        bf16_i,
    input  logic [15:0] x_i,
    output logic [15:0] x_o,
    output logic        bad_o
);

  logic special, whole;

  assign special = &x_i[14:10] && (!bf16_i || &x_i[9:7]);
  assign whole   = x_i[6:0] == '0 && (bf16_i || x_i[9:7] == '0);
  assign bad_o   = special;

  always_comb begin
    x_o = x_i;
    if (special) x_o = whole ? {x_i[15], bf16_i ? 15'h7F7F : 15'h7BFF} : '0;
    else if (x_i[14:0] == '0) x_o = '0;
  end

endmodule
