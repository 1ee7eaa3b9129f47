// Pooling of scores, a position a cycle (docs/engine.md, 4 and 5.9): each score becomes the
// sum (saturating) or the maximum of those at most half_i positions away.
//
// run_i      from cycle 0 of the pooling to done_o, its last, cycle n_i + LAT_SELECT_POOL - 1. n_i,
//            half_i (1 to 7) and max_i are stable long before.
// fetch_*_o  the quarter of a word that is read (kv_select_score, kv_select_give); group_i: its scores,
//            two cycles later.
// one_*_o    in cycle 14 + j: the pooled score of position j. It may be written at once: what is read
//            later stands in words behind that of j.
// sat_o      in cycle 16 + j: it was clamped.
// Position i is read in cycle i + 7 - half_i. Before the first and behind the last there are zeros. A pooling
// may come so soon after a reset that the line of the sum still holds what was there before: what leaves the
// window counts from cycle 9 on (position 0 leaves it in cycle 11 + half_i). The maximum does not look back
// that far.
// Nothing moves in a cycle with en_i = 0.
module kv_select_pool #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxTokens = 4096,
    localparam int unsigned Each = Lanes < 4 ? 1 : Lanes / 4,
    localparam int unsigned LaneB = $clog2(Lanes),
    localparam int unsigned WordW = $clog2(MaxTokens / Lanes),
    localparam int unsigned CountW = $clog2(MaxTokens) + 1
) (
    input  logic               clk_i,
    input  logic               rst_i,
    input  logic               en_i,
    input  logic               run_i,
    output logic               done_o,
    input  logic [ CountW-1:0] n_i,
    input  logic [        2:0] half_i,
    input  logic               max_i,
    output logic [  WordW-1:0] fetch_word_o,
    output logic [        1:0] fetch_quarter_o,
    input  logic [40*Each-1:0] group_i,
    output logic               one_valid_o,
    output logic [       39:0] one_o,
    output logic               sat_o
);

  if (kv_pkg::LAT_SELECT_POOL != 24 || kv_pkg::LAT_SELECT_POOL_SAT != 16) begin : g_latency
    $error("kv_select_pool: built for other latencies");
  end

  // Cycle of the pooling, and the position read in it.
  logic [CountW:0] cycle_q, n;
  logic [CountW-1:0] at_q;
  logic reading;
  logic [2:0] first;  // cycle in which position 0 is read
  logic [2:1] there_q;
  logic [LaneB-1:0] lane1_q, lane2_q;

  assign first   = ~half_i;
  assign n       = {1'b0, n_i};
  assign done_o  = run_i && cycle_q == n + (CountW + 1)'(kv_pkg::LAT_SELECT_POOL - 1);
  assign reading = run_i && cycle_q >= (CountW + 1)'(first) && at_q != n_i;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      cycle_q <= '0;
      at_q    <= '0;
      there_q <= '0;
    end else if (en_i) begin
      cycle_q <= run_i && !done_o ? cycle_q + 1'b1 : '0;
      at_q    <= !run_i ? '0 : at_q + CountW'(reading);
      there_q <= {there_q[1], reading};
    end
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      lane1_q <= at_q[LaneB-1:0];
      lane2_q <= lane1_q;
    end

  assign fetch_word_o = at_q[LaneB+:WordW];
  if (Lanes == 2) begin : gen_two
    assign fetch_quarter_o = {at_q[0], 1'b0};
  end else begin : gen_more
    assign fetch_quarter_o = at_q[LaneB-1-:2];
  end

  // The score itself, in cycle i + 10 - half; index is how many cycles later.
  logic [39:0] x, x0_q, x1_q;

  always_comb begin
    x = '0;
    for (int k = 0; k < Each; k++)
      if (there_q[2] && lane2_q % LaneB'(Each) == LaneB'(k)) x = group_i[40*k+:40];
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      x0_q <= x;
      x1_q <= x0_q;
    end

  // Sum of the window: what comes in less what goes out.
  logic [39:0] out;
  logic [40:0] change_q;
  logic [43:0] sum_q;
  logic [39:0] sum3_q;
  logic clamp3_q, clamp4_q, clamp5_q;
  logic leaving_q;  // what leaves the window came in after a reset

  kv_select_lag u_out (
      .clk_i,
      .rst_i,
      .en_i,
      .lag_i ({half_i, 1'b1}),
      .data_i(x0_q),
      .data_o(out)
  );

  always_ff @(posedge clk_i)
    if (en_i) begin
      leaving_q <= run_i && (leaving_q || cycle_q[3]);
      change_q  <= {1'b0, x0_q} - {1'b0, out & {40{leaving_q}}};
      sum_q     <= run_i ? sum_q + {{3{change_q[40]}}, change_q} : '0;
      sum3_q    <= sum_q[43:40] != '0 ? '1 : sum_q[39:0];
      clamp3_q  <= sum_q[43:40] != '0;
    end

  // Maximum over 2, 4, 8 positions as far as they fit into the window, then over two such
  // stretches that together cover it.
  logic [39:0] max1_q, max2_q, max3_q;
  logic [39:0] before2_q[0:1], before3_q[0:3];
  logic [39:0] before4;
  logic [3:0] gap;

  function automatic logic [39:0] greater(input logic [39:0] a, input logic [39:0] b);
    greater = a > b ? a : b;
  endfunction

  // Window less the longest power of two in it: 3 - 2, 5 - 4, 7 - 4, 9 - 8 ...
  always_comb begin
    if (half_i[2]) gap = {1'b0, half_i[1:0], 1'b1};
    else if (half_i[1]) gap = {2'b0, half_i[0], 1'b1};
    else gap = 4'd1;
  end

  kv_select_lag u_stretch (
      .clk_i,
      .rst_i,
      .en_i,
      .lag_i (gap),
      .data_i(max3_q),
      .data_o(before4)
  );

  always_ff @(posedge clk_i)
    if (en_i) begin
      max1_q       <= greater(x0_q, x1_q);
      before2_q[0] <= max1_q;
      before2_q[1] <= before2_q[0];
      max2_q       <= half_i[2:1] != '0 ? greater(max1_q, before2_q[1]) : max1_q;
      before3_q[0] <= max2_q;
      for (int i = 1; i < 4; i++) before3_q[i] <= before3_q[i-1];
      max3_q       <= half_i[2] ? greater(max2_q, before3_q[3]) : max2_q;
    end

  // Cycle 14 + j.
  logic [39:0] one_q;
  logic valid_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      valid_q  <= 1'b0;
      clamp5_q <= 1'b0;
      sat_o    <= 1'b0;
    end else if (en_i) begin
      clamp5_q <= clamp4_q && valid_q;
      sat_o    <= clamp5_q;
      valid_q  <= run_i && cycle_q >= (CountW + 1)'(13) && cycle_q < n + (CountW + 1)'(13);
    end
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      one_q    <= max_i ? greater(max3_q, before4) : sum3_q;
      clamp4_q <= clamp3_q && !max_i;
    end

  assign one_valid_o = valid_q;
  assign one_o       = one_q;

endmodule
