// Synchronous FIFO whose head is a register.
//
// push_i  puts data_i in; never while count_o = Depth.
// pop_i   takes the head; never while valid_o = 0.
// data_o  the head, meaningful while valid_o = 1; a register, no logic behind it.
// count_o entries at the start of the cycle, a register.
// valid_next_o, full_next_o  of the next cycle, if this one is enabled: entries; Depth of them.
// Latency: pushed at t, counted and (if it is the head) on data_o at t + 1.
// Nothing happens in a cycle with en_i = 0. Depth is a power of two, at least 2.
//
// The entry behind the head is fetched from a synchronous-read memory one cycle
// ahead, so that a deep FIFO maps to block RAM and a pop costs no memory access.
module kv_fifo #(
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
    output logic              valid_next_o,
    output logic              full_next_o
);

  // A read of the place written in the same cycle is never used: see near_q.
  (* no_rw_check *)
  logic [Width-1:0] mem[0:Depth-1];

  logic [AddrW-1:0] wr_q;  // place of the next push
  logic [AddrW-1:0] rd1_q, rd2_q;  // head + 1, head + 2
  logic [AddrW-1:0] raddr;  // place of what stands behind the head in the next cycle
  logic [CountW-1:0] count_q;
  logic valid_q, more_q;  // count > 0, count > 1
  logic [Width-1:0] head_q, ram_q, near_d_q;
  logic near_q;  // what stands behind the head was pushed in the last cycle
  logic up, down;

  assign valid_o = valid_q;
  assign data_o  = head_q;
  assign count_o = count_q;
  assign raddr   = pop_i ? rd2_q : rd1_q;
  assign up      = push_i & ~pop_i;
  assign down    = pop_i & ~push_i;

  assign valid_next_o = push_i | (pop_i ? more_q : valid_q);
  assign full_next_o  = up ? count_q == CountW'(Depth - 1) : count_q[AddrW] & ~down;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      wr_q    <= '0;
      rd1_q   <= AddrW'(1);
      rd2_q   <= AddrW'(2);
      count_q <= '0;
      valid_q <= 1'b0;
      more_q  <= 1'b0;
    end else if (en_i) begin
      if (push_i) wr_q <= wr_q + AddrW'(1);
      if (pop_i) begin
        rd1_q <= rd2_q;
        rd2_q <= rd2_q + AddrW'(1);
      end
      if (up) begin
        count_q <= count_q + CountW'(1);
        more_q  <= valid_q;
      end else if (down) begin
        count_q <= count_q - CountW'(1);
        more_q  <= count_q > CountW'(2);
      end
      valid_q <= valid_next_o;
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      if (push_i) mem[wr_q] <= data_i;
      ram_q    <= mem[raddr];
      near_q   <= push_i && (pop_i ? wr_q == rd2_q : wr_q == rd1_q);
      near_d_q <= data_i;
      if (!valid_q || (pop_i && !more_q)) head_q <= data_i;
      else if (pop_i) head_q <= near_q ? near_d_q : ram_q;
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i)
    if (!rst_i && en_i) begin
      assert (!(push_i && count_q == CountW'(Depth)))
      else $error("kv_fifo: push while full");
      assert (!(pop_i && !valid_q))
      else $error("kv_fifo: pop while empty");
    end
`endif

endmodule
