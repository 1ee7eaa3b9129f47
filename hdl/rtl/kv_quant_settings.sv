// Settings of QUANTIZE: what follows from those of the header, for all its parts.
//
// scheme_i to dims_i      as in the header; mixed_i: of a section of COMPRESS
// asym_next_o             asym_o a cycle early
// asym_o, offset_o        schemes; neither: symmetric. fold_o: layout of q4_0 and q4_1
// channel_o, token_o      groups are per channel, per token: registers of their own, for what they reach
// mixed_o, by_tier_o      a section of COMPRESS; one of which rows have widths by their tier
// bits_o, width_o         bits of a code, and the c of 2^c - 1, its largest magnitude
// top_word_o              beats of a row, less one; group_top_o: of a group; top_row_o: rows of a group, less one
// Outputs but asym_next_o come a cycle later. Nothing moves in a cycle with en_i = 0.
module kv_quant_settings #(
    parameter int unsigned Lanes  = 8,
    parameter int unsigned MaxDim = 256,
    localparam int unsigned WordW = $clog2(MaxDim / Lanes)
) (
    input  logic             clk_i,
    input  logic             en_i,
    input  logic [      1:0] scheme_i,
    input  logic             axis_i,
    input  logic [      2:0] group_i,
    input  logic [      3:0] bits_i,
    input  logic             layout_i,
    input  logic [      9:0] dims_i,
    input  logic             mixed_i,
    output logic             asym_next_o,
    output logic             asym_o,
    output logic             offset_o,
    output logic             fold_o,
    output logic             channel_o,
    output logic             token_o,
    output logic             mixed_o,
    output logic             by_tier_o,
    output logic [      3:0] bits_o,
    output logic [      3:0] width_o,
    output logic [WordW-1:0] top_word_o,
    output logic [      6:0] top_row_o,
    output logic [     15:0] group_top_o
);

  localparam int unsigned LaneW = $clog2(Lanes);

  logic channel;
  logic [15:0] row_beats, group_beats;
  logic [7:0] group_rows;

  assign asym_next_o = scheme_i == 2'(kv_pkg::SCHEME_ASYM);
  assign channel     = axis_i == 1'(kv_pkg::AXIS_CHANNEL);
  assign row_beats   = 16'(dims_i) >> LaneW;
  assign group_rows  = 8'd16 << group_i[1:0];

  always_comb begin
    if (channel) group_beats = 16'(row_beats << (4'd4 + 4'(group_i[1:0])));
    else if (group_i == 3'(kv_pkg::GROUP_ROW)) group_beats = row_beats;
    else group_beats = 16'(group_rows) >> LaneW;
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      asym_o      <= asym_next_o;
      offset_o    <= scheme_i == 2'(kv_pkg::SCHEME_OFFSET);
      fold_o      <= layout_i == 1'(kv_pkg::LAYOUT_BLOCK) && bits_i == 4'd4;
      channel_o   <= channel;
      token_o     <= !channel;
      top_word_o  <= WordW'(row_beats - 16'd1);
      top_row_o   <= 7'(group_rows - 8'd1);
      group_top_o <= group_beats - 16'd1;
      width_o     <= asym_next_o ? bits_i : bits_i - 4'd1;
      bits_o      <= bits_i;
      mixed_o     <= mixed_i;
      by_tier_o   <= mixed_i && !channel;
    end
  end

endmodule
