// The payload FIFO: entries of the units (see kv_units) on their way to the back.
//
// push_i, entry_i  an entry; empty_i: one of the front's, the empty last entry of a command without payload; never both
// pop_i            entry_o, the oldest, is taken, if valid_o; valid_next_o: valid_o of the next cycle, if this one is enabled
// count_o          entries in here; room_o: 4 places are free; room_next_o: room_o of the next cycle, likewise
// A pushed entry can be seen as said in kv_fifo; nobody pushes into a full FIFO. Nothing moves in a cycle with en_i = 0.
module kv_core_payload #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned PayloadDepth = 64,
    localparam int unsigned CountW = $clog2(PayloadDepth + 1),
    localparam int unsigned EntryW = 16 * Lanes + 10
) (
    input  logic              clk_i,
    input  logic              rst_i,
    input  logic              en_i,
    input  logic              push_i,
    input  logic [EntryW-1:0] entry_i,
    input  logic              empty_i,
    input  logic              pop_i,
    output logic              valid_o,
    output logic              valid_next_o,
    output logic [EntryW-1:0] entry_o,
    output logic [CountW-1:0] count_o,
    output logic              room_o,
    output logic              room_next_o
);

  logic room_q, room_d, entry_push, entry_full_next;

  assign entry_push = push_i || empty_i;

  // Kept beside the count, because ECHO's ready is on the way to the clock enable.
  always_comb begin
    room_d = room_q;
    if (entry_push && !pop_i && count_o == CountW'(PayloadDepth - 4)) room_d = 1'b0;
    if (pop_i && !entry_push && count_o == CountW'(PayloadDepth - 3)) room_d = 1'b1;
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) room_q <= 1'b1;
    else if (en_i) room_q <= room_d;
  end

  kv_fifo #(
      .Width(EntryW),
      .Depth(PayloadDepth)
  ) u_payload (
      .clk_i  (clk_i),
      .rst_i  (rst_i),
      .en_i   (en_i),
      .push_i (entry_push),
      .data_i ({entry_i[EntryW-1:10], empty_i ? 10'd1 : entry_i[9:0]}),
      .pop_i  (pop_i),
      .valid_o(valid_o),
      .data_o (entry_o),
      .count_o(count_o),
      .valid_next_o(valid_next_o),
      .full_next_o (entry_full_next)
  );

  assign room_o      = room_q;
  assign room_next_o = room_d;

  wire unused = &{1'b0, entry_full_next};

`ifndef SYNTHESIS
  always_ff @(posedge clk_i)
    if (!rst_i && en_i) begin
      assert (room_q == (count_o <= CountW'(PayloadDepth - 4)))
      else $error("kv_core: the room flag and the count disagree");
      assert (!(push_i && empty_i))
      else $error("kv_core: two entries pushed at once");
    end
`endif

endmodule
