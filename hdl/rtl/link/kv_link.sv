// kv_link: an engine behind a pipe of bytes (docs/link.md).
//
// rx_*      bytes of the host; taken in every cycle with rx_valid_i, there is no ready.
// tx_*      bytes for the host; tx_data_o holds while tx_valid_o and not tx_ready_i.
// m_axis_*  to the engine's input, s_axis_* from its output, m_axil_* to its registers.
// engine_rst_o  for the engine's rst_i: follows rst_i, and is high for one cycle when the host says HELLO.
//
// One clock, one synchronous reset. A byte a cycle each way at most. Lost, changed and repeated bytes
// cost time and nothing else; see the contract for what the host has to do. RxSlots and TxSlots frames of at most 224 bytes are
// buffered each way, 256 bytes of block RAM each; nothing can overflow.
// Latency: a READ's delimiter taken to the first byte of its ANSWER about 10 cycles.
module kv_link #(
    parameter int unsigned Lanes = 8,  // fp16 elements per beat of the engine
    parameter int unsigned RxSlots = 8,  // frames from the host: power of two, 2 to 64
    parameter int unsigned TxSlots = 8,  // frames to the host: power of two, 2 to 64
    parameter int unsigned RetryLog2 = 20,  // a timeout is 2^RetryLog2 cycles, 8 to 30
    parameter logic [31:0] BoardId = 32'd0,
    parameter logic [31:0] ClockHz = 32'd0  // of clk_i, told to the host; 0: not stated
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                rx_valid_i,
    input  logic [         7:0] rx_data_i,
    output logic                tx_valid_o,
    output logic [         7:0] tx_data_o,
    input  logic                tx_ready_i,
    output logic                engine_rst_o,
    output logic [16*Lanes-1:0] m_axis_tdata,
    output logic                m_axis_tvalid,
    input  logic                m_axis_tready,
    output logic                m_axis_tlast,
    input  logic [16*Lanes-1:0] s_axis_tdata,
    input  logic                s_axis_tvalid,
    output logic                s_axis_tready,
    input  logic                s_axis_tlast,
    output logic [        11:0] m_axil_awaddr,
    output logic                m_axil_awvalid,
    input  logic                m_axil_awready,
    output logic [        31:0] m_axil_wdata,
    output logic [         3:0] m_axil_wstrb,
    output logic                m_axil_wvalid,
    input  logic                m_axil_wready,
    input  logic [         1:0] m_axil_bresp,
    input  logic                m_axil_bvalid,
    output logic                m_axil_bready,
    output logic [        11:0] m_axil_araddr,
    output logic                m_axil_arvalid,
    input  logic                m_axil_arready,
    input  logic [        31:0] m_axil_rdata,
    input  logic [         1:0] m_axil_rresp,
    input  logic                m_axil_rvalid,
    output logic                m_axil_rready
);

  localparam int unsigned BeatBytes = 2 * Lanes;
  localparam int unsigned SlotW = $clog2(TxSlots);

  if (Lanes != 2 && Lanes != 4 && Lanes != 8 && Lanes != 16) begin : gen_bad_lanes
    $error("kv_link: Lanes is %0d, want 2, 4, 8 or 16", Lanes);
  end
  if (RxSlots < 2 || RxSlots > kv_link_pkg::LINK_MAX_SLOTS || (RxSlots & (RxSlots - 1)) != 0) begin : gen_bad_rx
    $error("kv_link: RxSlots is %0d, want a power of two from 2 to 64", RxSlots);
  end
  if (TxSlots < 2 || TxSlots > kv_link_pkg::LINK_MAX_SLOTS || (TxSlots & (TxSlots - 1)) != 0) begin : gen_bad_tx
    $error("kv_link: TxSlots is %0d, want a power of two from 2 to 64", TxSlots);
  end
  if (RetryLog2 < 8 || RetryLog2 > 30) begin : gen_bad_retry
    $error("kv_link: RetryLog2 is %0d, want 8 to 30", RetryLog2);
  end

  logic link_rst, hello_rst;
  logic pay_valid, frame, damaged;
  logic [7:0] pay_index, pay_data;
  logic [31:0] head;
  logic fits, commit, moved, ack, back, fresh, waiting, request, is_write, refused;
  logic [7:0] rx_next, rx_limit, position;
  logic hello_due, hello_sent, answer_due, answer_sent, error_due, error_sent, ack_due, ack_sent, ack_nak, ack_poll;
  logic data_due, data_sent, data_busy;
  logic [7:0] hello_id, answer_id, answer_position, error_code, error_detail, data_seq, damaged_count, timeouts;
  logic [1:0] answer_resp;
  logic [31:0] answer_value;
  logic [SlotW+7:0] raddr;
  logic [7:0] ram;

  assign link_rst     = rst_i | hello_rst;
  assign engine_rst_o = link_rst;

  kv_link_rx u_rx (
      .clk_i       (clk_i),
      .rst_i       (rst_i),
      .byte_valid_i(rx_valid_i),
      .byte_i      (rx_data_i),
      .pay_valid_o (pay_valid),
      .pay_index_o (pay_index),
      .pay_data_o  (pay_data),
      .frame_o     (frame),
      .damaged_o   (damaged),
      .head_o      (head)
  );

  kv_link_ctrl #(
      .BeatBytes(BeatBytes),
      .RetryLog2(RetryLog2)
  ) u_ctrl (
      .clk_i         (clk_i),
      .rst_i         (rst_i),
      .frame_i       (frame),
      .damaged_i     (damaged),
      .head_i        (head),
      .reset_o       (hello_rst),
      .next_i        (rx_next),
      .fits_i        (fits),
      .moved_i       (moved),
      .commit_o      (commit),
      .ack_o         (ack),
      .back_o        (back),
      .fresh_i       (fresh),
      .waiting_i     (waiting),
      .data_sent_i   (data_sent),
      .request_o     (request),
      .write_o       (is_write),
      .refused_i     (refused),
      .hello_due_o   (hello_due),
      .hello_sent_i  (hello_sent),
      .hello_id_o    (hello_id),
      .error_due_o   (error_due),
      .error_sent_i  (error_sent),
      .error_code_o  (error_code),
      .error_detail_o(error_detail),
      .ack_due_o     (ack_due),
      .ack_sent_i    (ack_sent),
      .ack_nak_o     (ack_nak),
      .ack_poll_o    (ack_poll),
      .damaged_o     (damaged_count),
      .timeouts_o    (timeouts)
  );

  kv_link_in #(
      .BeatBytes(BeatBytes),
      .Slots(RxSlots)
  ) u_in (
      .clk_i        (clk_i),
      .rst_i        (link_rst),
      .pay_valid_i  (pay_valid),
      .pay_index_i  (pay_index),
      .pay_data_i   (pay_data),
      .fits_o       (fits),
      .commit_i     (commit),
      .size_i       (head[31:24]),
      .last_i       (head[kv_link_pkg::FRAME_FLAG_LAST]),
      .next_o       (rx_next),
      .limit_o      (rx_limit),
      .moved_o      (moved),
      .m_axis_tdata (m_axis_tdata),
      .m_axis_tvalid(m_axis_tvalid),
      .m_axis_tready(m_axis_tready),
      .m_axis_tlast (m_axis_tlast)
  );

  kv_link_out #(
      .BeatBytes(BeatBytes),
      .Slots(TxSlots)
  ) u_out (
      .clk_i        (clk_i),
      .rst_i        (link_rst),
      .s_axis_tdata (s_axis_tdata),
      .s_axis_tvalid(s_axis_tvalid),
      .s_axis_tready(s_axis_tready),
      .s_axis_tlast (s_axis_tlast),
      .ready_o      (data_due),
      .seq_o        (data_seq),
      .start_i      (data_sent),
      .busy_i       (data_busy),
      .raddr_i      (raddr),
      .ram_o        (ram),
      .ack_i        (ack),
      .ack_next_i   (head[15:8]),
      .ack_limit_i  (head[23:16]),
      .fresh_o      (fresh),
      .back_i       (back),
      .position_o   (position),
      .waiting_o    (waiting)
  );

  kv_link_regs u_regs (
      .clk_i         (clk_i),
      .rst_i         (link_rst),
      .pay_valid_i   (pay_valid),
      .pay_data_i    (pay_data),
      .request_i     (request),
      .write_i       (is_write),
      .id_i          (head[15:8]),
      .refused_o     (refused),
      .due_o         (answer_due),
      .sent_i        (answer_sent),
      .id_o          (answer_id),
      .resp_o        (answer_resp),
      .position_o    (answer_position),
      .value_o       (answer_value),
      .position_i    (position),
      .m_axil_awaddr (m_axil_awaddr),
      .m_axil_awvalid(m_axil_awvalid),
      .m_axil_awready(m_axil_awready),
      .m_axil_wdata  (m_axil_wdata),
      .m_axil_wstrb  (m_axil_wstrb),
      .m_axil_wvalid (m_axil_wvalid),
      .m_axil_wready (m_axil_wready),
      .m_axil_bresp  (m_axil_bresp),
      .m_axil_bvalid (m_axil_bvalid),
      .m_axil_bready (m_axil_bready),
      .m_axil_araddr (m_axil_araddr),
      .m_axil_arvalid(m_axil_arvalid),
      .m_axil_arready(m_axil_arready),
      .m_axil_rdata  (m_axil_rdata),
      .m_axil_rresp  (m_axil_rresp),
      .m_axil_rvalid (m_axil_rvalid),
      .m_axil_rready (m_axil_rready)
  );

  kv_link_tx #(
      .BeatBytes(BeatBytes),
      .RxSlots(RxSlots),
      .TxSlots(TxSlots),
      .BoardId(BoardId),
      .ClockHz(ClockHz)
  ) u_tx (
      .clk_i            (clk_i),
      .rst_i            (rst_i),
      .hello_due_i      (hello_due),
      .hello_sent_o     (hello_sent),
      .hello_id_i       (hello_id),
      .answer_due_i     (answer_due),
      .answer_sent_o    (answer_sent),
      .answer_id_i      (answer_id),
      .answer_resp_i    (answer_resp),
      .answer_position_i(answer_position),
      .answer_value_i   (answer_value),
      .damaged_i        (damaged_count),
      .timeouts_i       (timeouts),
      .error_due_i      (error_due),
      .error_sent_o     (error_sent),
      .error_code_i     (error_code),
      .error_detail_i   (error_detail),
      .ack_due_i        (ack_due),
      .ack_sent_o       (ack_sent),
      .ack_nak_i        (ack_nak),
      .ack_poll_i       (ack_poll),
      .ack_next_i       (rx_next),
      .ack_limit_i      (rx_limit),
      .data_due_i       (data_due),
      .data_sent_o      (data_sent),
      .data_seq_i       (data_seq),
      .data_busy_o      (data_busy),
      .raddr_o          (raddr),
      .ram_i            (ram),
      .byte_valid_o     (tx_valid_o),
      .byte_o           (tx_data_o),
      .byte_ready_i     (tx_ready_i)
  );

endmodule
