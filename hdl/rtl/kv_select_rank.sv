// Ranks of the set lanes of a word; combinational.
//
// rank_o   for each lane, how many lanes below it are set (LaneB bits each).
// total_o  how many are set.
// Sums of 1, 2, 4 ... neighbours in turn: the depth is logarithmic in Lanes.
module kv_select_rank #(
    parameter int unsigned Lanes = 8,
    localparam int unsigned LaneB = $clog2(Lanes)
) (
    input  logic [      Lanes-1:0] set_i,
    output logic [LaneB*Lanes-1:0] rank_o,
    output logic [        LaneB:0] total_o
);

  localparam int unsigned W = LaneB + 1;

  // up_to: lanes set among this one and those below, after the steps so far.
  logic [W*Lanes-1:0] up_to, sums;

  always_comb begin
    for (int i = 0; i < Lanes; i++) up_to[W*i+:W] = W'(set_i[i]);
    for (int k = 0; k < LaneB; k++) begin
      sums = up_to;
      for (int i = (1 << k); i < Lanes; i++)
        sums[W*i+:W] = up_to[W*i+:W] + up_to[W*(i-(1<<k))+:W];
      up_to = sums;
    end
    rank_o[LaneB-1:0] = '0;
    for (int i = 1; i < Lanes; i++) rank_o[LaneB*i+:LaneB] = up_to[W*(i-1)+:LaneB];
    total_o = up_to[W*(Lanes-1)+:W];
  end

endmodule
