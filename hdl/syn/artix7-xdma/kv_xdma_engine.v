// kv_xdma_engine: kv_engine as a block of a Vivado block design, which takes plain Verilog only.
//
// Streams are 128 bits (8 lanes) with TKEEP, which XDMA wants and the engine does not have: what goes to the host has all bytes
// valid, and the host sends whole beats (the driver sees to that). s_axil_araddr and s_axil_awaddr: the lowest 12 bits count, so the registers are at 0 of the
// user BAR. aresetn: active low, synchronous to aclk. irq: a level in host_aclk, for usr_irq_req; it falls when the host clears IRQ_STATUS.
// Latency: none beside the engine's. Nothing is buffered.
module kv_xdma_engine #(
    parameter [31:0] BUILD_HASH = 32'h0
) (
    (* X_INTERFACE_INFO = "xilinx.com:signal:clock:1.0 aclk CLK" *)
    (* X_INTERFACE_PARAMETER = "ASSOCIATED_BUSIF s_axis:m_axis:s_axil, ASSOCIATED_RESET aresetn" *)
    input  wire         aclk,
    (* X_INTERFACE_INFO = "xilinx.com:signal:reset:1.0 aresetn RST" *)
    (* X_INTERFACE_PARAMETER = "POLARITY ACTIVE_LOW" *)
    input  wire         aresetn,
    input  wire [127:0] s_axis_tdata,
    input  wire [ 15:0] s_axis_tkeep,
    input  wire         s_axis_tvalid,
    output wire         s_axis_tready,
    input  wire         s_axis_tlast,
    output wire [127:0] m_axis_tdata,
    output wire [ 15:0] m_axis_tkeep,
    output wire         m_axis_tvalid,
    input  wire         m_axis_tready,
    output wire         m_axis_tlast,
    input  wire [ 31:0] s_axil_awaddr,
    input  wire [  2:0] s_axil_awprot,
    input  wire         s_axil_awvalid,
    output wire         s_axil_awready,
    input  wire [ 31:0] s_axil_wdata,
    input  wire [  3:0] s_axil_wstrb,
    input  wire         s_axil_wvalid,
    output wire         s_axil_wready,
    output wire [  1:0] s_axil_bresp,
    output wire         s_axil_bvalid,
    input  wire         s_axil_bready,
    input  wire [ 31:0] s_axil_araddr,
    input  wire [  2:0] s_axil_arprot,
    input  wire         s_axil_arvalid,
    output wire         s_axil_arready,
    output wire [ 31:0] s_axil_rdata,
    output wire [  1:0] s_axil_rresp,
    output wire         s_axil_rvalid,
    input  wire         s_axil_rready,
    (* X_INTERFACE_INFO = "xilinx.com:signal:clock:1.0 host_aclk CLK" *)
    input  wire         host_aclk,
    output wire         irq
);

  reg rst_q = 1'b1;

  always @(posedge aclk) rst_q <= ~aresetn;

  wire engine_irq;
  (* ASYNC_REG = "TRUE" *)
  reg [1:0] irq_q = 2'b00;

  always @(posedge host_aclk) irq_q <= {irq_q[0], engine_irq};

  assign irq = irq_q[1];

  assign m_axis_tkeep = 16'hFFFF;

  kv_engine #(
      .Lanes(8),
      .MaxDim(256),
      .TileTokens(128),
      .MaxTokens(4096),
      .Features(4095),
      .BuildHash(BUILD_HASH)
  ) u_engine (
      .clk_i         (aclk),
      .rst_i         (rst_q),
      .s_axis_tdata  (s_axis_tdata),
      .s_axis_tvalid (s_axis_tvalid),
      .s_axis_tready (s_axis_tready),
      .s_axis_tlast  (s_axis_tlast),
      .m_axis_tdata  (m_axis_tdata),
      .m_axis_tvalid (m_axis_tvalid),
      .m_axis_tready (m_axis_tready),
      .m_axis_tlast  (m_axis_tlast),
      .s_axil_awaddr (s_axil_awaddr[11:0]),
      .s_axil_awvalid(s_axil_awvalid),
      .s_axil_awready(s_axil_awready),
      .s_axil_wdata  (s_axil_wdata),
      .s_axil_wstrb  (s_axil_wstrb),
      .s_axil_wvalid (s_axil_wvalid),
      .s_axil_wready (s_axil_wready),
      .s_axil_bresp  (s_axil_bresp),
      .s_axil_bvalid (s_axil_bvalid),
      .s_axil_bready (s_axil_bready),
      .s_axil_araddr (s_axil_araddr[11:0]),
      .s_axil_arvalid(s_axil_arvalid),
      .s_axil_arready(s_axil_arready),
      .s_axil_rdata  (s_axil_rdata),
      .s_axil_rresp  (s_axil_rresp),
      .s_axil_rvalid (s_axil_rvalid),
      .s_axil_rready (s_axil_rready),
      .irq_o         (engine_irq)
  );

endmodule
