// Proof of kv_skid: a queue of two whose readies and head come from registers, and which tells what it will hold.
module fv_skid #(
    parameter int unsigned Width = 4
) (
    input logic             clk_i,
    input logic             rst_i,
    input logic             clear_i,
    input logic             push_i,
    input logic [Width-1:0] data_i,
    input logic             pop_i,
    input logic             pick_i
);

  logic first_q = 1'b1;
  logic ready, valid, valid_next, full_next, follow;
  logic [Width-1:0] data, item;
  logic [1:0] count, ahead;

  kv_skid #(
      .Width(Width)
  ) dut (
      .clk_i,
      .rst_i,
      .clear_i,
      .push_i,
      .data_i,
      .ready_o(ready),
      .pop_i,
      .valid_o(valid),
      .data_o (data),
      .valid_next_o(valid_next),
      .full_next_o (full_next)
  );

  fv_order #(
      .Width(Width),
      .Depth(2)
  ) u_order (
      .clk_i,
      .rst_i   (rst_i | clear_i),
      .pick_i,
      .push_i,
      .in_i    (data_i),
      .pop_i,
      .out_i   (data),
      .count_o (count),
      .follow_o(follow),
      .ahead_o (ahead),
      .item_o  (item)
  );

  always_ff @(posedge clk_i) first_q <= 1'b0;

  always_comb begin
    assume (!first_q || rst_i);
    assume (!push_i || ready);
    assume (!pop_i || valid);
  end

  // The head of the cycle before, which stays on the pins until it is taken, and after.
  logic was_q, told_q, valid_q, full_q;
  logic [Width-1:0] head_q;

  always_ff @(posedge clk_i) begin
    was_q  <= !rst_i && !pop_i && (count != 2'd0 || !push_i);
    head_q <= data;
    told_q  <= !rst_i;
    valid_q <= valid_next;
    full_q  <= full_next;
  end

  (* hierconn *) wire [Width-1:0] \dut.q1_q ;

  always_comb
    if (!first_q) begin
      assert (ready == (count != 2'd2));
      assert (valid == (count != 2'd0));
      if (was_q) assert (data == head_q);
      if (told_q) begin
        assert (valid == valid_q);
        assert (ready == !full_q);
      end
      // Where the followed item stands.
      if (follow) assert (item == (ahead == 2'd0 ? data : \dut.q1_q ));
    end

endmodule
