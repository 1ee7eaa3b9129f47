// OrangeCrab r0.2 with an LFE5U-25F: a reduced engine behind a UART on the Feather header (1 Mbaud and more need a 3.3 V USB
// serial adapter; the board's own USB goes straight to FPGA pins and is used by its boot loader only).
//
// Pins are named as in the board's constraint file: gpio_0 is our input (RX on a Feather), gpio_1 our output (TX). The button resets
// the engine. LEDs shine at 0: green activity, red in reset, blue never.
module kv_top #(
    parameter logic [31:0] BuildHash = 32'd0
) (
    input  logic clk48,
    input  logic gpio_0,
    output logic gpio_1,
    input  logic usr_btn,
    output logic rgb_led0_r,
    output logic rgb_led0_g,
    output logic rgb_led0_b
);

  localparam int unsigned ClockHz = 48000000;

  logic clk, locked, rst, active;

  kv_ecp5_pll #(
      .InDiv (1),
      .FbDiv (1),
      .OutDiv(12)
  ) u_pll (
      .clk_i   (clk48),
      .clk_o   (clk),
      .locked_o(locked)
  );

  kv_board_reset u_reset (
      .clk_i   (clk),
      .stable_i(locked),
      .button_i(~usr_btn),
      .rst_o   (rst)
  );

  kv_board_uart #(
      .Lanes(4),
      .MaxDim(128),
      .TileTokens(128),
      .MaxTokens(4096),
      .Features(767),
      .BuildHash(BuildHash),
      .ClockHz(ClockHz),
      .Baud(3000000),
      .RxSlots(8),
      .TxSlots(8),
      .RetryLog2(21),
      .BoardId(kv_link_pkg::BOARD_ORANGE_CRAB25F)
  ) u_core (
      .clk_i          (clk),
      .rst_i          (rst),
      .uart_rx_i      (gpio_0),
      .uart_tx_o      (gpio_1),
      .active_o       (active)
  );

  assign rgb_led0_r = ~rst;
  assign rgb_led0_g = ~active;
  assign rgb_led0_b = 1'b1;

endmodule
