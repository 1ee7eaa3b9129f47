// kv_syn_top: kv_engine behind four pins, for area and speed figures on packages that
// have fewer pins than the engine has ports.
//
// Ports: clk_i; si_i, a serial input; load_i; so_o, a serial output.
// Every input of the engine is a bit of a shift register that si_i feeds; every output is
// captured by a second one while load_i is 1, and leaves it bit by bit while it is 0.
// Neither is a function of the engine, so nothing of the engine can be optimised away, and
// each of its ports has a register on the other side: paths within the engine are timed in
// full, and so are those from and to its ports.
// Latency: none that matters; the figures are static. No reset but the engine's.
//
// Cost: InW + OutW flip-flops and OutW 2:1 multiplexers, outside the hierarchy of u_engine.
module kv_syn_top #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxDim = 256,
    parameter int unsigned TileTokens = 128,
    parameter int unsigned MaxTokens = 4096,
    parameter int unsigned Features = 4095
) (
    input  logic clk_i,
    input  logic si_i,
    input  logic load_i,
    output logic so_o
);

  localparam int unsigned DataW = 16 * Lanes;
  localparam int unsigned InW = DataW + 69;
  localparam int unsigned OutW = DataW + 45;

  logic [InW-1:0] in_q;
  logic [OutW-1:0] out, out_q;

  assign so_o = out_q[0];

  always_ff @(posedge clk_i) begin
    in_q  <= {in_q[InW-2:0], si_i};
    out_q <= load_i ? out : {1'b0, out_q[OutW-1:1]};
  end

  logic rst, in_valid, in_last, out_ready, awvalid, wvalid, bready, arvalid, rready;
  logic [DataW-1:0] in_data;
  logic [11:0] awaddr, araddr;
  logic [31:0] wdata;
  logic [3:0] wstrb;

  assign {rst, in_valid, in_last, out_ready, awvalid, wvalid, bready, arvalid, rready,
          awaddr, araddr, wdata, wstrb, in_data} = in_q;

  logic in_ready, out_valid, out_last, awready, wready, bvalid, arready, rvalid, irq;
  logic [DataW-1:0] out_data;
  logic [1:0] bresp, rresp;
  logic [31:0] rdata;

  assign out = {in_ready, out_valid, out_last, awready, wready, bvalid, arready, rvalid, irq,
                bresp, rresp, rdata, out_data};

  kv_engine #(
      .Lanes(Lanes),
      .MaxDim(MaxDim),
      .TileTokens(TileTokens),
      .MaxTokens(MaxTokens),
      .Features(Features)
  ) u_engine (
      .clk_i         (clk_i),
      .rst_i         (rst),
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

endmodule
