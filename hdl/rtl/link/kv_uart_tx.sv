// UART transmitter: 8 data bits, no parity, 1 stop bit.
//
// Step is bits per clock cycle in units of 2^-24 (baud / clock x 2^24), as in kv_uart_rx. A bit lasts a whole number of cycles,
// its edges at most one cycle late; the error does not add up.
// data_i is taken with valid_i and ready_o. uart_o comes from a register and is 1 when idle.
// Latency: taken at t, the start bit begins within a bit time; back to back bytes are 10 bit times apart.
module kv_uart_tx #(
    parameter int unsigned Step = 4194304
) (
    input  logic       clk_i,
    input  logic       rst_i,
    input  logic       valid_i,
    output logic       ready_o,
    input  logic [7:0] data_i,
    output logic       uart_o
);

  logic [23:0] phase_q;
  logic tick_q;
  logic [3:0] left_q;  // bits to begin, the stop bit among them
  logic [8:0] shift_q;
  logic uart_q = 1'b1;

  assign ready_o = left_q == '0;
  assign uart_o  = uart_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      phase_q <= '0;
      tick_q  <= 1'b0;
      left_q  <= '0;
      uart_q  <= 1'b1;
    end else begin
      {tick_q, phase_q} <= {1'b0, phase_q} + 25'(Step);
      if (ready_o) begin
        if (valid_i) left_q <= 4'd10;
      end else if (tick_q) left_q <= left_q - 4'd1;
      if (tick_q & ~ready_o) uart_q <= shift_q[0];
    end
    if (ready_o) shift_q <= {data_i, 1'b0};
    else if (tick_q) shift_q <= {1'b1, shift_q[8:1]};
  end

endmodule
