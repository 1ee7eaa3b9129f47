// COMPRESS, what joins its two halves (docs/engine.md, 5.10): selects, then sends the rows that
// are kept through QUANTIZE, values first.
//
// The beats of the command go to kv_select up to the end of its selection part, and from then on to
// kv_quant, those of kept rows only. kv_select has the tiers.
//
// start_i     one cycle after dispatch; scores_out_i: the settings, from then on.
// beat_*_i    a beat of the command is taken in this cycle, only with ready_o; beat_rows_i: of value and
//             key rows, not of the selection part; the ends as kv_front_count says.
// ready_o     from registers, and from that of kv_select (select_ready_i); ready_next_o likewise of the next
//             cycle, if this one is enabled.
// select_done_i  done_o of kv_select, of a COMPRESS. row_o: the position whose tier is wanted, kept_i: it has one.
// keys_o      the section is that of the keys: set one cycle after the values' end.
// beat_kept_o, end_o  for kv_quant: the beat belongs to a kept row; it is the last of its section.
// section_done_i  done_o of kv_quant: the section has been given in full.
// ev_nonfinite_i  of kv_quant; nonfinite_o: whether there were any so far.
// Nothing moves in a cycle with en_i = 0.
module kv_compress #(
    parameter int unsigned MaxTokens = 4096,
    localparam int unsigned RowW = $clog2(MaxTokens)
) (
    input  logic            clk_i,
    input  logic            rst_i,
    input  logic            en_i,
    input  logic            start_i,
    input  logic            scores_out_i,
    input  logic            beat_valid_i,
    input  logic            beat_rows_i,
    input  logic            beat_part_end_i,
    input  logic            beat_row_end_i,
    output logic            ready_o,
    output logic            ready_next_o,
    input  logic            select_ready_i,
    input  logic            select_ready_next_i,
    input  logic            select_done_i,
    output logic [RowW-1:0] row_o,
    input  logic            kept_i,
    output logic            keys_o,
    output logic            beat_kept_o,
    output logic            end_o,
    input  logic            section_done_i,
    input  logic [     9:0] ev_nonfinite_i,
    output logic            nonfinite_o
);

  // From done_o of kv_select, which is the cycle before z or, with scores, the one LAT_SELECT_SCORES + 1
  // after it, to LAT_COMPRESS_ROWS after z.
  localparam logic [3:0] WaitPlain = 4'(kv_pkg::LAT_COMPRESS_ROWS - 1);
  localparam logic [3:0] WaitScores = 4'(kv_pkg::LAT_COMPRESS_ROWS - 7);

  if (kv_pkg::LAT_COMPRESS_ROWS != 16 || kv_pkg::LAT_SELECT_EMIT != 8 ||
      kv_pkg::LAT_SELECT_SCORES != 4) begin : g_latency
    $error("kv_compress: built for other latencies");
  end

  typedef enum logic [1:0] {
    Choose,  // up to the end of the selection
    Wait,
    Rows,
    Close  // the section's last beat was taken
  } state_e;

  state_e state_q, state_d;
  logic [3:0] wait_q;
  logic [RowW-1:0] row_q;
  logic keys_q, nonfinite_q, row_beat;

  assign row_beat    = beat_valid_i && beat_rows_i;
  assign ready_o     = state_q == Rows || (state_q == Choose && select_ready_i);
  assign ready_next_o = state_d == Rows || (state_d == Choose && select_ready_next_i);
  assign beat_kept_o = row_beat && kept_i;
  assign end_o       = row_beat && beat_part_end_i;
  assign row_o       = row_q + RowW'(row_beat && beat_row_end_i);
  assign keys_o      = keys_q;

  always_comb begin
    state_d = state_q;
    if (start_i) state_d = Choose;
    else
      case (state_q)
        Choose: if (select_done_i) state_d = Wait;
        Wait: if (wait_q == 4'd0) state_d = Rows;
        Rows: if (end_o) state_d = Close;
        default: if (section_done_i) state_d = keys_q ? Choose : Rows;
      endcase
  end

  // The beat that ends the selection part is followed by none before the rows.
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      state_q <= Choose;
      wait_q  <= 4'd0;
      row_q   <= '0;
      keys_q  <= 1'b0;
    end else if (en_i) begin
      if (select_done_i) wait_q <= scores_out_i ? WaitScores : WaitPlain;
      else if (wait_q != 4'd0) wait_q <= wait_q - 4'd1;
      row_q <= end_o || state_q == Wait ? '0 : row_o;
      state_q <= state_d;
      if (start_i) keys_q <= 1'b0;
      else if (state_q == Close && section_done_i) keys_q <= 1'b1;
    end
  end

  always_ff @(posedge clk_i)
    if (en_i) nonfinite_q <= !start_i && (nonfinite_q || ev_nonfinite_i != '0);

  assign nonfinite_o = nonfinite_q;

endmodule
