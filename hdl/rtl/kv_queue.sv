// Short synchronous FIFO in distributed memory: the descriptors and the outcomes.
//
// push_i  puts data_i in; never while count_o = Depth.
// pop_i   takes the head; never while valid_o = 0.
// data_o  the head, meaningful while valid_o = 1: read asynchronously, one memory
//         access behind a register. A deep or timing-critical FIFO is kv_fifo.
// count_o entries at the start of the cycle, a register, as valid_o is.
// valid_next_o  valid_o of the next cycle, if this one is enabled.
// Latency: pushed at t, counted and (if it is the head) on data_o at t + 1.
// Nothing happens in a cycle with en_i = 0. Depth is a power of two, at least 2.
module kv_queue #(
    parameter int unsigned Width = 8,  // bits of an entry
    parameter int unsigned Depth = 4,  // entries
    localparam int unsigned AddrW = $clog2(Depth),
    localparam int unsigned CountW = $clog2(Depth + 1)
) (
    input  logic              clk_i,
    input  logic              rst_i,
    input  logic              en_i,
    input  logic              push_i,
    input  logic [ Width-1:0] data_i,
    input  logic              pop_i,
    output logic              valid_o,
    output logic [ Width-1:0] data_o,
    output logic [CountW-1:0] count_o,
    output logic              valid_next_o
);

  logic [Width-1:0] mem[0:Depth-1];
  logic [AddrW-1:0] wr_q, rd_q;
  logic [CountW-1:0] count_q;
  logic valid_q;

  assign valid_o = valid_q;
  assign data_o  = mem[rd_q];
  assign count_o = count_q;

  assign valid_next_o = push_i || (valid_q && !(pop_i && count_q == CountW'(1)));

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      wr_q    <= '0;
      rd_q    <= '0;
      count_q <= '0;
      valid_q <= 1'b0;
    end else if (en_i) begin
      if (push_i) wr_q <= wr_q + AddrW'(1);
      if (pop_i) rd_q <= rd_q + AddrW'(1);
      if (push_i && !pop_i) count_q <= count_q + CountW'(1);
      else if (pop_i && !push_i) count_q <= count_q - CountW'(1);
      valid_q <= valid_next_o;
    end
  end

  always_ff @(posedge clk_i) if (en_i && push_i) mem[wr_q] <= data_i;

`ifndef SYNTHESIS
  always_ff @(posedge clk_i)
    if (!rst_i && en_i) begin
      assert (!(push_i && count_q == CountW'(Depth)))
      else $error("kv_queue: push while full");
      assert (!(pop_i && !valid_q))
      else $error("kv_queue: pop while empty");
    end
`endif

endmodule
