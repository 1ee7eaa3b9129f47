// FIFO between two clocks that know nothing of each other; gray-coded pointers.
//
// Write side (wclk_i): data_i is taken with valid_i and ready_o; ready_o comes from the registers of that side. space_o: at least
// Margin places are free (as that side knows it).
// Read side (rclk_i): data_o with valid_o until ready_i; a register.
// wrst_i and rrst_i are synchronous to their clocks; both sides have to be reset together (overlapping), with nothing moving. After
// configuration it is empty without a reset.
// Latency: taken at t, on data_o 3 to 4 cycles of rclk_i later. Cannot overflow: ready_o errs to the safe side,
// and so does valid_o. Depth is a power of two, at least 4.
module kv_cdc_fifo #(
    parameter int unsigned Width = 8,
    parameter int unsigned Depth = 16,
    parameter int unsigned Margin = 4,
    localparam int unsigned AddrW = $clog2(Depth)
) (
    input  logic             wclk_i,
    input  logic             wrst_i,
    input  logic             valid_i,
    output logic             ready_o,
    output logic             space_o,
    input  logic [Width-1:0] data_i,
    input  logic             rclk_i,
    input  logic             rrst_i,
    output logic             valid_o,
    input  logic             ready_i,
    output logic [Width-1:0] data_o
);

  (* no_rw_check *)
  logic [Width-1:0] mem[0:Depth-1];

  // Pointers count modulo 2 Depth. *_gray_q is the pointer itself, coded; *_seen_q is how the other side has it.
  logic [AddrW:0] write_q = '0, write_gray_q = '0, read_meta_q = '0, read_seen_q = '0, read_bin;
  logic [AddrW:0] read_q = '0, read_gray_q = '0, write_meta_q = '0, write_seen_q = '0;
  logic [AddrW:0] write_next, read_next, used;
  logic ready_q = 1'b1, space_q = 1'b1, valid_q = 1'b0;
  logic [Width-1:0] data_q;
  logic push, fetch;

  always_comb begin
    for (int i = 0; i <= AddrW; i++) read_bin[i] = ^(read_seen_q >> i);
  end

  // Writing
  assign ready_o    = ready_q;
  assign space_o    = space_q;
  assign push       = valid_i & ready_q;
  assign write_next = write_q + {{AddrW{1'b0}}, push};
  assign used       = write_next - read_bin;

  always_ff @(posedge wclk_i) begin
    read_meta_q <= read_gray_q;
    read_seen_q <= read_meta_q;
    if (wrst_i) begin
      write_q      <= '0;
      write_gray_q <= '0;
      ready_q      <= 1'b0;
      space_q      <= 1'b0;
    end else begin
      write_q      <= write_next;
      write_gray_q <= write_next ^ (write_next >> 1);
      ready_q      <= used != (AddrW + 1)'(Depth);
      space_q      <= used <= (AddrW + 1)'(Depth - Margin);
    end
    if (push) mem[write_q[AddrW-1:0]] <= data_i;
  end

  // Reading
  assign fetch     = read_gray_q != write_seen_q & (~valid_q | ready_i);
  assign read_next = read_q + {{AddrW{1'b0}}, fetch};
  assign valid_o   = valid_q;
  assign data_o    = data_q;

  always_ff @(posedge rclk_i) begin
    write_meta_q <= write_gray_q;
    write_seen_q <= write_meta_q;
    if (rrst_i) begin
      read_q      <= '0;
      read_gray_q <= '0;
      valid_q     <= 1'b0;
    end else begin
      read_q      <= read_next;
      read_gray_q <= read_next ^ (read_next >> 1);
      if (fetch) valid_q <= 1'b1;
      else if (ready_i) valid_q <= 1'b0;
    end
    if (fetch) data_q <= mem[read_q[AddrW-1:0]];
  end

endmodule
