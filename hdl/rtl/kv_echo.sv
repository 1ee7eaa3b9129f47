// ECHO: sends its payload back (docs/engine.md, 5.6).
//
// Takes a beat whenever the payload FIFO has at least 4 free places at the start
// of the cycle (room_i, a register); a beat taken at t is pushed at t + 1. The last one carries
// push_last_o and the bytes that remain of bytes_i, the others 2 Lanes bytes.
// Beats come only with ready_o, so a push never meets a full FIFO: at most one
// is on its way. start_i is not needed: bytes_i alone says what the last beat holds.
module kv_echo #(
    parameter int unsigned Lanes = 8  // fp16 elements per beat: 2, 4, 8 or 16
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic [        20:0] bytes_i,
    input  logic                beat_valid_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic                beat_last_i,
    output logic                ready_o,
    input  logic                room_i,
    output logic                push_valid_o,
    output logic [16*Lanes-1:0] push_data_o,
    output logic [         5:0] push_bytes_o,
    output logic                push_last_o
);

  localparam int unsigned ByteW = $clog2(2 * Lanes);

  logic valid_q, last_q;
  logic [16*Lanes-1:0] data_q;
  logic [5:0] bytes_q, rest;

  assign ready_o = room_i;

  // Bytes of the last beat: bytes_i modulo the beat, a whole beat if that is 0.
  assign rest = bytes_i[ByteW-1:0] == '0 ? 6'(2 * Lanes) : 6'(bytes_i[ByteW-1:0]);

  always_ff @(posedge clk_i) begin
    if (rst_i) valid_q <= 1'b0;
    else if (en_i) valid_q <= beat_valid_i;
  end

  always_ff @(posedge clk_i) begin
    if (en_i && beat_valid_i) begin
      // What does not fill the last beat is zero, whatever came in.
      for (int i = 0; i < 2 * Lanes; i++)
        data_q[8*i+:8] <= !beat_last_i || 6'(i) < rest ? beat_i[8*i+:8] : 8'h00;
      last_q  <= beat_last_i;
      bytes_q <= beat_last_i ? rest : 6'(2 * Lanes);
    end
  end

  assign push_valid_o = valid_q;
  assign push_data_o  = data_q;
  assign push_bytes_o = bytes_q;
  assign push_last_o  = last_q;

  // The upper bits of the length are counted by the front.
  logic unused;
  assign unused = &{1'b0, bytes_i[20:ByteW]};

endmodule
