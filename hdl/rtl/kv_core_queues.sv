// What waits between front and back: descriptors and outcomes of the commands in flight, and what only their trailers read.
//
// desc_push_i, desc_i        a descriptor: {status, tag, opcode}; with it go the counts of the last stamp_push_i
// stamp_push_i, stamp_i      {STALL_OUT, STALL_IN, mark} of a header's first beat
// outcome_push_i, outcome_i, bytes_i  status and BytesIn of a command, once for each descriptor
// done_i                     the oldest command is over
// desc_o, stamp_o, outcome_o, bytes_o  those of the oldest command; desc_valid_o, outcome_valid_o: it has one; desc_next_o: in
//                            the next cycle, if this one is enabled
// flight_o                   descriptors in here, MAX_IN_FLIGHT at most: the front pushes no more
// What is pushed can be seen a cycle later. Nothing moves in a cycle with en_i = 0.
module kv_core_queues #(
    localparam int unsigned DescW  = 8 + 16 + 3,
    localparam int unsigned StampW = 3 * 32
) (
    input  logic              clk_i,
    input  logic              rst_i,
    input  logic              en_i,
    input  logic              desc_push_i,
    input  logic [ DescW-1:0] desc_i,
    input  logic              stamp_push_i,
    input  logic [StampW-1:0] stamp_i,
    input  logic              outcome_push_i,
    input  logic [       2:0] outcome_i,
    input  logic [      31:0] bytes_i,
    input  logic              done_i,
    output logic              desc_valid_o,
    output logic              desc_next_o,
    output logic [ DescW-1:0] desc_o,
    output logic [StampW-1:0] stamp_o,
    output logic              outcome_valid_o,
    output logic [       2:0] outcome_o,
    output logic [      31:0] bytes_o,
    output logic [       2:0] flight_o
);

  kv_queue #(
      .Width(DescW),
      .Depth(kv_pkg::MAX_IN_FLIGHT)
  ) u_descriptors (
      .clk_i  (clk_i),
      .rst_i  (rst_i),
      .en_i   (en_i),
      .push_i (desc_push_i),
      .data_i (desc_i),
      .pop_i  (done_i),
      .valid_o(desc_valid_o),
      .data_o (desc_o),
      .count_o(flight_o),
      .valid_next_o(desc_next_o)
  );

  logic [2:0] outcome_count;
  logic outcome_next;
  kv_queue #(
      .Width(3),
      .Depth(kv_pkg::MAX_IN_FLIGHT)
  ) u_outcomes (
      .clk_i  (clk_i),
      .rst_i  (rst_i),
      .en_i   (en_i),
      .push_i (outcome_push_i),
      .data_i (outcome_i),
      .pop_i  (done_i),
      .valid_o(outcome_valid_o),
      .data_o (outcome_o),
      .count_o(outcome_count),
      .valid_next_o(outcome_next)
  );

  // What only the trailer reads of them.
  kv_shelf #(
      .Width(StampW),
      .Depth(2 * kv_pkg::MAX_IN_FLIGHT)
  ) u_stamps (
      .clk_i  (clk_i),
      .rst_i  (rst_i),
      .en_i   (en_i),
      .write_i(stamp_push_i),
      .data_i (stamp_i),
      .push_i (desc_push_i),
      .pop_i  (done_i),
      .data_o (stamp_o)
  );

  kv_shelf #(
      .Width(32),
      .Depth(2 * kv_pkg::MAX_IN_FLIGHT)
  ) u_bytes (
      .clk_i  (clk_i),
      .rst_i  (rst_i),
      .en_i   (en_i),
      .write_i(outcome_push_i),
      .data_i (bytes_i),
      .push_i (outcome_push_i),
      .pop_i  (done_i),
      .data_o (bytes_o)
  );

  wire unused = &{1'b0, outcome_count, outcome_next};

endmodule
