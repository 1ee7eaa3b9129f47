// UART as a pipe of bytes for kv_link: 8 data bits, no parity, 1 stop bit, no handshake lines.
//
// Baud and ClockHz set the rate, to 2^-24 of the clock; at least 3 cycles of clk_i a bit (so 12 Mbaud from 48 or 60 MHz).
// rx_*  without a ready: kv_link takes a byte in every cycle. tx_data_i is taken with tx_valid_i and tx_ready_o.
// Latency and tolerance: see kv_uart_rx, kv_uart_tx. Nothing to overflow here; a host that does not listen loses bytes, which the
// link repeats.
module kv_uart_phy #(
    parameter int unsigned ClockHz = 48000000,
    parameter int unsigned Baud = 3000000
) (
    input  logic       clk_i,
    input  logic       rst_i,
    input  logic       uart_rx_i,
    output logic       uart_tx_o,
    output logic       rx_valid_o,
    output logic [7:0] rx_data_o,
    input  logic       tx_valid_i,
    output logic       tx_ready_o,
    input  logic [7:0] tx_data_i
);

  if (Baud == 0 || ClockHz / 3 < Baud) begin : gen_bad_baud
    $error("kv_uart_phy: %0d baud from %0d Hz, want at least 3 cycles a bit", Baud, ClockHz);
  end

  localparam logic [63:0] Clock = 64'(ClockHz);
  localparam logic [63:0] Rate = 64'(Baud);
  localparam logic [63:0] Step = ((Rate << 24) + (Clock >> 1)) / Clock;

  kv_uart_rx #(
      .Step(32'(Step))
  ) u_rx (
      .clk_i  (clk_i),
      .rst_i  (rst_i),
      .uart_i (uart_rx_i),
      .valid_o(rx_valid_o),
      .data_o (rx_data_o)
  );

  kv_uart_tx #(
      .Step(32'(Step))
  ) u_tx (
      .clk_i  (clk_i),
      .rst_i  (rst_i),
      .valid_i(tx_valid_i),
      .ready_o(tx_ready_o),
      .data_i (tx_data_i),
      .uart_o (uart_tx_o)
  );

endmodule
