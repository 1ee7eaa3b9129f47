// kv_engine: the KV-cache compression engine (docs/engine.md).
//
// AXI4-Stream in (s_axis), AXI4-Stream out (m_axis), both 16 Lanes bits wide, AXI4-Lite
// registers (s_axil), a level interrupt (irq_o), one clock, one synchronous active-high
// reset. Every packet in is answered by one packet out, in order.
//
// All readies and valids, and m_axis's data, come straight from registers: no path
// leads from an input to an output. m_axis holds a beat until it is taken. A link that withholds
// beats or does not take them stops the core inside, see kv_shell.
//
// Features has a bit for each command and option built in (kv_pkg::FEAT_*). An illegal
// parameter set stops elaboration with a message.
module kv_engine #(
    parameter int unsigned Lanes = 8,  // fp16 elements per beat: 2, 4, 8 or 16
    parameter int unsigned MaxDim = 256,  // largest dims
    parameter int unsigned TileTokens = 128,  // most rows in a tile
    parameter int unsigned MaxTokens = 4096,  // most positions in a SELECT
    parameter int unsigned Features = 4095,  // built in, bits kv_pkg::FEAT_*
    parameter logic [31:0] BuildHash = 32'h0  // what BUILD_HASH reads
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic [16*Lanes-1:0] s_axis_tdata,
    input  logic                s_axis_tvalid,
    output logic                s_axis_tready,
    input  logic                s_axis_tlast,
    output logic [16*Lanes-1:0] m_axis_tdata,
    output logic                m_axis_tvalid,
    input  logic                m_axis_tready,
    output logic                m_axis_tlast,
    input  logic [        11:0] s_axil_awaddr,
    input  logic                s_axil_awvalid,
    output logic                s_axil_awready,
    input  logic [        31:0] s_axil_wdata,
    input  logic [         3:0] s_axil_wstrb,
    input  logic                s_axil_wvalid,
    output logic                s_axil_wready,
    output logic [         1:0] s_axil_bresp,
    output logic                s_axil_bvalid,
    input  logic                s_axil_bready,
    input  logic [        11:0] s_axil_araddr,
    input  logic                s_axil_arvalid,
    output logic                s_axil_arready,
    output logic [        31:0] s_axil_rdata,
    output logic [         1:0] s_axil_rresp,
    output logic                s_axil_rvalid,
    input  logic                s_axil_rready,
    output logic                irq_o
);

  if (Lanes != 2 && Lanes != 4 && Lanes != 8 && Lanes != 16) begin : gen_bad_lanes
    $error("kv_engine: Lanes is %0d, want 2, 4, 8 or 16", Lanes);
  end
  if (MaxDim < 32 || MaxDim > 512 || (MaxDim & (MaxDim - 1)) != 0) begin : gen_bad_dim
    $error("kv_engine: MaxDim is %0d, want a power of two from 32 to 512", MaxDim);
  end
  if (TileTokens < 16 || TileTokens > 256 || (TileTokens & (TileTokens - 1)) != 0) begin : gen_bad_tile
    $error("kv_engine: TileTokens is %0d, want a power of two from 16 to 256", TileTokens);
  end
  if (MaxTokens < 256 || MaxTokens > 65536 || (MaxTokens & (MaxTokens - 1)) != 0) begin : gen_bad_tokens
    $error("kv_engine: MaxTokens is %0d, want a power of two from 256 to 65536", MaxTokens);
  end
  if (Features > 4095) begin : gen_bad_features
    $error("kv_engine: Features is %0d, want a mask of the bits 0 to 11", Features);
  end
  if (Features[kv_pkg::FEAT_COMPRESS] && !(Features[kv_pkg::FEAT_QUANTIZE] &&
      Features[kv_pkg::FEAT_SELECT] && Features[kv_pkg::FEAT_TIERS])) begin : gen_bad_compress
    $error("kv_engine: Features is %0d: COMPRESS needs QUANTIZE, SELECT and tiers", Features);
  end
  if (kv_pkg::LAT_CHECK != 2 || kv_pkg::HEADER_BYTES != 32) begin : gen_bad_package
    $error("kv_engine: kv_pkg has a header check or header size that kv_front was not built for");
  end

  localparam logic [11:0] Built = 12'(Features);

  logic soft_rst, soft_rst_next, core_rst, core_en, core_en_next;
  logic [7:0] core_ens;
  logic in_valid, in_last, in_take, in_want_next;
  logic out_want_next, out_push, out_last;
  logic [16*Lanes-1:0] in_data, out_data;
  logic stall_in, stall_out, discard, abort, out_busy, idle;
  logic beat_in, beat_out, packet;
  logic token, error;
  logic [9:0] groups, nonfinite;
  logic [5:0] saturated;
  logic [2:0] flight, error_status;

  kv_shell #(
      .Lanes(Lanes)
  ) u_shell (
      .clk_i        (clk_i),
      .rst_i        (rst_i),
      .s_axis_tdata (s_axis_tdata),
      .s_axis_tvalid(s_axis_tvalid),
      .s_axis_tready(s_axis_tready),
      .s_axis_tlast (s_axis_tlast),
      .m_axis_tdata (m_axis_tdata),
      .m_axis_tvalid(m_axis_tvalid),
      .m_axis_tready(m_axis_tready),
      .m_axis_tlast (m_axis_tlast),
      .soft_rst_i   (soft_rst),
      .soft_rst_next_i(soft_rst_next),
      .core_rst_o   (core_rst),
      .core_en_o    (core_en),
      .core_en_next_o(core_en_next),
      .in_valid_o   (in_valid),
      .in_data_o    (in_data),
      .in_last_o    (in_last),
      .in_take_i    (in_take),
      .in_want_next_i(in_want_next),
      .out_want_next_i(out_want_next),
      .out_push_i   (out_push),
      .out_data_i   (out_data),
      .out_last_i   (out_last),
      .stall_in_o   (stall_in),
      .stall_out_o  (stall_out),
      .discard_o    (discard),
      .abort_o      (abort),
      .out_busy_o   (out_busy),
      .ev_beat_in_o (beat_in),
      .ev_beat_out_o(beat_out),
      .ev_packet_o  (packet)
  );

  for (genvar i = 0; i < 8; i++) begin : gen_enable
    kv_enable u_enable (
        .clk_i(clk_i),
        .d_i  (core_en_next),
        .q_o  (core_ens[i])
    );
  end

  kv_core #(
      .Lanes(Lanes),
      .MaxDim(MaxDim),
      .TileTokens(TileTokens),
      .MaxTokens(MaxTokens),
      .Features(Built)
  ) u_core (
      .clk_i         (clk_i),
      .rst_i         (core_rst),
      .en_i          (core_ens),
      .in_valid_i    (in_valid),
      .in_data_i     (in_data),
      .in_last_i     (in_last),
      .in_take_o     (in_take),
      .in_want_next_o(in_want_next),
      .out_want_next_o(out_want_next),
      .out_push_o    (out_push),
      .out_data_o    (out_data),
      .out_last_o    (out_last),
      .stall_in_i    (stall_in),
      .stall_out_i   (stall_out),
      .idle_o        (idle),
      .flight_o      (flight),
      .ev_token_o    (token),
      .ev_groups_o   (groups),
      .ev_saturated_o(saturated),
      .ev_nonfinite_o(nonfinite),
      .ev_error_o    (error),
      .ev_status_o   (error_status)
  );

  kv_regs #(
      .Lanes(Lanes),
      .MaxDim(MaxDim),
      .TileTokens(TileTokens),
      .MaxTokens(MaxTokens),
      .Features(Built),
      .BuildHash(BuildHash)
  ) u_regs (
      .clk_i         (clk_i),
      .rst_i         (rst_i),
      .en_i          (core_en),
      .s_axil_awaddr (s_axil_awaddr),
      .s_axil_awvalid(s_axil_awvalid),
      .s_axil_awready(s_axil_awready),
      .s_axil_wdata  (s_axil_wdata),
      .s_axil_wstrb  (s_axil_wstrb),
      .s_axil_wvalid (s_axil_wvalid),
      .s_axil_wready (s_axil_wready),
      .s_axil_bresp  (s_axil_bresp),
      .s_axil_bvalid (s_axil_bvalid),
      .s_axil_bready (s_axil_bready),
      .s_axil_araddr (s_axil_araddr),
      .s_axil_arvalid(s_axil_arvalid),
      .s_axil_arready(s_axil_arready),
      .s_axil_rdata  (s_axil_rdata),
      .s_axil_rresp  (s_axil_rresp),
      .s_axil_rvalid (s_axil_rvalid),
      .s_axil_rready (s_axil_rready),
      .irq_o         (irq_o),
      .soft_rst_o    (soft_rst),
      .soft_rst_next_o(soft_rst_next),
      .busy_i        (!idle || flight != '0 || out_busy || discard || abort),
      .resetting_i   (soft_rst || discard || abort),
      .flight_i      (flight),
      .ev_stall_in_i (stall_in),
      .ev_stall_out_i(stall_out),
      .ev_beat_in_i  (beat_in),
      .ev_beat_out_i (beat_out),
      .ev_packet_i   (packet),
      .ev_token_i    (token),
      .ev_groups_i   (groups),
      .ev_saturated_i(saturated),
      .ev_nonfinite_i(nonfinite),
      .ev_error_i    (error),
      .ev_status_i   (error_status)
  );

endmodule
