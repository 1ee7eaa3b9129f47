// Counts the digits of a pass and chooses the threshold's digit (docs/engine.md, 5.9).
//
// clear_i    the counts start from 0; in a cycle in which nothing is on its way.
// digit3_i   digits of the candidates of two words, 0 for lanes without one; any cycle.
//            They are in the counts three cycles later.
// load_i     need_i of total_i candidates are to be kept: before the first pass.
// step_i     one-hot, four consecutive cycles, bit 3 first, once all counts are complete;
//            begin_i in the cycle before, done_i in the cycle after the last.
// chosen_o, need_o, hit_o  valid from the cycle after done_i: the digit value; how many of the
//            candidates that have it are still to be kept; whether that is all of them.
//
// For each value v > 0 the candidates with digits of at least v are counted; total_i
// counts those of at least 0. The choice is the greatest v whose count reaches what is
// needed, found by halving the interval; the count for v + 1 is what is certainly kept.
module kv_select_radix #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxTokens = 4096,
    localparam int unsigned CountW = $clog2(MaxTokens) + 1
) (
    input  logic               clk_i,
    input  logic               en_i,
    input  logic               clear_i,
    input  logic [8*Lanes-1:0] digit3_i,
    input  logic               load_i,
    input  logic [ CountW-1:0] need_i,
    input  logic [ CountW-1:0] total_i,
    input  logic               begin_i,
    input  logic [        3:0] step_i,
    input  logic               done_i,
    output logic [        3:0] chosen_o,
    output logic [ CountW-1:0] need_o,
    output logic               hit_o
);

  localparam int unsigned SumW = $clog2(2 * Lanes + 1);

  logic [16*CountW-1:CountW] counts;  // of value v at place v

  for (genvar v = 1; v < 16; v++) begin : g_value
    logic [2*Lanes-1:0] reach4_q;
    logic [SumW-1:0] sum, sum5_q;
    logic [CountW-1:0] count_q;

    always_ff @(posedge clk_i)
      if (en_i)
        for (int i = 0; i < 2 * Lanes; i++) reach4_q[i] <= digit3_i[4*i+:4] >= 4'(v);

    always_comb begin
      sum = '0;
      for (int i = 0; i < 2 * Lanes; i++) sum = sum + SumW'(reach4_q[i]);
    end

    always_ff @(posedge clk_i)
      if (en_i) begin
        sum5_q <= sum;
        count_q <= clear_i ? '0 : count_q + CountW'(sum5_q);
      end

    assign counts[CountW*v+:CountW] = count_q;
  end

  // The choice: counts of at least low_q reach what is needed, of at least the value
  // above the interval do not.
  logic [CountW-1:0] need_q, total_q, reach_q, above_q, count;
  logic [3:0] value_q, chosen_q, try;
  logic reaches, hit_q;

  assign try = value_q | step_i;

  always_comb begin
    count = '0;
    for (int v = 1; v < 16; v++)
      if (try == 4'(v)) count = count | counts[CountW*v+:CountW];
  end

  assign reaches = count >= need_q;

  always_ff @(posedge clk_i)
    if (en_i) begin
      if (begin_i) begin
        value_q <= 4'd0;
        reach_q <= total_q;
        above_q <= '0;
      end else if (step_i != 4'd0) begin
        if (reaches) begin
          value_q <= try;
          reach_q <= count;
        end else begin
          above_q <= count;
        end
      end
      if (load_i) begin
        need_q  <= need_i;
        total_q <= total_i;
      end else if (done_i) begin
        need_q  <= need_q - above_q;
        total_q <= reach_q - above_q;
      end
      if (done_i) begin
        chosen_q <= value_q;
        hit_q    <= reach_q == need_q;
      end
    end

  assign chosen_o = chosen_q;
  assign need_o = need_q;
  assign hit_o = hit_q;

endmodule
