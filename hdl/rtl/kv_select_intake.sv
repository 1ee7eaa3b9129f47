// Beats of a SELECT on their way in: what each is, where it stands, when the next may come (docs/engine.md, 5.9).
//
// cfg_i         the request header. has_rows_i: attention or key rows come.
// beat_*_i, abort_i  as in kv_select. take_i: the sequence is before the last beat; take_next_i: it is in the next cycle.
// ready_o       from registers; low while a word of scores that may come next is not yet written. ready_next_o: in the next
//               cycle, if this one is enabled.
// attention_o, scoring_o, norm_o  the beat of this cycle is one of an attention row, of the scores so far, of a key row.
// word_o, row_end_o  the word of an attention beat or of a beat of scores, and that it is the last;
//               quarter_o: which of its four beats (scores).
// first_o       of the first attention row; decay_o: of a row before which the scores decay.
// end_o         the last beat comes in this cycle.
// Nothing moves in a cycle with en_i = 0.
module kv_select_intake #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxTokens = 4096,
    parameter bit Norm = 1'b1,
    parameter bit Decay = 1'b1,
    localparam int unsigned LaneB = $clog2(Lanes),
    localparam int unsigned WordW = $clog2(MaxTokens / Lanes),
    localparam int unsigned CountW = $clog2(MaxTokens) + 1
) (
    input  logic             clk_i,
    input  logic             rst_i,
    input  logic             en_i,
    input  logic [    255:0] cfg_i,
    input  logic             has_rows_i,
    input  logic             take_i,
    input  logic             take_next_i,
    input  logic             beat_valid_i,
    input  logic             beat_rows_i,
    input  logic             beat_part_end_i,
    input  logic             abort_i,
    output logic             ready_o,
    output logic             ready_next_o,
    output logic             attention_o,
    output logic             scoring_o,
    output logic             norm_o,
    output logic [WordW-1:0] word_o,
    output logic             row_end_o,
    output logic [      1:0] quarter_o,
    output logic             first_o,
    output logic             decay_o,
    output logic             end_o
);

  if (kv_pkg::LAT_SELECT_ROW != 8) begin : g_latency
    $error("kv_select_intake: built for other latencies");
  end

  logic key_norm;
  logic [CountW-1:0] n;
  logic [3:0] wait_q;

  assign key_norm    = Norm && cfg_i[kv_pkg::REQ_KEY_NORM_LSB];
  assign n           = cfg_i[kv_pkg::REQ_DIMS_LSB+:CountW];
  assign attention_o = beat_valid_i && beat_rows_i && !key_norm;
  assign scoring_o   = beat_valid_i && !beat_rows_i;
  assign norm_o      = beat_valid_i && key_norm;
  assign row_end_o   = word_o == WordW'((n - 1'b1) >> LaneB);
  assign end_o       = beat_valid_i && (abort_i || (beat_part_end_i && (beat_rows_i || !has_rows_i)));
  assign ready_o     = wait_q == 4'd0 && take_i;

  // The same a cycle ahead: what ends a wait.
  assign ready_next_o = take_next_i && wait_q <= 4'd1 && !(scoring_o && beat_part_end_i) &&
                        !(attention_o && row_end_o && word_o < WordW'(kv_pkg::LAT_SELECT_ROW - 1));

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      word_o    <= '0;
      quarter_o <= 2'd0;
      first_o   <= 1'b1;
      wait_q    <= 4'd0;
    end else if (en_i) begin
      if (end_o || (attention_o && row_end_o)) word_o <= '0;
      else if (attention_o || (scoring_o && quarter_o == 2'd3)) word_o <= row_end_o ? '0 : word_o + WordW'(1);
      if (beat_valid_i) quarter_o <= end_o || beat_rows_i ? 2'd0 : quarter_o + 2'd1;
      if (end_o) first_o <= 1'b1;
      else if (attention_o && row_end_o) first_o <= 1'b0;
      if (scoring_o && beat_part_end_i && !end_o) wait_q <= 4'(kv_pkg::LAT_SELECT_ROW);
      else if (attention_o && row_end_o && !end_o && word_o < WordW'(kv_pkg::LAT_SELECT_ROW - 1))
        wait_q <= 4'(kv_pkg::LAT_SELECT_ROW - 1) - 4'(word_o);
      else if (wait_q != 4'd0) wait_q <= wait_q - 4'd1;
    end
  end

  if (Decay) begin : g_step
    logic [11:0] step_rows, step_q;

    assign step_rows = cfg_i[kv_pkg::REQ_STEP_ROWS_LSB+:12];
    assign decay_o   = step_rows != '0 && step_q == '0;

    always_ff @(posedge clk_i) begin
      if (rst_i) step_q <= '0;
      else if (en_i) begin
        if (end_o) step_q <= '0;
        else if (attention_o && row_end_o) step_q <= step_q + 12'd1 == step_rows ? '0 : step_q + 12'd1;
      end
    end
  end else begin : g_no_step
    assign decay_o = 1'b0;
  end

  // The other fields are read where they are needed.
  logic unused;
  assign unused = &{1'b0, cfg_i};

endmodule
