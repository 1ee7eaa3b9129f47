// Search of a SELECT: when what happens, what is known of the positions, the digits chosen, the positions
// found (docs/engine.md, 5.9).
//
// cfg_i, compress_i  as in kv_select.
// end_i, abort_i, from_i, pooled_i  as in kv_select_sequence, and has_rows_o, take_o, take_next_o, pooling_o, give_o, quarter_o,
//             tier_o, fresh_o, cut_o, done_o.
// word_o      the word read with give_o. scan_o, pair_o, digit_o: the digits read, as kv_select_score takes them;
//             cur2_i, prev2_i: they, two cycles later.
// valid4_i ... clear8_i  as kv_select_ledger gives them.
// sweep1_o, word1_o, end1_o  stage 1 of a word of a sweep, end1_o: the last; clear1_o: it is the first.
// valid5_o    stage 5 of it: word5_o its word, last5_o the last; keep5_o: lanes that are found.
// Nothing moves in a cycle with en_i = 0.
module kv_select_search #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxTokens = 4096,
    parameter bit Pool = 1'b1,
    parameter bit Norm = 1'b1,
    parameter bit Tiers = 1'b1,
    localparam int unsigned WordW = $clog2(MaxTokens / Lanes),
    localparam int unsigned CountW = $clog2(MaxTokens) + 1
) (
    input  logic               clk_i,
    input  logic               rst_i,
    input  logic               en_i,
    input  logic [      255:0] cfg_i,
    input  logic               compress_i,
    input  logic               end_i,
    input  logic               abort_i,
    input  logic [ CountW-1:0] from_i,
    input  logic               pooled_i,
    output logic               has_rows_o,
    output logic               take_o,
    output logic               take_next_o,
    output logic               pooling_o,
    output logic               give_o,
    output logic [  WordW-1:0] word_o,
    output logic [        1:0] quarter_o,
    output logic [        1:0] tier_o,
    output logic               fresh_o,
    output logic               cut_o,
    output logic               done_o,
    output logic               scan_o,
    output logic [  WordW-2:0] pair_o,
    output logic [        3:0] digit_o,
    input  logic [8*Lanes-1:0] cur2_i,
    input  logic [8*Lanes-1:0] prev2_i,
    input  logic               valid4_i,
    input  logic [  WordW-1:0] word4_i,
    input  logic [  Lanes-1:0] elem4_i,
    input  logic [  Lanes-1:0] prot4_i,
    input  logic [        3:0] top_i,
    input  logic               right_i,
    input  logic [4*Lanes-1:0] ahead6_i,
    input  logic               clear8_i,
    output logic               sweep1_o,
    output logic [  WordW-1:0] word1_o,
    output logic               end1_o,
    output logic               clear1_o,
    output logic               valid5_o,
    output logic [  WordW-1:0] word5_o,
    output logic               last5_o,
    output logic [  Lanes-1:0] keep5_o
);

  logic settle, pass, sweep, scan_end, odd_end, load, begin_choice, step, may_ahead, counted_q;
  logic apply_q, stop_q, hit;  // a digit was chosen before; it was digit 0; nothing is left to choose
  logic [CountW-1:0] rank, open;

  kv_select_sequence #(
      .Lanes    (Lanes),
      .MaxTokens(MaxTokens),
      .Pool     (Pool),
      .Norm     (Norm),
      .Tiers    (Tiers)
  ) u_sequence (
      .clk_i,
      .rst_i,
      .en_i,
      .cfg_i,
      .compress_i,
      .end_i,
      .abort_i,
      .from_i,
      .pooled_i,
      .counted_i  (counted_q),
      .again_i    (!stop_q && !hit),
      .has_rows_o,
      .may_ahead_o(may_ahead),
      .take_o,
      .take_next_o,
      .settle_o   (settle),
      .pooling_o,
      .pass_o     (pass),
      .sweep_o    (sweep),
      .give_o,
      .scan_o     (word_o),
      .scan_end_o (scan_end),
      .odd_end_o  (odd_end),
      .quarter_o,
      .load_o     (load),
      .rank_o     (rank),
      .open_o     (open),
      .begin_o    (begin_choice),
      .step_o     (step),
      .tier_o,
      .fresh_o,
      .cut_o,
      .done_o
  );

  // Scan pipeline: index is the stage.
  logic [WordW-2:0] pair1_q, pair2_q, pair3_q;
  logic [1:0] exists, exists1_q, exists2_q;
  logic [5:1] pass_q, last_q;
  logic [4:1] sweep_q;
  logic [WordW-1:0] word1_q, word2_q, word3_q, word4_q, word5_q;

  assign scan_o = pass || sweep;
  assign pair_o = sweep ? word_o[WordW-1:1] : word_o[WordW-2:0];
  assign exists = sweep ? 2'b11 : {!scan_end || odd_end, 1'b1} & {2{pass}};

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      pass_q  <= '0;
      sweep_q <= '0;
    end else if (en_i) begin
      pass_q  <= {pass_q[4:1], pass};
      sweep_q <= {sweep_q[3:1], sweep};
    end
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      pair1_q   <= pair_o;
      pair2_q   <= pair1_q;
      pair3_q   <= pair2_q;
      exists1_q <= exists;
      exists2_q <= exists1_q;
      last_q    <= {last_q[4:1], scan_end};
      word1_q   <= word_o;
      word2_q   <= word1_q;
      word3_q   <= word2_q;
      word4_q   <= word3_q;
      word5_q   <= word4_q;
    end

  assign sweep1_o = sweep_q[1];
  assign word1_o  = word1_q;
  assign end1_o   = last_q[1];
  assign clear1_o = sweep_q[1] && word1_q == '0;
  assign word5_o  = word5_q;
  assign last5_o  = last_q[5];

  // The digit that is counted. The first pass of a command may be counted when it is due.
  always_ff @(posedge clk_i)
    if (en_i) begin
      if (load) begin
        apply_q <= 1'b0;
        digit_o <= top_i;
      end else if (step) begin
        apply_q <= 1'b1;
        digit_o <= digit_o == 4'd0 ? 4'd9 : digit_o - 4'd1;
      end
      if (step) stop_q <= digit_o == 4'd0;
      if (settle) counted_q <= right_i && may_ahead;
      else if (begin_choice) counted_q <= 1'b0;
    end

  // States of the positions. A sweep puts them back for the next search.
  logic [2*Lanes-1:0] keep3, cand3;
  logic [8*Lanes-1:0] digit3;
  logic [3:0] chosen;
  logic [CountW-1:0] need;

  kv_select_state #(
      .Lanes    (Lanes),
      .MaxTokens(MaxTokens)
  ) u_state (
      .clk_i,
      .en_i,
      .word_we_i  (valid4_i || (Tiers && sweep_q[4])),
      .word_i     (Tiers && sweep_q[4] ? word4_q : word4_i),
      .word_keep_i(prot4_i),
      .word_cand_i(elem4_i & ~prot4_i),
      .pair_i     (pair_o),
      .valid2_i   (exists2_q),
      .apply2_i   (apply_q),
      .chosen_i   (chosen),
      .cur2_i,
      .prev2_i,
      .ahead2_i   (ahead6_i),
      .keep3_o    (keep3),
      .cand3_o    (cand3),
      .digit3_o   (digit3),
      .write3_i   (pass_q[3]),
      .pair3_i    (pair3_q)
  );

  kv_select_radix #(
      .Lanes    (Lanes),
      .MaxTokens(MaxTokens)
  ) u_radix (
      .clk_i,
      .rst_i,
      .en_i,
      .clear_i (clear8_i || (pass_q[4] && !pass_q[5])),
      .hold_i  (valid5_o),
      .digit3_i(digit3),
      .load_i  (load),
      .need_i  (rank),
      .total_i (open),
      .begin_i (begin_choice),
      .chosen_o(chosen),
      .need_o  (need),
      .hit_o   (hit)
  );

  kv_select_emit #(
      .Lanes (Lanes),
      .CountW(CountW)
  ) u_emit (
      .clk_i,
      .rst_i,
      .en_i,
      .load_i  (clear1_o),
      .need_i  (need),
      .valid3_i(sweep_q[3]),
      .keep3_i (word3_q[0] ? keep3[2*Lanes-1:Lanes] : keep3[Lanes-1:0]),
      .cand3_i (word3_q[0] ? cand3[2*Lanes-1:Lanes] : cand3[Lanes-1:0]),
      .valid5_o,
      .keep5_o
  );

endmodule
