// ULX3S with an LFE5U-85F: engine with 8 lanes behind the board's USB serial port (FT231X, 3 Mbaud).
//
// Pins are named as in the board's constraint file. Button FIRE1 resets. led: 0 activity, 1 clock stable, 7 out of reset.
module kv_top #(
    parameter logic [31:0] BuildHash = 32'd0
) (
    input  logic       clk_25mhz,
    input  logic       ftdi_txd,  // FTDI to FPGA
    output logic       ftdi_rxd,  // FPGA to FTDI
    input  logic [1:1] btn,
    output logic [7:0] led
);

  localparam int unsigned ClockHz = 40000000;

  logic clk, locked, rst, active;

  kv_ecp5_pll #(
      .InDiv (5),
      .FbDiv (8),
      .OutDiv(15)
  ) u_pll (
      .clk_i   (clk_25mhz),
      .clk_o   (clk),
      .locked_o(locked)
  );

  kv_board_reset u_reset (
      .clk_i   (clk),
      .stable_i(locked),
      .button_i(btn[1]),
      .rst_o   (rst)
  );

  kv_board_uart #(
      .Lanes(8),
      .MaxDim(256),
      .TileTokens(128),
      .MaxTokens(4096),
      .Features(1023),
      .BuildHash(BuildHash),
      .ClockHz(ClockHz),
      .Baud(3000000),
      .RxSlots(16),
      .TxSlots(16),
      .RetryLog2(21),
      .BoardId(kv_link_pkg::BOARD_ULX3S85F)
  ) u_core (
      .clk_i          (clk),
      .rst_i          (rst),
      .uart_rx_i      (ftdi_txd),
      .uart_tx_o      (ftdi_rxd),
      .active_o       (active)
  );

  assign led = {~rst, 5'b0, locked, active};

endmodule
