// What came some cycles ago: data_i in every cycle, data_o what it was lag_i cycles before, 1 to 15.
// Nothing moves in a cycle with en_i = 0.
module kv_select_lag #(
    parameter int unsigned Width = 40
) (
    input  logic             clk_i,
    input  logic             rst_i,
    input  logic             en_i,
    input  logic [      3:0] lag_i,
    input  logic [Width-1:0] data_i,
    output logic [Width-1:0] data_o
);

  logic [Width-1:0] mem[0:15];
  logic [3:0] at_q, from_q;

  assign data_o = mem[from_q];

  always_ff @(posedge clk_i) begin
    if (rst_i) at_q <= '0;
    else if (en_i) at_q <= at_q + 4'd1;
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      from_q <= at_q + 4'd1 - lag_i;
      mem[at_q] <= data_i;
    end

endmodule
