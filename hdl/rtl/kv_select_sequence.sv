// Sequence of a SELECT, from its last beat to its last entry (docs/engine.md, 5.9).
//
// With t the cycle of the last beat: settling until t + LAT_SELECT_SETTLE, pooling, then searches, each of
// passes (a pair of words a cycle and a tail of LAT_SELECT_PASS cycles, in which the last words drain
// and the digit is chosen; a pass that is counted already is the tail alone) and a sweep over the words that
// gives the found ones their tier; the sweep of the last search is the emission. Then the scores, if they are
// asked for.
//
// cfg_i, compress_i  as in kv_select_plan.
// end_i       the last beat comes in this cycle; abort_i: cut short.
// pooled_i    the last cycle of the pooling.
// counted_i   the first pass of the command is counted, when a search begins; again_i: another pass is needed, in the
//             last cycle of a tail.
// take_o      beats may come: before the last one; take_next_o: in the next cycle, if this one is enabled.
// settle_o, pooling_o, pass_o, sweep_o, give_o  what goes on in this cycle; scan_o: pair of words (pass_o) or word
//             (sweep_o, give_o), scan_end_o: it is the last; quarter_o: of the word (give_o). odd_end_o: the last
//             pair has both words.
// load_o      a search is about to begin, its settings are as rank_o, open_o say in the last of these cycles.
// begin_o     all of a pass is counted; step_o: the digit is chosen, four cycles later.
// tier_o      which search; it stays while the last words of a sweep drain. fresh_o: no sweep came before.
// cut_o       the empty entry of an aborted command is due; done_o: the last cycle of all the others.
// has_rows_o, may_ahead_o  as in kv_select_plan.
// All but take_next_o, done_o and scan_end_o are from registers, or a few gates behind. Nothing moves in a cycle with en_i = 0.
module kv_select_sequence #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxTokens = 4096,
    parameter bit Pool = 1'b1,
    parameter bit Norm = 1'b1,
    parameter bit Tiers = 1'b1,
    localparam int unsigned WordW = $clog2(MaxTokens / Lanes),
    localparam int unsigned CountW = $clog2(MaxTokens) + 1
) (
    input  logic              clk_i,
    input  logic              rst_i,
    input  logic              en_i,
    input  logic [     255:0] cfg_i,
    input  logic              compress_i,
    input  logic              end_i,
    input  logic              abort_i,
    input  logic [CountW-1:0] from_i,
    input  logic              pooled_i,
    input  logic              counted_i,
    input  logic              again_i,
    output logic              has_rows_o,
    output logic              may_ahead_o,
    output logic              take_o,
    output logic              take_next_o,
    output logic              settle_o,
    output logic              pooling_o,
    output logic              pass_o,
    output logic              sweep_o,
    output logic              give_o,
    output logic [ WordW-1:0] scan_o,
    output logic              scan_end_o,
    output logic              odd_end_o,
    output logic [       1:0] quarter_o,
    output logic              load_o,
    output logic [CountW-1:0] rank_o,
    output logic [CountW-1:0] open_o,
    output logic              begin_o,
    output logic              step_o,
    output logic [       1:0] tier_o,
    output logic              fresh_o,
    output logic              cut_o,
    output logic              done_o
);

  if (kv_pkg::LAT_SELECT_SETTLE != 11 || kv_pkg::LAT_SELECT_PASS != 12 || kv_pkg::LAT_SELECT_FIRST != 12 ||
      kv_pkg::LAT_SELECT_NORM != 8 || kv_pkg::LAT_SELECT_TIER != 12) begin : g_latency
    $error("kv_select_sequence: built for other latencies");
  end

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

  state_e state_q, state_search, state_sweep;
  logic [4:0] count_q;  // cycles of Settle, Tail, Rest and Gap, from 1
  logic [WordW-1:0] last_word;
  logic search, pool, scores_out, key_norm, cut_q;
  logic end_settle, end_tail, end_rest, end_gap;

  assign pool       = Pool && cfg_i[kv_pkg::REQ_POOL_HALF_LSB+:3] != '0;
  assign scores_out = cfg_i[kv_pkg::REQ_SCORES_OUT_LSB];
  assign key_norm   = Norm && cfg_i[kv_pkg::REQ_KEY_NORM_LSB];

  kv_select_plan #(
      .Lanes    (Lanes),
      .MaxTokens(MaxTokens),
      .Pool     (Pool),
      .Norm     (Norm),
      .Tiers    (Tiers)
  ) u_plan (
      .clk_i,
      .en_i,
      .cfg_i,
      .compress_i,
      .from_i,
      .first_i    (settle_o && count_q == 5'd2),
      .next_i     (Tiers && state_q == Rest && count_q == 5'd8),
      .has_rows_o,
      .may_ahead_o,
      .last_word_o(last_word),
      .open_o,
      .tier_o,
      .rank_o,
      .search_o   (search)
  );

  assign end_settle = count_q == (key_norm && !cut_q ? 5'(kv_pkg::LAT_SELECT_SETTLE + kv_pkg::LAT_SELECT_NORM - 1) :
                                  5'(kv_pkg::LAT_SELECT_SETTLE - 1));
  assign end_tail   = count_q == 5'(kv_pkg::LAT_SELECT_PASS);
  assign end_rest   = count_q == 5'(kv_pkg::LAT_SELECT_TIER);
  assign end_gap    = count_q == 5'(kv_pkg::LAT_SELECT_EMIT + kv_pkg::LAT_SELECT_SCORES - 2);
  assign scan_end_o = scan_o == (pass_o ? {1'b0, last_word[WordW-1:1]} : last_word);

  // A search begins with its first pass, or if that is counted already, with its tail; without one, with its sweep.
  assign state_sweep  = !Tiers || tier_o == 2'd3 ? Emit : Label;
  assign state_search = !search ? state_sweep : counted_i ? Tail : Pass;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      state_q   <= Take;
      count_q   <= 5'd1;
      scan_o    <= '0;
      quarter_o <= 2'd0;
    end else if (en_i) begin
      count_q   <= 5'd1;
      scan_o    <= '0;
      quarter_o <= 2'd0;
      case (state_q)
        Take: if (end_i) state_q <= Settle;
        Settle:
        if (!end_settle) count_q <= count_q + 5'd1;
        else if (cut_q) state_q <= Cut;
        else if (pool) state_q <= Pooling;
        else state_q <= state_search;
        Pooling: if (pooled_i) state_q <= state_search;
        Pass:
        if (scan_end_o) state_q <= Tail;
        else scan_o <= scan_o + WordW'(1);
        Tail:
        if (!end_tail) count_q <= count_q + 5'd1;
        else if (again_i) state_q <= Pass;
        else state_q <= state_sweep;
        Label:
        if (scan_end_o) state_q <= Rest;
        else scan_o <= scan_o + WordW'(1);
        Rest:
        if (end_rest) state_q <= state_search;
        else count_q <= count_q + 5'd1;
        Emit:
        if (scan_end_o) state_q <= scores_out ? Gap : Take;
        else scan_o <= scan_o + WordW'(1);
        Gap:
        if (end_gap) state_q <= Give;
        else count_q <= count_q + 5'd1;
        Give: begin
          quarter_o <= quarter_o + 2'd1;
          scan_o    <= scan_o + WordW'(quarter_o == 2'd3);
          if (scan_end_o && quarter_o == 2'd3) begin
            state_q <= Take;
            scan_o  <= '0;
          end
        end
        default: state_q <= Take;
      endcase
    end
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      if (state_q == Take) cut_q <= abort_i;
      if (settle_o) fresh_o <= 1'b1;
      else if (Tiers && state_q == Rest && end_rest) fresh_o <= 1'b0;
    end

  assign odd_end_o = last_word[0];
  assign take_o    = state_q == Take;
  assign take_next_o = take_o ? !end_i : cut_o || done_o;
  assign settle_o  = state_q == Settle;
  assign pooling_o = Pool && state_q == Pooling;
  assign pass_o    = state_q == Pass;
  assign sweep_o   = state_q == Emit || (Tiers && state_q == Label);
  assign give_o    = state_q == Give;
  assign cut_o     = state_q == Cut;
  assign done_o    = scan_end_o && (scores_out ? give_o && quarter_o == 2'd3 : state_q == Emit);

  // In the tail all counts are complete in cycle 6, the digit is chosen in cycles 7 to 10, known
  // in cycle 12 and applied from the next scan on.
  assign load_o  = settle_o || pooling_o || (Tiers && state_q == Rest && count_q > 5'd6);
  assign begin_o = state_q == Tail && count_q == 5'd6;
  assign step_o  = state_q == Tail && count_q == 5'd10;

endmodule
