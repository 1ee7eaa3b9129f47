// Proof of kv_fifo: a queue of Depth places that stands still while en_i = 0.
module fv_fifo #(
    parameter int unsigned Width = 2
) (
    input logic             clk_i,
    input logic             rst_i,
    input logic             en_i,
    input logic             push_i,
    input logic [Width-1:0] data_i,
    input logic             pop_i,
    input logic             pick_i
);

  localparam int unsigned Depth = 4;

  logic first_q = 1'b1;
  logic valid, valid_next, full_next, follow;
  logic [Width-1:0] data, item;
  logic [2:0] count, seen, ahead;

  kv_fifo #(
      .Width(Width),
      .Depth(Depth)
  ) dut (
      .clk_i,
      .rst_i,
      .en_i,
      .push_i,
      .data_i,
      .pop_i,
      .valid_o(valid),
      .data_o (data),
      .count_o(count),
      .valid_next_o(valid_next),
      .full_next_o (full_next)
  );

  fv_order #(
      .Width(Width),
      .Depth(Depth)
  ) u_order (
      .clk_i,
      .rst_i,
      .pick_i,
      .push_i  (push_i & en_i),
      .in_i    (data_i),
      .pop_i   (pop_i & en_i),
      .out_i   (data),
      .count_o (seen),
      .follow_o(follow),
      .ahead_o (ahead),
      .item_o  (item)
  );

  // What it told, when the cycle was enabled.
  logic told_q, valid_q, full_q;

  always_ff @(posedge clk_i) begin
    first_q <= 1'b0;
    told_q  <= !rst_i && en_i;
    valid_q <= valid_next;
    full_q  <= full_next;
  end

  always_comb begin
    assume (!first_q || rst_i);
    assume (!push_i || count != 3'(Depth));
    assume (!pop_i || valid);
  end

  always_comb
    if (!first_q) begin
      assert (count == seen);
      assert (valid == (seen != 3'd0));
      if (told_q) begin
        assert (valid == valid_q);
        assert ((count == 3'(Depth)) == full_q);
      end
    end

  // Where the followed item stands in the memory.
  (* hierconn *) wire [1:0] \dut.wr_q ;
  (* hierconn *) wire [1:0] \dut.rd1_q ;
  (* hierconn *) wire [1:0] \dut.rd2_q ;
  (* hierconn *) wire \dut.more_q ;
  (* hierconn *) wire \dut.near_q ;
  (* hierconn *) wire [Width-1:0] \dut.near_d_q ;
  (* hierconn *) wire [Width-1:0] \dut.ram_q ;
  (* hierconn *) wire [Width-1:0] \dut.mem[0] ;
  (* hierconn *) wire [Width-1:0] \dut.mem[1] ;
  (* hierconn *) wire [Width-1:0] \dut.mem[2] ;
  (* hierconn *) wire [Width-1:0] \dut.mem[3] ;
  logic [1:0] place;
  logic [Width-1:0] stored;

  assign place = 2'(\dut.rd1_q + ahead - 2'd1);
  always_comb
    case (place)
      2'd0: stored = \dut.mem[0] ;
      2'd1: stored = \dut.mem[1] ;
      2'd2: stored = \dut.mem[2] ;
      default: stored = \dut.mem[3] ;
    endcase

  always_comb
    if (!first_q) begin
      assert (\dut.rd2_q == 2'(\dut.rd1_q + 2'd1));
      assert (2'(\dut.wr_q + 2'd1) == 2'(\dut.rd1_q + seen));
      assert (\dut.more_q == (seen > 3'd1));
      if (follow) begin
        assert (item == (ahead == 3'd0 ? data : stored));
        if (ahead == 3'd1)
          assert (item == (\dut.near_q ? \dut.near_d_q : \dut.ram_q ));
      end
    end

endmodule
