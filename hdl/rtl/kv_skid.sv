// Two-entry register slice of the shell (docs/engine.md, 5.2).
//
// push_i  puts data_i in; only while ready_o (a push while full is an error).
// pop_i   takes the head; only while valid_o.
// data_o  is register q0, the head: defined in every cycle after rst_i, also when empty.
// ready_o (fewer than 2 entries) and valid_o (at least 1) come straight from registers.
// *_next_o: whether there will be an entry, and two, in the next clock cycle (rst_i aside).
// clear_i empties it; a push or pop in the same cycle is lost with the rest.
// Latency: pushed at t, on data_o at t + 1. Both registers hold unless written.
module kv_skid #(
    parameter int unsigned Width = 129  // bits of an entry
) (
    input  logic             clk_i,
    input  logic             rst_i,
    input  logic             clear_i,
    input  logic             push_i,
    input  logic [Width-1:0] data_i,
    output logic             ready_o,
    input  logic             pop_i,
    output logic             valid_o,
    output logic [Width-1:0] data_o,
    output logic             valid_next_o,
    output logic             full_next_o
);

  logic valid_q, full_q;  // count > 0, count = 2
  logic [Width-1:0] q0_q, q1_q;
  logic to_q0;  // a push lands in q0

  assign ready_o = ~full_q;
  assign valid_o = valid_q;
  assign data_o  = q0_q;
  assign to_q0   = ~valid_q | (~full_q & pop_i);

  assign valid_next_o = ~clear_i & (push_i | (valid_q & ~(pop_i & ~full_q)));
  assign full_next_o  = ~clear_i & ~pop_i & (full_q | (push_i & valid_q));

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      valid_q <= 1'b0;
      full_q  <= 1'b0;
      q0_q    <= '0;
      q1_q    <= '0;
    end else begin
      valid_q <= valid_next_o;
      full_q  <= full_next_o;
      if (pop_i & full_q) q0_q <= q1_q;
      else if (push_i & to_q0) q0_q <= data_i;
      if (push_i & ~to_q0) q1_q <= data_i;
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i)
    if (!rst_i && !clear_i) begin
      assert (!(push_i && full_q))
      else $error("kv_skid: push while full");
      assert (!(pop_i && !valid_q))
      else $error("kv_skid: pop while empty");
    end
`endif

endmodule
