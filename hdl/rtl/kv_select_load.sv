// Scores of SELECT that do not come from attention rows, and those that are read (docs/engine.md, 4 and 5.9).
//
// The given ones, pooled ones and key norms become words, which are written like those of a row; the pooling
// and ScoresOut read the score memory, a quarter of a word a cycle.
//
// cfg_i        the request header. cut_i: an aborted command leaves nothing.
// scoring_i, beat_i  a beat of scores; quarter_i: which of a word's four; row_end_i: the word is the last.
// norm_i, beat_row_end_i, clean_i  a beat of a key row, its cleaned elements.
// pooling_i    the pooling is on, to its last cycle pooled_o; pool_sat_o: a sum was clamped.
// load_o       a word: load_scores_o, load_word_o, load_end_o (the last), as kv_select_score takes it.
// given_sat_o  with it: lanes of given scores that were clamped.
// scan_word_i, scan_quarter_i  what is read outside the pooling.
// fetch_word_o the word to read from the score memory; columns_i: it, one cycle later.
// give_beat_o  two cycles after scan_word_i, scan_quarter_i: the quarter as a beat of scores.
// Nothing moves in a cycle with en_i = 0.
module kv_select_load #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxTokens = 4096,
    parameter bit Pool = 1'b1,
    parameter bit Norm = 1'b1,
    localparam int unsigned LaneB = $clog2(Lanes),
    localparam int unsigned WordW = $clog2(MaxTokens / Lanes),
    localparam int unsigned CountW = $clog2(MaxTokens) + 1
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic [       255:0] cfg_i,
    input  logic                cut_i,
    input  logic                scoring_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic [         1:0] quarter_i,
    input  logic                row_end_i,
    input  logic                norm_i,
    input  logic                beat_row_end_i,
    input  logic [16*Lanes-1:0] clean_i,
    input  logic                pooling_i,
    output logic                pooled_o,
    output logic                pool_sat_o,
    output logic                load_o,
    output logic [40*Lanes-1:0] load_scores_o,
    output logic [   WordW-1:0] load_word_o,
    output logic                load_end_o,
    output logic [   Lanes-1:0] given_sat_o,
    input  logic [   WordW-1:0] scan_word_i,
    input  logic [         1:0] scan_quarter_i,
    output logic [   WordW-1:0] fetch_word_o,
    input  logic [40*Lanes-1:0] columns_i,
    output logic [16*Lanes-1:0] give_beat_o
);

  localparam int unsigned Each = Lanes < 4 ? 1 : Lanes / 4;

  logic [CountW-1:0] n, one_q;
  logic one_valid, one_end, pool_valid, norm_valid, given_q;
  logic [39:0] pool_score, norm_score;
  logic [Lanes-1:0] load_sat;

  assign n         = cfg_i[kv_pkg::REQ_DIMS_LSB+:CountW];
  assign one_valid = (Pool && pool_valid) || (Norm && norm_valid);
  assign one_end   = one_q + 1'b1 == n;

  always_ff @(posedge clk_i) begin
    if (rst_i) one_q <= '0;
    else if (en_i) begin
      if (cut_i || (one_valid && one_end)) one_q <= '0;
      else if (one_valid) one_q <= one_q + 1'b1;
    end
  end

  kv_select_gather #(
      .Lanes (Lanes),
      .WordW (WordW),
      .Single(Pool || Norm)
  ) u_gather (
      .clk_i,
      .rst_i,
      .en_i,
      .clear_i     (cut_i),
      .beat_valid_i(scoring_i),
      .beat_i,
      .quarter_i,
      .beat_end_i  (row_end_i),
      .one_valid_i (one_valid),
      .one_i       (Pool && pool_valid ? pool_score : norm_score),
      .one_lane_i  (one_q[LaneB-1:0]),
      .one_full_i  (one_end || one_q[LaneB-1:0] == '1),
      .one_end_i   (one_end),
      .load_o,
      .scores_o    (load_scores_o),
      .sat_o       (load_sat),
      .word_o      (load_word_o),
      .end_o       (load_end_o)
  );

  assign given_sat_o = load_sat & {Lanes{load_o && given_q}};

  // A quarter of a word is read at a time.
  logic [WordW-1:0] pool_word;
  logic [1:0] fetch_quarter, pool_quarter, quarter1_q;
  logic odd1_q;
  logic [40*Each-1:0] group;

  assign fetch_word_o  = Pool && pooling_i ? pool_word : scan_word_i;
  assign fetch_quarter = Pool && pooling_i ? pool_quarter : scan_quarter_i;

  always_ff @(posedge clk_i)
    if (en_i) begin
      quarter1_q <= fetch_quarter;
      odd1_q     <= fetch_word_o[0];
      given_q    <= scoring_i;
    end

  kv_select_give #(
      .Lanes(Lanes)
  ) u_give (
      .clk_i,
      .en_i,
      .columns_i,
      .odd_i    (odd1_q),
      .quarter_i(quarter1_q),
      .group_o  (group),
      .beat_o   (give_beat_o)
  );

  if (Pool) begin : g_pool
    kv_select_pool #(
        .Lanes    (Lanes),
        .MaxTokens(MaxTokens)
    ) u_pool (
        .clk_i,
        .rst_i,
        .en_i,
        .run_i          (pooling_i),
        .done_o         (pooled_o),
        .n_i            (n),
        .half_i         (cfg_i[kv_pkg::REQ_POOL_HALF_LSB+:3]),
        .max_i          (cfg_i[kv_pkg::REQ_POOL_MAX_LSB]),
        .fetch_word_o   (pool_word),
        .fetch_quarter_o(pool_quarter),
        .group_i        (group),
        .one_valid_o    (pool_valid),
        .one_o          (pool_score),
        .sat_o          (pool_sat_o)
    );
  end else begin : g_no_pool
    assign {pooled_o, pool_valid, pool_sat_o} = '0;
    assign pool_word    = '0;
    assign pool_quarter = '0;
    assign pool_score   = '0;

    logic unused;
    assign unused = &{1'b0, group, pooling_i};
  end

  if (Norm) begin : g_norm
    kv_select_norm #(
        .Lanes(Lanes)
    ) u_norm (
        .clk_i,
        .rst_i,
        .en_i,
        .clear_i    (cut_i),
        .valid_i    (norm_i),
        .row_end_i  (beat_row_end_i),
        .clean_i,
        .one_valid_o(norm_valid),
        .one_o      (norm_score)
    );
  end else begin : g_no_norm
    assign norm_valid = 1'b0;
    assign norm_score = '0;

    logic unused;
    assign unused = &{1'b0, norm_i, beat_row_end_i, clean_i};
  end

  // The other fields are read where they are needed.
  logic unused_cfg;
  assign unused_cfg = &{1'b0, cfg_i};

endmodule
