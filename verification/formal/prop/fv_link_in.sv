// Proof of kv_link_in: the window for frames from the host neither overflows nor loses its place.
//
// Payload bytes of any index, and commits of what fits, come at any time; the engine takes beats when it likes. The memory's
// content is left out: what is proved is which places are written and read, and when.
//
// 1. A place is written only in the slot of the frame that is expected, and only if that slot is free: never in a slot from its
//    commit until its last byte has left.
// 2. The limit is exactly the number of frames that have left, plus the window; moved_o says each time that it goes up.
// 3. fits_o holds only if a slot was free when the frame's byte 0 came, and then it still is.
// 4. A slot is read only after its commit; a beat that is offered stays as it is until it is taken.
module fv_link_in (
    input logic       clk_i,
    input logic       rst_i,
    input logic       pay_valid_i,
    input logic [7:0] pay_index_i,
    input logic [7:0] pay_data_i,
    input logic       commit_i,
    input logic [7:0] size_i,
    input logic       last_i,
    input logic       ready_i
);

  logic first_q = 1'b1;
  logic fits, moved, valid, last;
  logic [7:0] next, limit;
  logic [31:0] data;

  kv_link_in #(
      .BeatBytes(4),
      .Slots(4)
  ) dut (
      .clk_i,
      .rst_i,
      .pay_valid_i,
      .pay_index_i,
      .pay_data_i,
      .fits_o       (fits),
      .commit_i,
      .size_i,
      .last_i,
      .next_o       (next),
      .limit_o      (limit),
      .moved_o      (moved),
      .m_axis_tdata (data),
      .m_axis_tvalid(valid),
      .m_axis_tready(ready_i),
      .m_axis_tlast (last)
  );

  (* hierconn *) wire [7:0] \dut.next_q , \dut.read_q ;
  (* hierconn *) wire [1:0] \dut.state_q ;
  (* hierconn *) wire \dut.step , \dut.full_q ;
  (* hierconn *) wire \dut.u_ram.we_i ;
  (* hierconn *) wire [9:0] \dut.u_ram.waddr_i , \dut.u_ram.raddr_i ;

  // Frames taken and frames that left, and whether a slot was free when byte 0 came.
  logic [7:0] taken_q, left_q;
  logic free_q;
  logic [7:0] inside;
  assign inside = taken_q - left_q;

  logic was_offered_q;
  logic [31:0] offered_q;
  logic offered_last_q;

  always_ff @(posedge clk_i) begin
    first_q <= 1'b0;
    was_offered_q  <= !rst_i && valid && !ready_i;
    offered_q      <= data;
    offered_last_q <= last;
    if (rst_i) begin
      taken_q <= '0;
      left_q  <= '0;
      free_q  <= 1'b0;
    end else begin
      if (commit_i) taken_q <= taken_q + 8'd1;
      if (moved) left_q <= left_q + 8'd1;
      if (commit_i) free_q <= 1'b0;
      else if (pay_valid_i && pay_index_i == '0) free_q <= inside != 8'd4;
    end
  end

  always_comb begin
    assume (!first_q || rst_i);
    assume (!commit_i || fits && !pay_valid_i);
  end

  always_comb
    if (!first_q) begin
      if (\dut.u_ram.we_i && !rst_i) begin
        assert (inside < 8'd4);
        assert (\dut.u_ram.waddr_i [9:8] == taken_q[1:0]);
        assert (\dut.u_ram.waddr_i [7:0] == (commit_i ? 8'hFF : pay_index_i));
      end
      if (commit_i && !rst_i) assert (\dut.u_ram.we_i );
      assert (next == taken_q && limit == 8'(left_q + 8'd4));
      assert (!fits || free_q && inside < 8'd4);
      if (fits && pay_valid_i && !rst_i) assert (pay_index_i == '0 || \dut.u_ram.we_i );
      if (\dut.state_q != 2'd0 || moved) assert (inside != '0 && \dut.u_ram.raddr_i [9:8] == left_q[1:0]);
      if (was_offered_q) assert (valid && data == offered_q && last == offered_last_q);
      assert (inside <= 8'd4);
      // Why.
      assert (\dut.next_q == taken_q && \dut.read_q == left_q && \dut.state_q != 2'd3);
    end

endmodule

// In place of the block RAM: nothing is proved of its content.
module kv_ram_1r1w #(
    parameter int unsigned Width = 32,
    parameter int unsigned Depth = 512,
    localparam int unsigned AddrW = $clog2(Depth)
) (
    input  logic             clk_i,
    input  logic             en_i,
    input  logic             we_i,
    input  logic [AddrW-1:0] waddr_i,
    input  logic [Width-1:0] data_i,
    input  logic [AddrW-1:0] raddr_i,
    input  logic             zero_i,
    output logic [Width-1:0] data_o
);
  assign data_o = waddr_i[7:0] ^ raddr_i[7:0];  // anything
endmodule
