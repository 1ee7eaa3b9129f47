// Memory with one write and one synchronous read port, made for block RAM.
//
// we_i     data_i is written to waddr_i at the end of the cycle.
// raddr_i  its word is on data_o in the next cycle (all zeros if zero_i was set).
// A read of the address written in the same cycle has no defined result: in
// simulation it gives the old word inverted, so that nobody comes to rely on it.
// Nothing happens in a cycle with en_i = 0. The content is undefined at first.
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

  (* no_rw_check *)
  logic [Width-1:0] mem[0:Depth-1];
  logic [Width-1:0] data_q;

  assign data_o = data_q;

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      if (we_i) mem[waddr_i] <= data_i;
`ifndef SYNTHESIS
      if (we_i && waddr_i == raddr_i && !zero_i) data_q <= ~mem[raddr_i];
      else
`endif
      if (zero_i) data_q <= '0;
      else data_q <= mem[raddr_i];
    end
  end

endmodule
