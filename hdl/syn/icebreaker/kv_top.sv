// iCEBreaker (iCE40UP5K): what fits of the engine, 2 lanes, behind the board's USB serial port (FT2232H channel B).
//
// Features 33: ECHO, SOURCE and SINK. QUANTIZE, DEQUANTIZE and SELECT are each too big for the part (docs/boards/icebreaker.md).
// Pins are named as in the board's constraint file. The button resets. Green LED: at work, red: in reset (both shine at 0).
module kv_top #(
    parameter logic [31:0] BuildHash = 32'd0
) (
    input  logic CLK,
    input  logic RX,
    output logic TX,
    input  logic BTN_N,
    output logic LEDR_N,
    output logic LEDG_N
);

  localparam int unsigned ClockHz = 24000000;

  logic clk, locked, rst, active;

  // 12 MHz x 64 = 768 MHz, / 32 = 24 MHz.
  SB_PLL40_PAD #(
      .FEEDBACK_PATH("SIMPLE"),
      .DIVR         (4'd0),
      .DIVF         (7'd63),
      .DIVQ         (3'd5),
      .FILTER_RANGE (3'd1)
  ) u_pll (
      .PACKAGEPIN   (CLK),
      .PLLOUTGLOBAL (clk),
      .LOCK         (locked),
      .RESETB       (1'b1),
      .BYPASS       (1'b0)
  );

  kv_board_reset #(
      .CountW(4)
  ) u_reset (
      .clk_i   (clk),
      .stable_i(locked),
      .button_i(~BTN_N),
      .rst_o   (rst)
  );

  kv_board_uart #(
      .Lanes(2),
      .MaxDim(32),
      .TileTokens(16),
      .MaxTokens(256),
      .Features(33),
      .BuildHash(BuildHash),
      .ClockHz(ClockHz),
      .Baud(3000000),
      .RxSlots(8),
      .TxSlots(8),
      .RetryLog2(18),
      .BoardId(kv_link_pkg::BOARD_ICE_BREAKER)
  ) u_core (
      .clk_i          (clk),
      .rst_i          (rst),
      .uart_rx_i      (RX),
      .uart_tx_o      (TX),
      .active_o       (active)
  );

  assign LEDR_N = ~rst;
  assign LEDG_N = ~active;

endmodule
