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
// With t the cycle of the last beat: settling until t + LAT_SELECT_SETTLE, pooling, then searches, each of
// passes (a pair of words a cycle and a tail of LAT_SELECT_PASS cycles, in which the last words drain
// and the digit is chosen) and a sweep over the words that gives the found ones their tier; the sweep of the
// last search is the emission. Then the scores, if they are asked for.
module kv_select #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxTokens = 4096,
    parameter logic [9:0] Features = 10'h3FF,  // built in, bits kv_pkg::FEAT_*
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

  localparam int unsigned LaneB = $clog2(Lanes);
  localparam int unsigned WordW = $clog2(MaxTokens / Lanes);
  localparam int unsigned CountW = $clog2(MaxTokens) + 1;
  localparam int unsigned Each = Lanes < 4 ? 1 : Lanes / 4;
  localparam bit Pool = Features[kv_pkg::FEAT_POOL];
  localparam bit Decay = Features[kv_pkg::FEAT_DECAY];
  localparam bit Norm = Features[kv_pkg::FEAT_KEY_NORM];
  localparam bit Tiers = Features[kv_pkg::FEAT_TIERS];

  if (kv_pkg::LAT_SELECT_ACC != 7 || kv_pkg::LAT_SELECT_ROW != 8 ||
      kv_pkg::LAT_SELECT_SETTLE != 11 || kv_pkg::LAT_SELECT_PASS != 12 ||
      kv_pkg::LAT_SELECT_EMIT != 8 || kv_pkg::LAT_SELECT_NORM != 8 ||
      kv_pkg::LAT_SELECT_TIER != 12 || kv_pkg::LAT_SELECT_SCORES != 4) begin : g_latency
    $error("kv_select: built for other latencies");
  end

  // Settings.
  logic [CountW-1:0] n;
  logic [LaneB-1:0] odd_lanes;
  logic [2:0] pool_half;
  logic [1:0] prot_tier;
  logic scores_in, scores_out, key_norm, tiers, bitmap, more;

  assign n          = cfg_i[kv_pkg::REQ_DIMS_LSB+:CountW];
  assign odd_lanes  = n[LaneB-1:0];
  assign pool_half  = Pool ? cfg_i[kv_pkg::REQ_POOL_HALF_LSB+:3] : '0;
  assign prot_tier  = cfg_i[kv_pkg::REQ_PROT_TIER_LSB+:2];
  assign scores_in  = cfg_i[kv_pkg::REQ_SCORES_IN_LSB];
  assign scores_out = cfg_i[kv_pkg::REQ_SCORES_OUT_LSB];
  assign key_norm   = Norm && cfg_i[kv_pkg::REQ_KEY_NORM_LSB];
  assign tiers      = Tiers && (compress_i || cfg_i[kv_pkg::REQ_RESULT_LSB+:2] == 2'(kv_pkg::RESULT_TIERS));
  assign bitmap     = !compress_i && cfg_i[kv_pkg::REQ_RESULT_LSB+:2] == 2'(kv_pkg::RESULT_BITMAP);
  assign more       = compress_i || scores_out;

  // What follows from them, ready long before it is needed: words, unprotected positions; the
  // search at hand.
  logic [CountW-1:0] from, open_q, rank_q;
  logic [WordW-1:0] last_word, last_word_q;
  logic [CountW:0] open;
  logic [1:0] tier_q, tier_next;  // of the search
  logic [CountW*4-1:0] ranks;
  logic [3:0] runs_q;  // searches that take place
  logic search_q;  // there is something to search
  logic has_rows_q;

  assign last_word = WordW'((n - 1'b1) >> LaneB);
  assign open = {1'b0, from} - {1'b0, CountW'(cfg_i[kv_pkg::REQ_SINKS_LSB+:16])};

  assign ranks[CountW*0+:CountW] = CountW'(cfg_i[kv_pkg::REQ_RANK0_LSB+:16]);
  assign ranks[CountW*1+:CountW] = CountW'(cfg_i[kv_pkg::REQ_RANK1_LSB+:16]);
  assign ranks[CountW*2+:CountW] = CountW'(cfg_i[kv_pkg::REQ_RANK2_LSB+:16]);
  assign ranks[CountW*3+:CountW] = cfg_i[kv_pkg::REQ_TOP_K_LSB+:CountW];

  always_ff @(posedge clk_i)
    if (en_i) begin
      has_rows_q  <= key_norm || cfg_i[kv_pkg::REQ_ROWS_LSB+:24] != '0;
      last_word_q <= last_word;
      open_q      <= open[CountW] ? '0 : open[CountW-1:0];
      rank_q      <= ranks[CountW*tier_q+:CountW];
      search_q    <= rank_q != '0 && rank_q < open_q;
      runs_q[0]   <= tiers && (ranks[0+:CountW] != '0 || prot_tier == 2'd0);
      runs_q[1]   <= tiers && (ranks[CountW+:CountW] != ranks[0+:CountW] || prot_tier == 2'd1);
      runs_q[2]   <= tiers && (ranks[CountW*2+:CountW] != ranks[CountW+:CountW] || prot_tier == 2'd2);
      runs_q[3]   <= 1'b1;
    end

  // Sequence.
  typedef enum logic [3:0] {
    Take,
    Settle,
    Pooling,
    Pass,
    Tail,
    Label,  // sweep of a search that is not the last
    Rest,
    Emit,  // sweep of the last
    Gap,
    Give,
    Cut
  } state_e;

  state_e state_q, state_search;
  logic [4:0] count_q;  // cycles of Settle, Tail, Rest and Gap, from 1
  logic [WordW-1:0] scan_q;  // Pass: pair; Label, Emit, Give: word
  logic [1:0] quarter_q;  // Give
  logic cut_q, stop_q, apply_q;
  logic [3:0] digit_q, top;
  logic hit, sel_end, sweep, end_settle, end_tail, end_rest, end_gap, scan_end, pool_done, final_search;

  assign sel_end      = beat_valid_i && (abort_i || (beat_part_end_i && (beat_rows_i || !has_rows_q)));
  assign sweep        = state_q == Emit || (Tiers && state_q == Label);
  assign end_settle   = count_q == (key_norm && !cut_q ? 5'(kv_pkg::LAT_SELECT_SETTLE + kv_pkg::LAT_SELECT_NORM - 1) :
                                    5'(kv_pkg::LAT_SELECT_SETTLE - 1));
  assign end_tail     = count_q == 5'(kv_pkg::LAT_SELECT_PASS);
  assign end_rest     = count_q == 5'(kv_pkg::LAT_SELECT_TIER);
  assign end_gap      = count_q == 5'(kv_pkg::LAT_SELECT_EMIT + kv_pkg::LAT_SELECT_SCORES - 2);
  assign scan_end     = scan_q == (state_q == Pass ? {1'b0, last_word_q[WordW-1:1]} : last_word_q);
  assign final_search = !Tiers || tier_q == 2'd3;

  // A search begins with its first pass; without one, with its sweep.
  assign state_search = search_q ? Pass : final_search ? Emit : Label;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      state_q   <= Take;
      count_q   <= 5'd1;
      scan_q    <= '0;
      quarter_q <= 2'd0;
    end else if (en_i) begin
      count_q   <= 5'd1;
      scan_q    <= '0;
      quarter_q <= 2'd0;
      case (state_q)
        Take: if (sel_end) state_q <= Settle;
        Settle:
        if (!end_settle) count_q <= count_q + 5'd1;
        else if (cut_q) state_q <= Cut;
        else if (Pool && pool_half != '0) state_q <= Pooling;
        else state_q <= state_search;
        Pooling: if (pool_done) state_q <= state_search;
        Pass:
        if (scan_end) state_q <= Tail;
        else scan_q <= scan_q + WordW'(1);
        Tail:
        if (!end_tail) count_q <= count_q + 5'd1;
        else if (!stop_q && !hit) state_q <= Pass;
        else state_q <= final_search ? Emit : Label;
        Label:
        if (scan_end) state_q <= Rest;
        else scan_q <= scan_q + WordW'(1);
        Rest:
        if (end_rest) state_q <= state_search;
        else count_q <= count_q + 5'd1;
        Emit:
        if (scan_end) state_q <= scores_out ? Gap : Take;
        else scan_q <= scan_q + WordW'(1);
        Gap:
        if (end_gap) state_q <= Give;
        else count_q <= count_q + 5'd1;
        Give: begin
          quarter_q <= quarter_q + 2'd1;
          scan_q    <= scan_q + WordW'(quarter_q == 2'd3);
          if (scan_end && quarter_q == 2'd3) begin
            state_q <= Take;
            scan_q  <= '0;
          end
        end
        default: state_q <= Take;
      endcase
    end
  end

  assign done_o = scan_end && (scores_out ? state_q == Give && quarter_q == 2'd3 : state_q == Emit);

  // The searches in turn. The last words of a sweep still read tier_q in the cycles after it.
  always_comb begin
    tier_next = 2'd3;
    for (int i = 2; i >= 0; i--)
      if (runs_q[i] && (state_q != Rest || 2'(i) > tier_q)) tier_next = 2'(i);
  end

  if (Tiers) begin : g_tier
    always_ff @(posedge clk_i)
      if (en_i && ((state_q == Settle && count_q == 5'd2) || (state_q == Rest && count_q == 5'd8)))
        tier_q <= tier_next;
  end else begin : g_no_tier
    assign tier_q = 2'd3;
    logic unused;
    assign unused = &{1'b0, tier_next, runs_q};
  end

  // In the tail all counts are complete in cycle 6, the digit is chosen in cycles 7 to 10, known
  // in cycle 12 and applied from the next scan on.
  logic tail10, before_search;
  assign tail10 = state_q == Tail && count_q == 5'd10;
  assign before_search = state_q == Settle || (Pool && state_q == Pooling) || (Tiers && state_q == Rest && count_q > 5'd6);

  always_ff @(posedge clk_i)
    if (en_i) begin
      if (state_q == Take) cut_q <= abort_i;
      if (before_search) begin
        apply_q <= 1'b0;
        digit_q <= top;
      end else if (tail10) begin
        apply_q <= 1'b1;
        digit_q <= digit_q == 4'd0 ? 4'd9 : digit_q - 4'd1;
      end
      if (tail10) stop_q <= digit_q == 4'd0;
    end

  // Beats: place in the row, and when the next may come.
  logic attention, scoring;
  logic [WordW-1:0] word_q;
  logic [1:0] part_q;  // quarter of a word of scores
  logic first_q, row_end, decay;
  logic [3:0] wait_q;

  assign attention = beat_valid_i && beat_rows_i && !key_norm;
  assign scoring   = beat_valid_i && !beat_rows_i;
  assign row_end   = word_q == last_word;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      word_q  <= '0;
      part_q  <= 2'd0;
      first_q <= 1'b1;
      wait_q  <= 4'd0;
    end else if (en_i) begin
      if (sel_end || (attention && row_end)) word_q <= '0;
      else if (attention || (scoring && part_q == 2'd3)) word_q <= row_end ? '0 : word_q + WordW'(1);
      if (beat_valid_i) part_q <= sel_end || beat_rows_i ? 2'd0 : part_q + 2'd1;
      if (sel_end) first_q <= 1'b1;
      else if (attention && row_end) first_q <= 1'b0;
      if (scoring && beat_part_end_i && !sel_end) wait_q <= 4'(kv_pkg::LAT_SELECT_ROW);
      else if (attention && row_end && !sel_end && word_q < WordW'(kv_pkg::LAT_SELECT_ROW - 1))
        wait_q <= 4'(kv_pkg::LAT_SELECT_ROW - 1) - 4'(word_q);
      else if (wait_q != 4'd0) wait_q <= wait_q - 4'd1;
    end
  end

  assign ready_o = wait_q == 4'd0 && state_q == Take;

  // The same a cycle ahead: what ends a wait, and what leads to Take or stays there.
  logic wait_over, take_next;
  assign wait_over = wait_q <= 4'd1 && !(scoring && beat_part_end_i) &&
                     !(attention && row_end && word_q < WordW'(kv_pkg::LAT_SELECT_ROW - 1));
  assign take_next = state_q == Take ? !sel_end : state_q == Cut || done_o;
  assign ready_next_o = wait_over && take_next;

  if (Decay) begin : g_step
    logic [11:0] step_rows, step_q;

    assign step_rows = cfg_i[kv_pkg::REQ_STEP_ROWS_LSB+:12];

    always_ff @(posedge clk_i) begin
      if (rst_i) step_q <= '0;
      else if (en_i) begin
        if (sel_end) step_q <= '0;
        else if (attention && row_end) step_q <= step_q + 12'd1 == step_rows ? '0 : step_q + 12'd1;
      end
    end
    assign decay = step_rows != '0 && step_q == '0;
  end else begin : g_no_step
    assign decay = 1'b0;
  end

  // Scores that do not come from attention rows: the given ones, pooled ones, key norms.
  logic load, load_end, one_valid, one_end, pool_valid, pool_sat, norm_valid;
  logic [40*Lanes-1:0] load_scores;
  logic [Lanes-1:0] load_sat;
  logic [WordW-1:0] load_word, fetch_word;
  logic [1:0] fetch_quarter, fetch_quarter1_q;
  logic fetch_odd1_q, given_q;
  logic [39:0] pool_score, norm_score;
  logic [40*Lanes-1:0] columns;
  logic [40*Each-1:0] group;
  logic [CountW-1:0] one_q;

  assign one_valid = (Pool && pool_valid) || (Norm && norm_valid);
  assign one_end   = one_q + 1'b1 == n;

  always_ff @(posedge clk_i) begin
    if (rst_i) one_q <= '0;
    else if (en_i) begin
      if (state_q == Cut || (one_valid && one_end)) one_q <= '0;
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
      .clear_i     (state_q == Cut),
      .beat_valid_i(scoring),
      .beat_i,
      .quarter_i   (part_q),
      .beat_end_i  (row_end),
      .one_valid_i (one_valid),
      .one_i       (Pool && pool_valid ? pool_score : norm_score),
      .one_lane_i  (one_q[LaneB-1:0]),
      .one_full_i  (one_end || one_q[LaneB-1:0] == '1),
      .one_end_i   (one_end),
      .load_o      (load),
      .scores_o    (load_scores),
      .sat_o       (load_sat),
      .word_o      (load_word),
      .end_o       (load_end)
  );

  // Scores: read a quarter of a word at a time.
  logic [WordW-1:0] pool_word;
  logic [1:0] pool_quarter;
  logic [16*Lanes-1:0] give_beat;
  logic [2:1] give_q, give_last_q;

  assign fetch_word    = Pool && state_q == Pooling ? pool_word : scan_q;
  assign fetch_quarter = Pool && state_q == Pooling ? pool_quarter : quarter_q;

  always_ff @(posedge clk_i)
    if (en_i) begin
      fetch_quarter1_q <= fetch_quarter;
      fetch_odd1_q     <= fetch_word[0];
      give_last_q      <= {give_last_q[1], done_o};
      given_q          <= scoring;
    end

  always_ff @(posedge clk_i) begin
    if (rst_i) give_q <= '0;
    else if (en_i) give_q <= {give_q[1], state_q == Give};
  end

  kv_select_give #(
      .Lanes(Lanes)
  ) u_give (
      .clk_i,
      .en_i,
      .columns_i(columns),
      .odd_i    (fetch_odd1_q),
      .quarter_i(fetch_quarter1_q),
      .group_o  (group),
      .beat_o   (give_beat)
  );

  if (Pool) begin : g_pool
    kv_select_pool #(
        .Lanes    (Lanes),
        .MaxTokens(MaxTokens)
    ) u_pool (
        .clk_i,
        .rst_i,
        .en_i,
        .run_i          (state_q == Pooling),
        .done_o         (pool_done),
        .n_i            (n),
        .half_i         (pool_half),
        .max_i          (cfg_i[kv_pkg::REQ_POOL_MAX_LSB]),
        .fetch_word_o   (pool_word),
        .fetch_quarter_o(pool_quarter),
        .group_i        (group),
        .one_valid_o    (pool_valid),
        .one_o          (pool_score),
        .sat_o          (pool_sat)
    );
  end else begin : g_no_pool
    assign {pool_done, pool_valid, pool_sat} = '0;
    logic unused;
    assign unused = &{1'b0, group};
    assign pool_word    = '0;
    assign pool_quarter = '0;
    assign pool_score   = '0;
  end

  logic [16*Lanes-1:0] clean;

  if (Norm) begin : g_norm
    kv_select_norm #(
        .Lanes(Lanes)
    ) u_norm (
        .clk_i,
        .rst_i,
        .en_i,
        .clear_i    (state_q == Cut),
        .valid_i    (beat_valid_i && key_norm),
        .row_end_i  (beat_row_end_i),
        .clean_i    (clean),
        .one_valid_o(norm_valid),
        .one_o      (norm_score)
    );
  end else begin : g_no_norm
    assign norm_valid = 1'b0;
    assign norm_score = '0;
    logic unused;
    assign unused = &{1'b0, beat_row_end_i, clean};
  end

  // Scan pipeline: index is the stage.
  logic [WordW-2:0] pair, pair1_q, pair2_q, pair3_q;
  logic [1:0] exists, exists1_q, exists2_q;
  logic [3:1] pass_q;
  logic [4:1] emit_q;
  logic [5:1] last_q;
  logic [WordW-1:0] word_e1_q, word_e2_q, word_e3_q, word_e4_q, word_e5_q;

  assign pair   = sweep ? scan_q[WordW-1:1] : scan_q[WordW-2:0];
  assign exists = sweep ? 2'b11 : {!scan_end || last_word_q[0], 1'b1} & {2{state_q == Pass}};

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      pass_q <= '0;
      emit_q <= '0;
    end else if (en_i) begin
      pass_q <= {pass_q[2:1], state_q == Pass};
      emit_q <= {emit_q[3:1], sweep};
    end
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      pair1_q   <= pair;
      pair2_q   <= pair1_q;
      pair3_q   <= pair2_q;
      exists1_q <= exists;
      exists2_q <= exists1_q;
      last_q    <= {last_q[4:1], scan_end};
      word_e1_q <= scan_q;
      word_e2_q <= word_e1_q;
      word_e3_q <= word_e2_q;
      word_e4_q <= word_e3_q;
      word_e5_q <= word_e4_q;
    end

  // Lanes of the word that is written, or, in a sweep, looked at.
  logic [WordW-1:0] word1, write_word;
  logic end1, write_end;
  logic [Lanes-1:0] elem1, elem4, prot4;

  assign word1 = Tiers && emit_q[1] ? word_e1_q : write_word;
  assign end1  = Tiers && emit_q[1] ? last_q[1] : write_end;

  kv_select_place #(
      .Lanes    (Lanes),
      .MaxTokens(MaxTokens)
  ) u_place (
      .clk_i,
      .en_i,
      .n_i     (n),
      .sinks_i (CountW'(cfg_i[kv_pkg::REQ_SINKS_LSB+:16])),
      .recent_i(CountW'(cfg_i[kv_pkg::REQ_RECENT_LSB+:16])),
      .from_o  (from),
      .word1_i (word1),
      .end1_i  (end1),
      .elem1_o (elem1),
      .elem4_o (elem4),
      .prot4_o (prot4)
  );

  // Scores.
  logic [Lanes-1:0] bad, neg, sat4;
  logic valid4;
  logic [WordW-1:0] word4;
  logic [8*Lanes-1:0] cur2, prev2, digit3;

  kv_select_score #(
      .Lanes    (Lanes),
      .MaxTokens(MaxTokens),
      .Decay    (Decay)
  ) u_score (
      .clk_i,
      .rst_i,
      .en_i,
      .beat_valid_i (attention),
      .beat_i,
      .word_i       (word_q),
      .end_i        (row_end),
      .first_i      (first_q && !scores_in),
      .decay_i      (decay),
      .lambda_i     (cfg_i[kv_pkg::REQ_LAMBDA_LSB+:16]),
      .load_i       (load),
      .load_scores_i(load_scores),
      .load_word_i  (load_word),
      .load_end_i   (load_end),
      .word1_o      (write_word),
      .end1_o       (write_end),
      .elem1_i      (elem1),
      .unprot4_i    (elem4 & ~prot4),
      .bad_o        (bad),
      .neg_o        (neg),
      .clean_o      (clean),
      .valid4_o     (valid4),
      .word4_o      (word4),
      .sat4_o       (sat4),
      .top_o        (top),
      .scan_i       (state_q == Pass || sweep),
      .pair_i       (pair),
      .digit_i      (digit_q),
      .cur_o        (cur2),
      .prev_o       (prev2),
      .fetch_i      (state_q == Give || (Pool && state_q == Pooling)),
      .fetch_word_i (fetch_word),
      .columns_o    (columns)
  );

  // States of the positions. A sweep puts them back for the next search.
  logic [2*Lanes-1:0] keep3, cand3;
  logic [3:0] chosen;

  kv_select_state #(
      .Lanes    (Lanes),
      .MaxTokens(MaxTokens)
  ) u_state (
      .clk_i,
      .en_i,
      .word_we_i  (valid4 || (Tiers && emit_q[4])),
      .word_i     (Tiers && emit_q[4] ? word_e4_q : word4),
      .word_keep_i(prot4),
      .word_cand_i(elem4 & ~prot4),
      .pair_i     (pair),
      .valid2_i   (exists2_q),
      .apply2_i   (apply_q),
      .chosen_i   (chosen),
      .cur2_i     (cur2),
      .prev2_i    (prev2),
      .keep3_o    (keep3),
      .cand3_o    (cand3),
      .digit3_o   (digit3),
      .write3_i   (pass_q[3]),
      .pair3_i    (pair3_q)
  );

  // Choice of the digit.
  logic [CountW-1:0] need;

  kv_select_radix #(
      .Lanes    (Lanes),
      .MaxTokens(MaxTokens)
  ) u_radix (
      .clk_i,
      .rst_i,
      .en_i,
      .clear_i (state_q == Pass && scan_q == '0),
      .digit3_i(digit3),
      .load_i  (before_search),
      .need_i  (rank_q),
      .total_i (open_q),
      .begin_i (state_q == Tail && count_q == 5'd6),
      .chosen_o(chosen),
      .need_o  (need),
      .hit_o   (hit)
  );

  // The positions found.
  logic emit5;
  logic [Lanes-1:0] keep5;

  kv_select_emit #(
      .Lanes (Lanes),
      .CountW(CountW)
  ) u_emit (
      .clk_i,
      .rst_i,
      .en_i,
      .load_i  (emit_q[1] && word_e1_q == '0),
      .need_i  (need),
      .valid3_i(emit_q[3]),
      .keep3_i (word_e3_q[0] ? keep3[2*Lanes-1:Lanes] : keep3[Lanes-1:0]),
      .cand3_i (word_e3_q[0] ? cand3[2*Lanes-1:Lanes] : cand3[Lanes-1:0]),
      .valid5_o(emit5),
      .keep5_o (keep5)
  );

  // Their tiers. swept_q: a sweep has given some out.
  logic [4*Lanes-1:0] tier7;

  if (Tiers) begin : g_label
    logic [Lanes-1:0] elem5_q, prot5_q;
    logic swept_q;

    always_ff @(posedge clk_i)
      if (en_i) begin
        elem5_q <= elem4;
        prot5_q <= prot4;
        if (state_q == Settle) swept_q <= 1'b0;
        else if (state_q == Rest && end_rest) swept_q <= 1'b1;
      end

    kv_select_label #(
        .Lanes    (Lanes),
        .MaxTokens(MaxTokens)
    ) u_label (
        .clk_i,
        .rst_i,
        .en_i,
        .tier_i    (tier_q),
        .prot_i    (tier_q >= prot_tier),
        .fresh_i   (!swept_q),
        .valid5_i  (emit5),
        .word5_i   (word_e5_q),
        .keep5_i   (keep5),
        .elem5_i   (elem5_q),
        .prot5_i   (prot5_q),
        .tier7_o   (tier7),
        .row_i,
        .row_tier_o,
        .row_kept_o
    );
  end else begin : g_no_label
    assign tier7 = '0;
    assign row_tier_o = '0;
    assign row_kept_o = 1'b0;
    logic unused;
    assign unused = &{1'b0, row_i, prot_tier};
  end

  // List and map.
  logic list_valid, list_last, map_valid, map_last;
  logic [5:0] list_bytes, map_bytes;
  logic [16*Lanes-1:0] list_data, map_data;
  logic emitting, emit6_q, emit7_q, last6_q, last7_q;
  logic [3:0] word6_q;
  logic [Lanes-1:0] keep6_q, keep7_q;

  assign emitting = emit5 && state_q != Label && state_q != Rest;

  kv_select_pack #(
      .Lanes(Lanes),
      .WordW(WordW)
  ) u_pack (
      .clk_i,
      .rst_i,
      .en_i,
      .clear_i     (emit_q[1] && word_e1_q == '0),
      .valid5_i    (emitting && !bitmap && !tiers),
      .last5_i     (last_q[5]),
      .word5_i     (word_e5_q),
      .keep5_i     (keep5),
      .push_valid_o(list_valid),
      .push_last_o (list_last),
      .push_bytes_o(list_bytes),
      .push_data_o (list_data)
  );

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      emit6_q <= 1'b0;
      emit7_q <= 1'b0;
    end else if (en_i) begin
      emit6_q <= emitting && (bitmap || tiers);
      emit7_q <= emit6_q;
    end
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      last6_q <= last_q[5];
      last7_q <= last6_q;
      word6_q <= word_e5_q[3:0];
      keep6_q <= keep5;
      keep7_q <= keep6_q;
    end

  kv_select_map #(
      .Lanes(Lanes),
      .Tiers(Tiers)
  ) u_map (
      .clk_i,
      .rst_i,
      .en_i,
      .tiers_i     (tiers),
      .n_i         (n[7:0]),
      .valid7_i    (emit7_q),
      .last7_i     (last7_q),
      .word6_i     (word6_q),
      .keep7_i     (keep7_q),
      .tier7_i     (tier7),
      .push_valid_o(map_valid),
      .push_last_o (map_last),
      .push_bytes_o(map_bytes),
      .push_data_o (map_data)
  );

  // Events and flags. The elements that are not finite are counted before it is known
  // whether the beat is the one that is not full.
  // Counting takes the next cycle, but for what a LUT adds up.
  localparam int unsigned Fours = (Lanes + 3) / 4;
  logic [3*Fours-1:0] bad_all, bad_part, bad_all_q, bad_part_q;
  logic part_full_q, nonfinite_q, saturated_q;
  logic [Lanes-1:0] wrong, given_sat2_q;
  logic [4:0] rows_sat, given_sat;
  logic [4:0] given_sat_q[3:7];

  assign wrong = key_norm ? bad : bad | neg;

  always_comb begin
    bad_all = '0;
    bad_part = '0;
    rows_sat = '0;
    given_sat = '0;
    ev_nonfinite_o = '0;
    for (int i = 0; i < Lanes; i++) begin
      bad_all[3*(i/4)+:3] = bad_all[3*(i/4)+:3] + 3'(wrong[i]);
      bad_part[3*(i/4)+:3] = bad_part[3*(i/4)+:3] + 3'(wrong[i] && LaneB'(i) < odd_lanes);
      rows_sat = rows_sat + 5'(sat4[i]);
      given_sat = given_sat + 5'(given_sat2_q[i]);
    end
    for (int i = 0; i < Fours; i++)
      ev_nonfinite_o = ev_nonfinite_o + (part_full_q ? 10'(bad_all_q[3*i+:3]) : 10'(bad_part_q[3*i+:3]));
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      given_sat2_q <= '0;
      for (int i = 3; i <= 7; i++) given_sat_q[i] <= '0;
    end else if (en_i) begin
      given_sat2_q   <= load_sat & elem1 & {Lanes{load && given_q}};
      given_sat_q[3] <= given_sat;
      for (int i = 4; i <= 7; i++) given_sat_q[i] <= given_sat_q[i-1];
    end
  end

  if (Decay) begin : g_late
    assign ev_saturated_o = rows_sat | given_sat_q[7] | 5'(pool_sat);
  end else begin : g_early
    logic [4:0] rows_sat_q[5:7];

    always_ff @(posedge clk_i) begin
      if (rst_i) begin
        for (int i = 5; i <= 7; i++) rows_sat_q[i] <= '0;
      end else if (en_i) begin
        rows_sat_q[5] <= rows_sat;
        for (int i = 6; i <= 7; i++) rows_sat_q[i] <= rows_sat_q[i-1];
      end
    end
    assign ev_saturated_o = rows_sat_q[7] | given_sat_q[7] | 5'(pool_sat);
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      bad_all_q   <= '0;
      bad_part_q  <= '0;
      nonfinite_q <= 1'b0;
      saturated_q <= 1'b0;
    end else if (en_i) begin
      bad_all_q   <= beat_valid_i && beat_rows_i ? bad_all : '0;
      bad_part_q  <= beat_valid_i && beat_rows_i ? bad_part : '0;
      nonfinite_q <= !start_i && (nonfinite_q || ev_nonfinite_o != '0);
      saturated_q <= !start_i && (saturated_q || ev_saturated_o != '0);
    end
  end

  always_ff @(posedge clk_i) if (en_i) part_full_q <= key_norm || !row_end || odd_lanes == '0;

  assign nonfinite_o = nonfinite_q;
  assign saturated_o = saturated_q;

  // Entries. If something follows, what would be the last is a full one, or none if it is empty.
  logic result_last;
  logic [5:0] result_bytes;

  assign result_last  = list_valid ? list_last : map_last;
  assign result_bytes = list_valid ? list_bytes : map_bytes;

  always_comb begin
    push_valid_o = map_valid || (list_valid && !(more && list_bytes == '0));
    push_data_o  = list_valid ? list_data : map_data;
    push_bytes_o = more ? 6'(2 * Lanes) : result_bytes;
    push_last_o  = (list_valid || map_valid) && result_last && !more;
    if (give_q[2]) begin
      push_valid_o = 1'b1;
      push_data_o  = give_beat;
      push_last_o  = give_last_q[2] && !compress_i;
    end
    if (state_q == Cut) begin
      push_valid_o = 1'b1;
      push_bytes_o = 6'd0;
      push_last_o  = 1'b1;
    end
  end

  assign push_nonfinite_o = push_last_o && nonfinite_q;
  assign push_saturated_o = push_last_o && saturated_q;

  // The front counts the rows and keeps the settings in range.
  logic unused;
  assign unused = &{1'b0, cfg_i};

endmodule
