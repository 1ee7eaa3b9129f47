// Decides position by position what SELECT keeps, word by word (docs/engine.md, 5.9).
//
// load_i      need_i candidates are to be kept, the first ones; at least one cycle before
//             the first word.
// valid3_i    the states of a word are there: keep3_i, cand3_i by lane.
// valid5_o, keep5_o  two cycles later: the lanes that are kept.
// A word every cycle; nothing moves in a cycle with en_i = 0.
module kv_select_emit #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned CountW = 13
) (
    input  logic              clk_i,
    input  logic              rst_i,
    input  logic              en_i,
    input  logic              load_i,
    input  logic [CountW-1:0] need_i,
    input  logic              valid3_i,
    input  logic [ Lanes-1:0] keep3_i,
    input  logic [ Lanes-1:0] cand3_i,
    output logic              valid5_o,
    output logic [ Lanes-1:0] keep5_o
);

  localparam int unsigned LaneB = $clog2(Lanes);

  // Stage 3: rank of each candidate in its word, and how many there are.
  logic [LaneB*Lanes-1:0] rank, rank4_q;
  logic [LaneB:0] ties, ties4_q;
  logic [Lanes-1:0] keep4_q, cand4_q, keep5_q;
  logic valid4_q, valid5_q;

  kv_select_rank #(
      .Lanes(Lanes)
  ) u_rank (
      .set_i  (cand3_i),
      .rank_o (rank),
      .total_o(ties)
  );

  // Stage 4: the ranks below what is left are kept.
  logic [CountW-1:0] left_q;
  logic [CountW:0] after;
  logic many;

  assign after = {1'b0, left_q} - (CountW + 1)'(ties4_q);
  assign many  = |left_q[CountW-1:LaneB];

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      valid4_q <= 1'b0;
      valid5_q <= 1'b0;
    end else if (en_i) begin
      valid4_q <= valid3_i;
      valid5_q <= valid4_q;
    end
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      rank4_q <= rank;
      ties4_q <= ties;
      keep4_q <= keep3_i;
      cand4_q <= cand3_i;
      for (int i = 0; i < Lanes; i++)
        keep5_q[i] <= keep4_q[i] ||
                      (cand4_q[i] && (many || rank4_q[LaneB*i+:LaneB] < left_q[LaneB-1:0]));
      if (load_i) left_q <= need_i;
      else if (valid4_q) left_q <= after[CountW] ? '0 : after[CountW-1:0];
    end

  assign valid5_o = valid5_q;
  assign keep5_o  = keep5_q;

endmodule
