// SELECT: attention rows in, the positions to keep out (docs/engine.md, 4 and 5.9).
//
// start_i   one cycle after dispatch; the settings are valid from then on. A new command
//           starts only after the last entry of the one before was pushed.
// beat_*_i  a beat taken in this cycle, only with ready_o; beat_last_i: the last expected;
//           abort_i: the packet ends with this one, too early.
// ready_o   from registers; low only after short rows, so that a word of scores is not
//           touched again before it was written.
// push_*_o  an entry for the payload FIFO, which is empty then and holds the whole list's
//           head start; the last one carries the flags of the command.
// ev_*_o    events of this cycle.
// Everything stands still in cycles with en_i = 0.
//
// With t the cycle of the last beat: settling until t + LAT_SELECT_SETTLE, then passes (a
// pair of words a cycle and a tail of LAT_SELECT_PASS cycles, in which the last words drain
// and the digit is chosen), then emission, a word a cycle.
module kv_select #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxTokens = 4096
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                start_i,
    input  logic [        23:0] rows_i,
    input  logic [        16:0] n_i,
    input  logic [        16:0] sinks_i,
    input  logic [        16:0] recent_i,
    input  logic [        16:0] topk_i,
    input  logic                beat_valid_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic                beat_last_i,
    input  logic                abort_i,
    output logic                ready_o,
    output logic                push_valid_o,
    output logic [16*Lanes-1:0] push_data_o,
    output logic [         5:0] push_bytes_o,
    output logic                push_last_o,
    output logic                push_pre_o,
    output logic                push_nonfinite_o,
    output logic                push_saturated_o,
    output logic [         4:0] ev_saturated_o,
    output logic [         9:0] ev_nonfinite_o
);

  localparam int unsigned LaneB = $clog2(Lanes);
  localparam int unsigned WordW = $clog2(MaxTokens / Lanes);
  localparam int unsigned CountW = $clog2(MaxTokens) + 1;

  if (kv_pkg::LAT_SELECT_ACC != 4 || kv_pkg::LAT_SELECT_ROW != 4 ||
      kv_pkg::LAT_SELECT_SETTLE < 8 || kv_pkg::LAT_SELECT_PASS != 12 ||
      kv_pkg::LAT_SELECT_EMIT != 8) begin : g_latency
    $error("kv_select: built for other latencies");
  end

  // What follows from the settings, ready long before it is needed.
  logic [CountW-1:0] from_q, open_q, topk;  // first recent position; unprotected positions
  logic search_q;  // there is something to search

  logic [CountW:0] open;  // negative if the protected ranges meet

  assign topk = CountW'(topk_i);
  assign open = {1'b0, from_q} - {1'b0, CountW'(sinks_i)};

  always_ff @(posedge clk_i)
    if (en_i) begin
      from_q   <= CountW'(n_i - recent_i);
      open_q   <= open[CountW] ? '0 : open[CountW-1:0];
      search_q <= topk != '0 && topk < open_q;
    end

  // Place of the next beat in its row.
  logic [WordW:0] word_q, word_next_q, full_words;
  logic [LaneB-1:0] odd_lanes;
  logic [Lanes-1:0] elem;
  logic first_q, row_end;
  logic [1:0] wait_q;

  assign full_words = (WordW + 1)'(n_i >> LaneB);
  assign odd_lanes  = n_i[LaneB-1:0];
  assign row_end    = odd_lanes == '0 ? word_next_q == full_words : word_q == full_words;

  always_comb
    for (int i = 0; i < Lanes; i++)
      elem[i] = !row_end || odd_lanes == '0 || LaneB'(i) < odd_lanes;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      word_q      <= '0;
      word_next_q <= (WordW + 1)'(1);
      first_q     <= 1'b1;
      wait_q      <= 2'd0;
    end else if (en_i) begin
      if (beat_valid_i) begin
        if (row_end || abort_i) begin
          word_q      <= '0;
          word_next_q <= (WordW + 1)'(1);
        end else begin
          word_q      <= word_next_q;
          word_next_q <= word_next_q + (WordW + 1)'(1);
        end
        if (beat_last_i || abort_i) first_q <= 1'b1;
        else if (row_end) first_q <= 1'b0;
      end
      if (beat_valid_i && row_end && !beat_last_i && word_q < (WordW + 1)'(3))
        wait_q <= 2'd3 - word_q[1:0];
      else if (wait_q != 2'd0) wait_q <= wait_q - 2'd1;
    end
  end

  assign ready_o = wait_q == 2'd0;

  // Protection of the word taken, lane by lane; stages 1 to 4 of kv_select_score.
  logic [WordW:0] word1_q;
  logic [Lanes-1:0] elem1_q, elem2_q, elem3_q, elem4_q, prot3_q, prot4_q;
  logic sink_lt2_q, sink_eq2_q, recent_gt2_q, recent_eq2_q;

  always_ff @(posedge clk_i)
    if (en_i) begin
      word1_q      <= word_q;
      elem1_q      <= elem;
      sink_lt2_q   <= word1_q < (WordW + 1)'(sinks_i >> LaneB);
      sink_eq2_q   <= word1_q == (WordW + 1)'(sinks_i >> LaneB);
      recent_gt2_q <= word1_q > (WordW + 1)'(from_q >> LaneB);
      recent_eq2_q <= word1_q == (WordW + 1)'(from_q >> LaneB);
      elem2_q      <= elem1_q;
      for (int i = 0; i < Lanes; i++)
        prot3_q[i] <= sink_lt2_q || (sink_eq2_q && LaneB'(i) < sinks_i[LaneB-1:0]) ||
                      recent_gt2_q || (recent_eq2_q && LaneB'(i) >= from_q[LaneB-1:0]);
      elem3_q <= elem2_q;
      prot4_q <= prot3_q & elem3_q;
      elem4_q <= elem3_q;
    end

  // Sequence.
  typedef enum logic [2:0] {
    Take,
    Settle,
    Pass,
    Tail,
    Emit,
    Cut
  } state_e;

  state_e state_q;
  logic [3:0] count_q;  // cycles of Settle and Tail, from 1
  logic [WordW-1:0] scan_q;  // Pass: pair; Emit: word
  logic [WordW-1:0] last_word_q;
  logic cut_q, stop_q, apply_q;
  logic [3:0] digit_q, top;
  logic hit;
  logic end_settle, end_tail, scan_end;

  assign end_settle = count_q == 4'(kv_pkg::LAT_SELECT_SETTLE - 1);
  assign end_tail = count_q == 4'(kv_pkg::LAT_SELECT_PASS);
  assign scan_end = scan_q == (state_q == Emit ? last_word_q : {1'b0, last_word_q[WordW-1:1]});

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      state_q <= Take;
      count_q <= 4'd1;
      scan_q  <= '0;
    end else if (en_i) begin
      count_q <= 4'd1;
      scan_q  <= '0;
      case (state_q)
        Take: if (beat_valid_i && (beat_last_i || abort_i)) state_q <= Settle;
        Settle:
        if (end_settle) state_q <= cut_q ? Cut : search_q ? Pass : Emit;
        else count_q <= count_q + 4'd1;
        Pass:
        if (scan_end) state_q <= Tail;
        else scan_q <= scan_q + WordW'(1);
        Tail:
        if (end_tail) state_q <= stop_q || hit ? Emit : Pass;
        else count_q <= count_q + 4'd1;
        Emit:
        if (scan_end) state_q <= Take;
        else scan_q <= scan_q + WordW'(1);
        default: state_q <= Take;
      endcase
    end
  end

  // In the tail all counts are complete in cycle 6, the digit is chosen in cycles 7 to 10, known
  // in cycle 12 and applied from the next scan on.
  logic tail10;
  assign tail10 = state_q == Tail && count_q == 4'd10;

  always_ff @(posedge clk_i)
    if (en_i) begin
      if (beat_valid_i && row_end) last_word_q <= word_q[WordW-1:0];
      if (state_q == Take) cut_q <= abort_i;
      if (state_q == Settle) begin
        apply_q <= 1'b0;
        digit_q <= top;
      end else if (tail10) begin
        apply_q <= 1'b1;
        digit_q <= digit_q == 4'd0 ? 4'd9 : digit_q - 4'd1;
      end
      if (tail10) stop_q <= digit_q == 4'd0;
    end

  // Scan pipeline: index is the stage.
  logic [WordW-2:0] pair, pair1_q, pair2_q, pair3_q;
  logic [1:0] exists, exists1_q, exists2_q;
  logic [3:1] pass_q;
  logic [3:1] emit_q;
  logic [5:1] last_q;
  logic [WordW-1:0] word_e1_q, word_e2_q, word_e3_q, word_e4_q, word_e5_q;

  assign pair   = state_q == Emit ? scan_q[WordW-1:1] : scan_q[WordW-2:0];
  assign exists = state_q == Emit ? 2'b11 :
                  {!scan_end || last_word_q[0], 1'b1} & {2{state_q == Pass}};

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      pass_q <= '0;
      emit_q <= '0;
    end else if (en_i) begin
      pass_q <= {pass_q[2:1], state_q == Pass};
      emit_q <= {emit_q[2:1], state_q == Emit};
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

  // Scores.
  logic [Lanes-1:0] bad, sat4;
  logic valid4;
  logic [WordW-1:0] word4;
  logic [8*Lanes-1:0] cur2, prev2, digit3;

  kv_select_score #(
      .Lanes    (Lanes),
      .MaxTokens(MaxTokens)
  ) u_score (
      .clk_i,
      .rst_i,
      .en_i,
      .clear_i     (start_i),
      .beat_valid_i,
      .beat_i,
      .word_i      (word_q[WordW-1:0]),
      .first_i     (first_q),
      .elem1_i     (elem1_q),
      .unprot4_i   (elem4_q & ~prot4_q),
      .bad_o       (bad),
      .valid4_o    (valid4),
      .word4_o     (word4),
      .sat4_o      (sat4),
      .top_o       (top),
      .scan_i      (state_q == Pass || state_q == Emit),
      .pair_i      (pair),
      .digit_i     (digit_q),
      .cur_o       (cur2),
      .prev_o      (prev2)
  );

  // States of the positions.
  logic [2*Lanes-1:0] keep3, cand3;
  logic [3:0] chosen;

  kv_select_state #(
      .Lanes    (Lanes),
      .MaxTokens(MaxTokens)
  ) u_state (
      .clk_i,
      .en_i,
      .word_we_i  (valid4),
      .word_i     (word4),
      .word_keep_i(prot4_q),
      .word_cand_i(elem4_q & ~prot4_q),
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
      .load_i  (state_q == Settle),
      .need_i  (topk),
      .total_i (open_q),
      .begin_i (state_q == Tail && count_q == 4'd6),
      .chosen_o(chosen),
      .need_o  (need),
      .hit_o   (hit)
  );

  // Emission.
  logic emit5, list_valid, list_last;
  logic [Lanes-1:0] keep5;
  logic [5:0] list_bytes;

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

  kv_select_pack #(
      .Lanes(Lanes),
      .WordW(WordW)
  ) u_pack (
      .clk_i,
      .rst_i,
      .en_i,
      .clear_i     (emit_q[1] && word_e1_q == '0),
      .valid5_i    (emit5),
      .last5_i     (last_q[5]),
      .word5_i     (word_e5_q),
      .keep5_i     (keep5),
      .push_valid_o(list_valid),
      .push_last_o (list_last),
      .push_bytes_o(list_bytes),
      .push_data_o
  );

  // Events and flags. The elements that are not finite are counted before it is known
  // whether the beat is the one that is not full.
  logic [LaneB:0] bad_all, bad_part, bad_all_q, bad_part_q;
  logic part_q, nonfinite_q, saturated_q;

  always_comb begin
    bad_all = '0;
    bad_part = '0;
    ev_saturated_o = '0;
    for (int i = 0; i < Lanes; i++) begin
      bad_all = bad_all + (LaneB + 1)'(bad[i]);
      bad_part = bad_part + (LaneB + 1)'(bad[i] && LaneB'(i) < odd_lanes);
      ev_saturated_o = ev_saturated_o + 5'(sat4[i]);
    end
  end

  assign ev_nonfinite_o = part_q ? 10'(bad_part_q) : 10'(bad_all_q);

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      bad_all_q   <= '0;
      bad_part_q  <= '0;
      nonfinite_q <= 1'b0;
      saturated_q <= 1'b0;
    end else if (en_i) begin
      bad_all_q   <= beat_valid_i ? bad_all : '0;
      bad_part_q  <= beat_valid_i ? bad_part : '0;
      nonfinite_q <= !start_i && (nonfinite_q || ev_nonfinite_o != '0);
      saturated_q <= !start_i && (saturated_q || sat4 != '0);
    end
  end

  always_ff @(posedge clk_i) if (en_i) part_q <= row_end && odd_lanes != '0;

  assign push_valid_o     = list_valid || state_q == Cut;
  assign push_last_o      = list_last || state_q == Cut;
  assign push_bytes_o     = state_q == Cut ? 6'd0 : list_bytes;
  assign push_pre_o       = 1'b0;
  assign push_nonfinite_o = push_last_o && nonfinite_q;
  assign push_saturated_o = push_last_o && saturated_q;

  // The front counts the rows and keeps the settings in range.
  logic unused;
  assign unused = &{1'b0, rows_i, topk_i, sinks_i, n_i};

endmodule
