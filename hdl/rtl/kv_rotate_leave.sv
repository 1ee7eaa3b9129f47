// Which beats leave kv_rotate, and the flags of their blocks.
//
// go_i          the first beat of a block comes out of the stages between beats, Behind cycles before valid_o with it; its
//               top_i + 1 beats follow one a cycle
// put_i, put_flags_i  a block has come in full: {last, saturated, non-finite}; blocks leave in order, 13 may be on their way
// valid_o       a beat leaves; flags_o: those of its block; end_o: it is the last of it
// Nothing moves in a cycle with en_i = 0.
module kv_rotate_leave #(
    parameter int unsigned Behind = 8,
    parameter int unsigned BeatW = 4
) (
    input  logic             clk_i,
    input  logic             rst_i,
    input  logic             en_i,
    input  logic [BeatW-1:0] top_i,
    input  logic             go_i,
    input  logic             put_i,
    input  logic [      2:0] put_flags_i,
    output logic             valid_o,
    output logic [      2:0] flags_o,
    output logic             end_o
);

  logic [Behind-1:1] out_go_q;
  logic [2:0] flags[0:15];
  logic [3:0] flags_in_q, flags_out_q;
  logic [BeatW-1:0] out_q;
  logic valid_q, out_end;

  assign out_end = out_q == top_i;
  assign flags_o = flags[flags_out_q];

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      out_go_q    <= '0;
      valid_q     <= 1'b0;
      flags_in_q  <= '0;
      flags_out_q <= '0;
    end else if (en_i) begin
      out_go_q <= {out_go_q[Behind-2:1], go_i};
      valid_q  <= out_go_q[Behind-1] || (valid_q && !out_end);
      if (put_i) flags_in_q <= flags_in_q + 4'd1;
      if (valid_q && out_end) flags_out_q <= flags_out_q + 4'd1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      out_q <= out_go_q[Behind-1] ? '0 : out_q + 1'b1;
      if (put_i) flags[flags_in_q] <= put_flags_i;
    end
  end

  assign valid_o = valid_q;
  assign end_o   = out_end;

`ifndef SYNTHESIS
  logic [3:0] blocks;
  assign blocks = flags_in_q - flags_out_q;
  always_ff @(posedge clk_i)
    if (!rst_i && en_i)
      assert (!(valid_q && blocks == '0))
      else $error("kv_rotate: a beat leaves that never came");
`endif

endmodule
