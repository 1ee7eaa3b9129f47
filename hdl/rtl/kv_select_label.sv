// Tiers of the positions (docs/engine.md, 4 and 5.9), in one memory, a word of Lanes of them an address.
//
// A sweep gives tier tier_i to every position that was found and has none yet, to a protected one
// only with prot_i; fresh_i: no position has one yet.
// valid5_i   a word of the sweep: word5_i its number; keep5_i, elem5_i, elem of lanes found, that hold positions,
//            prot5_i protected.
// tier7_o    two cycles later: 4 bits a lane, 0 to 3 or TIER_DROPPED, 0 for lanes without a position.
// row_i      in a cycle without a sweep: a position; row_tier_o, in the next: its tier, row_kept_o: it has one.
// Nothing moves in a cycle with en_i = 0.
module kv_select_label #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxTokens = 4096,
    localparam int unsigned LaneB = $clog2(Lanes),
    localparam int unsigned WordW = $clog2(MaxTokens / Lanes),
    localparam int unsigned RowW = $clog2(MaxTokens)
) (
    input  logic               clk_i,
    input  logic               rst_i,
    input  logic               en_i,
    input  logic [        1:0] tier_i,
    input  logic               prot_i,
    input  logic               fresh_i,
    input  logic               valid5_i,
    input  logic [  WordW-1:0] word5_i,
    input  logic [  Lanes-1:0] keep5_i,
    input  logic [  Lanes-1:0] elem5_i,
    input  logic [  Lanes-1:0] prot5_i,
    output logic [4*Lanes-1:0] tier7_o,
    input  logic [   RowW-1:0] row_i,
    output logic [        1:0] row_tier_o,
    output logic               row_kept_o
);

  localparam logic [2:0] None = 3'(kv_pkg::TIER_DROPPED);

  logic valid6_q, valid7_q;
  logic [WordW-1:0] word6_q, word7_q;
  logic [Lanes-1:0] gain6_q, elem6_q, elem7_q;
  logic [3*Lanes-1:0] old, after, after7_q;
  logic [LaneB-1:0] lane_q;

  kv_ram_1r1w #(
      .Width(3 * Lanes),
      .Depth(MaxTokens / Lanes)
  ) u_ram (
      .clk_i,
      .en_i,
      .we_i   (valid7_q),
      .waddr_i(word7_q),
      .data_i (after7_q),
      .raddr_i(valid5_i ? word5_i : row_i[RowW-1:LaneB]),
      .zero_i (1'b0),
      .data_o (old)
  );

  always_comb
    for (int i = 0; i < Lanes; i++) begin
      after[3*i+:3] = fresh_i ? None : old[3*i+:3];
      if (after[3*i+:3] == None && gain6_q[i]) after[3*i+:3] = {1'b0, tier_i};
    end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      valid6_q <= 1'b0;
      valid7_q <= 1'b0;
    end else if (en_i) begin
      valid6_q <= valid5_i;
      valid7_q <= valid6_q;
    end
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      word6_q  <= word5_i;
      word7_q  <= word6_q;
      gain6_q  <= keep5_i & (~prot5_i | {Lanes{prot_i}});
      elem6_q  <= elem5_i;
      elem7_q  <= elem6_q;
      after7_q <= after;
      lane_q   <= row_i[LaneB-1:0];
    end

  for (genvar i = 0; i < Lanes; i++) begin : g_lane
    assign tier7_o[4*i+:4] = {1'b0, after7_q[3*i+:3]} & {4{elem7_q[i]}};
  end

  logic [2:0] row;
  always_comb begin
    row = '0;
    for (int i = 0; i < Lanes; i++) if (lane_q == LaneB'(i)) row = old[3*i+:3];
  end

  assign row_tier_o = row[1:0];
  assign row_kept_o = !row[2];

endmodule
