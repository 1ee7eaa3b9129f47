// Proof of kv_front: every packet is answered once, and none spoils the next.
//
// Whatever comes in, in whichever cycles the core is enabled, and whenever descriptors are
// done with:
// 1. The first beat of a packet is always taken as the first of a header, and nothing else
//    ever is: after a refused, cut short or overlong packet the next one starts clean.
// 2. Every packet gets one descriptor and one outcome, the outcome not before the descriptor.
// 3. At most four descriptors are in flight; one that is refused is pushed alone.
// 4. A header is dispatched two enabled cycles after it is complete if none is in flight.
// 5. What is refused gives no beat to any unit and one empty entry, a SOURCE no beat; otherwise a
//    beat goes to one unit, which is ready.
// 6. The outcome says OK only with TLAST on the last expected beat, and Overlong only
//    without it.
// 7. A beat is waited for exactly within a header, and in a payload when its unit is ready.
module fv_front (
    input logic        clk_i,
    input logic        rst_i,
    input logic        en_i,
    input logic        in_valid_i,
    input logic [63:0] in_data_i,
    input logic        in_last_i,
    input logic        done_i,
    input logic [ 6:0] ready_next_i
);

  localparam int unsigned HeadBeats = 4;

  logic first_q = 1'b1;
  logic take, want_next, idle, desc, outcome, empty, beat_last, beat_part_end, beat_row_end, beat_abort;
  logic [6:0] unit, start, beat_valid;
  logic [1:0] beat_part;
  logic [255:0] cfg;
  logic [63:0] beat;
  logic [7:0] opcode;
  logic [15:0] tag;
  logic [2:0] status, result;
  logic [31:0] mark, stall_in, stall_out, bytes;
  logic [2:0] flight_q;
  logic [31:0] rows;

  kv_front #(
      .Lanes     (4),
      .MaxDim    (32),
      .TileTokens(16),
      .MaxTokens (256)
  ) dut (
      .clk_i,
      .rst_i,
      .en_i,
      .in_valid_i,
      .in_data_i,
      .in_last_i,
      .in_take_o       (take),
      .in_want_next_o  (want_next),
      .idle_o          (idle),
      .now_cycle_i     (32'd0),
      .now_stall_in_i  (32'd0),
      .now_stall_out_i (32'd0),
      .flight_i        (flight_q),
      .none_i          (flight_q == 3'd0),
      .desc_push_o     (desc),
      .desc_opcode_o   (opcode),
      .desc_tag_o      (tag),
      .desc_status_o   (status),
      .desc_mark_o     (mark),
      .desc_stall_in_o (stall_in),
      .desc_stall_out_o(stall_out),
      .outcome_push_o  (outcome),
      .outcome_status_o(result),
      .outcome_bytes_o (bytes),
      .empty_o         (empty),
      .unit_o          (unit),
      .start_o         (start),
      .cfg_o           (cfg),
      .ready_next_i,
      .beat_valid_o    (beat_valid),
      .beat_o          (beat),
      .beat_last_o     (beat_last),
      .beat_part_o     (beat_part),
      .beat_part_end_o (beat_part_end),
      .beat_row_end_o  (beat_row_end),
      .beat_abort_o    (beat_abort)
  );

  // What was said in the last enabled cycle.
  logic want_q;
  logic [6:0] ready_q;

  // Word 2 of the header at hand.
  (* hierconn *) wire [255:0] \dut.head_q ;
  assign rows = \dut.head_q [95:64];

  // Seen from outside: beats taken, the packet's place, what is owed to it.
  logic taken, mid_q, answered_q, pending_q, waiting_q, refused_q;
  logic [2:0] heads_q;  // header beats of the packet, while its header is not complete
  logic header_end;
  logic [1:0] age_q;  // enabled cycles since its header was complete

  // A legal SOURCE with something to give has its outcome at once, too.
  logic sourced;
  assign sourced = opcode == 8'd6 && status == 3'd0 && rows != 32'd0;
  assign taken = en_i && take && in_valid_i;
  assign header_end = taken && !waiting_q && answered_q == !mid_q &&
                      (in_last_i || heads_q == 3'(HeadBeats - 1));

  always_ff @(posedge clk_i) begin
    first_q <= 1'b0;
    if (rst_i) begin
      mid_q      <= 1'b0;
      answered_q <= 1'b1;
      pending_q  <= 1'b0;
      waiting_q  <= 1'b0;
      refused_q  <= 1'b0;
      heads_q    <= 3'd0;
      flight_q   <= 3'd0;
    end else if (en_i) begin
      if (taken) mid_q <= !in_last_i;
      if (taken && !mid_q) answered_q <= 1'b0;
      else if (desc) answered_q <= 1'b1;
      if (header_end) heads_q <= 3'd0;
      else if (taken && (!mid_q || !answered_q)) heads_q <= heads_q + 3'd1;
      if (header_end) waiting_q <= 1'b1;
      else if (desc) waiting_q <= 1'b0;
      if (outcome) pending_q <= 1'b0;
      else if (desc) pending_q <= 1'b1;
      refused_q <= desc && outcome && !sourced;
      ready_q   <= ready_next_i;
      flight_q  <= flight_q + 3'(desc) - 3'(done_i && flight_q != 3'd0);
    end
    if (rst_i) want_q <= 1'b0;
    else if (en_i) want_q <= want_next;
    if (rst_i) age_q <= 2'd0;
    else if (en_i) age_q <= !waiting_q ? 2'd0 : age_q == 2'd3 ? 2'd3 : age_q + 2'd1;
  end

  always_comb begin
    assume (!first_q || rst_i);
    assume (!en_i || !want_q || in_valid_i);  // the shell's promise
  end

  always_comb
    if (!first_q && !rst_i) begin
      // 1
      if (taken) assert (idle == !mid_q);
      if (idle) assert (!mid_q && answered_q && !pending_q && !waiting_q);
      // 2
      if (taken && !mid_q) assert (answered_q && !pending_q);
      if (desc) assert (!answered_q && !pending_q && waiting_q);
      if (outcome) assert (desc || pending_q);
      // 3
      if (desc) assert (flight_q < 3'd4);
      if (desc && status != 3'd0) assert (flight_q == 3'd0);
      // 4
      if (waiting_q && flight_q == 3'd0 && age_q >= 2'd1) assert (desc);
      // 5
      if (desc && status != 3'd0) assert (outcome);
      assert (empty == refused_q);
      if (beat_valid != 7'd0) begin
        assert (pending_q);
        assert ((beat_valid & (beat_valid - 7'd1)) == 7'd0);
        assert ((beat_valid & ~ready_q) == 7'd0);
      end
      if (pending_q && en_i) assert (!taken || beat_valid != 7'd0);
      // 6
      // 6
      if (outcome && pending_q) begin
        if (result == 3'd0) assert (take && in_last_i && beat_last);
        if (result == 3'd7) assert (take && !in_last_i && beat_last);
        assert (result == 3'd0 || result == 3'd6 || result == 3'd7);
      end
    end

  // The module's state, in these terms.
  (* hierconn *) wire [2:0] \dut.state_q ;
  (* hierconn *) wire [2:0] \dut.hb_q ;
  (* hierconn *) wire \dut.checked_q ;
  (* hierconn *) wire \dut.short_q ;
  (* hierconn *) wire \dut.tlast_q ;
  (* hierconn *) wire \dut.unit_ready_q ;
  logic at_head, at_check, at_pay, at_pad, at_drain;

  assign at_head  = \dut.state_q == 3'd0;
  assign at_check = \dut.state_q == 3'd1;
  assign at_pay   = \dut.state_q == 3'd2;
  assign at_pad   = \dut.state_q == 3'd3;
  assign at_drain = \dut.state_q == 3'd4;

  always_comb
    if (!first_q) begin
      assert (at_head || at_check || at_pay || at_pad || at_drain);
      assert (flight_q <= 3'd4);
      assert (waiting_q == at_check);
      assert (pending_q == (at_pay || at_pad));
      assert (heads_q == (at_head ? \dut.hb_q : 3'd0));
      assert (heads_q < 3'(HeadBeats));
      if (!at_head) assert (\dut.hb_q == 3'd0);
      if (at_head) begin
        assert (mid_q == (heads_q != 3'd0));
        assert (answered_q == (heads_q == 3'd0));
      end
      if (at_check) begin
        assert (!answered_q);
        assert (mid_q == !(\dut.short_q || \dut.tlast_q ));
      end
      assert (\dut.checked_q == (age_q != 2'd0));
      assert (beat_valid == (unit & ready_q & {7{at_pay || at_pad}}));
      if (at_pay || at_pad) assert (\dut.unit_ready_q == ((unit & ready_q) != 7'd0));
      assert ((unit & (unit - 7'd1)) == 7'd0);
      if (at_pay || at_drain) assert (mid_q && answered_q);
      if (!rst_i) assert (want_q == ((at_head && mid_q) || (at_pay && (unit & ready_q) != 7'd0)));  // 7
      if (at_pad) assert (!mid_q && answered_q);
    end

endmodule
