// Events and flags of a SELECT (docs/engine.md, 2 and 5.9).
//
// start_i      a command begins, without flags. cfg_i: the request header.
// rows_i, row_end_i  a beat of an attention or key row is taken; of a row's last word.
// bad_i, neg_i its lanes that are not finite, negative.
// rows_sat_i   at stage 4 of a row (kv_select_score): lanes that were clamped.
// given_sat_i  at stage 1 of a word of given scores: lanes of positions that were clamped.
// pool_sat_i   a pooled sum was clamped.
// ev_nonfinite_o  one cycle after the beat: how many elements were not finite, or negative weights;
// ev_saturated_o  how many were clamped: LAT_SELECT_ACC cycles after a beat or the last of a word of scores,
//              at once for a sum.
// nonfinite_o, saturated_o  the flags so far.
// Nothing moves in a cycle with en_i = 0.
module kv_select_events #(
    parameter int unsigned Lanes = 8,
    parameter bit Norm = 1'b1,
    parameter bit Decay = 1'b1,
    localparam int unsigned LaneB = $clog2(Lanes)
) (
    input  logic             clk_i,
    input  logic             rst_i,
    input  logic             en_i,
    input  logic             start_i,
    input  logic [    255:0] cfg_i,
    input  logic             rows_i,
    input  logic             row_end_i,
    input  logic [Lanes-1:0] bad_i,
    input  logic [Lanes-1:0] neg_i,
    input  logic [Lanes-1:0] rows_sat_i,
    input  logic [Lanes-1:0] given_sat_i,
    input  logic             pool_sat_i,
    output logic [      9:0] ev_nonfinite_o,
    output logic [      4:0] ev_saturated_o,
    output logic             nonfinite_o,
    output logic             saturated_o
);

  if (kv_pkg::LAT_SELECT_ACC != 7) begin : g_latency
    $error("kv_select_events: built for other latencies");
  end

  logic key_norm;
  logic [LaneB-1:0] odd_lanes;

  assign key_norm  = Norm && cfg_i[kv_pkg::REQ_KEY_NORM_LSB];
  assign odd_lanes = cfg_i[kv_pkg::REQ_DIMS_LSB+:LaneB];

  // The elements that are not finite are counted before it is known whether the beat is the one that is
  // not full. Counting takes the next cycle, but for what a LUT adds up.
  localparam int unsigned Fours = (Lanes + 3) / 4;
  logic [3*Fours-1:0] bad_all, bad_part, bad_all_q, bad_part_q;
  logic part_full_q;
  logic [Lanes-1:0] wrong, given_sat2_q;
  logic [4:0] rows_sat, given_sat;

  assign wrong = key_norm ? bad_i : bad_i | neg_i;

  always_comb begin
    bad_all = '0;
    bad_part = '0;
    rows_sat = '0;
    given_sat = '0;
    ev_nonfinite_o = '0;
    for (int i = 0; i < Lanes; i++) begin
      bad_all[3*(i/4)+:3] = bad_all[3*(i/4)+:3] + 3'(wrong[i]);
      bad_part[3*(i/4)+:3] = bad_part[3*(i/4)+:3] + 3'(wrong[i] && LaneB'(i) < odd_lanes);
      rows_sat = rows_sat + 5'(rows_sat_i[i]);
      given_sat = given_sat + 5'(given_sat2_q[i]);
    end
    for (int i = 0; i < Fours; i++)
      ev_nonfinite_o = ev_nonfinite_o + (part_full_q ? 10'(bad_all_q[3*i+:3]) : 10'(bad_part_q[3*i+:3]));
  end

  // With Decay stage 4 is LAT_SELECT_ACC cycles after the beat, without three cycles less; given
  // scores are at stage 1 one cycle after theirs.
  logic [4:0] given_sat_q[3:7];

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      given_sat2_q <= '0;
      for (int i = 3; i <= 7; i++) given_sat_q[i] <= '0;
    end else if (en_i) begin
      given_sat2_q   <= given_sat_i;
      given_sat_q[3] <= given_sat;
      for (int i = 4; i <= 7; i++) given_sat_q[i] <= given_sat_q[i-1];
    end
  end

  if (Decay) begin : g_late
    assign ev_saturated_o = rows_sat | given_sat_q[7] | 5'(pool_sat_i);
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
    assign ev_saturated_o = rows_sat_q[7] | given_sat_q[7] | 5'(pool_sat_i);
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      bad_all_q   <= '0;
      bad_part_q  <= '0;
      nonfinite_o <= 1'b0;
      saturated_o <= 1'b0;
    end else if (en_i) begin
      bad_all_q   <= rows_i ? bad_all : '0;
      bad_part_q  <= rows_i ? bad_part : '0;
      nonfinite_o <= !start_i && (nonfinite_o || ev_nonfinite_o != '0);
      saturated_o <= !start_i && (saturated_o || ev_saturated_o != '0);
    end
  end

  always_ff @(posedge clk_i) if (en_i) part_full_q <= key_norm || !row_end_i || odd_lanes == '0;

  // The other fields are read where they are needed.
  logic unused;
  assign unused = &{1'b0, cfg_i};

endmodule
