// Reset of a board: held while the clock is not stable or the button is down, and for 2^CountW cycles after.
//
// stable_i and button_i (1: pressed) are asynchronous. rst_o is synchronous to clk_i and comes from a register. After
// configuration it is high (initial values).
// Latency: 3 cycles to begin, 2^CountW + 3 to end.
module kv_board_reset #(
    parameter int unsigned CountW = 8
) (
    input  logic clk_i,
    input  logic stable_i,
    input  logic button_i,
    output logic rst_o
);

  logic [1:0] sync_q = '0;
  logic [CountW-1:0] count_q = '0;
  logic rst_q = 1'b1;

  assign rst_o = rst_q;

  always_ff @(posedge clk_i) begin
    sync_q <= {sync_q[0], stable_i & ~button_i};
    if (!sync_q[1]) count_q <= '0;
    else if (!(&count_q)) count_q <= count_q + CountW'(1);
    rst_q <= ~(&count_q);
  end

endmodule
