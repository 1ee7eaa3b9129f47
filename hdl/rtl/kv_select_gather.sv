// Gathers words of scores that do not come from attention rows (docs/engine.md, 4 and 5.9).
//
// beat_valid_i, beat_i  a beat of scores in 64 bits each; quarter_i: which of the four of a word;
//             beat_end_i: the word is the last.
// one_valid_i, one_i    (Single) the score of lane one_lane_i of a word; one_full_i: the word is
//             complete with it, one_end_i: it is the last.
// load_o      one cycle after a word is complete: its scores, which word it is, whether the last.
// sat_o       with load_o: lanes that were 2^40 or more and are taken as 2^40 - 1.
// Words are complete in order, from 0; clear_i: the next is 0 again. Lanes that nothing came for mean
// nothing. Nothing moves in a cycle with en_i = 0.
module kv_select_gather #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned WordW = 9,
    parameter bit Single = 1'b0,
    localparam int unsigned LaneB = $clog2(Lanes)
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                clear_i,
    input  logic                beat_valid_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic [         1:0] quarter_i,
    input  logic                beat_end_i,
    input  logic                one_valid_i,
    input  logic [        39:0] one_i,
    input  logic [   LaneB-1:0] one_lane_i,
    input  logic                one_full_i,
    input  logic                one_end_i,
    output logic                load_o,
    output logic [40*Lanes-1:0] scores_o,
    output logic [   Lanes-1:0] sat_o,
    output logic [   WordW-1:0] word_o,
    output logic                end_o
);

  // A beat as scores of its own; with two lanes a score takes two beats.
  localparam int unsigned Each = Lanes < 4 ? 1 : Lanes / 4;
  logic [64*Each-1:0] whole;

  if (Lanes == 2) begin : gen_halves
    logic [31:0] low_q;
    always_ff @(posedge clk_i) if (en_i && beat_valid_i) low_q <= beat_i;
    assign whole = {beat_i, low_q};
  end else begin : gen_whole
    assign whole = beat_i;
  end

  for (genvar i = 0; i < Lanes; i++) begin : g_lane
    localparam int unsigned Low = 64 * (i % Each);
    logic mine, one, sat;

    // With two lanes the second beat overwrites what the first one left.
    assign mine = beat_valid_i && (Lanes == 2 ? quarter_i[1] == 1'(i) : quarter_i == 2'(i / Each));
    assign one  = Single && one_valid_i && one_lane_i == LaneB'(i);
    assign sat  = whole[Low+40+:24] != '0;

    always_ff @(posedge clk_i)
      if (en_i && (mine || one)) begin
        scores_o[40*i+:40] <= one ? one_i : whole[Low+:40] | {40{sat}};
        sat_o[i] <= sat && !one;
      end
  end

  logic full;
  assign full = (beat_valid_i && quarter_i == 2'd3) || (Single && one_valid_i && one_full_i);

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      load_o <= 1'b0;
      word_o <= '0;
    end else if (en_i) begin
      load_o <= full;
      if (clear_i || (load_o && end_o)) word_o <= '0;
      else if (load_o) word_o <= word_o + 1'b1;
    end
  end

  always_ff @(posedge clk_i)
    if (en_i && full) end_o <= beat_valid_i ? beat_end_i : one_end_i;

  logic unused;
  assign unused = &{1'b0, one_valid_i, one_i, one_lane_i, one_full_i, one_end_i};

endmodule
