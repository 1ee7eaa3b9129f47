// Where the lanes of a word stand: which hold positions at all, and which of these are
// protected (docs/engine.md, 4).
//
// n_i, sinks_i, recent_i  the settings, stable.
// from_o   first recent position; two cycles after the settings.
// word1_i, end1_i  a word, and whether it is the last of a row, every cycle.
// elem1_o  combinational: its lanes that hold positions.
// elem4_o, prot4_o  three cycles later: these again; those of them that are protected.
// Nothing moves in a cycle with en_i = 0.
module kv_select_place #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxTokens = 4096,
    localparam int unsigned LaneB = $clog2(Lanes),
    localparam int unsigned WordW = $clog2(MaxTokens / Lanes),
    localparam int unsigned CountW = $clog2(MaxTokens) + 1
) (
    input  logic              clk_i,
    input  logic              en_i,
    input  logic [CountW-1:0] n_i,
    input  logic [CountW-1:0] sinks_i,
    input  logic [CountW-1:0] recent_i,
    output logic [CountW-1:0] from_o,
    input  logic [ WordW-1:0] word1_i,
    input  logic              end1_i,
    output logic [ Lanes-1:0] elem1_o,
    output logic [ Lanes-1:0] elem4_o,
    output logic [ Lanes-1:0] prot4_o
);

  logic [LaneB-1:0] odd_lanes;
  logic [WordW:0] word1;
  logic [Lanes-1:0] elem2_q, elem3_q, prot3_q;
  logic sink_lt2_q, sink_eq2_q, recent_gt2_q, recent_eq2_q;

  assign odd_lanes = n_i[LaneB-1:0];
  assign word1     = {1'b0, word1_i};

  always_comb
    for (int i = 0; i < Lanes; i++)
      elem1_o[i] = !end1_i || odd_lanes == '0 || LaneB'(i) < odd_lanes;

  always_ff @(posedge clk_i)
    if (en_i) begin
      from_o       <= n_i - recent_i;
      sink_lt2_q   <= word1 < sinks_i[CountW-1:LaneB];
      sink_eq2_q   <= word1 == sinks_i[CountW-1:LaneB];
      recent_gt2_q <= word1 > from_o[CountW-1:LaneB];
      recent_eq2_q <= word1 == from_o[CountW-1:LaneB];
      elem2_q      <= elem1_o;
      for (int i = 0; i < Lanes; i++)
        prot3_q[i] <= sink_lt2_q || (sink_eq2_q && LaneB'(i) < sinks_i[LaneB-1:0]) ||
                      recent_gt2_q || (recent_eq2_q && LaneB'(i) >= from_o[LaneB-1:0]);
      elem3_q <= elem2_q;
      prot4_o <= prot3_q & elem3_q;
      elem4_o <= elem3_q;
    end

endmodule
