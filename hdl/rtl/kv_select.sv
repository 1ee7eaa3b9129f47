// SELECT: scores, attention rows or key rows in, the positions to keep out (docs/engine.md, 4
// and 5.9); also the first part of a COMPRESS.
//
// start_i   one cycle after dispatch; the settings (cfg_i, the request header) are valid from then on. A
//           new command starts only after the last entry of the one before was pushed.
// compress_i  the command is a COMPRESS: the result is a tier map, and no entry is `last`.
// beat_*_i  a beat of the selection part taken in this cycle, only with ready_o. beat_rows_i: of attention
//           or key rows, else of the scores so far; beat_part_end_i: the last of those;
//           beat_row_end_i: the last of a row; abort_i: the packet ends with this one, too early.
// ready_o   from registers; low while a word of scores that may come next is not yet written, and from the
//           end of the selection part to that of the emission.
// ready_next_o  ready_o of the next cycle, if this one is enabled.
// push_*_o  an entry for the payload FIFO, which is empty then and holds the whole result's
//           head start; the last one carries the flags of the command.
// nonfinite_o, saturated_o  the flags so far.
// ev_*_o    events of this cycle.
// done_o    the last cycle of the emission; with ScoresOut, LAT_SELECT_SCORES + 1 cycles into the last score's way.
// row_i     after done_o: a position; row_tier_o, row_kept_o in the next cycle: its tier, whether it has one.
// Everything stands still in cycles with en_i = 0.
//
// Beats become scores in kv_select_ledger, which holds them; kv_select_search finds the best of them, as often as
// the settings ask for; kv_select_result gives out what it found.
module kv_select #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxTokens = 4096,
    parameter logic [11:0] Features = 12'hFFF,  // built in, bits kv_pkg::FEAT_*
    localparam int unsigned RowW = $clog2(MaxTokens)
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                start_i,
    input  logic                compress_i,
    input  logic [       255:0] cfg_i,
    input  logic                beat_valid_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic                beat_rows_i,
    input  logic                beat_part_end_i,
    input  logic                beat_row_end_i,
    input  logic                abort_i,
    output logic                ready_o,
    output logic                ready_next_o,
    output logic                push_valid_o,
    output logic [16*Lanes-1:0] push_data_o,
    output logic [         5:0] push_bytes_o,
    output logic                push_last_o,
    output logic                push_nonfinite_o,
    output logic                push_saturated_o,
    output logic                nonfinite_o,
    output logic                saturated_o,
    output logic [         4:0] ev_saturated_o,
    output logic [         9:0] ev_nonfinite_o,
    output logic                done_o,
    input  logic [    RowW-1:0] row_i,
    output logic [         1:0] row_tier_o,
    output logic                row_kept_o
);

  localparam int unsigned WordW = $clog2(MaxTokens / Lanes);
  localparam int unsigned CountW = $clog2(MaxTokens) + 1;
  localparam bit Pool = Features[kv_pkg::FEAT_POOL];
  localparam bit Decay = Features[kv_pkg::FEAT_DECAY];
  localparam bit Norm = Features[kv_pkg::FEAT_KEY_NORM];
  localparam bit Tiers = Features[kv_pkg::FEAT_TIERS];

  // Index is the stage, of a word that is written or of a scan.
  logic has_rows, take, take_next, pooling, give, cut, scan, sel_end, pooled, fresh;
  logic sweep1, end1, clear1, valid4, valid5, last5, clear8, right;
  logic rows, row_end, pool_sat;
  logic [WordW-1:0] word, word1, word4, word5;
  logic [WordW-2:0] pair;
  logic [CountW-1:0] from;
  logic [1:0] quarter, tier;
  logic [3:0] digit, top;
  logic [8*Lanes-1:0] cur2, prev2;
  logic [4*Lanes-1:0] ahead6;
  logic [16*Lanes-1:0] give_beat;
  logic [Lanes-1:0] elem4, prot4, keep5, bad, neg, rows_sat, given_sat;

  kv_select_ledger #(
      .Lanes    (Lanes),
      .MaxTokens(MaxTokens),
      .Pool     (Pool),
      .Norm     (Norm),
      .Decay    (Decay),
      .Tiers    (Tiers)
  ) u_ledger (
      .clk_i,
      .rst_i,
      .en_i,
      .start_i,
      .cfg_i,
      .has_rows_i (has_rows),
      .take_i     (take),
      .take_next_i(take_next),
      .cut_i      (cut),
      .beat_valid_i,
      .beat_i,
      .beat_rows_i,
      .beat_part_end_i,
      .beat_row_end_i,
      .abort_i,
      .ready_o,
      .ready_next_o,
      .end_o      (sel_end),
      .from_o     (from),
      .pooling_i  (pooling),
      .pooled_o   (pooled),
      .scan_i     (scan),
      .pair_i     (pair),
      .digit_i    (digit),
      .cur_o      (cur2),
      .prev_o     (prev2),
      .give_i     (give),
      .word_i     (word),
      .quarter_i  (quarter),
      .give_beat_o(give_beat),
      .sweep1_i   (sweep1),
      .word1_i    (word1),
      .end1_i     (end1),
      .valid4_o   (valid4),
      .word4_o    (word4),
      .elem4_o    (elem4),
      .prot4_o    (prot4),
      .top_o      (top),
      .right_o    (right),
      .ahead6_o   (ahead6),
      .clear8_o   (clear8),
      .rows_o     (rows),
      .row_end_o  (row_end),
      .bad_o      (bad),
      .neg_o      (neg),
      .rows_sat_o (rows_sat),
      .given_sat_o(given_sat),
      .pool_sat_o (pool_sat)
  );

  kv_select_search #(
      .Lanes    (Lanes),
      .MaxTokens(MaxTokens),
      .Pool     (Pool),
      .Norm     (Norm),
      .Tiers    (Tiers)
  ) u_search (
      .clk_i,
      .rst_i,
      .en_i,
      .cfg_i,
      .compress_i,
      .end_i     (sel_end),
      .abort_i,
      .from_i    (from),
      .pooled_i  (pooled),
      .has_rows_o(has_rows),
      .take_o    (take),
      .take_next_o(take_next),
      .pooling_o (pooling),
      .give_o    (give),
      .word_o    (word),
      .quarter_o (quarter),
      .tier_o    (tier),
      .fresh_o   (fresh),
      .cut_o     (cut),
      .done_o,
      .scan_o    (scan),
      .pair_o    (pair),
      .digit_o   (digit),
      .cur2_i    (cur2),
      .prev2_i   (prev2),
      .valid4_i  (valid4),
      .word4_i   (word4),
      .elem4_i   (elem4),
      .prot4_i   (prot4),
      .top_i     (top),
      .right_i   (right),
      .ahead6_i  (ahead6),
      .clear8_i  (clear8),
      .sweep1_o  (sweep1),
      .word1_o   (word1),
      .end1_o    (end1),
      .clear1_o  (clear1),
      .valid5_o  (valid5),
      .word5_o   (word5),
      .last5_o   (last5),
      .keep5_o   (keep5)
  );

  kv_select_result #(
      .Lanes    (Lanes),
      .MaxTokens(MaxTokens),
      .Tiers    (Tiers)
  ) u_result (
      .clk_i,
      .rst_i,
      .en_i,
      .cfg_i,
      .compress_i,
      .tier_i     (tier),
      .fresh_i    (fresh),
      .clear1_i   (clear1),
      .valid5_i   (valid5),
      .word5_i    (word5),
      .last5_i    (last5),
      .keep5_i    (keep5),
      .elem4_i    (elem4),
      .prot4_i    (prot4),
      .give_i     (give),
      .done_i     (done_o),
      .give_beat_i(give_beat),
      .cut_i      (cut),
      .nonfinite_i(nonfinite_o),
      .saturated_i(saturated_o),
      .push_valid_o,
      .push_data_o,
      .push_bytes_o,
      .push_last_o,
      .push_nonfinite_o,
      .push_saturated_o,
      .row_i,
      .row_tier_o,
      .row_kept_o
  );

  kv_select_events #(
      .Lanes(Lanes),
      .Norm (Norm),
      .Decay(Decay)
  ) u_events (
      .clk_i,
      .rst_i,
      .en_i,
      .start_i,
      .cfg_i,
      .rows_i     (rows),
      .row_end_i  (row_end),
      .bad_i      (bad),
      .neg_i      (neg),
      .rows_sat_i (rows_sat),
      .given_sat_i(given_sat),
      .pool_sat_i (pool_sat),
      .ev_nonfinite_o,
      .ev_saturated_o,
      .nonfinite_o,
      .saturated_o
  );

endmodule
