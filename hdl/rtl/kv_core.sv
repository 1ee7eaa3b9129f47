// The patient core: front, units, payload FIFO, back (docs/engine.md, 5.3).
//
// rst_i is the core reset (hard or soft), en_i the core's clock enable, all bits of which are the same: a register
// for each of the parts below. In an enabled cycle after one with in_want_next_o a beat is offered, and
// out_want_next_o is answered by room for a beat; the shell sees to both, so nothing in here depends on a cycle with en_i = 0 but the counts of
// such cycles (stall_in_i, stall_out_i), which only travel into the trailers.
//
// ev_*: events of this cycle, to be counted if it is enabled. flight_o: descriptors in flight.
// A command or option without its bit in Features is not built, and the front refuses it.
module kv_core #(
    parameter int unsigned Lanes = 8,  // fp16 elements per beat: 2, 4, 8 or 16
    parameter int unsigned MaxDim = 256,  // largest dims
    parameter int unsigned TileTokens = 128,  // most rows in a tile
    parameter int unsigned MaxTokens = 4096,  // most positions in a SELECT
    parameter logic [11:0] Features = 12'hFFF  // built in, bits kv_pkg::FEAT_*
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic [         7:0] en_i,
    input  logic                in_valid_i,
    input  logic [16*Lanes-1:0] in_data_i,
    input  logic                in_last_i,
    output logic                in_take_o,
    output logic                in_want_next_o,
    output logic                out_want_next_o,
    output logic                out_push_o,
    output logic [16*Lanes-1:0] out_data_o,
    output logic                out_last_o,
    input  logic                stall_in_i,
    input  logic                stall_out_i,
    output logic                idle_o,
    output logic [         2:0] flight_o,
    output logic                ev_token_o,
    output logic [         9:0] ev_groups_o,
    output logic [         5:0] ev_saturated_o,
    output logic [         9:0] ev_nonfinite_o,
    output logic                ev_error_o,
    output logic [         2:0] ev_status_o
);

  localparam int unsigned Width = 16 * Lanes;
  localparam int unsigned HeadBeats = 256 / Width;
  // With rotation there is a place for every beat that may be in it.
  localparam int unsigned MaxBlock = MaxDim < 128 ? MaxDim : 128;
  localparam int unsigned Turning = Features[kv_pkg::FEAT_ROTATE] ? kv_pkg::LAT_ROTATE + 2 * MaxBlock / Lanes : 0;
  localparam int unsigned PayloadDepth = 1 << $clog2(MaxDim / Lanes + 8 * HeadBeats + 16 + Turning);
  localparam int unsigned CountW = $clog2(PayloadDepth + 1);
  localparam int unsigned DescW = 8 + 16 + 3;
  localparam int unsigned StampW = 3 * 32;
  localparam int unsigned EntryW = Width + 10;

  // Front, counts and queues; back and payload FIFO; units.
  logic en_front, en_back;
  assign {en_back, en_front} = en_i[1:0];

  // Counts of the core, zeroed by its reset only.
  logic [31:0] cycle_q, stall_in_q, stall_out_q;
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      cycle_q     <= '0;
      stall_in_q  <= '0;
      stall_out_q <= '0;
    end else begin
      if (en_front) cycle_q <= cycle_q + 32'd1;
      if (stall_in_i) stall_in_q <= stall_in_q + 32'd1;
      if (stall_out_i) stall_out_q <= stall_out_q + 32'd1;
    end
  end

  // Front
  logic desc_push, desc_valid, outcome_push, done, empty;
  logic [DescW-1:0] desc_in, desc_out;
  logic stamp;
  logic [StampW-1:0] stamp_in, stamp_out;
  logic [2:0] outcome_in, outcome_out;
  logic [31:0] bytes_in, bytes_out;
  logic [6:0] unit, start, ready, ready_next, beat_valid;
  logic desc_next, entry_next, outcome_valid;
  logic [255:0] cfg;
  logic [Width-1:0] beat;
  logic beat_last, beat_part_end, beat_row_end, beat_abort;
  logic [1:0] beat_part;

  kv_front #(
      .Lanes(Lanes),
      .MaxDim(MaxDim),
      .TileTokens(TileTokens),
      .MaxTokens(MaxTokens),
      .Features(Features),
      .MarkBack(HeadBeats + 2)
  ) u_front (
      .clk_i           (clk_i),
      .rst_i           (rst_i),
      .en_i            (en_front),
      .in_valid_i      (in_valid_i),
      .in_data_i       (in_data_i),
      .in_last_i       (in_last_i),
      .in_take_o       (in_take_o),
      .in_want_next_o  (in_want_next_o),
      .idle_o          (idle_o),
      .now_cycle_i     (cycle_q),
      .now_stall_in_i  (stall_in_q),
      .now_stall_out_i (stall_out_q),
      .flight_i        (flight_o),
      .none_i          (!desc_valid),
      .stamp_o         (stamp),
      .desc_push_o     (desc_push),
      .desc_opcode_o   (desc_in[7:0]),
      .desc_tag_o      (desc_in[23:8]),
      .desc_status_o   (desc_in[26:24]),
      .desc_mark_o     (stamp_in[31:0]),
      .desc_stall_in_o (stamp_in[63:32]),
      .desc_stall_out_o(stamp_in[95:64]),
      .outcome_push_o  (outcome_push),
      .outcome_status_o(outcome_in),
      .outcome_bytes_o (bytes_in),
      .empty_o         (empty),
      .unit_o          (unit),
      .start_o         (start),
      .cfg_o           (cfg),
      .ready_next_i    (ready_next),
      .beat_valid_o    (beat_valid),
      .beat_o          (beat),
      .beat_last_o     (beat_last),
      .beat_part_o     (beat_part),
      .beat_part_end_o (beat_part_end),
      .beat_row_end_o  (beat_row_end),
      .beat_abort_o    (beat_abort)
  );

  kv_core_queues u_queues (
      .clk_i          (clk_i),
      .rst_i          (rst_i),
      .en_i           (en_front),
      .desc_push_i    (desc_push),
      .desc_i         (desc_in),
      .stamp_push_i   (stamp),
      .stamp_i        (stamp_in),
      .outcome_push_i (outcome_push),
      .outcome_i      (outcome_in),
      .bytes_i        (bytes_in),
      .done_i         (done),
      .desc_valid_o   (desc_valid),
      .desc_next_o    (desc_next),
      .desc_o         (desc_out),
      .stamp_o        (stamp_out),
      .outcome_valid_o(outcome_valid),
      .outcome_o      (outcome_out),
      .bytes_o        (bytes_out),
      .flight_o       (flight_o)
  );

  // Units
  logic room, room_next, unit_push, pre_start, pre_valid, pre_last;
  logic [EntryW-1:0] unit_entry;
  logic [CountW-1:0] pf_count;
  logic [Width-1:0] pre_data;

  kv_units #(
      .Lanes(Lanes),
      .MaxDim(MaxDim),
      .TileTokens(TileTokens),
      .MaxTokens(MaxTokens),
      .PayloadDepth(PayloadDepth),
      .Features(Features)
  ) u_units (
      .clk_i         (clk_i),
      .rst_i         (rst_i),
      .en_i          (en_i[7:2]),
      .unit_i        (unit),
      .start_i       (start),
      .cfg_i         (cfg),
      .beat_valid_i  (beat_valid),
      .beat_i        (beat),
      .raw_i         (in_data_i),
      .beat_last_i   (beat_last),
      .beat_part_i   (beat_part),
      .beat_part_end_i(beat_part_end),
      .beat_row_end_i(beat_row_end),
      .beat_abort_i  (beat_abort),
      .ready_o       (ready),
      .ready_next_o  (ready_next),
      .pf_count_i    (pf_count),
      .room_i        (room),
      .room_next_i   (room_next),
      .push_o        (unit_push),
      .entry_o       (unit_entry),
      .pre_start_i   (pre_start),
      .pre_valid_o   (pre_valid),
      .pre_data_o    (pre_data),
      .pre_last_o    (pre_last),
      .ev_token_o    (ev_token_o),
      .ev_groups_o   (ev_groups_o),
      .ev_saturated_o(ev_saturated_o),
      .ev_nonfinite_o(ev_nonfinite_o)
  );

  // Payload FIFO
  logic entry_valid, entry_pop;
  logic [EntryW-1:0] entry_out;

  kv_core_payload #(
      .Lanes       (Lanes),
      .PayloadDepth(PayloadDepth)
  ) u_payload (
      .clk_i       (clk_i),
      .rst_i       (rst_i),
      .en_i        (en_back),
      .push_i      (unit_push),
      .entry_i     (unit_entry),
      .empty_i     (empty),
      .pop_i       (entry_pop),
      .valid_o     (entry_valid),
      .valid_next_o(entry_next),
      .entry_o     (entry_out),
      .count_o     (pf_count),
      .room_o      (room),
      .room_next_o (room_next)
  );

  kv_back #(
      .Lanes(Lanes)
  ) u_back (
      .clk_i            (clk_i),
      .rst_i            (rst_i),
      .en_i             (en_back),
      .desc_valid_i     (desc_valid),
      .desc_next_i      (desc_next),
      .desc_opcode_i    (desc_out[7:0]),
      .desc_tag_i       (desc_out[23:8]),
      .desc_status_i    (desc_out[26:24]),
      .desc_mark_i      (stamp_out[31:0]),
      .desc_stall_in_i  (stamp_out[63:32]),
      .desc_stall_out_i (stamp_out[95:64]),
      .outcome_status_i (outcome_out),
      .outcome_bytes_i  (bytes_out),
      .done_o           (done),
      .entry_valid_i    (entry_valid),
      .entry_next_i     (entry_next),
      .entry_data_i     (entry_out[10+:Width]),
      .entry_bytes_i    (entry_out[9:4]),
      .entry_last_i     (entry_out[0]),
      .entry_pre_i      (entry_out[1]),
      .entry_nonfinite_i(entry_out[2]),
      .entry_saturated_i(entry_out[3]),
      .entry_pop_o      (entry_pop),
      .pre_start_o      (pre_start),
      .pre_valid_i      (pre_valid),
      .pre_data_i       (pre_data),
      .pre_last_i       (pre_last),
      .now_cycle_i      (cycle_q),
      .now_stall_in_i   (stall_in_q),
      .now_stall_out_i  (stall_out_q),
      .out_want_next_o  (out_want_next_o),
      .out_push_o       (out_push_o),
      .out_data_o       (out_data_o),
      .out_last_o       (out_last_o),
      .error_valid_o    (ev_error_o),
      .error_status_o   (ev_status_o)
  );

  wire unused = &{1'b0, outcome_valid, ready};

`ifndef SYNTHESIS
  always_ff @(posedge clk_i)
    if (!rst_i && en_front) begin
      assert (en_i == '1)
      else $error("kv_core: the copies of the enable disagree");
      assert (!(ev_error_o && !outcome_valid))
      else $error("kv_core: a trailer without an outcome");
    end
`endif

endmodule
