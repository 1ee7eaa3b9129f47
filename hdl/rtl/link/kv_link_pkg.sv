// Generated from driver/regmap/spec by go generate ./driver/regmap; do not edit.
//
// Frames of the byte links (docs/link.md).

// verilator lint_off UNUSEDPARAM
package kv_link_pkg;

  // Fixed numbers of the byte links.
  localparam int unsigned LINK_VERSION = 1;  // version of the frames and their rules
  localparam int unsigned LINK_HEADER_BYTES = 4;  // bytes of a frame before its payload: type, A, B, N
  localparam int unsigned LINK_CRC_BYTES = 4;  // bytes of the CRC-32 after the payload, little-endian
  localparam int unsigned LINK_MAX_PAYLOAD = 224;  // most payload bytes of a frame; a multiple of every beat
  localparam int unsigned LINK_HELLO_BYTES = 12;  // payload bytes of a device's HELLO
  localparam int unsigned LINK_REQUEST_BYTES = 6;  // payload bytes of READ and WRITE: address (16 bits), value (32 bits)
  localparam int unsigned LINK_ANSWER_BYTES = 6;  // payload bytes of ANSWER: value (32 bits), damaged frames, timeouts
  localparam int unsigned LINK_MAX_SLOTS = 64;  // largest window, in frames
  localparam int unsigned LINK_RETRIES = 15;  // timeouts without a whole frame from the host, after which a device goes quiet

  // Frame types: bits 3:0 of a frame's first byte.
  localparam int unsigned FRAME_HELLO = 1;  // host: reset link and engine; device: done, and what it is
  localparam int unsigned FRAME_READ = 2;  // host: read a register
  localparam int unsigned FRAME_WRITE = 3;  // host: write a register
  localparam int unsigned FRAME_ANSWER = 4;  // device: outcome of the register request with this id
  localparam int unsigned FRAME_DATA = 5;  // both: whole beats of the stream
  localparam int unsigned FRAME_ACK = 6;  // both: next DATA expected, first DATA not to be sent yet
  localparam int unsigned FRAME_ERROR = 7;  // device: a whole frame that it cannot follow

  // Frame flags: positions in a frame's first byte.
  localparam int unsigned FRAME_FLAG_LAST = 4;  // DATA: the last beat carries TLAST
  localparam int unsigned FRAME_FLAG_NAK = 4;  // ACK: frames were lost, go back to A
  localparam int unsigned FRAME_FLAG_POLL = 5;  // ACK: answer with an ACK
  localparam int unsigned FRAME_FLAG_RESP = 4;  // ANSWER: two bits, the AXI response (0 OKAY, 2 SLVERR, 3 DECERR)

  // Board ids: what HELLO tells.
  localparam int unsigned BOARD_NONE = 0;  // not stated, or no board (a simulation)
  localparam int unsigned BOARD_ULX3S85F = 1;  // ULX3S with an LFE5U-85F
  localparam int unsigned BOARD_ORANGE_CRAB25F = 2;  // OrangeCrab r0.2 with an LFE5U-25F
  localparam int unsigned BOARD_ICE_BREAKER = 3;  // iCEBreaker, iCE40UP5K
  localparam int unsigned BOARD_ARTIX7XDMA = 4;  // Artix-7 behind XDMA
  localparam int unsigned BOARD_AWSF2 = 5;  // AWS F2 instance

  // Codes of an ERROR frame.
  localparam int unsigned LINK_ERR_NO_HELLO = 1;  // no HELLO since power-up; B is the first byte of the frame
  localparam int unsigned LINK_ERR_VERSION = 2;  // HELLO of another version; B is the device's version
  localparam int unsigned LINK_ERR_FRAME = 3;  // unknown type or wrong length for it; B is the first byte of the frame
  localparam int unsigned LINK_ERR_CREDIT = 4;  // DATA beyond the limit; B is its sequence number
  localparam int unsigned LINK_ERR_BUSY = 5;  // register request while another is under way; B is its id

endpackage
