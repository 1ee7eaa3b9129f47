// Proof of kv_queue: a queue of Depth places that stands still while en_i = 0.
module fv_queue #(
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
  logic valid, valid_next, follow;
  logic [Width-1:0] data, item;
  logic [2:0] count, seen, ahead;

  kv_queue #(
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
      .valid_next_o(valid_next)
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
  logic told_q, valid_q;

  always_ff @(posedge clk_i) begin
    first_q <= 1'b0;
    told_q  <= !rst_i && en_i;
    valid_q <= valid_next;
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
      if (told_q) assert (valid == valid_q);
    end

  // Where the followed item stands in the memory.
  (* hierconn *) wire [1:0] \dut.wr_q ;
  (* hierconn *) wire [1:0] \dut.rd_q ;
  (* hierconn *) wire [Width-1:0] \dut.mem[0] ;
  (* hierconn *) wire [Width-1:0] \dut.mem[1] ;
  (* hierconn *) wire [Width-1:0] \dut.mem[2] ;
  (* hierconn *) wire [Width-1:0] \dut.mem[3] ;
  logic [1:0] place;
  logic [Width-1:0] stored;

  assign place = 2'(\dut.rd_q + ahead);
  always_comb
    case (place)
      2'd0: stored = \dut.mem[0] ;
      2'd1: stored = \dut.mem[1] ;
      2'd2: stored = \dut.mem[2] ;
      default: stored = \dut.mem[3] ;
    endcase

  always_comb
    if (!first_q) begin
      assert (\dut.wr_q == 2'(\dut.rd_q + seen));
      if (follow) assert (item == stored);
    end

endmodule
