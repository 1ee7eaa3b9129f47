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

  localparam int unsigned WordW  = $clog2(MaxDim / Lanes);
  localparam int unsigned ShiftW = Bf16 ? 9 : 6;  // see kv_quant_recip

  logic bf16, asym_next, asym, offset, fold, channel, token, mixed, by_tier;
  logic [3:0] bits, width;
  logic [WordW-1:0] top_word, word;
  logic [6:0] top_row;
  logic [15:0] group_top;
  assign ready_o = 1'b1;
  assign bf16 = Bf16 && bf16_i;

  kv_quant_settings #(
      .Lanes (Lanes),
      .MaxDim(MaxDim)
  ) u_settings (
      .clk_i      (clk_i),
      .en_i       (en_i),
      .scheme_i   (scheme_i),
      .axis_i     (axis_i),
      .group_i    (group_i),
      .bits_i     (bits_i),
      .layout_i   (layout_i),
      .dims_i     (dims_i),
      .mixed_i    (Compress && mixed_i),
      .asym_next_o(asym_next),
      .asym_o     (asym),
      .offset_o   (offset),
      .fold_o     (fold),
      .channel_o  (channel),
      .token_o    (token),
      .mixed_o    (mixed),
      .by_tier_o  (by_tier),
      .bits_o     (bits),
      .width_o    (width),
      .top_word_o (top_word),
      .top_row_o  (top_row),
      .group_top_o(group_top)
  );

  // From beats to the parameters of their groups, and the ring between the beats and their codes.
  logic kept, served, put, clear, flush;
  logic [16*Lanes-1:0] kept_beat, read_beat;
  logic [15:0] beats, min, scale;
  logic [5:0] complete, complete2;
  logic [ShiftW-1:0] shift;
  logic [9:0] sig, recip;

  kv_quant_group #(
      .Lanes   (Lanes),
      .MaxDim  (MaxDim),
      .Compress(Compress),
      .Rotate  (Rotate),
      .Bf16    (Bf16)
  ) u_group (
      .clk_i         (clk_i),
      .rst_i         (rst_i),
      .en_i          (en_i),
      .bf16_i        (bf16),
      .asym_next_i   (asym_next),
      .asym_i        (asym),
      .offset_i      (offset),
      .channel_i     (channel),
      .token_i       (token),
      .mixed_i       (mixed),
      .by_tier_i     (by_tier),
      .width_i       (width),
      .top_word_i    (top_word),
      .top_row_i     (top_row),
      .group_top_i   (group_top),
      .beat_valid_i  (beat_valid_i),
      .beat_i        (beat_i),
      .beat_last_i   (beat_last_i),
      .tier_i        (tier_i),
      .flags_i       (flags_i),
      .clear_i       (clear),
      .kept_o        (kept),
      .beat_o        (kept_beat),
      .beats_o       (beats),
      .ev_nonfinite_o(ev_nonfinite_o),
      .complete_o    (complete),
      .complete2_o   (complete2),
      .served_o      (served),
      .put_o         (put),
      .min_o         (min),
      .scale_o       (scale),
      .shift_o       (shift),
      .sig_o         (sig),
      .recip_o       (recip)
  );

  logic read, first, last;
  logic [4:0] tag;
  logic [1:0] bank;

  kv_quant_fetch #(
      .Lanes       (Lanes),
      .MaxDim      (MaxDim),
      .TileTokens  (TileTokens),
      .Compress    (Compress),
      .FlushLatency(FlushLatency)
  ) u_fetch (
      .clk_i      (clk_i),
      .rst_i      (rst_i),
      .en_i       (en_i),
      .start_i    (start_i),
      .channel_i  (channel),
      .fold_i     (fold),
      .by_tier_i  (by_tier),
      .top_word_i (top_word),
      .group_top_i(group_top),
      .dims_i     (dims_i),
      .put_i      (kept),
      .beat_i     (kept_beat),
      .beats_i    (beats),
      .complete_i (complete),
      .complete2_i(complete2),
      .served_i   (served),
      .end_i      (end_i),
      .clear_o    (clear),
      .flush_o    (flush),
      .done_o     (done_o),
      .read_o     (read),
      .first_o    (first),
      .last_o     (last),
      .tag_o      (tag),
      .bank_o     (bank),
      .word_o     (word),
      .beat_o     (read_beat),
      .ev_token_o (ev_token_o),
      .ev_groups_o(ev_groups_o)
  );

  kv_quant_emit #(
      .Lanes   (Lanes),
      .MaxDim  (MaxDim),
      .Compress(Compress),
      .Rotate  (Rotate),
      .Bf16    (Bf16)
  ) u_emit (
      .clk_i       (clk_i),
      .rst_i       (rst_i),
      .en_i        (en_i),
      .bf16_i      (bf16),
      .asym_i      (asym),
      .offset_i    (offset),
      .fold_i      (fold),
      .channel_i   (channel),
      .by_tier_i   (by_tier),
      .bits_i      (bits),
      .width_i     (width),
      .top_word_i  (top_word),
      .put_i       (put),
      .min_i       (min),
      .scale_i     (scale),
      .shift_i     (shift),
      .sig_i       (sig),
      .recip_i     (recip),
      .read_i      (read),
      .first_i     (first),
      .last_i      (last),
      .tag_i       (tag),
      .bank_i      (bank),
      .word_i      (word),
      .beat_i      (read_beat),
      .flush_i     (flush),
      .final_i     (final_i),
      .push_valid_o(push_valid_o),
      .push_data_o (push_data_o),
      .push_bytes_o(push_bytes_o),
      .push_last_o (push_last_o),
      .push_pre_o  (push_pre_o),
      .push_flags_o({push_saturated_o, push_nonfinite_o}),
      .pre_start_i (pre_start_i),
      .pre_valid_o (pre_valid_o),
      .pre_data_o  (pre_data_o),
      .pre_last_o  (pre_last_o)
  );

  wire unused = &{1'b0, rows_i, mixed_i, bf16_i};

endmodule
