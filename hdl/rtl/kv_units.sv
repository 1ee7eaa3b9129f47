// The units of the core and what joins them (docs/engine.md, 5.3).
//
// unit_i (one-hot, bit opcode - 1) names the command at hand; start_i,
// beat_valid_i and ready_o have a bit for each. The other inputs go to all units, as their
// own headers say; cfg_i is the request header. A COMPRESS uses those of SELECT and QUANTIZE, SOURCE and SINK
// share one; between QUANTIZE and DEQUANTIZE stands one rotation. One kind of command is in flight at a time, so pushes and events never meet:
// they are ORed, and an entry is that of the unit which pushes.
// An entry, from bit 0: last, pre, non-finite, saturated, 6 bits of bytes, the beat.
// en_i has a copy of the enable for each of the five units (the fifth: SOURCE and SINK) and the rotation; COMPRESS has that of ECHO.
// ready_next_o: ready_o of the next cycle, if this one is enabled. What it says in the cycle of a dispatch holds with the
// new settings too: they are of another kind only if nothing is in flight, and an empty unit is ready with all of them.
// raw_i is beat_i, but for beats that are filled in: of those SELECT gets none.
// room_i: the payload FIFO has 4 free places, for ECHO; room_next_i: likewise; pf_count_i: its count, for DEQUANTIZE.
// A unit without its bit in Features is not built: never ready, never pushing.
module kv_units #(
    parameter int unsigned Lanes = 8,  // fp16 elements per beat: 2, 4, 8 or 16
    parameter int unsigned MaxDim = 256,  // largest dims
    parameter int unsigned TileTokens = 128,  // most rows in a tile
    parameter int unsigned MaxTokens = 4096,  // most positions in a SELECT
    parameter int unsigned PayloadDepth = 64,  // places of the payload FIFO
    parameter logic [11:0] Features = 12'hFFF,  // built in, bits kv_pkg::FEAT_*
    localparam int unsigned CountW = $clog2(PayloadDepth + 1),
    localparam int unsigned EntryW = 16 * Lanes + 10
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic [         5:0] en_i,
    input  logic [         6:0] unit_i,
    input  logic [         6:0] start_i,
    input  logic [       255:0] cfg_i,
    input  logic [         6:0] beat_valid_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic [16*Lanes-1:0] raw_i,
    input  logic                beat_last_i,
    input  logic [         1:0] beat_part_i,
    input  logic                beat_part_end_i,
    input  logic                beat_row_end_i,
    input  logic                beat_abort_i,
    output logic [         6:0] ready_o,
    output logic [         6:0] ready_next_o,
    input  logic [  CountW-1:0] pf_count_i,
    input  logic                room_i,
    input  logic                room_next_i,
    output logic                push_o,
    output logic [  EntryW-1:0] entry_o,
    input  logic                pre_start_i,
    output logic                pre_valid_o,
    output logic [16*Lanes-1:0] pre_data_o,
    output logic                pre_last_o,
    output logic                ev_token_o,
    output logic [         9:0] ev_groups_o,
    output logic [         5:0] ev_saturated_o,
    output logic [         9:0] ev_nonfinite_o
);

  // By entry: ECHO, QUANTIZE, DEQUANTIZE, SELECT, SOURCE and SINK.
  logic [4:0] push_valid;
  logic [5*EntryW-1:0] push_entry;
  logic [4:0] tile_saturated, tile_clamped, pick_saturated;
  logic [9:0] tile_nonfinite, pick_nonfinite;

  kv_units_bytes #(
      .Lanes   (Lanes),
      .Features(Features)
  ) u_bytes (
      .clk_i       (clk_i),
      .rst_i       (rst_i),
      .en_i        ({en_i[4], en_i[0]}),
      .start_i     (start_i[6:5]),
      .cfg_i       (cfg_i),
      .beat_valid_i({beat_valid_i[6], beat_valid_i[0]}),
      .beat_i      (beat_i),
      .beat_last_i (beat_last_i),
      .beat_abort_i(beat_abort_i),
      .room_i      (room_i),
      .room_next_i (room_next_i),
      .ready_o     ({ready_o[6:5], ready_o[0]}),
      .ready_next_o({ready_next_o[6:5], ready_next_o[0]}),
      .push_valid_o({push_valid[4], push_valid[0]}),
      .push_entry_o({push_entry[EntryW*4+:EntryW], push_entry[0+:EntryW]})
  );

  // Between SELECT, COMPRESS and QUANTIZE.
  logic compress, keys, row_kept, section_end, section_done;
  logic [1:0] row_tier, select_flags;
  logic [9:0] rows_nonfinite;

  assign compress = Features[kv_pkg::FEAT_COMPRESS] && unit_i[4];

  kv_units_tile #(
      .Lanes       (Lanes),
      .MaxDim      (MaxDim),
      .TileTokens  (TileTokens),
      .PayloadDepth(PayloadDepth),
      .Features    (Features)
  ) u_tile (
      .clk_i           (clk_i),
      .rst_i           (rst_i),
      .en_i            ({en_i[5], en_i[2:1]}),
      .unit_i          (unit_i[2:1]),
      .start_i         ({start_i[4], start_i[2:1]}),
      .compress_i      (compress),
      .cfg_i           (cfg_i),
      .beat_valid_i    (beat_valid_i[2:1]),
      .beat_i          (beat_i),
      .beat_last_i     (beat_last_i),
      .ready_o         (ready_o[2:1]),
      .ready_next_o    (ready_next_o[2:1]),
      .pf_count_i      (pf_count_i),
      .push_valid_o    (push_valid[2:1]),
      .push_entry_o    (push_entry[EntryW+:2*EntryW]),
      .pre_start_i     (pre_start_i),
      .pre_valid_o     (pre_valid_o),
      .pre_data_o      (pre_data_o),
      .pre_last_o      (pre_last_o),
      .keys_i          (keys),
      .row_kept_i      (row_kept),
      .row_tier_i      (row_tier),
      .section_end_i   (section_end),
      .section_done_o  (section_done),
      .rows_nonfinite_o(rows_nonfinite),
      .select_flags_i  (select_flags),
      .ev_token_o      (ev_token_o),
      .ev_groups_o     (ev_groups_o),
      .ev_saturated_o  (tile_saturated),
      .ev_clamped_o    (tile_clamped),
      .ev_nonfinite_o  (tile_nonfinite)
  );

  kv_units_pick #(
      .Lanes    (Lanes),
      .MaxTokens(MaxTokens),
      .Features (Features)
  ) u_pick (
      .clk_i           (clk_i),
      .rst_i           (rst_i),
      .en_i            ({en_i[0], en_i[3]}),
      .start_i         (start_i[4:3]),
      .compress_i      (compress),
      .cfg_i           (cfg_i),
      .beat_valid_i    (beat_valid_i[4:3]),
      .raw_i           (raw_i),
      .beat_part_i     (beat_part_i),
      .beat_part_end_i (beat_part_end_i),
      .beat_row_end_i  (beat_row_end_i),
      .beat_abort_i    (beat_abort_i),
      .ready_o         (ready_o[4:3]),
      .ready_next_o    (ready_next_o[4:3]),
      .push_valid_o    (push_valid[3]),
      .push_entry_o    (push_entry[EntryW*3+:EntryW]),
      .ev_saturated_o  (pick_saturated),
      .ev_nonfinite_o  (pick_nonfinite),
      .keys_o          (keys),
      .row_kept_o      (row_kept),
      .row_tier_o      (row_tier),
      .section_end_o   (section_end),
      .section_done_i  (section_done),
      .rows_nonfinite_i(rows_nonfinite),
      .nonfinite_o     (select_flags[0]),
      .saturated_o     (select_flags[1])
  );

  kv_units_merge #(
      .Lanes   (Lanes),
      .Features(Features)
  ) u_merge (
      .clk_i           (clk_i),
      .rst_i           (rst_i),
      .en_i            (en_i[0]),
      .unit_i          (unit_i),
      .start_i         (start_i),
      .beat_valid_i    (beat_valid_i),
      .ready_i         (ready_o),
      .ready_next_i    (ready_next_o),
      .push_valid_i    (push_valid),
      .push_entry_i    (push_entry),
      .push_o          (push_o),
      .entry_o         (entry_o),
      .tile_saturated_i(tile_saturated),
      .tile_clamped_i  (tile_clamped),
      .tile_nonfinite_i(tile_nonfinite),
      .pick_saturated_i(pick_saturated),
      .pick_nonfinite_i(pick_nonfinite),
      .ev_saturated_o  (ev_saturated_o),
      .ev_nonfinite_o  (ev_nonfinite_o)
  );

endmodule
