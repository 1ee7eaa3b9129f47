// QUANTIZE and DEQUANTIZE, and the one rotation that stands before the first and behind the second (see kv_units).
//
// unit_i, beat_valid_i, ready_o, ready_next_o  bit 0: QUANTIZE, bit 1: DEQUANTIZE; likewise push_valid_o and push_entry_o, an entry each
// en_i               copies of the enable: QUANTIZE, DEQUANTIZE, the rotation; start_i: QUANTIZE, DEQUANTIZE, COMPRESS
// compress_i         the command at hand is a COMPRESS; cfg_i: the request header
// keys_i to section_done_o  of a COMPRESS, see kv_units_pick; its last entry has select_flags_i, {saturated, non-finite}
// rows_nonfinite_o   elements that QUANTIZE cleaned
// ev_*_o             events; ev_clamped_o: elements that the rotation clamped, beside ev_saturated_o of DEQUANTIZE
// Without its bit in Features any of them is not built: never ready, never pushing. Latencies are those of the units.
module kv_units_tile #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxDim = 256,
    parameter int unsigned TileTokens = 128,
    parameter int unsigned PayloadDepth = 64,
    parameter logic [11:0] Features = 12'hFFF,
    localparam int unsigned CountW = $clog2(PayloadDepth + 1),
    localparam int unsigned EntryW = 16 * Lanes + 10
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic [         2:0] en_i,
    input  logic [         1:0] unit_i,
    input  logic [         2:0] start_i,
    input  logic                compress_i,
    input  logic [       255:0] cfg_i,
    input  logic [         1:0] beat_valid_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic                beat_last_i,
    output logic [         1:0] ready_o,
    output logic [         1:0] ready_next_o,
    input  logic [  CountW-1:0] pf_count_i,
    output logic [         1:0] push_valid_o,
    output logic [2*EntryW-1:0] push_entry_o,
    input  logic                pre_start_i,
    output logic                pre_valid_o,
    output logic [16*Lanes-1:0] pre_data_o,
    output logic                pre_last_o,
    input  logic                keys_i,
    input  logic                row_kept_i,
    input  logic [         1:0] row_tier_i,
    input  logic                section_end_i,
    output logic                section_done_o,
    output logic [         9:0] rows_nonfinite_o,
    input  logic [         1:0] select_flags_i,
    output logic                ev_token_o,
    output logic [         9:0] ev_groups_o,
    output logic [         4:0] ev_saturated_o,
    output logic [         4:0] ev_clamped_o,
    output logic [         9:0] ev_nonfinite_o
);

  localparam int unsigned Width = 16 * Lanes;

  // Settings. What a COMPRESS has for its values is what it has for its keys in other fields.
  logic axis, bf16;
  logic [1:0] block;  // of the rotation
  logic [2:0] group;
  logic [9:0] row_dims;

  assign bf16     = Features[kv_pkg::FEAT_BF16] && cfg_i[kv_pkg::REQ_FORMAT_LSB] == 1'(kv_pkg::FORMAT_BF16);
  assign block    = Features[kv_pkg::FEAT_ROTATE] ? cfg_i[kv_pkg::REQ_ROTATE_LSB+:2] : 2'(kv_pkg::ROTATE_NONE);
  assign axis     = cfg_i[kv_pkg::REQ_AXIS_LSB] && !(compress_i && !keys_i);
  assign group    = compress_i && !keys_i ? cfg_i[kv_pkg::REQ_VALUE_GROUP_LSB+:3] : cfg_i[kv_pkg::REQ_GROUP_LSB+:3];
  assign row_dims = compress_i ? cfg_i[kv_pkg::REQ_ROW_DIMS_LSB+:10] : cfg_i[kv_pkg::REQ_DIMS_LSB+:10];

  // Between DEQUANTIZE, the rotation and QUANTIZE; turning: it takes part in the command at hand.
  logic quant_last, item, turning, turned, turned_last;
  logic [EntryW-1:0] item_entry;
  logic [Width-1:0] turned_beat;
  logic [1:0] turned_flags, quant_flags;  // {saturated, nonfinite}
  logic [4:0] turned_bad;
  logic [1:0] token;
  logic [19:0] groups;
  logic [9:0] nonfinite;

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
        .en_i            (en_i[0]),
        .start_i         (start_i[0] || start_i[2]),
        .scheme_i        (cfg_i[kv_pkg::REQ_SCHEME_LSB+:2]),
        .axis_i          (axis),
        .group_i         (group),
        .bits_i          (cfg_i[kv_pkg::REQ_BITS_LSB+:4]),
        .layout_i        (cfg_i[kv_pkg::REQ_LAYOUT_LSB] && !compress_i),
        .bf16_i          (bf16),
        .rows_i          (cfg_i[kv_pkg::REQ_ROWS_LSB+:24]),
        .dims_i          (row_dims),
        .beat_valid_i    (turning ? turned && unit_i[0] : beat_valid_i[0] || row_kept_i),
        .beat_i          (turning ? turned_beat : beat_i),
        .beat_last_i     (turning ? turned_last : beat_last_i && !compress_i),
        .flags_i         (turned_flags & {2{turning}}),
        .ready_o         (ready_o[0]),
        .push_valid_o    (push_valid_o[0]),
        .push_data_o     (push_entry_o[10+:Width]),
        .push_bytes_o    (push_entry_o[4+:6]),
        .push_last_o     (quant_last),
        .push_pre_o      (push_entry_o[1]),
        .push_nonfinite_o(quant_flags[0]),
        .push_saturated_o(quant_flags[1]),
        .ev_token_o      (token[0]),
        .ev_groups_o     (groups[0+:10]),
        .ev_nonfinite_o  (rows_nonfinite_o),
        .pre_start_i     (pre_start_i),
        .pre_valid_o     (pre_valid_o),
        .pre_data_o      (pre_data_o),
        .pre_last_o      (pre_last_o),
        .mixed_i         (compress_i),
        .tier_i          (row_tier_i),
        .end_i           (section_end_i),
        .final_i         (keys_i),
        .done_o          (section_done_o)
    );
    assign push_entry_o[0] = quant_last;
    assign ready_next_o[0] = 1'b1;  // QUANTIZE always is
    // The last entry of a COMPRESS has the flags of all its parts.
    assign push_entry_o[2+:2] = compress_i ? select_flags_i & {2{quant_last}} : quant_flags;
  end else begin : gen_no_quant
    assign {ready_o[0], ready_next_o[0], push_valid_o[0], push_entry_o[0+:EntryW], quant_last, quant_flags} = '0;
    assign {token[0], groups[0+:10], rows_nonfinite_o, pre_valid_o, pre_data_o, pre_last_o, section_done_o} = '0;
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
        .en_i            (en_i[1]),
        .start_i         (start_i[1]),
        .scheme_i        (cfg_i[kv_pkg::REQ_SCHEME_LSB+:2]),
        .axis_i          (axis),
        .group_i         (group),
        .bits_i          (cfg_i[kv_pkg::REQ_BITS_LSB+:4]),
        .layout_i        (cfg_i[kv_pkg::REQ_LAYOUT_LSB]),
        .bf16_i          (bf16),
        .block_i         (block),
        .rows_i          (cfg_i[kv_pkg::REQ_ROWS_LSB+:24]),
        .dims_i          (cfg_i[kv_pkg::REQ_DIMS_LSB+:10]),
        .beat_valid_i    (beat_valid_i[1]),
        .beat_i          (beat_i),
        .beat_last_i     (beat_last_i),
        .ready_o         (ready_o[1]),
        .ready_next_o    (ready_next_o[1]),
        .pf_count_i      (pf_count_i),
        .push_valid_o    (item),
        .push_data_o     (item_entry[10+:Width]),
        .push_bytes_o    (item_entry[4+:6]),
        .push_last_o     (item_entry[0]),
        .push_pre_o      (item_entry[1]),
        .push_nonfinite_o(item_entry[2]),
        .push_saturated_o(item_entry[3]),
        .ev_token_o      (token[1]),
        .ev_groups_o     (groups[10+:10]),
        .ev_saturated_o  (ev_saturated_o),
        .ev_nonfinite_o  (nonfinite)
    );
  end else begin : gen_no_dequant
    assign {ready_o[1], ready_next_o[1], item, item_entry, token[1], groups[10+:10], ev_saturated_o, nonfinite} = '0;
  end

  if (Features[kv_pkg::FEAT_ROTATE]) begin : gen_rotate
    assign turning = block != 2'(kv_pkg::ROTATE_NONE);

    kv_rotate #(
        .Lanes (Lanes),
        .MaxDim(MaxDim)
    ) u_rotate (
        .clk_i         (clk_i),
        .rst_i         (rst_i),
        .en_i          (en_i[2]),
        .block_i       (block),
        .restore_i     (unit_i[1]),
        .valid_i       (turning && (beat_valid_i[0] || item)),
        .beat_i        (unit_i[1] ? item_entry[10+:Width] : beat_i),
        .last_i        (unit_i[1] ? item_entry[0] : beat_last_i),
        .nonfinite_i   (item && item_entry[2]),
        .saturated_i   (item && item_entry[3]),
        .valid_o       (turned),
        .beat_o        (turned_beat),
        .last_o        (turned_last),
        .nonfinite_o   (turned_flags[0]),
        .saturated_o   (turned_flags[1]),
        .ev_nonfinite_o(turned_bad),
        .ev_saturated_o(ev_clamped_o)
    );
  end else begin : gen_no_rotate
    assign {turning, turned, turned_beat, turned_last, turned_flags, turned_bad, ev_clamped_o} = '0;
  end

  assign push_valid_o[1] = turning ? turned && unit_i[1] : item;
  assign push_entry_o[EntryW+:EntryW] = turning ? {turned_beat, 6'(2 * Lanes), turned_flags, 1'b0, turned_last} : item_entry;

  assign ev_token_o     = |token;
  assign ev_groups_o    = groups[0+:10] | groups[10+:10];
  assign ev_nonfinite_o = rows_nonfinite_o | nonfinite | {5'd0, turned_bad};

  wire unused = &{
    1'b0, clk_i, rst_i, en_i, unit_i, start_i, cfg_i, beat_valid_i, beat_i, beat_last_i, pf_count_i, pre_start_i, row_kept_i, row_tier_i,
    section_end_i, select_flags_i, axis, bf16, block, group, row_dims, quant_last, quant_flags, turned_beat
  };

endmodule
