// Proof of kv_link_ctrl: what docs/link.md says about each frame is what is done with it.
//
// Whole and damaged frames with any content come at any time but not in consecutive cycles; the windows, the register master and the
// framer do what they like. The contract's tables (sections 3 to 7) are kept here a second time.
//
// 1. A DATA frame is taken exactly if it is whole beats, the expected one, and fits. A register request is passed on exactly if
//    its length is right; an ACK likewise; and all of them only after a HELLO. A link reset follows each right HELLO, and nothing else.
// 2. What is owed to the host is due until it is sent: an ACK with the right flags, an ERROR with the last code and detail, HELLO with its id.
// 3. A frame ahead of the expected one brings one NAK until an expected one was taken; a damaged one brings one each time.
// 4. The timer runs out after exactly 2^RetryLog2 cycles of waiting in which no frame was sent and no ACK was fresh, 15 times at most without a whole frame;
//    sending goes back then, and at a NAK, and never else.
module fv_link_ctrl (
    input logic        clk_i,
    input logic        rst_i,
    input logic        frame_i,
    input logic        damaged_i,
    input logic [31:0] head_i,
    input logic [ 7:0] next_i,
    input logic        fits_i,
    input logic        moved_i,
    input logic        fresh_i,
    input logic        waiting_i,
    input logic        data_sent_i,
    input logic        refused_i,
    input logic        hello_sent_i,
    input logic        error_sent_i,
    input logic        ack_sent_i
);

  logic first_q = 1'b1;
  logic reset, commit, ack, back, request, is_write, hello_due, error_due, ack_due, ack_nak, ack_poll;
  logic [7:0] hello_id, error_code, error_detail, damaged, timeouts;

  kv_link_ctrl #(
      .BeatBytes(8),
      .RetryLog2(2)
  ) dut (
      .clk_i,
      .rst_i,
      .frame_i,
      .damaged_i,
      .head_i,
      .reset_o       (reset),
      .next_i,
      .fits_i,
      .moved_i,
      .commit_o      (commit),
      .ack_o         (ack),
      .back_o        (back),
      .fresh_i,
      .waiting_i,
      .data_sent_i,
      .request_o     (request),
      .write_o       (is_write),
      .refused_i,
      .hello_due_o   (hello_due),
      .hello_sent_i,
      .hello_id_o    (hello_id),
      .error_due_o   (error_due),
      .error_sent_i,
      .error_code_o  (error_code),
      .error_detail_o(error_detail),
      .ack_due_o     (ack_due),
      .ack_sent_i,
      .ack_nak_o     (ack_nak),
      .ack_poll_o    (ack_poll),
      .damaged_o     (damaged),
      .timeouts_o    (timeouts)
  );

  logic [3:0] kind;
  logic [7:0] a, b, n, lead;
  assign kind = head_i[3:0];
  assign {n, b, a} = head_i[31:8];
  assign lead = a - next_i;

  // The tables.
  logic hello, other, reg_frame, data, ack_frame, unknown, take, beyond, gap_now, had, owed, owed_nak, expires, linked_q, gap_q;
  assign hello     = frame_i && kind == 4'd1 && n == '0 && b == 8'd1;
  assign other     = frame_i && kind == 4'd1 && n == '0 && b != 8'd1;
  assign reg_frame = frame_i && linked_q && (kind == 4'd2 || kind == 4'd3) && n == 8'd6;
  assign data      = frame_i && linked_q && kind == 4'd5 && n != '0 && n[2:0] == '0;
  assign ack_frame = frame_i && linked_q && kind == 4'd6 && n == '0;
  assign unknown   = frame_i && !hello && !other && !reg_frame && !data && !ack_frame;
  assign take      = data && a == next_i && fits_i;
  assign beyond    = data && a == next_i && !fits_i;
  assign gap_now   = data && a != next_i && !lead[7] && !gap_q;
  assign had       = data && lead[7];
  assign owed_nak  = gap_now || linked_q && damaged_i;
  assign owed      = owed_nak || take || had || moved_i && linked_q || ack_frame && head_i[5] || expires;

  logic reset_q, hello_q, error_q, ack_q, nak_q, poll_q, was_q;
  logic [7:0] id_q, code_q, detail_q, damaged_q, timeouts_q;
  logic [2:0] timer_q;
  logic [3:0] tries_q;
  assign expires = timer_q == 3'd4;

  always_ff @(posedge clk_i) begin
    first_q <= 1'b0;
    was_q   <= frame_i || damaged_i;
    if (rst_i) begin
      linked_q <= 1'b0;
      reset_q  <= 1'b0;
      hello_q  <= 1'b0;
    end else begin
      reset_q <= hello;
      if (hello) linked_q <= 1'b1;
      hello_q <= reset_q || hello_q && !hello_sent_i && !hello;
    end
    if (rst_i || reset_q) begin
      gap_q      <= 1'b0;
      error_q    <= 1'b0;
      ack_q      <= 1'b0;
      nak_q      <= 1'b0;
      poll_q     <= 1'b0;
      timer_q    <= '0;
      tries_q    <= '0;
      damaged_q  <= '0;
      timeouts_q <= '0;
    end else begin
      if (take) gap_q <= 1'b0;
      else if (owed_nak) gap_q <= 1'b1;
      ack_q   <= owed || ack_q && !ack_sent_i;
      nak_q   <= owed_nak || nak_q && !ack_sent_i;
      poll_q  <= expires || poll_q && !ack_sent_i;
      error_q <= other || unknown || beyond || reg_frame && refused_i || error_q && !error_sent_i;
      timer_q <= waiting_i && tries_q != 4'd15 && !expires && !fresh_i && !data_sent_i ? timer_q + 3'd1 : 3'd0;
      if (frame_i) tries_q <= '0;
      else if (expires) tries_q <= tries_q + 4'd1;
      if (linked_q && damaged_i) damaged_q <= damaged_q + 8'd1;
      if (expires) timeouts_q <= timeouts_q + 8'd1;
    end
    if (hello) id_q <= a;
    if (other) {code_q, detail_q} <= {8'd2, 8'd1};
    else if (unknown) {code_q, detail_q} <= {linked_q ? 8'd3 : 8'd1, head_i[7:0]};
    else if (beyond) {code_q, detail_q} <= {8'd4, a};
    else if (reg_frame && refused_i) {code_q, detail_q} <= {8'd5, a};
  end

  always_comb begin
    assume (!first_q || rst_i);
    assume (!(frame_i && damaged_i) && !((frame_i || damaged_i) && was_q));
    assume (!refused_i || reg_frame);
    assume (!fresh_i || ack_frame);
    assume (!hello_sent_i || hello_due);
    assume (!error_sent_i || error_due);
    assume (!ack_sent_i || ack_due);
  end

  always_comb
    if (!first_q) begin
      assert (commit == take);
      assert (ack == ack_frame);
      assert (request == reg_frame);
      if (request) assert (is_write == (kind == 4'd3));
      assert (reset == reset_q);
      assert (back == (expires || ack_frame && head_i[4]));
      assert (hello_due == hello_q);
      if (hello_due) assert (hello_id == id_q);
      assert (error_due == error_q);
      if (error_due) assert (error_code == code_q && error_detail == detail_q);
      assert (ack_due == ack_q);
      if (ack_due) assert (ack_nak == nak_q && ack_poll == poll_q);
      assert (damaged == damaged_q && timeouts == timeouts_q);
      // Why.
      assert (ack_nak == nak_q && ack_poll == poll_q);
    end

  (* hierconn *) wire \dut.linked_q , \dut.gap_q ;
  (* hierconn *) wire [2:0] \dut.timer_q ;
  (* hierconn *) wire [3:0] \dut.tries_q ;
  always_comb
    if (!first_q) begin
      assert (\dut.linked_q == linked_q && \dut.gap_q == gap_q && \dut.timer_q == timer_q && \dut.tries_q == tries_q);
      if (hello_q || reset_q) assert (hello_id == id_q);
      assert (timer_q <= 3'd4);
    end

endmodule
