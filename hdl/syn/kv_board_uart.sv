// A board whose byte link is a UART: kv_board_core with the other physical sides tied off.
//
// rst_i is synchronous. uart_rx_i is taken as it comes from the pin, uart_tx_o goes to one. active_o: beats or register
// accesses, stretched for a LED. Parameters are those of kv_board_core.
module kv_board_uart #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxDim = 256,
    parameter int unsigned TileTokens = 128,
    parameter int unsigned MaxTokens = 4096,
    parameter int unsigned Features = 4095,
    parameter logic [31:0] BuildHash = 32'd0,
    parameter int unsigned ClockHz = 50000000,
    parameter int unsigned Baud = 3000000,
    parameter int unsigned RxSlots = 16,
    parameter int unsigned TxSlots = 16,
    parameter int unsigned RetryLog2 = 21,
    parameter logic [31:0] BoardId = 32'd0
) (
    input  logic clk_i,
    input  logic rst_i,
    input  logic uart_rx_i,
    output logic uart_tx_o,
    output logic active_o
);

  kv_board_core #(
      .Phy(1),
      .Lanes(Lanes),
      .MaxDim(MaxDim),
      .TileTokens(TileTokens),
      .MaxTokens(MaxTokens),
      .Features(Features),
      .BuildHash(BuildHash),
      .ClockHz(ClockHz),
      .Baud(Baud),
      .RxSlots(RxSlots),
      .TxSlots(TxSlots),
      .RetryLog2(RetryLog2),
      .BoardId(BoardId)
  ) u_core (
      .clk_i          (clk_i),
      .rst_i          (rst_i),
      .byte_rx_valid_i(1'b0),
      .byte_rx_data_i (8'd0),
      .byte_tx_valid_o(),
      .byte_tx_data_o (),
      .byte_tx_ready_i(1'b0),
      .uart_rx_i      (uart_rx_i),
      .uart_tx_o      (uart_tx_o),
      .ft_clk_i       (1'b0),
      .ft_data_i      (8'd0),
      .ft_data_o      (),
      .ft_be_i        (1'b0),
      .ft_be_o        (),
      .ft_oe_o        (),
      .ft_rxf_n_i     (1'b1),
      .ft_txe_n_i     (1'b1),
      .ft_rd_n_o      (),
      .ft_wr_n_o      (),
      .ft_oe_n_o      (),
      .ft_siwu_n_o    (),
      .active_o       (active_o)
  );

endmodule
