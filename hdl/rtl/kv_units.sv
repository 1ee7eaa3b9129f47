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

  localparam int unsigned Width = 16 * Lanes;
  localparam int unsigned Units = 5;

  logic [Units-1:0] push_valid;
  logic [Units*EntryW-1:0] push_entry;
  logic [Units-1:0] token;
  logic [Units*10-1:0] groups, nonfinite;
  logic [Units*5-1:0] saturated;

  // Settings. What a COMPRESS has for its values is what it has for its keys in other fields.
  logic [1:0] scheme;
  logic axis, layout, bf16, compress, keys;
  logic [1:0] block;  // of the rotation
  logic [2:0] group;
  logic [3:0] bits;
  logic [23:0] rows;
  logic [9:0] dims, row_dims;

  assign scheme   = cfg_i[kv_pkg::REQ_SCHEME_LSB+:2];
  assign bits     = cfg_i[kv_pkg::REQ_BITS_LSB+:4];
  assign layout   = cfg_i[kv_pkg::REQ_LAYOUT_LSB];
  assign bf16     = Features[kv_pkg::FEAT_BF16] && cfg_i[kv_pkg::REQ_FORMAT_LSB] == 1'(kv_pkg::FORMAT_BF16);
  assign block    = Features[kv_pkg::FEAT_ROTATE] ? cfg_i[kv_pkg::REQ_ROTATE_LSB+:2] : 2'(kv_pkg::ROTATE_NONE);
  assign rows     = cfg_i[kv_pkg::REQ_ROWS_LSB+:24];
  assign dims     = cfg_i[kv_pkg::REQ_DIMS_LSB+:10];
  assign compress = Features[kv_pkg::FEAT_COMPRESS] && unit_i[4];
  assign axis     = cfg_i[kv_pkg::REQ_AXIS_LSB] && !(compress && !keys);
  assign group    = compress && !keys ? cfg_i[kv_pkg::REQ_VALUE_GROUP_LSB+:3] : cfg_i[kv_pkg::REQ_GROUP_LSB+:3];
  assign row_dims = compress ? cfg_i[kv_pkg::REQ_ROW_DIMS_LSB+:10] : dims;

  // Between DEQUANTIZE, the rotation and QUANTIZE; turning: it takes part in the command at hand.
  logic item, turning, turned, turned_last;
  logic [EntryW-1:0] item_entry;
  logic [Width-1:0] turned_beat;
  logic [1:0] turned_flags;  // {saturated, nonfinite}
  logic [4:0] turned_bad, turned_over;

  // Between SELECT, COMPRESS and QUANTIZE.
  logic [$clog2(MaxTokens)-1:0] row;
  logic [1:0] row_tier;
  logic row_has_tier, row_kept, section_end, section_done, quant_last, quant_nonfinite, quant_saturated, rows_nonfinite;
  logic select_ready, select_ready_next, select_done, select_nonfinite, select_saturated;

  assign token[0]     = 1'b0;
  assign groups[0+:10]    = '0;
  assign nonfinite[0+:10] = '0;
  assign saturated[0+:5] = '0;

  if (Features[kv_pkg::FEAT_ECHO]) begin : gen_echo
    kv_echo #(
        .Lanes(Lanes)
    ) u_echo (
        .clk_i       (clk_i),
        .rst_i       (rst_i),
        .en_i        (en_i[0]),
        .bytes_i     (cfg_i[kv_pkg::REQ_ROWS_LSB+:21]),
        .beat_valid_i(beat_valid_i[0]),
        .beat_i      (beat_i),
        .beat_last_i (beat_last_i),
        .ready_o     (ready_o[0]),
        .room_i      (room_i),
        .push_valid_o(push_valid[0]),
        .push_data_o (push_entry[EntryW*0+10+:Width]),
        .push_bytes_o(push_entry[EntryW*0+4+:6]),
        .push_last_o (push_entry[EntryW*0+0])
    );
    assign push_entry[EntryW*0+1+:3] = 3'b000;
    assign ready_next_o[0] = room_next_i;
  end else begin : gen_no_echo
    assign ready_o[0] = 1'b0;
    assign ready_next_o[0] = 1'b0;
    assign push_valid[0] = 1'b0;
    assign push_entry[EntryW*0+:EntryW] = '0;
  end

  if (Features[kv_pkg::FEAT_QUANTIZE]) begin : gen_quant
    kv_quant #(
        .Lanes(Lanes),
        .MaxDim(MaxDim),
        .TileTokens(TileTokens),
        .Compress(Features[kv_pkg::FEAT_COMPRESS]),
        .Rotate(Features[kv_pkg::FEAT_ROTATE]),
        .Bf16(Features[kv_pkg::FEAT_BF16]),
        .FlushLatency(kv_pkg::LAT_COMPRESS_FLUSH)
    ) u_quant (
        .clk_i           (clk_i),
        .rst_i           (rst_i),
        .en_i            (en_i[1]),
        .start_i         (start_i[1] || start_i[4]),
        .scheme_i        (scheme),
        .axis_i          (axis),
        .group_i         (group),
        .bits_i          (bits),
        .layout_i        (layout && !compress),
        .bf16_i          (bf16),
        .rows_i          (rows),
        .dims_i          (row_dims),
        .beat_valid_i    (turning ? turned && unit_i[1] : beat_valid_i[1] || row_kept),
        .beat_i          (turning ? turned_beat : beat_i),
        .beat_last_i     (turning ? turned_last : beat_last_i && !compress),
        .flags_i         (turned_flags & {2{turning}}),
        .ready_o         (ready_o[1]),
        .push_valid_o    (push_valid[1]),
        .push_data_o     (push_entry[EntryW*1+10+:Width]),
        .push_bytes_o    (push_entry[EntryW*1+4+:6]),
        .push_last_o     (quant_last),
        .push_pre_o      (push_entry[EntryW*1+1]),
        .push_nonfinite_o(quant_nonfinite),
        .push_saturated_o(quant_saturated),
        .ev_token_o      (token[1]),
        .ev_groups_o     (groups[10+:10]),
        .ev_nonfinite_o  (nonfinite[10+:10]),
        .pre_start_i     (pre_start_i),
        .pre_valid_o     (pre_valid_o),
        .pre_data_o      (pre_data_o),
        .pre_last_o      (pre_last_o),
        .mixed_i         (compress),
        .tier_i          (row_tier),
        .end_i           (section_end),
        .final_i         (keys),
        .done_o          (section_done)
    );
    assign push_entry[EntryW*1] = quant_last;
    assign ready_next_o[1] = 1'b1;  // QUANTIZE always is
    // The last entry of a COMPRESS has the flags of all its parts.
    assign push_entry[EntryW*1+2+:2] = !compress ? {quant_saturated, quant_nonfinite} :
        quant_last ? {select_saturated, select_nonfinite || rows_nonfinite} : 2'b00;
    assign saturated[5+:5] = '0;
  end else begin : gen_no_quant
    assign ready_o[1] = 1'b0;
    assign ready_next_o[1] = 1'b0;
    assign push_valid[1] = 1'b0;
    assign push_entry[EntryW*1+:EntryW] = '0;
    assign token[1] = 1'b0;
    assign groups[10+:10] = '0;
    assign saturated[5+:5] = '0;
    assign nonfinite[10+:10] = '0;
    assign pre_valid_o = 1'b0;
    assign pre_data_o = '0;
    assign pre_last_o = 1'b0;
    assign section_done = 1'b0;
    assign {quant_last, quant_nonfinite, quant_saturated} = '0;
  end

  if (Features[kv_pkg::FEAT_DEQUANTIZE]) begin : gen_dequant
    kv_dequant #(
        .Lanes(Lanes),
        .MaxDim(MaxDim),
        .TileTokens(TileTokens),
        .PayloadDepth(PayloadDepth),
        .Rotate(Features[kv_pkg::FEAT_ROTATE]),
        .Bf16(Features[kv_pkg::FEAT_BF16])
    ) u_dequant (
        .clk_i           (clk_i),
        .rst_i           (rst_i),
        .en_i            (en_i[2]),
        .start_i         (start_i[2]),
        .scheme_i        (scheme),
        .axis_i          (axis),
        .group_i         (group),
        .bits_i          (bits),
        .layout_i        (layout),
        .bf16_i          (bf16),
        .block_i         (block),
        .rows_i          (rows),
        .dims_i          (dims),
        .beat_valid_i    (beat_valid_i[2]),
        .beat_i          (beat_i),
        .beat_last_i     (beat_last_i),
        .ready_o         (ready_o[2]),
        .ready_next_o    (ready_next_o[2]),
        .pf_count_i      (pf_count_i),
        .push_valid_o    (item),
        .push_data_o     (item_entry[10+:Width]),
        .push_bytes_o    (item_entry[4+:6]),
        .push_last_o     (item_entry[0]),
        .push_pre_o      (item_entry[1]),
        .push_nonfinite_o(item_entry[2]),
        .push_saturated_o(item_entry[3]),
        .ev_token_o      (token[2]),
        .ev_groups_o     (groups[20+:10]),
        .ev_saturated_o  (saturated[10+:5]),
        .ev_nonfinite_o  (nonfinite[20+:10])
    );
  end else begin : gen_no_dequant
    assign ready_o[2] = 1'b0;
    assign ready_next_o[2] = 1'b0;
    assign item = 1'b0;
    assign item_entry = '0;
    assign token[2] = 1'b0;
    assign groups[20+:10] = '0;
    assign saturated[10+:5] = '0;
    assign nonfinite[20+:10] = '0;
  end

  // The rotation: before QUANTIZE, or between DEQUANTIZE and the payload FIFO.
  if (Features[kv_pkg::FEAT_ROTATE]) begin : gen_rotate
    assign turning = block != 2'(kv_pkg::ROTATE_NONE);

    kv_rotate #(
        .Lanes (Lanes),
        .MaxDim(MaxDim)
    ) u_rotate (
        .clk_i         (clk_i),
        .rst_i         (rst_i),
        .en_i          (en_i[5]),
        .block_i       (block),
        .restore_i     (unit_i[2]),
        .valid_i       (turning && (beat_valid_i[1] || item)),
        .beat_i        (unit_i[2] ? item_entry[10+:Width] : beat_i),
        .last_i        (unit_i[2] ? item_entry[0] : beat_last_i),
        .nonfinite_i   (item && item_entry[2]),
        .saturated_i   (item && item_entry[3]),
        .valid_o       (turned),
        .beat_o        (turned_beat),
        .last_o        (turned_last),
        .nonfinite_o   (turned_flags[0]),
        .saturated_o   (turned_flags[1]),
        .ev_nonfinite_o(turned_bad),
        .ev_saturated_o(turned_over)
    );
  end else begin : gen_no_rotate
    assign {turning, turned, turned_beat, turned_last, turned_flags, turned_bad, turned_over} = '0;
  end

  assign push_valid[2] = turning ? turned && unit_i[2] : item;
  assign push_entry[EntryW*2+:EntryW] = turning ? {turned_beat, 6'(2 * Lanes), turned_flags, 1'b0, turned_last} : item_entry;

  // SELECT, and the first half of COMPRESS.
  if (Features[kv_pkg::FEAT_SELECT]) begin : gen_select
    kv_select #(
        .Lanes(Lanes),
        .MaxTokens(MaxTokens),
        .Features(Features)
    ) u_select (
        .clk_i           (clk_i),
        .rst_i           (rst_i),
        .en_i            (en_i[3]),
        .start_i         (start_i[3] || start_i[4]),
        .compress_i      (compress),
        .cfg_i           (cfg_i),
        .beat_valid_i    (beat_valid_i[3] || (beat_valid_i[4] && !beat_part_i[1])),
        .beat_i          (raw_i),
        .beat_rows_i     (beat_part_i[0]),
        .beat_part_end_i (beat_part_end_i),
        .beat_row_end_i  (beat_row_end_i),
        .abort_i         (beat_abort_i),
        .ready_o         (select_ready),
        .ready_next_o    (select_ready_next),
        .push_valid_o    (push_valid[3]),
        .push_data_o     (push_entry[EntryW*3+10+:Width]),
        .push_bytes_o    (push_entry[EntryW*3+4+:6]),
        .push_last_o     (push_entry[EntryW*3+0]),
        .push_nonfinite_o(push_entry[EntryW*3+2]),
        .push_saturated_o(push_entry[EntryW*3+3]),
        .nonfinite_o     (select_nonfinite),
        .saturated_o     (select_saturated),
        .ev_saturated_o  (saturated[15+:5]),
        .ev_nonfinite_o  (nonfinite[30+:10]),
        .done_o          (select_done),
        .row_i           (row),
        .row_tier_o      (row_tier),
        .row_kept_o      (row_has_tier)
    );
    assign push_entry[EntryW*3+1] = 1'b0;
  end else begin : gen_no_select
    assign push_valid[3] = 1'b0;
    assign push_entry[EntryW*3+:EntryW] = '0;
    assign saturated[15+:5] = '0;
    assign nonfinite[30+:10] = '0;
    assign row_tier = '0;
    assign {row_has_tier, select_ready, select_ready_next, select_done, select_nonfinite, select_saturated} = '0;
  end
  assign token[3]  = 1'b0;
  assign groups[30+:10] = '0;
  assign ready_o[3] = select_ready;
  assign ready_next_o[3] = select_ready_next;

  if (Features[kv_pkg::FEAT_COMPRESS]) begin : gen_compress
    kv_compress #(
        .MaxTokens(MaxTokens)
    ) u_compress (
        .clk_i          (clk_i),
        .rst_i          (rst_i),
        .en_i           (en_i[0]),
        .start_i        (start_i[4]),
        .scores_out_i   (cfg_i[kv_pkg::REQ_SCORES_OUT_LSB]),
        .beat_valid_i   (beat_valid_i[4]),
        .beat_rows_i    (beat_part_i[1]),
        .beat_part_end_i(beat_part_end_i),
        .beat_row_end_i (beat_row_end_i),
        .ready_o        (ready_o[4]),
        .ready_next_o   (ready_next_o[4]),
        .select_ready_i (select_ready),
        .select_ready_next_i(select_ready_next),
        .select_done_i  (select_done && compress),
        .row_o          (row),
        .kept_i         (row_has_tier),
        .keys_o         (keys),
        .beat_kept_o    (row_kept),
        .end_o          (section_end),
        .section_done_i (section_done),
        .ev_nonfinite_i (nonfinite[10+:10]),
        .nonfinite_o    (rows_nonfinite)
    );
  end else begin : gen_no_compress
    assign {ready_o[4], ready_next_o[4], keys, row_kept, section_end, rows_nonfinite} = '0;
    assign row = '0;
  end

  if (Features[kv_pkg::FEAT_LINK]) begin : gen_link
    kv_prbs #(
        .Lanes(Lanes)
    ) u_prbs (
        .clk_i       (clk_i),
        .rst_i       (rst_i),
        .en_i        (en_i[4]),
        .source_i    (start_i[5]),
        .sink_i      (start_i[6]),
        .bytes_i     (cfg_i[kv_pkg::REQ_ROWS_LSB+:31]),
        .seed_i      (cfg_i[kv_pkg::REQ_SEED_LSB+:31]),
        .room_i      (room_i),
        .beat_valid_i(beat_valid_i[6]),
        .beat_i      (beat_i),
        .beat_last_i (beat_last_i),
        .abort_i     (beat_abort_i),
        .push_valid_o(push_valid[4]),
        .push_data_o (push_entry[EntryW*4+10+:Width]),
        .push_bytes_o(push_entry[EntryW*4+4+:6]),
        .push_last_o (push_entry[EntryW*4+0])
    );
    assign push_entry[EntryW*4+1+:3] = 3'b000;
    assign ready_o[6:5] = 2'b11;
    assign ready_next_o[6:5] = 2'b11;
  end else begin : gen_no_link
    assign push_valid[4] = 1'b0;
    assign push_entry[EntryW*4+:EntryW] = '0;
    assign ready_o[6:5] = 2'b00;
    assign ready_next_o[6:5] = 2'b00;
  end
  assign token[4]  = 1'b0;
  assign groups[40+:10] = '0;
  assign saturated[20+:5] = '0;
  assign nonfinite[40+:10] = '0;

  always_comb begin
    ev_token_o     = |token;
    ev_groups_o    = '0;
    ev_saturated_o = '0;
    ev_nonfinite_o = '0;
    for (int i = 0; i < Units; i++) begin
      ev_groups_o |= groups[10*i+:10];
      ev_saturated_o |= {1'b0, saturated[5*i+:5]};
      ev_nonfinite_o |= nonfinite[10*i+:10];
    end
    // Items of DEQUANTIZE go on while others come out of the rotation; what that finds in rows, QUANTIZE does not see.
    ev_saturated_o += {1'b0, turned_over};
    ev_nonfinite_o |= {5'd0, turned_bad};
  end

  // A COMPRESS pushes from two units.
  assign push_o = push_valid != '0;
  always_comb begin
    if (unit_i[6] || unit_i[5]) entry_o = push_entry[EntryW*4+:EntryW];
    else if (unit_i[3] || (compress && push_valid[3])) entry_o = push_entry[EntryW*3+:EntryW];
    else if (unit_i[2]) entry_o = push_entry[EntryW*2+:EntryW];
    else if (unit_i[1] || compress) entry_o = push_entry[EntryW*1+:EntryW];
    else entry_o = push_entry[EntryW*0+:EntryW];
  end

  // Not every set of units reads everything.
  logic unused;
  assign unused = &{
    1'b0, unit_i, start_i, cfg_i, scheme, axis, group, bits, layout, rows, dims, row_dims, keys, row,
    row_tier, row_has_tier, row_kept, section_end, section_done, quant_last, quant_nonfinite, quant_saturated,
    rows_nonfinite, item, turning, turned, turned_last, turned_beat, turned_flags, bf16, block, select_ready, select_ready_next, select_done, select_nonfinite, select_saturated, beat_part_i, beat_part_end_i,
    beat_row_end_i, beat_valid_i, beat_i, beat_last_i, beat_abort_i, raw_i, pf_count_i, room_i, room_next_i, pre_start_i, en_i
  };

`ifndef SYNTHESIS
  logic [4:0] turn;
  assign turn = {unit_i[6] | unit_i[5], unit_i[4] | unit_i[3], unit_i[2], unit_i[4] | unit_i[1], unit_i[0]};

  // ready_next_o of the cycle before says which of the units at work are ready. The first cycle of
  // a payload is the one of start_i.
  logic [6:0] said_q;
  always_ff @(posedge clk_i)
    if (!rst_i && en_i[0]) begin
      said_q <= ready_next_o;
      assert (unit_i == '0 || start_i == '0 || (unit_i & ready_o) == (unit_i & said_q))
      else $error("kv_units: not as ready at the start as was said");
      assert ((beat_valid_i & ~ready_o) == '0)
      else $error("kv_units: a beat for a unit that is not ready");
      assert ($countones(push_valid) <= 1)
      else $error("kv_units: two entries pushed at once");
      assert ((push_valid & ~turn) == '0)
      else $error("kv_units: a unit pushes out of its turn");
    end
`endif

endmodule
