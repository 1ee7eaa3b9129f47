// Fields of a short queue that are not read at once: kept in memory and not in flip-flops.
//
// write_i  data_i goes to the place of the next push; what was written there last counts.
// push_i   that place is filled (in the same cycle or before); never with Depth - 1 filled places, so that
//          a write before its push meets none of them.
// pop_i    the head goes; never while there is none.
// data_o   the head's data, from the second enabled cycle after both its last write and the pop before it on; until
//          then anything.
// Nothing happens in a cycle with en_i = 0. Depth is a power of two, at least 2; rst_i empties it. A queue that
// says whether there is a head stands beside it (kv_queue).
module kv_shelf #(
    parameter int unsigned Width = 32,  // bits of an entry
    parameter int unsigned Depth = 8,  // places
    localparam int unsigned AddrW = $clog2(Depth)
) (
    input  logic             clk_i,
    input  logic             rst_i,
    input  logic             en_i,
    input  logic             write_i,
    input  logic [Width-1:0] data_i,
    input  logic             push_i,
    input  logic             pop_i,
    output logic [Width-1:0] data_o
);

  logic [AddrW-1:0] wr_q, rd_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      wr_q <= '0;
      rd_q <= '0;
    end else if (en_i) begin
      if (push_i) wr_q <= wr_q + AddrW'(1);
      if (pop_i) rd_q <= rd_q + AddrW'(1);
    end
  end

  kv_ram_1r1w #(
      .Width(Width),
      .Depth(Depth)
  ) u_ram (
      .clk_i  (clk_i),
      .en_i   (en_i),
      .we_i   (write_i),
      .waddr_i(wr_q),
      .data_i (data_i),
      .raddr_i(rd_q),
      .zero_i (1'b0),
      .data_o (data_o)
  );

`ifndef SYNTHESIS
  always_ff @(posedge clk_i)
    if (!rst_i && en_i) begin
      assert (!(push_i && (rd_q - wr_q) == AddrW'(1)))
      else $error("kv_shelf: push while full");
      assert (!(pop_i && rd_q == wr_q))
      else $error("kv_shelf: pop while empty");
    end
`endif

endmodule
