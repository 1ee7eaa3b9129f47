// kv_tap: kv_engine as the simulation harness sees it.
//
// Stream data is 256 bits wide whatever Lanes is (the upper bits of an input are
// ignored, of an output 0), and the registers that the lockstep compares in every
// cycle are brought out by hierarchical reference:
//   tap_o[0..10]  counters in register-address order, CYCLES first
//   tap_o[11..15] ERRORS, IRQ_STATUS, IRQ_ENABLE, SCRATCH, STATUS
// Nothing here is clocked; for simulation only.

module kv_tap #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxDim = 256,
    parameter int unsigned TileTokens = 128,
    parameter int unsigned MaxTokens = 4096,
    parameter logic [31:0] Features = 32'hF,
    parameter logic [31:0] BuildHash = 32'h0
) (
    input  logic               clk_i,
    input  logic               rst_i,
    input  logic [255:0]       s_tdata_i,
    input  logic               s_tvalid_i,
    output logic               s_tready_o,
    input  logic               s_tlast_i,
    output logic [255:0]       m_tdata_o,
    output logic               m_tvalid_o,
    input  logic               m_tready_i,
    output logic               m_tlast_o,
    input  logic [11:0]        awaddr_i,
    input  logic               awvalid_i,
    output logic               awready_o,
    input  logic [31:0]        wdata_i,
    input  logic [3:0]         wstrb_i,
    input  logic               wvalid_i,
    output logic               wready_o,
    output logic [1:0]         bresp_o,
    output logic               bvalid_o,
    input  logic               bready_i,
    input  logic [11:0]        araddr_i,
    input  logic               arvalid_i,
    output logic               arready_o,
    output logic [31:0]        rdata_o,
    output logic [1:0]         rresp_o,
    output logic               rvalid_o,
    input  logic               rready_i,
    output logic               irq_o,
    output logic [15:0][31:0]  tap_o
);

  logic [16*Lanes-1:0] m_tdata;

  kv_engine #(
      .Lanes(Lanes),
      .MaxDim(MaxDim),
      .TileTokens(TileTokens),
      .MaxTokens(MaxTokens),
      .Features(Features),
      .BuildHash(BuildHash)
  ) u_engine (
      .clk_i,
      .rst_i,
      .s_axis_tdata  (s_tdata_i[16*Lanes-1:0]),
      .s_axis_tvalid (s_tvalid_i),
      .s_axis_tready (s_tready_o),
      .s_axis_tlast  (s_tlast_i),
      .m_axis_tdata  (m_tdata),
      .m_axis_tvalid (m_tvalid_o),
      .m_axis_tready (m_tready_i),
      .m_axis_tlast  (m_tlast_o),
      .s_axil_awaddr (awaddr_i),
      .s_axil_awvalid(awvalid_i),
      .s_axil_awready(awready_o),
      .s_axil_wdata  (wdata_i),
      .s_axil_wstrb  (wstrb_i),
      .s_axil_wvalid (wvalid_i),
      .s_axil_wready (wready_o),
      .s_axil_bresp  (bresp_o),
      .s_axil_bvalid (bvalid_o),
      .s_axil_bready (bready_i),
      .s_axil_araddr (araddr_i),
      .s_axil_arvalid(arvalid_i),
      .s_axil_arready(arready_o),
      .s_axil_rdata  (rdata_o),
      .s_axil_rresp  (rresp_o),
      .s_axil_rvalid (rvalid_o),
      .s_axil_rready (rready_i),
      .irq_o
  );

  always_comb begin
    m_tdata_o = '0;
    m_tdata_o[16*Lanes-1:0] = m_tdata;
    for (int i = 0; i < 11; i++) tap_o[i] = u_engine.u_regs.counter_q[i];
    tap_o[11] = 32'(u_engine.u_regs.errors_q);
    tap_o[12] = 32'(u_engine.u_regs.irq_status_q);
    tap_o[13] = 32'(u_engine.u_regs.irq_enable_q);
    tap_o[14] = u_engine.u_regs.scratch_q;
    tap_o[15] = u_engine.u_regs.status;
  end

endmodule
