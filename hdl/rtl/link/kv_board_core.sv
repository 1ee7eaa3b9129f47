// kv_board_core: engine, link and physical side; what a board's top adds is pins, clock and reset.
//
// Phy 0: byte_* , a pipe of bytes in clk_i (rx without a ready; tx_data held until tx_ready).
//     1: uart_*, ClockHz and Baud given (kv_uart_phy).
//     2: ft_*, FT232H or FT2232H in FT245 synchronous mode, 8 bits. 3: FT600, 16 bits. 4: FT601, 32 bits (kv_ft_phy).
// Pins of another Phy are ignored and driven to their idle level. active_o, for an LED: high for 2^22 cycles after every beat, register
// access or HELLO.
// One clock and one synchronous reset (held for at least 4 cycles of ft_clk_i where there is one); the FIFO side crosses to its own clock.
// Latency, ties, overflow: see kv_link and the phys; engine parameters: kv_engine.
module kv_board_core #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxDim = 256,
    parameter int unsigned TileTokens = 128,
    parameter int unsigned MaxTokens = 4096,
    parameter int unsigned Features = 4095,
    parameter logic [31:0] BuildHash = 32'h0,
    parameter int unsigned Phy = 1,
    parameter int unsigned ClockHz = 48000000,
    parameter int unsigned Baud = 3000000,
    parameter int unsigned RxSlots = 8,
    parameter int unsigned TxSlots = 8,
    parameter int unsigned RetryLog2 = 20,
    parameter logic [31:0] BoardId = 32'd0,
    localparam int unsigned FtBytes = Phy == 4 ? 4 : Phy == 3 ? 2 : 1
) (
    input  logic                 clk_i,
    input  logic                 rst_i,
    // Which of the pins are used, Phy says.
    // verilator lint_off UNUSEDSIGNAL
    input  logic                 byte_rx_valid_i,
    input  logic [          7:0] byte_rx_data_i,
    output logic                 byte_tx_valid_o,
    output logic [          7:0] byte_tx_data_o,
    input  logic                 byte_tx_ready_i,
    input  logic                 uart_rx_i,
    output logic                 uart_tx_o,
    input  logic                 ft_clk_i,
    input  logic [8*FtBytes-1:0] ft_data_i,
    output logic [8*FtBytes-1:0] ft_data_o,
    input  logic [  FtBytes-1:0] ft_be_i,
    output logic [  FtBytes-1:0] ft_be_o,
    output logic                 ft_oe_o,
    input  logic                 ft_rxf_n_i,
    input  logic                 ft_txe_n_i,
    output logic                 ft_rd_n_o,
    output logic                 ft_wr_n_o,
    output logic                 ft_oe_n_o,
    output logic                 ft_siwu_n_o,
    // verilator lint_on UNUSEDSIGNAL
    output logic                 active_o
);

  if (Phy > 4) begin : gen_bad_phy
    $error("kv_board_core: Phy is %0d, want 0 to 4", Phy);
  end

  logic rx_valid, tx_valid, tx_ready;
  logic [7:0] rx_data, tx_data;

  if (Phy == 0) begin : gen_byte
    assign rx_valid        = byte_rx_valid_i;
    assign rx_data         = byte_rx_data_i;
    assign byte_tx_valid_o = tx_valid;
    assign byte_tx_data_o  = tx_data;
    assign tx_ready        = byte_tx_ready_i;
  end else begin : gen_no_byte
    assign byte_tx_valid_o = 1'b0;
    assign byte_tx_data_o  = '0;
  end

  if (Phy == 1) begin : gen_uart
    kv_uart_phy #(
        .ClockHz(ClockHz),
        .Baud(Baud)
    ) u_phy (
        .clk_i     (clk_i),
        .rst_i     (rst_i),
        .uart_rx_i (uart_rx_i),
        .uart_tx_o (uart_tx_o),
        .rx_valid_o(rx_valid),
        .rx_data_o (rx_data),
        .tx_valid_i(tx_valid),
        .tx_ready_o(tx_ready),
        .tx_data_i (tx_data)
    );
  end else begin : gen_no_uart
    assign uart_tx_o = 1'b1;
  end

  if (Phy >= 2) begin : gen_ft
    kv_ft_phy #(
        .Bytes(FtBytes)
    ) u_phy (
        .clk_i      (clk_i),
        .rst_i      (rst_i),
        .ft_clk_i   (ft_clk_i),
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
        .rx_valid_o (rx_valid),
        .rx_data_o  (rx_data),
        .tx_valid_i (tx_valid),
        .tx_ready_o (tx_ready),
        .tx_data_i  (tx_data)
    );
  end else begin : gen_no_ft
    assign ft_data_o   = '0;
    assign ft_be_o     = '0;
    assign ft_oe_o     = 1'b0;
    assign ft_rd_n_o   = 1'b1;
    assign ft_wr_n_o   = 1'b1;
    assign ft_oe_n_o   = 1'b1;
    assign ft_siwu_n_o = 1'b1;
  end

  logic engine_rst, irq;
  logic [16*Lanes-1:0] in_data, out_data;
  logic in_valid, in_ready, in_last, out_valid, out_ready, out_last;
  logic [11:0] awaddr, araddr;
  logic awvalid, awready, wvalid, wready, bvalid, bready, arvalid, arready, rvalid, rready;
  logic [31:0] wdata, rdata;
  logic [3:0] wstrb;
  logic [1:0] bresp, rresp;

  kv_link #(
      .Lanes(Lanes),
      .RxSlots(RxSlots),
      .TxSlots(TxSlots),
      .RetryLog2(RetryLog2),
      .BoardId(BoardId),
      .ClockHz(32'(ClockHz))
  ) u_link (
      .clk_i         (clk_i),
      .rst_i         (rst_i),
      .rx_valid_i    (rx_valid),
      .rx_data_i     (rx_data),
      .tx_valid_o    (tx_valid),
      .tx_data_o     (tx_data),
      .tx_ready_i    (tx_ready),
      .engine_rst_o  (engine_rst),
      .m_axis_tdata  (in_data),
      .m_axis_tvalid (in_valid),
      .m_axis_tready (in_ready),
      .m_axis_tlast  (in_last),
      .s_axis_tdata  (out_data),
      .s_axis_tvalid (out_valid),
      .s_axis_tready (out_ready),
      .s_axis_tlast  (out_last),
      .m_axil_awaddr (awaddr),
      .m_axil_awvalid(awvalid),
      .m_axil_awready(awready),
      .m_axil_wdata  (wdata),
      .m_axil_wstrb  (wstrb),
      .m_axil_wvalid (wvalid),
      .m_axil_wready (wready),
      .m_axil_bresp  (bresp),
      .m_axil_bvalid (bvalid),
      .m_axil_bready (bready),
      .m_axil_araddr (araddr),
      .m_axil_arvalid(arvalid),
      .m_axil_arready(arready),
      .m_axil_rdata  (rdata),
      .m_axil_rresp  (rresp),
      .m_axil_rvalid (rvalid),
      .m_axil_rready (rready)
  );

  kv_engine #(
      .Lanes(Lanes),
      .MaxDim(MaxDim),
      .TileTokens(TileTokens),
      .MaxTokens(MaxTokens),
      .Features(Features),
      .BuildHash(BuildHash)
  ) u_engine (
      .clk_i         (clk_i),
      .rst_i         (engine_rst),
      .s_axis_tdata  (in_data),
      .s_axis_tvalid (in_valid),
      .s_axis_tready (in_ready),
      .s_axis_tlast  (in_last),
      .m_axis_tdata  (out_data),
      .m_axis_tvalid (out_valid),
      .m_axis_tready (out_ready),
      .m_axis_tlast  (out_last),
      .s_axil_awaddr (awaddr),
      .s_axil_awvalid(awvalid),
      .s_axil_awready(awready),
      .s_axil_wdata  (wdata),
      .s_axil_wstrb  (wstrb),
      .s_axil_wvalid (wvalid),
      .s_axil_wready (wready),
      .s_axil_bresp  (bresp),
      .s_axil_bvalid (bvalid),
      .s_axil_bready (bready),
      .s_axil_araddr (araddr),
      .s_axil_arvalid(arvalid),
      .s_axil_arready(arready),
      .s_axil_rdata  (rdata),
      .s_axil_rresp  (rresp),
      .s_axil_rvalid (rvalid),
      .s_axil_rready (rready),
      .irq_o         (irq)
  );

  // The LED: beats or register accesses, stretched.
  logic [22:0] stretch_q = '0;

  assign active_o = stretch_q[22];

  always_ff @(posedge clk_i) begin
    if (rst_i) stretch_q <= '0;
    else if (engine_rst | irq | in_valid | out_valid | arvalid | awvalid) stretch_q <= '1;
    else if (active_o) stretch_q <= stretch_q - 23'd1;
  end

endmodule
