// Proof of kv_shelf: what was last written before, or with, a push is what stands at the head in that entry's
// turn, two enabled cycles after it was written and after the pop before it.
module fv_shelf #(
    parameter int unsigned Width = 2
) (
    input logic             clk_i,
    input logic             rst_i,
    input logic             en_i,
    input logic             write_i,
    input logic [Width-1:0] data_i,
    input logic             push_i,
    input logic             pop_i,
    input logic             pick_i
);

  localparam int unsigned Depth = 4;

  logic first_q = 1'b1;
  logic follow;
  logic [Width-1:0] data, item, pushed;
  logic [1:0] seen, ahead;

  kv_shelf #(
      .Width(Width),
      .Depth(Depth)
  ) dut (
      .clk_i,
      .rst_i,
      .en_i,
      .write_i,
      .data_i,
      .push_i,
      .pop_i,
      .data_o(data)
  );

  // What the next push takes along.
  logic written_q;
  logic [Width-1:0] last_q;

  assign pushed = write_i ? data_i : last_q;

  always_ff @(posedge clk_i) begin
    first_q <= 1'b0;
    if (rst_i) written_q <= 1'b0;
    else if (en_i) written_q <= !push_i && (write_i || written_q);
    if (en_i && write_i) last_q <= data_i;
  end

  always_comb begin
    assume (!first_q || rst_i);
    assume (!push_i || write_i || written_q);
    assume (!push_i || seen != 2'd3);
    assume (!pop_i || seen != 2'd0);
  end

  // The head's place was neither written nor left in the last enabled cycle.
  logic settled_q;
  always_ff @(posedge clk_i)
    if (rst_i) settled_q <= 1'b0;
    else if (en_i) settled_q <= !pop_i && !(write_i && seen == 2'd0);

  // The order, kept as fv_order does, with the data looked at when they have settled.
  logic [1:0] count_q, ahead_q;
  logic [Width-1:0] item_q;
  logic follow_q;

  assign seen   = count_q;
  assign ahead  = ahead_q;
  assign item   = item_q;
  assign follow = follow_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      count_q  <= 2'd0;
      follow_q <= 1'b0;
    end else if (en_i) begin
      count_q <= count_q + 2'(push_i) - 2'(pop_i);
      if (!follow_q) begin
        if (push_i && pick_i) begin
          follow_q <= 1'b1;
          item_q   <= pushed;
          ahead_q  <= count_q - 2'(pop_i);
        end
      end else if (pop_i) begin
        if (ahead_q == 2'd0) follow_q <= 1'b0;
        else ahead_q <= ahead_q - 2'd1;
      end
    end
  end

  always_comb
    if (!first_q) begin
      assert (!follow || ahead < seen);
      if (follow && ahead == 2'd0 && settled_q) assert (data == item);
    end

  // Where the followed item and the one being written stand in the memory.
  (* hierconn *) wire [1:0] \dut.wr_q ;
  (* hierconn *) wire [1:0] \dut.rd_q ;
  (* hierconn *) wire [Width-1:0] \dut.u_ram.mem[0] ;
  (* hierconn *) wire [Width-1:0] \dut.u_ram.mem[1] ;
  (* hierconn *) wire [Width-1:0] \dut.u_ram.mem[2] ;
  (* hierconn *) wire [Width-1:0] \dut.u_ram.mem[3] ;
  logic [Width-1:0] stored, open, head;

  function automatic logic [Width-1:0] at(input logic [1:0] place);
    case (place)
      2'd0: at = \dut.u_ram.mem[0] ;
      2'd1: at = \dut.u_ram.mem[1] ;
      2'd2: at = \dut.u_ram.mem[2] ;
      default: at = \dut.u_ram.mem[3] ;
    endcase
  endfunction

  assign stored = at(2'(\dut.rd_q + ahead));
  assign open   = at(\dut.wr_q );
  assign head   = at(\dut.rd_q );

  always_comb
    if (!first_q) begin
      assert (\dut.wr_q == 2'(\dut.rd_q + seen));
      if (written_q) assert (open == last_q);
      if (follow) assert (item == stored);
      if (follow && ahead == 2'd0 && settled_q) assert (data == head);
    end

endmodule
