// What the link does with whole and damaged frames (docs/link.md, sections 3 to 7).
//
// frame_i, damaged_i, head_i  from kv_link_rx; one of them at a time, never in two consecutive cycles.
// reset_o      for one cycle after a HELLO that counts: the link and the engine go back to their first state.
// commit_o     the DATA frame at hand is taken (kv_link_in).
// ack_o        the ACK at hand holds (kv_link_out); back_o: send again from the first unacknowledged frame on.
// request_o    the READ, or WRITE (write_o), at hand (kv_link_regs); refused_i answers in the same cycle.
// hello_due_o, error_due_o, ack_due_o  a frame waits to be sent, until the *_sent_i of its kind.
//              hello_id_o, error_code_o, error_detail_o, ack_nak_o and ack_poll_o go with it.
// damaged_o, timeouts_o  what ANSWER tells, modulo 256.
// Latency: everything but reset_o in the cycle of frame_i; *_due_o one cycle later.
// An error that is not yet sent is replaced by a later one; ACKs due together are one.
module kv_link_ctrl #(
    parameter int unsigned BeatBytes = 16,
    parameter int unsigned RetryLog2 = 20  // a timeout is 2^RetryLog2 cycles
) (
    input  logic        clk_i,
    input  logic        rst_i,
    input  logic        frame_i,
    input  logic        damaged_i,
    input  logic [31:0] head_i,
    output logic        reset_o,
    input  logic [ 7:0] next_i,
    input  logic        fits_i,
    input  logic        moved_i,
    output logic        commit_o,
    output logic        ack_o,
    output logic        back_o,
    input  logic        fresh_i,
    input  logic        waiting_i,
    input  logic        data_sent_i,
    output logic        request_o,
    output logic        write_o,
    input  logic        refused_i,
    output logic        hello_due_o,
    input  logic        hello_sent_i,
    output logic [ 7:0] hello_id_o,
    output logic        error_due_o,
    input  logic        error_sent_i,
    output logic [ 7:0] error_code_o,
    output logic [ 7:0] error_detail_o,
    output logic        ack_due_o,
    input  logic        ack_sent_i,
    output logic        ack_nak_o,
    output logic        ack_poll_o,
    output logic [ 7:0] damaged_o,
    output logic [ 7:0] timeouts_o
);

  localparam logic [7:0] BeatMask = 8'(BeatBytes - 1);

  logic [7:0] kind, a, b, n;
  logic linked_q, gap_q, reset_q;
  logic is_hello, is_read, is_write, is_data, is_ack, hello_now, version_now, beats_ok, expected, in_front;
  logic data_now, nak_now, ack_now, error_now, timeout;
  logic [7:0] error_code, error_detail, ahead;

  assign {n, b, a, kind} = head_i;

  assign is_hello  = kind[3:0] == 4'(kv_link_pkg::FRAME_HELLO) & n == '0;
  assign is_read   = kind[3:0] == 4'(kv_link_pkg::FRAME_READ) & n == 8'(kv_link_pkg::LINK_REQUEST_BYTES);
  assign is_write  = kind[3:0] == 4'(kv_link_pkg::FRAME_WRITE) & n == 8'(kv_link_pkg::LINK_REQUEST_BYTES);
  assign beats_ok  = n != '0 & (n & BeatMask) == '0;
  assign is_data   = kind[3:0] == 4'(kv_link_pkg::FRAME_DATA) & beats_ok;
  assign is_ack    = kind[3:0] == 4'(kv_link_pkg::FRAME_ACK) & n == '0;

  assign hello_now   = frame_i & is_hello & b == 8'(kv_link_pkg::LINK_VERSION);
  assign version_now = frame_i & is_hello & b != 8'(kv_link_pkg::LINK_VERSION);

  assign data_now  = frame_i & linked_q & is_data;
  assign ahead     = a - next_i;
  assign expected  = ahead == '0;
  assign in_front  = ~expected & ahead < 8'd128;
  assign commit_o  = data_now & expected & fits_i;
  assign ack_o     = frame_i & linked_q & is_ack;
  assign request_o = frame_i & linked_q & (is_read | is_write);
  assign write_o   = is_write;

  // ERROR
  always_comb begin
    error_now    = version_now;
    error_code   = 8'(kv_link_pkg::LINK_ERR_VERSION);
    error_detail = 8'(kv_link_pkg::LINK_VERSION);
    if (frame_i & ~is_hello & ~linked_q) begin
      error_now    = 1'b1;
      error_code   = 8'(kv_link_pkg::LINK_ERR_NO_HELLO);
      error_detail = kind;
    end else if (frame_i & ~(is_hello | is_read | is_write | is_data | is_ack)) begin
      error_now    = 1'b1;
      error_code   = 8'(kv_link_pkg::LINK_ERR_FRAME);
      error_detail = kind;
    end else if (data_now & expected & ~fits_i) begin
      error_now    = 1'b1;
      error_code   = 8'(kv_link_pkg::LINK_ERR_CREDIT);
      error_detail = a;
    end else if (refused_i) begin
      error_now    = 1'b1;
      error_code   = 8'(kv_link_pkg::LINK_ERR_BUSY);
      error_detail = a;
    end
  end

  // ACK
  assign nak_now = (linked_q & damaged_i) | (data_now & in_front & ~gap_q);
  assign ack_now = nak_now | timeout | (linked_q & moved_i) | (data_now & ~in_front & (fits_i | ~expected)) |
                   (ack_o & kind[kv_link_pkg::FRAME_FLAG_POLL]);
  assign back_o  = timeout | (ack_o & kind[kv_link_pkg::FRAME_FLAG_NAK]);

  // Timeouts: the carry of timer_q.
  logic [RetryLog2:0] timer_q;
  logic [3:0] tries_q;
  logic quiet;

  assign quiet   = tries_q == 4'(kv_link_pkg::LINK_RETRIES);
  assign timeout = timer_q[RetryLog2];

  logic hello_due_q, error_due_q, ack_due_q, nak_q, poll_q;
  logic [7:0] hello_id_q, error_code_q, error_detail_q, damaged_q, timeouts_q;

  assign reset_o        = reset_q;
  assign hello_due_o    = hello_due_q;
  assign hello_id_o     = hello_id_q;
  assign error_due_o    = error_due_q;
  assign error_code_o   = error_code_q;
  assign error_detail_o = error_detail_q;
  assign ack_due_o      = ack_due_q;
  assign ack_nak_o      = nak_q;
  assign ack_poll_o     = poll_q;
  assign damaged_o      = damaged_q;
  assign timeouts_o     = timeouts_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      linked_q    <= 1'b0;
      reset_q     <= 1'b0;
      hello_due_q <= 1'b0;
    end else begin
      reset_q <= hello_now;
      if (hello_now) linked_q <= 1'b1;
      if (reset_q) hello_due_q <= 1'b1;
      else if (hello_now | hello_sent_i) hello_due_q <= 1'b0;
    end
    if (rst_i | reset_q) begin
      gap_q       <= 1'b0;
      error_due_q <= 1'b0;
      ack_due_q   <= 1'b0;
      nak_q       <= 1'b0;
      poll_q      <= 1'b0;
      timer_q     <= '0;
      tries_q     <= '0;
      damaged_q   <= '0;
      timeouts_q  <= '0;
    end else begin
      if (commit_o) gap_q <= 1'b0;
      else if (nak_now) gap_q <= 1'b1;
      if (error_now) error_due_q <= 1'b1;
      else if (error_sent_i) error_due_q <= 1'b0;
      if (ack_now) ack_due_q <= 1'b1;
      else if (ack_sent_i) ack_due_q <= 1'b0;
      nak_q  <= nak_now | (nak_q & ~ack_sent_i);
      poll_q <= timeout | (poll_q & ~ack_sent_i);
      if (~waiting_i | quiet | timeout | fresh_i | data_sent_i) timer_q <= '0;
      else timer_q <= timer_q + (RetryLog2 + 1)'(1);
      if (frame_i) tries_q <= '0;
      else if (timeout) tries_q <= tries_q + 4'd1;
      if (linked_q & damaged_i) damaged_q <= damaged_q + 8'd1;
      if (timeout) timeouts_q <= timeouts_q + 8'd1;
    end
    if (hello_now) hello_id_q <= a;
    if (error_now) begin
      error_code_q   <= error_code;
      error_detail_q <= error_detail;
    end
  end

endmodule
