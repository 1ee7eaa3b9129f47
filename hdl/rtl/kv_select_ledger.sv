// Scores of a SELECT: beats in, the score memory, digits and scores out (docs/engine.md, 4 and 5.9).
//
// start_i, cfg_i, beat_*_i, abort_i, ready_o, ready_next_o  as in kv_select; has_rows_i: attention or key rows come; take_i, take_next_i: as in kv_select_intake; the
//              sequence is before the last beat; cut_i: an aborted command leaves nothing.
// end_o        the last beat comes in this cycle.
// from_o       first recent position, two cycles after the settings.
// pooling_i, pooled_o  the pooling is on, up to this cycle.
// scan_i, pair_i, digit_i, cur_o, prev_o  digits of two words, as in kv_select_score.
// give_i, word_i, quarter_i, give_beat_o  a quarter of a word; two cycles later it is on give_beat_o.
// sweep1_i     stage 1 of a sweep: word1_i, end1_i its word, and that it is the last.
// valid4_o     a word is written: word4_o. elem4_o, prot4_o: its lanes that hold positions, protected ones;
//              also those of a sweep, three cycles after sweep1_i.
// top_o, right_o, ahead6_o, clear8_o  as in kv_select_digits.
// rows_o ... pool_sat_o  what kv_select_events counts.
// Nothing moves in a cycle with en_i = 0.
module kv_select_ledger #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxTokens = 4096,
    parameter bit Pool = 1'b1,
    parameter bit Norm = 1'b1,
    parameter bit Decay = 1'b1,
    parameter bit Tiers = 1'b1,
    localparam int unsigned WordW = $clog2(MaxTokens / Lanes),
    localparam int unsigned CountW = $clog2(MaxTokens) + 1
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                start_i,
    input  logic [       255:0] cfg_i,
    input  logic                has_rows_i,
    input  logic                take_i,
    input  logic                take_next_i,
    input  logic                cut_i,
    input  logic                beat_valid_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic                beat_rows_i,
    input  logic                beat_part_end_i,
    input  logic                beat_row_end_i,
    input  logic                abort_i,
    output logic                ready_o,
    output logic                ready_next_o,
    output logic                end_o,
    output logic [  CountW-1:0] from_o,
    input  logic                pooling_i,
    output logic                pooled_o,
    input  logic                scan_i,
    input  logic [   WordW-2:0] pair_i,
    input  logic [         3:0] digit_i,
    output logic [ 8*Lanes-1:0] cur_o,
    output logic [ 8*Lanes-1:0] prev_o,
    input  logic                give_i,
    input  logic [   WordW-1:0] word_i,
    input  logic [         1:0] quarter_i,
    output logic [16*Lanes-1:0] give_beat_o,
    input  logic                sweep1_i,
    input  logic [   WordW-1:0] word1_i,
    input  logic                end1_i,
    output logic                valid4_o,
    output logic [   WordW-1:0] word4_o,
    output logic [   Lanes-1:0] elem4_o,
    output logic [   Lanes-1:0] prot4_o,
    output logic [         3:0] top_o,
    output logic                right_o,
    output logic [ 4*Lanes-1:0] ahead6_o,
    output logic                clear8_o,
    output logic                rows_o,
    output logic                row_end_o,
    output logic [   Lanes-1:0] bad_o,
    output logic [   Lanes-1:0] neg_o,
    output logic [   Lanes-1:0] rows_sat_o,
    output logic [   Lanes-1:0] given_sat_o,
    output logic                pool_sat_o
);

  logic attention, scoring, norm, first, decay;
  logic [WordW-1:0] word;
  logic [1:0] quarter;

  kv_select_intake #(
      .Lanes    (Lanes),
      .MaxTokens(MaxTokens),
      .Norm     (Norm),
      .Decay    (Decay)
  ) u_intake (
      .clk_i,
      .rst_i,
      .en_i,
      .cfg_i,
      .has_rows_i,
      .take_i,
      .take_next_i,
      .beat_valid_i,
      .beat_rows_i,
      .beat_part_end_i,
      .abort_i,
      .ready_o,
      .ready_next_o,
      .attention_o(attention),
      .scoring_o  (scoring),
      .norm_o     (norm),
      .word_o     (word),
      .row_end_o,
      .quarter_o  (quarter),
      .first_o    (first),
      .decay_o    (decay),
      .end_o
  );

  assign rows_o = beat_valid_i && beat_rows_i;

  logic load, load_end;
  logic [40*Lanes-1:0] load_scores, columns, score4;
  logic [10*Lanes-1:0] nonzero4;
  logic [WordW-1:0] load_word, fetch_word, write_word;
  logic [16*Lanes-1:0] clean;
  logic [Lanes-1:0] given_sat, elem1;
  logic write_end;

  kv_select_load #(
      .Lanes    (Lanes),
      .MaxTokens(MaxTokens),
      .Pool     (Pool),
      .Norm     (Norm)
  ) u_load (
      .clk_i,
      .rst_i,
      .en_i,
      .cfg_i,
      .cut_i,
      .scoring_i     (scoring),
      .beat_i,
      .quarter_i     (quarter),
      .row_end_i     (row_end_o),
      .norm_i        (norm),
      .beat_row_end_i,
      .clean_i       (clean),
      .pooling_i,
      .pooled_o,
      .pool_sat_o,
      .load_o        (load),
      .load_scores_o (load_scores),
      .load_word_o   (load_word),
      .load_end_o    (load_end),
      .given_sat_o   (given_sat),
      .scan_word_i   (word_i),
      .scan_quarter_i(quarter_i),
      .fetch_word_o  (fetch_word),
      .columns_i     (columns),
      .give_beat_o
  );

  assign given_sat_o = given_sat & elem1;

  // Lanes of the word that is written, or, in a sweep, looked at.
  kv_select_place #(
      .Lanes    (Lanes),
      .MaxTokens(MaxTokens)
  ) u_place (
      .clk_i,
      .en_i,
      .n_i     (cfg_i[kv_pkg::REQ_DIMS_LSB+:CountW]),
      .sinks_i (CountW'(cfg_i[kv_pkg::REQ_SINKS_LSB+:16])),
      .recent_i(CountW'(cfg_i[kv_pkg::REQ_RECENT_LSB+:16])),
      .from_o,
      .word1_i (Tiers && sweep1_i ? word1_i : write_word),
      .end1_i  (Tiers && sweep1_i ? end1_i : write_end),
      .elem1_o (elem1),
      .elem4_o,
      .prot4_o
  );

  kv_select_score #(
      .Lanes    (Lanes),
      .MaxTokens(MaxTokens),
      .Decay    (Decay),
      .Pool     (Pool)
  ) u_score (
      .clk_i,
      .rst_i,
      .en_i,
      .beat_valid_i (attention),
      .beat_i,
      .word_i       (word),
      .end_i        (row_end_o),
      .first_i      (first && !cfg_i[kv_pkg::REQ_SCORES_IN_LSB]),
      .decay_i      (decay),
      .lambda_i     (cfg_i[kv_pkg::REQ_LAMBDA_LSB+:16]),
      .load_i       (load),
      .load_scores_i(load_scores),
      .load_word_i  (load_word),
      .load_end_i   (load_end),
      .word1_o      (write_word),
      .end1_o       (write_end),
      .elem1_i      (elem1),
      .bad_o,
      .neg_o,
      .clean_o      (clean),
      .valid4_o,
      .word4_o,
      .sat4_o       (rows_sat_o),
      .score4_o     (score4),
      .nonzero4_o   (nonzero4),
      .scan_i,
      .pair_i,
      .digit_i,
      .cur_o,
      .prev_o,
      .fetch_i      (give_i || pooling_i),
      .fetch_word_i (fetch_word),
      .columns_o    (columns)
  );

  kv_select_digits #(
      .Lanes(Lanes),
      .WordW(WordW)
  ) u_digits (
      .clk_i,
      .rst_i,
      .en_i,
      .start_i,
      .valid4_i  (valid4_o),
      .word4_i   (word4_o),
      .score4_i  (score4),
      .nonzero4_i(nonzero4),
      .unprot4_i (elem4_o & ~prot4_o),
      .top_o,
      .right_o,
      .ahead6_o,
      .clear8_o
  );

  if (!Tiers) begin : g_no_sweep
    logic unused;
    assign unused = &{1'b0, sweep1_i, word1_i, end1_i};
  end

endmodule
