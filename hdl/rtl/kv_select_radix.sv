// Counts the digits of a pass and chooses the threshold's digit (docs/engine.md, 5.9).
//
// digit3_i   digits of the candidates of two words, 0 for lanes without one; any cycle.
//            They are in the counts three cycles later.
// clear_i    the counts start from 0, and those of digit3_i one cycle before are the first in them.
// hold_i     digit3_i of two cycles before does not count.
// load_i     need_i of total_i candidates are to be kept: before the first pass.
// begin_i    all counts are complete; the choice takes six cycles from here on.
// chosen_o, need_o, hit_o  valid six cycles after begin_i: the digit value; how many of the
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
    input  logic               rst_i,
    input  logic               en_i,
    input  logic               clear_i,
    input  logic               hold_i,
    input  logic [8*Lanes-1:0] digit3_i,
    input  logic               load_i,
    input  logic [ CountW-1:0] need_i,
    input  logic [ CountW-1:0] total_i,
    input  logic               begin_i,
    output logic [        3:0] chosen_o,
    output logic [ CountW-1:0] need_o,
    output logic               hit_o
);

  localparam int unsigned SumW = $clog2(2 * Lanes + 1);

  logic [16*CountW-1:CountW] counts;  // of value v at place v

  for (genvar v = 1; v < 16; v++) begin : g_value
    logic [2*Lanes-1:0] reach4_q;
    logic [SumW-1:0] sum, sum5_q;
    logic [CountW-1:0] tally_q;

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
        if (clear_i) tally_q <= '0;
        else if (!hold_i) tally_q <= tally_q + CountW'(sum5_q);
      end

    assign counts[CountW*v+:CountW] = tally_q;
  end

  // The choice: the count of at least value_q reaches what is needed, that of the value
  // above the interval does not. count_q is the one to be tried; which one comes next
  // depends on the outcome only in the last step of its selection.
  logic [CountW-1:0] need_q, total_q, reach_q, above_q, count_q, next_high, next_low;
  logic [CountW:0] excess;
  logic [3:0] value_q, chosen_q, half;
  logic [3:0] step_q;  // the bit tried
  logic reaches, hit_q, done_q;

  assign excess  = {1'b0, count_q} - {1'b0, need_q};
  assign reaches = !excess[CountW];
  assign half    = step_q >> 1;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      step_q <= 4'd0;
      done_q <= 1'b0;
    end else if (en_i) begin
      step_q <= begin_i ? 4'd8 : half;
      done_q <= step_q[0];
    end
  end

  // Of value_q only the bits above step_q can be set. After the last step there is none to be tried.
  always_comb begin
    if (step_q[3]) begin
      next_high = counts[CountW*12+:CountW];
      next_low  = counts[CountW*4+:CountW];
    end else if (step_q[2]) begin
      next_high = value_q[3] ? counts[CountW*14+:CountW] : counts[CountW*6+:CountW];
      next_low  = value_q[3] ? counts[CountW*10+:CountW] : counts[CountW*2+:CountW];
    end else
      case (value_q[3:2])
        2'd0: begin
          next_high = counts[CountW*3+:CountW];
          next_low  = counts[CountW*1+:CountW];
        end
        2'd1: begin
          next_high = counts[CountW*7+:CountW];
          next_low  = counts[CountW*5+:CountW];
        end
        2'd2: begin
          next_high = counts[CountW*11+:CountW];
          next_low  = counts[CountW*9+:CountW];
        end
        default: begin
          next_high = counts[CountW*15+:CountW];
          next_low  = counts[CountW*13+:CountW];
        end
      endcase
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      if (begin_i) begin
        value_q <= 4'd0;
        reach_q <= total_q;
        above_q <= '0;
        count_q <= counts[CountW*8+:CountW];
      end else if (step_q != 4'd0) begin
        count_q <= reaches ? next_high : next_low;
        if (reaches) begin
          value_q <= value_q | step_q;
          reach_q <= count_q;
        end else begin
          above_q <= count_q;
        end
      end
      if (load_i) begin
        need_q  <= need_i;
        total_q <= total_i;
      end else if (done_q) begin
        need_q  <= need_q - above_q;
        total_q <= reach_q - above_q;
      end
      if (done_q) begin
        chosen_q <= value_q;
        hit_q    <= reach_q == need_q;
      end
    end

  assign chosen_o = chosen_q;
  assign need_o = need_q;
  assign hit_o = hit_q;

endmodule
