// A copy of the core's clock enable: the register that drives one part's clock enables and
// nothing else. d_i is kv_shell's core_en_next_o, q_o follows a clock cycle later.
//
// A net with the whole core behind it is slow however little drives it. The hierarchy is
// kept because synthesis would otherwise find that all copies are one register.
(* keep_hierarchy *)
module kv_enable (
    input  logic clk_i,
    input  logic d_i,
    output logic q_o
);

  logic en_q;

  always_ff @(posedge clk_i) en_q <= d_i;

  assign q_o = en_q;

endmodule
