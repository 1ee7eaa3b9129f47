// UART receiver: 8 data bits, no parity, 1 stop bit.
//
// Step is bits per clock cycle in units of 2^-24 (baud / clock x 2^24), so a clock need not be a multiple of the
// baud rate; at least 3 cycles a bit. uart_i is asynchronous.
// valid_o  for one cycle: data_o is a byte. A byte whose stop bit is 0 is dropped: what was in it is the link's to repair.
// Each bit is sampled once, in its middle as reckoned from the start bit's edge, give or take one cycle; so the clocks may
// differ by half a bit less a cycle over ten bits: 2.5 % at 4 cycles a bit, 4 % at 10.
// Latency: 2 cycles after the middle of the stop bit. The next start bit may follow at once.
module kv_uart_rx #(
    parameter int unsigned Step = 4194304
) (
    input  logic       clk_i,
    input  logic       rst_i,
    input  logic       uart_i,
    output logic       valid_o,
    output logic [7:0] data_o
);

  localparam logic [23:0] Half = 24'h80_0000;

  // Bits by their edge: 0 the start bit, 1 to 8 data, 9 the stop bit.
  logic [1:0] sync_q;
  logic line_q, line;
  logic busy_q, valid_q;
  logic [23:0] phase_q;
  logic [24:0] phase;
  logic [3:0] bit_q;
  logic [7:0] data_q;
  logic sample;

  assign line    = sync_q[1];
  assign phase   = {1'b0, phase_q} + 25'(Step);
  assign sample  = busy_q & phase[24];
  assign valid_o = valid_q;
  assign data_o  = data_q;

  always_ff @(posedge clk_i) begin
    sync_q <= {sync_q[0], uart_i};
    line_q <= line;
    if (rst_i) begin
      busy_q  <= 1'b0;
      valid_q <= 1'b0;
    end else begin
      if (!busy_q) busy_q <= line_q & ~line;
      else if (sample && (bit_q == 4'd9 || (bit_q == 4'd0 && line))) busy_q <= 1'b0;
      valid_q <= sample && bit_q == 4'd9 && line;
    end
    // A step ahead: seeing the edge and reaching the middle each take up to a cycle too long.
    phase_q <= busy_q ? phase[23:0] : Half + 24'(Step);
    if (!busy_q) bit_q <= '0;
    else if (sample) bit_q <= bit_q + 4'd1;
    if (sample && bit_q != 4'd9) data_q <= {line, data_q[7:1]};
  end

endmodule
