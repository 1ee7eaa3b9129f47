// What the settings of a SELECT come to, ready long before it is needed, and its searches in turn
// (docs/engine.md, 5.9).
//
// cfg_i, compress_i  the request header; the command is a COMPRESS. Stable from the start of the command on.
// from_i      first recent position (kv_select_place).
// first_i     the first search is chosen; next_i: the one after that at hand. Of those for k_0 to k_3 some
//             are left out; without tiers there is only the last.
// has_rows_o  attention or key rows come; may_ahead_o: a first pass may be counted ahead. From two cycles
//             after the start.
// last_word_o the last word of a row; open_o: how many positions are not protected.
// tier_o      one cycle after first_i or next_i: which search is at hand, 3 is the last; rank_o, one later: its k;
//             search_o, one later again: there is something to search.
// Nothing moves in a cycle with en_i = 0.
module kv_select_plan #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxTokens = 4096,
    parameter bit Pool = 1'b1,
    parameter bit Norm = 1'b1,
    parameter bit Tiers = 1'b1,
    localparam int unsigned LaneB = $clog2(Lanes),
    localparam int unsigned WordW = $clog2(MaxTokens / Lanes),
    localparam int unsigned CountW = $clog2(MaxTokens) + 1
) (
    input  logic              clk_i,
    input  logic              en_i,
    input  logic [     255:0] cfg_i,
    input  logic              compress_i,
    input  logic [CountW-1:0] from_i,
    input  logic              first_i,
    input  logic              next_i,
    output logic              has_rows_o,
    output logic              may_ahead_o,
    output logic [ WordW-1:0] last_word_o,
    output logic [CountW-1:0] open_o,
    output logic [       1:0] tier_o,
    output logic [CountW-1:0] rank_o,
    output logic              search_o
);

  logic key_norm, rows;
  logic [CountW-1:0] n;
  logic [CountW:0] open;
  logic [CountW*4-1:0] ranks;

  assign key_norm = Norm && cfg_i[kv_pkg::REQ_KEY_NORM_LSB];
  assign rows     = cfg_i[kv_pkg::REQ_ROWS_LSB+:24] != '0;
  assign n        = cfg_i[kv_pkg::REQ_DIMS_LSB+:CountW];
  assign open     = {1'b0, from_i} - {1'b0, CountW'(cfg_i[kv_pkg::REQ_SINKS_LSB+:16])};

  assign ranks[CountW*0+:CountW] = CountW'(cfg_i[kv_pkg::REQ_RANK0_LSB+:16]);
  assign ranks[CountW*1+:CountW] = CountW'(cfg_i[kv_pkg::REQ_RANK1_LSB+:16]);
  assign ranks[CountW*2+:CountW] = CountW'(cfg_i[kv_pkg::REQ_RANK2_LSB+:16]);
  assign ranks[CountW*3+:CountW] = cfg_i[kv_pkg::REQ_TOP_K_LSB+:CountW];

  always_ff @(posedge clk_i)
    if (en_i) begin
      has_rows_o  <= key_norm || rows;
      may_ahead_o <= rows && !key_norm && (!Pool || cfg_i[kv_pkg::REQ_POOL_HALF_LSB+:3] == '0);
      last_word_o <= WordW'((n - 1'b1) >> LaneB);
      open_o      <= open[CountW] ? '0 : open[CountW-1:0];
      rank_o      <= ranks[CountW*tier_o+:CountW];
      search_o    <= rank_o != '0 && rank_o < open_o;
    end

  if (Tiers) begin : g_tier
    logic tiers;
    logic [1:0] prot_tier, next;
    logic [2:0] runs_q;  // searches that take place beside the last

    assign tiers     = compress_i || cfg_i[kv_pkg::REQ_RESULT_LSB+:2] == 2'(kv_pkg::RESULT_TIERS);
    assign prot_tier = cfg_i[kv_pkg::REQ_PROT_TIER_LSB+:2];

    always_comb begin
      next = 2'd3;
      for (int i = 2; i >= 0; i--) if (runs_q[i] && (first_i || 2'(i) > tier_o)) next = 2'(i);
    end

    always_ff @(posedge clk_i)
      if (en_i) begin
        runs_q[0] <= tiers && (ranks[0+:CountW] != '0 || prot_tier == 2'd0);
        for (int i = 1; i < 3; i++)
          runs_q[i] <= tiers && (ranks[CountW*i+:CountW] != ranks[CountW*(i-1)+:CountW] || prot_tier == 2'(i));
        if (first_i || next_i) tier_o <= next;
      end
  end else begin : g_one
    assign tier_o = 2'd3;

    logic unused;
    assign unused = &{1'b0, compress_i, first_i, next_i};
  end

  // The other fields are read where they are needed.
  logic unused_cfg;
  assign unused_cfg = &{1'b0, cfg_i};

endmodule
