// FTDI synchronous FIFO as a pipe of bytes for kv_link: FT232H/FT2232H in FT245 synchronous mode (Bytes = 1), FT600 (2) and
// FT601 (4) in 245 mode.
//
// ft_*   the pins, see kv_ft_bus; ft_clk_i is the clock that the chip gives (60, 66 or 100 MHz) and may stop.
//        With Bytes = 1 the chip has no byte enables: ft_be_i has to be 1.
// rx_*, tx_*  the link's side, in clk_i: rx without a ready, tx_data_i taken with tx_valid_i and tx_ready_o.
// rst_i  synchronous to clk_i and at least 4 cycles of ft_clk_i long; ft_clk_i has to run for it to reach the bus side.
// Latency: about 6 cycles of ft_clk_i and 4 of clk_i each way. Nothing overflows; the chip waits.
module kv_ft_phy #(
    parameter int unsigned Bytes = 1
) (
    input  logic               clk_i,
    input  logic               rst_i,
    input  logic               ft_clk_i,
    input  logic [8*Bytes-1:0] ft_data_i,
    output logic [8*Bytes-1:0] ft_data_o,
    input  logic [  Bytes-1:0] ft_be_i,
    output logic [  Bytes-1:0] ft_be_o,
    output logic               ft_oe_o,
    input  logic               ft_rxf_n_i,
    input  logic               ft_txe_n_i,
    output logic               ft_rd_n_o,
    output logic               ft_wr_n_o,
    output logic               ft_oe_n_o,
    output logic               ft_siwu_n_o,
    output logic               rx_valid_o,
    output logic [        7:0] rx_data_o,
    input  logic               tx_valid_i,
    output logic               tx_ready_o,
    input  logic [        7:0] tx_data_i
);

  if (Bytes != 1 && Bytes != 2 && Bytes != 4) begin : gen_bad_bytes
    $error("kv_ft_phy: Bytes is %0d, want 1, 2 or 4", Bytes);
  end

  localparam int unsigned WordW = 9 * Bytes;  // data and byte enables

  logic [1:0] rst_sync_q = '0;
  logic ft_rst;
  logic bus_rx_valid, bus_rx_ready, bus_rx_space, bus_tx_valid, bus_tx_ready;
  logic [WordW-1:0] bus_rx, bus_tx, word_rx, word_tx;
  logic word_rx_valid, word_rx_ready, word_tx_valid, word_tx_ready;

  assign ft_rst = rst_sync_q[1];

  always_ff @(posedge ft_clk_i) rst_sync_q <= {rst_sync_q[0], rst_i};

  kv_ft_bus #(
      .Bytes(Bytes)
  ) u_bus (
      .ft_clk_i   (ft_clk_i),
      .rst_i      (ft_rst),
      .ft_data_i  (ft_data_i),
      .ft_data_o  (ft_data_o),
      .ft_be_i    (ft_be_i),
      .ft_be_o    (ft_be_o),
      .ft_oe_o    (ft_oe_o),
      .ft_rxf_n_i (ft_rxf_n_i),
      .ft_txe_n_i (ft_txe_n_i),
      .ft_rd_n_o  (ft_rd_n_o),
      .ft_wr_n_o  (ft_wr_n_o),
      .ft_oe_n_o  (ft_oe_n_o),
      .ft_siwu_n_o(ft_siwu_n_o),
      .rx_valid_o (bus_rx_valid),
      .rx_data_o  (bus_rx[8*Bytes-1:0]),
      .rx_be_o    (bus_rx[WordW-1:8*Bytes]),
      .rx_space_i (bus_rx_space),
      .tx_valid_i (bus_tx_valid),
      .tx_ready_o (bus_tx_ready),
      .tx_data_i  (bus_tx[8*Bytes-1:0]),
      .tx_be_i    (bus_tx[WordW-1:8*Bytes])
  );

  kv_cdc_fifo #(
      .Width (WordW),
      .Depth (32),
      .Margin(6)
  ) u_rx_fifo (
      .wclk_i (ft_clk_i),
      .wrst_i (ft_rst),
      .valid_i(bus_rx_valid),
      .ready_o(bus_rx_ready),
      .space_o(bus_rx_space),
      .data_i (bus_rx),
      .rclk_i (clk_i),
      .rrst_i (rst_i),
      .valid_o(word_rx_valid),
      .ready_i(word_rx_ready),
      .data_o (word_rx)
  );

  kv_cdc_fifo #(
      .Width(WordW),
      .Depth(32)
  ) u_tx_fifo (
      .wclk_i (clk_i),
      .wrst_i (rst_i),
      .valid_i(word_tx_valid),
      .ready_o(word_tx_ready),
      /* verilator lint_off PINCONNECTEMPTY */
      .space_o(),  // the link goes by ready_o
      /* verilator lint_on PINCONNECTEMPTY */
      .data_i (word_tx),
      .rclk_i (ft_clk_i),
      .rrst_i (ft_rst),
      .valid_o(bus_tx_valid),
      .ready_i(bus_tx_ready),
      .data_o (bus_tx)
  );

  if (Bytes == 1) begin : gen_bytes
    assign word_rx_ready = 1'b1;
    assign rx_valid_o    = word_rx_valid & word_rx[8];
    assign rx_data_o     = word_rx[7:0];
    assign word_tx_valid = tx_valid_i;
    assign word_tx       = {1'b1, tx_data_i};
    assign tx_ready_o    = word_tx_ready;
  end else begin : gen_words
    kv_ft_width #(
        .Bytes(Bytes)
    ) u_width (
        .clk_i       (clk_i),
        .rst_i       (rst_i),
        .word_valid_i(word_rx_valid),
        .word_ready_o(word_rx_ready),
        .word_i      (word_rx[8*Bytes-1:0]),
        .be_i        (word_rx[WordW-1:8*Bytes]),
        .rx_valid_o  (rx_valid_o),
        .rx_data_o   (rx_data_o),
        .tx_valid_i  (tx_valid_i),
        .tx_ready_o  (tx_ready_o),
        .tx_data_i   (tx_data_i),
        .word_valid_o(word_tx_valid),
        .word_ready_i(word_tx_ready),
        .word_o      (word_tx[8*Bytes-1:0]),
        .be_o        (word_tx[WordW-1:8*Bytes])
    );
  end

`ifndef SYNTHESIS
  always_ff @(posedge ft_clk_i)
    assert (!(bus_rx_valid && !bus_rx_ready && !ft_rst))
    else $error("kv_ft_phy: a word of the chip is lost");
`endif

endmodule
