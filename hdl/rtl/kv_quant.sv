// QUANTIZE (docs/engine.md, sections 3, 4 and 5.7): rows of fp16 or bfloat16 in; scales, minima and packed codes out.
//
// The unit interface is that of all units (see kv_units): always ready; a beat taken in cycle t; pushes into the
// payload FIFO, at most one a cycle, never refused; events of the cycle. Scale beats of per-channel groups come on
// pre_*: pre_start_i in cycle c, one beat a cycle from c + 2 on.
//
// Timing, t being the cycle of a group's last beat:
//   per token     extent t + 5, scale t + 14, ring read from t + 12 on
//   per channel   extents t + 6 + channel, scales t + 15 + channel, ring read from t + 16 + dims on
//   ring read r   element r + 3, code r + 11, push r + 14
// Bf16          bf16_i: rows, scales and minima are bfloat16
// Rotate        beats may come rotated: flags_i, with a beat, {saturated, non-finite} beside what it shows itself
// Compress: the hooks of COMPRESS (5.10), without which mixed_i and the ports after it are ignored.
//   mixed_i       the command is a COMPRESS; beats are those of its kept rows. Scheme, axis, group, bits and dims are those
//                 of the section and change only after done_o; beat_last_i is 0
//   tier_i        with a beat, per token: tier of its row, which says its width; 0: raw
//   end_i         in cycle t: the section ends with the beat of this cycle, or with the one before
//   final_i       the section is the command's last
//   done_o        in cycle y = max(t, last ring read) + FlushLatency; then what is left is pushed, in the last section as
//                 `last`. Rows of an incomplete per-channel group are read before, as raw ones
//
// Nothing moves in a cycle with en_i = 0. Ties and overflow: see kv_quant_lane, kv_quant_scale; nothing overflows.
module kv_quant #(
    parameter int unsigned Lanes      = 8,
    parameter int unsigned MaxDim     = 256,
    parameter int unsigned TileTokens = 128,
    parameter bit          Compress   = 1'b0,
    parameter bit          Rotate     = 1'b0,
    parameter bit          Bf16       = 1'b0,
    parameter int unsigned FlushLatency = 20
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                start_i,
    input  logic [         1:0] scheme_i,
    input  logic                axis_i,
    input  logic [         2:0] group_i,
    input  logic [         3:0] bits_i,
    input  logic                layout_i,
    input  logic                bf16_i,
    input  logic [        23:0] rows_i,
    input  logic [         9:0] dims_i,
    input  logic                beat_valid_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic                beat_last_i,
    input  logic [         1:0] flags_i,
    output logic                ready_o,
    output logic                push_valid_o,
    output logic [16*Lanes-1:0] push_data_o,
    output logic [         5:0] push_bytes_o,
    output logic                push_last_o,
    output logic                push_pre_o,
    output logic                push_nonfinite_o,
    output logic                push_saturated_o,
    output logic                ev_token_o,
    output logic [         9:0] ev_groups_o,
    output logic [         9:0] ev_nonfinite_o,
    input  logic                pre_start_i,
    output logic                pre_valid_o,
    output logic [16*Lanes-1:0] pre_data_o,
    output logic                pre_last_o,
    input  logic                mixed_i,
    input  logic [         1:0] tier_i,
    input  logic                end_i,
    input  logic                final_i,
    output logic                done_o
);

  localparam int unsigned WordW = $clog2(MaxDim / Lanes);
  localparam int unsigned LaneW = $clog2(Lanes);
  localparam int unsigned ShiftW = Bf16 ? 9 : 6;  // see kv_quant_recip

  assign ready_o = 1'b1;

  // Settings, a cycle after they are given; with what follows from them: beats of a row and of a group, less one.
  logic asym, asym_q, offset_q, fold_q, channel, channel_q;
  logic token_q;  // not channel_q, beside it for the counting of beats and the extents
  logic [WordW-1:0] top_word_q;
  logic [15:0] row_beats, group_beats, group_top_q;
  logic [7:0] group_rows;
  logic [6:0] top_row_q;
  logic [3:0] width, width_q, bits_q;
  logic mixed, mixed_q, by_tier_q, bf16;

  assign asym       = scheme_i == 2'(kv_pkg::SCHEME_ASYM);
  assign channel    = axis_i == 1'(kv_pkg::AXIS_CHANNEL);
  assign row_beats  = 16'(dims_i) >> LaneW;
  assign group_rows = 8'd16 << group_i[1:0];
  assign width      = asym ? bits_i : bits_i - 4'd1;
  assign mixed      = Compress && mixed_i;
  assign bf16       = Bf16 && bf16_i;

  always_comb begin
    if (channel) group_beats = 16'(row_beats << (4'd4 + 4'(group_i[1:0])));
    else if (group_i == 3'(kv_pkg::GROUP_ROW)) group_beats = row_beats;
    else group_beats = 16'(group_rows) >> LaneW;
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      asym_q      <= asym;
      offset_q    <= scheme_i == 2'(kv_pkg::SCHEME_OFFSET);
      fold_q      <= layout_i == 1'(kv_pkg::LAYOUT_BLOCK) && bits_i == 4'd4;
      channel_q   <= channel;
      token_q     <= !channel;
      top_word_q  <= WordW'(row_beats - 16'd1);
      top_row_q   <= 7'(group_rows - 8'd1);
      group_top_q <= group_beats - 16'd1;
      width_q     <= width;
      bits_q      <= bits_i;
      mixed_q     <= mixed;
      by_tier_q   <= mixed && !channel;
    end
  end

  // Bits of a code of a tier: 8, 4, 2; and the c of 2^c - 1.
  function automatic logic [3:0] tier_bits(input logic [1:0] tier);
    tier_bits = {tier[1:0] == 2'd1, tier == 2'd2, tier == 2'd3, 1'b0};
  endfunction

  function automatic logic [3:0] tier_width(input logic [1:0] tier);
    tier_width = tier_bits(tier) - 4'(!asym_q);
  endfunction

  // Cycle t: clean.
  logic [16*Lanes-1:0] clean, clean1_q;
  logic [Lanes-1:0] bad, bad1_q;
  logic valid1_q, last1_q;
  logic [1:0] tier1_q, flags1_q;
  logic [16*Lanes-1:0] kept1;  // what the ring keeps

  for (genvar i = 0; i < Lanes; i++) begin : gen_clean
    kv_fp16_clean u_clean (
        .bf16_i(bf16),
        .x_i  (beat_i[16*i+:16]),
        .x_o  (clean[16*i+:16]),
        .bad_o(bad[i])
    );
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) valid1_q <= 1'b0;
    else if (en_i) valid1_q <= beat_valid_i;
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      clean1_q <= clean;
      bad1_q   <= bad;
      last1_q  <= beat_last_i;
      tier1_q  <= tier_i;
      flags1_q <= Rotate ? flags_i : '0;
    end
  end

  // With raw rows the ring keeps what came.
  if (Compress) begin : gen_keep_raw
    logic [16*Lanes-1:0] raw1_q;
    always_ff @(posedge clk_i) if (en_i) raw1_q <= beat_i;
    assign kept1 = raw1_q;
  end else begin : gen_keep_clean
    assign kept1 = clean1_q;
  end

  // Cycle t + 1: where the beat stands in its row and group.
  logic [WordW-1:0] word_q;
  logic [6:0] row_q;
  logic [15:0] beat_q;
  logic row_end, group_first, group_end, last_row;

  assign row_end     = word_q == top_word_q;
  assign last_row    = row_q == top_row_q;
  assign group_first = token_q ? beat_q == '0 : row_q == '0;
  assign group_end   = token_q ? beat_q == group_top_q : last_row && row_end;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      word_q <= '0;
      row_q  <= '0;
      beat_q <= '0;
    end else if (en_i && clear) begin
      row_q  <= '0;
      beat_q <= '0;
    end else if (en_i && valid1_q) begin
      word_q <= row_end ? '0 : word_q + 1'b1;
      if (row_end) row_q <= token_q || last_row ? '0 : row_q + 7'd1;
      beat_q <= (!token_q && !Compress) || group_end ? '0 : beat_q + 16'd1;
    end
  end

  // The end of a section of COMPRESS: rows left over are read, then the packer gives what it holds.
  logic read, rest_go, flush, clear;
  logic [15:0] rest_beats;

  if (Compress) begin : gen_end
    kv_quant_end #(
        .FlushLatency(FlushLatency)
    ) u_end (
        .clk_i       (clk_i),
        .rst_i       (rst_i),
        .en_i        (en_i),
        .end_i       (end_i),
        .read_i      (read),
        .channel_i   (channel_q),
        .complete_i  (complete_q[2][5]),
        .started_i   (wait_q[Wait][5]),
        .beats_i     (beat_q),
        .clear_o     (clear),
        .rest_go_o   (rest_go),
        .rest_beats_o(rest_beats),
        .flush_o     (flush),
        .done_o      (done_o)
    );
  end else begin : gen_no_end
    assign {clear, rest_go, rest_beats, flush, done_o} = '0;
  end

  // And as order keys: unsigned numbers in the order of the values; of the magnitudes if symmetric.
  logic [16*Lanes-1:0] keys1, keys2_q;
  logic [Lanes-1:0] flip1_q;  // negative, and not of magnitudes

  for (genvar i = 0; i < Lanes; i++) begin : gen_keys
    logic [15:0] x;
    assign x = clean1_q[16*i+:16];
    assign keys1[16*i+:16] = offset_q ? {x[14:0], x[15]} : {!flip1_q[i], x[14:0] ^ {15{flip1_q[i]}}};
    always_ff @(posedge clk_i) if (en_i) flip1_q[i] <= asym && clean[16*i+15];
  end

  always_ff @(posedge clk_i) if (en_i) keys2_q <= keys1;

  always_comb begin
    ev_nonfinite_o = '0;
    for (int i = 0; i < Lanes; i++) ev_nonfinite_o += 10'(valid1_q && bad1_q[i]);
  end

  // Complete groups: in t + 2 to t + 5, with their flags and whether the packet ends.
  logic [1:0] taint_q;
  logic [5:0] complete_q[2:5];  // {valid, tier, last, saturated, nonfinite}
  logic [1:0] taint;
  assign taint = ({1'b0, |bad1_q} | flags1_q | taint_q) & {Rotate, !mixed_q};

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      taint_q <= '0;
      for (int i = 2; i <= 5; i++) complete_q[i] <= '0;
    end else if (en_i) begin
      if (valid1_q) taint_q <= taint & {Rotate && !group_end, !group_end};
      complete_q[2] <= {valid1_q && group_end, tier1_q, last1_q, taint};
      for (int i = 3; i <= 5; i++) complete_q[i] <= complete_q[i-1];
    end
  end

  // Extents: cycle e, which is t + 5 per token (done repeats complete_q) and t + 6 + channel per channel.
  logic done, serve, served;
  logic [15:0] token_least, token_most, channel_least, channel_most, least, most;

  kv_quant_extent #(
      .Lanes(Lanes)
  ) u_extent (
      .clk_i  (clk_i),
      .rst_i  (rst_i),
      .en_i   (en_i),
      .valid_i(valid1_q),
      .first_i(group_first),
      .last_i (group_end),
      .tag_i  (offset_q),
      .keys_i (keys1),
      .done_o (done),
      .least_o(token_least),
      .most_o (token_most)
  );

  kv_quant_columns #(
      .Lanes (Lanes),
      .MaxDim(MaxDim)
  ) u_columns (
      .clk_i     (clk_i),
      .rst_i     (rst_i),
      .en_i      (en_i),
      .word_i    (word_q),
      .valid_i   (valid1_q && channel_q),
      .first_i   (group_first),
      .last_i    (last_row),
      .done_i    (group_end),
      .top_word_i(top_word_q),
      .keys_i    (keys2_q),
      .serve_o   (serve),
      .served_o  (served),
      .least_o   (channel_least),
      .most_o    (channel_most)
  );

  assign least = token_q ? token_least : channel_least;
  assign most  = token_q ? token_most : channel_most;

  // Scales: cycle e + 9. With an offset the element that gave the scale is in place of the minimum.
  logic [15:0] scale;
  logic [15:0] min_q[1:9];
  logic [ShiftW-1:0] shift;
  logic [ 9:0] sig, recip;
  logic [ShiftW-1:0] shift2_q;
  logic [ 9:0] sig2_q;
  logic [11:1] put_q;
  logic [3:0] width5_q;

  always_ff @(posedge clk_i) if (en_i) width5_q <= by_tier_q ? tier_width(complete_q[4][4:3]) : width_q;

  kv_quant_scale #(
      .Bf16(Bf16)
  ) u_scale (
      .clk_i  (clk_i),
      .en_i   (en_i),
      .bf16_i (bf16),
      .high_i (most),
      .low_i  (least),
      .sym_i  (!asym_q),
      .offset_i(offset_q),
      .width_i(width5_q),
      .scale_o(scale)
  );

  kv_quant_recip #(
      .Bf16(Bf16)
  ) u_recip (
      .clk_i  (clk_i),
      .en_i   (en_i),
      .bf16_i (bf16),
      .scale_i(scale[14:0]),
      .shift_o(shift),
      .sig_o  (sig),
      .recip_o(recip)
  );

  always_ff @(posedge clk_i) begin
    if (rst_i) put_q <= '0;
    else if (en_i) put_q <= {put_q[10:1], channel_q ? serve : done};
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      min_q[1] <= offset_q ? most : least;
      for (int i = 2; i <= 9; i++) min_q[i] <= min_q[i-1];
    end
  end

  // When to read the ring: 12 cycles after a per-token group, or 11 after its last extent.
  localparam int unsigned Wait = kv_pkg::LAT_QUANT_CHANNEL - 5;
  localparam int unsigned Join = Wait + 5 - kv_pkg::LAT_QUANT_TOKEN;
  logic [5:0] wait_q[1:Wait];
  logic [4:0] serving_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      for (int i = 1; i <= Wait; i++) wait_q[i] <= '0;
    end else if (en_i) begin
      wait_q[1] <= {channel_q && served, serving_q};
      for (int i = 2; i <= Wait; i++) wait_q[i] <= wait_q[i-1];
      if (!channel_q && complete_q[4][5]) wait_q[Join] <= complete_q[4];
    end
  end

  always_ff @(posedge clk_i) if (en_i && complete_q[5][5]) serving_q <= complete_q[5][4:0];

  // Ring reads.
  logic first, row, last, raw;
  logic [4:0] tag;  // {rest, tier, saturated, nonfinite}
  logic [1:0] bank;
  logic [WordW-1:0] word;
  logic [16*Lanes-1:0] beat2, beat3;

  kv_quant_drain #(
      .Lanes     (Lanes),
      .MaxDim    (MaxDim),
      .TileTokens(TileTokens),
      .TagW      (5)
  ) u_drain (
      .clk_i         (clk_i),
      .rst_i         (rst_i),
      .en_i          (en_i),
      .start_i       (start_i),
      .put_i         (valid1_q),
      .beat_i        (kept1),
      .bank_i        (channel_q && !rest_go),
      .fold_i        (fold_q),
      .beats_i       (rest_go ? rest_beats : group_top_q),
      .top_word_i    (top_word_q),
      .go_i          (wait_q[Wait][5] || rest_go),
      .go_last_i     (wait_q[Wait][2] && !rest_go),
      .go_tag_i      ({rest_go, wait_q[Wait][4:3], wait_q[Wait][1:0] & {2{!rest_go}}}),
      .read_o        (read),
      .first_o       (first),
      .row_o         (row),
      .last_o        (last),
      .tag_o         (tag),
      .bank_o        (bank),
      .word_o        (word),
      .beat_o        (beat2)
  );

  assign ev_token_o  = read && row;
  assign raw         = rest_go || (by_tier_q && tag[3:2] == 2'd0);
  assign ev_groups_o = read && first && !raw ? (channel_q ? dims_i : 10'd1) : '0;

  // Parameters of the items, by cycles after the read.
  logic [16*Lanes-1:0] mins2, mins3;
  logic [ShiftW*Lanes-1:0] shifts4, shifts5;
  logic [10*Lanes-1:0] sigs4, recips4, sigs8, recips8;
  logic token_flip3;
  logic [31:0] prefix_q[3:12];

  kv_quant_table #(
      .Lanes (Lanes),
      .MaxDim(MaxDim),
      .ShiftW(ShiftW)
  ) u_table (
      .clk_i      (clk_i),
      .rst_i      (rst_i),
      .en_i       (en_i),
      .put_i      (put_q[9] && channel_q),
      .scale_i    (scale),
      .min_i      (min_q[9]),
      .shift_i    (shift2_q),
      .sig_i      (sig2_q),
      .recip_i    (recip),
      .top_word_i (top_word_q),
      .asym_i     (asym_q),
      .bank_i     (bank),
      .word_i     (word),
      .min_o      (mins2),
      .shift_o    (shifts4),
      .sig_o      (sigs4),
      .recip_o    (recips4),
      .pre_start_i(pre_start_i),
      .pre_valid_o(pre_valid_o),
      .pre_data_o (pre_data_o),
      .pre_last_o (pre_last_o)
  );

  // A per-token group has its first item read at r = e + 7: its scale and minimum are there for the packer in r + 12.
  kv_quant_item #(
      .Lanes (Lanes),
      .ShiftW(ShiftW)
  ) u_item (
      .clk_i        (clk_i),
      .en_i         (en_i),
      .channel_i    (channel_q),
      .offset_i     (offset_q),
      .min_i        (mins2),
      .shift_i      (shifts4),
      .sig_i        (sigs4),
      .recip_i      (recips4),
      .put_i        (put_q[8]),
      .token_min_i  (min_q[8]),
      .put_div_i    (put_q[11]),
      .token_shift_i(shift2_q),
      .token_sig_i  (sig2_q),
      .token_recip_i(recip),
      .min_o        (mins3),
      .flip_o       (token_flip3),
      .shift_o      (shifts5),
      .sig_o        (sigs8),
      .recip_o      (recips8)
  );

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      shift2_q <= shift;
      sig2_q   <= sig;
      if (put_q[9]) prefix_q[3] <= {min_q[9], scale};
      for (int i = 4; i <= 12; i++) prefix_q[i] <= prefix_q[i-1];
    end
  end

  // Items alongside: {valid, first, last, rest, tier, saturated, nonfinite}; what they are made of.
  logic [7:0] item_q[1:11];
  logic [7:0] limit9_q;
  logic [3:0] width8, bits11_q;
  logic raw10, raw11_q, lead11_q, pre11_q;

  assign width8 = by_tier_q ? tier_width(item_q[8][3:2]) : width_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      for (int i = 1; i <= 11; i++) item_q[i] <= '0;
    end else if (en_i) begin
      item_q[1] <= {read, first, last, tag};
      for (int i = 2; i <= 11; i++) item_q[i] <= item_q[i-1];
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      limit9_q <= offset_q ? 8'd8 : 8'((9'd1 << width8) - 9'd1);
      bits11_q <= by_tier_q ? tier_bits(item_q[10][3:2]) : bits_q;
      raw11_q  <= raw10;
      lead11_q <= item_q[10][6] && !channel_q && !raw10;
      pre11_q  <= item_q[10][6] && channel_q && !raw10;
    end
  end

  assign raw10 = Compress && (item_q[10][4] || (by_tier_q && item_q[10][3:2] == 2'd0));

  // Elements, of beats as they came once more cleaned; and these as they came, for the packer.
  logic [16*Lanes-1:0] raw11;

  if (Compress) begin : gen_raw
    kv_quant_raw #(
        .Lanes(Lanes)
    ) u_raw (
        .clk_i  (clk_i),
        .rst_i  (rst_i),
        .en_i   (en_i),
        .bf16_i (bf16),
        .beat_i (beat2),
        .clean_o(beat3),
        .beat_o (raw11)
    );
  end else begin : gen_no_raw
    always_ff @(posedge clk_i) if (en_i) beat3 <= beat2;
    assign raw11 = '0;
  end

  // Lanes: element r + 3, code r + 11.
  logic [8*Lanes-1:0] codes;

  for (genvar i = 0; i < Lanes; i++) begin : gen_lane
    kv_quant_lane #(
        .Bf16(Bf16)
    ) u_lane (
        .clk_i  (clk_i),
        .en_i   (en_i),
        .bf16_i (bf16),
        .x_i    (beat3[16*i+:16]),
        .min_i  (mins3[16*i+:16]),
        .sym_i  (!asym_q),
        .flip_i (token_flip3),
        .offset_i(offset_q),
        .limit_i(limit9_q),
        .shift_i(shifts5[ShiftW*i+:ShiftW]),
        .sig_i  (sigs8[10*i+:10]),
        .recip_i(recips8[10*i+:10]),
        .code_o (codes[8*i+:8])
    );
  end

  kv_quant_pack #(
      .Lanes   (Lanes),
      .Compress(Compress),
      .Rotate  (Rotate)
  ) u_pack (
      .clk_i           (clk_i),
      .rst_i           (rst_i),
      .en_i            (en_i),
      .asym_i          (asym_q),
      .fold_i          (fold_q),
      .bits_i          (bits11_q),
      .item_i          (item_q[11][7]),
      .lead_i          (lead11_q),
      .pre_i           (pre11_q),
      .last_i          (item_q[11][5]),
      .flags_i         (item_q[11][1:0]),
      .raw_i           (raw11_q),
      .beat_i          (raw11),
      .flush_i         (flush),
      .final_i         (final_i),
      .codes_i         (codes),
      .prefix_i        (prefix_q[12]),
      .push_valid_o    (push_valid_o),
      .push_data_o     (push_data_o),
      .push_bytes_o    (push_bytes_o),
      .push_last_o     (push_last_o),
      .push_pre_o      (push_pre_o),
      .push_flags_o    ({push_saturated_o, push_nonfinite_o})
  );

  wire unused = &{1'b0, rows_i, mixed_i, tier_i, end_i, item_q[11][6], item_q[11][4:2], flags_i, bf16_i};

endmodule
