// Cleans one fp16 input lane (docs/engine.md, section 4); combinational.
//
// x_i    any 16 bits.
// x_o    NaN -> 0, infinity -> 65504 of its sign, -0 -> +0, all else as it is.
// bad_o  x_i was NaN or infinite.
module kv_fp16_clean (
    input  logic [15:0] x_i,
    output logic [15:0] x_o,
    output logic        bad_o
);

  logic special, whole;

  assign special = &x_i[14:10];
  assign whole   = x_i[9:0] == '0;
  assign bad_o   = special;

  always_comb begin
    x_o = x_i;
    if (special) x_o = whole ? {x_i[15], 15'h7BFF} : '0;
    else if (x_i[14:0] == '0) x_o = '0;
  end

endmodule
