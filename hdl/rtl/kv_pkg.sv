// Generated from driver/regmap/spec by go generate ./driver/regmap; do not edit.
//
// Registers, packet headers, codes, limits and latencies of the engine.
// A header field NAME is bits NAME_LSB +: NAME_W of the 256-bit header.

// No engine build uses all of them.
// verilator lint_off UNUSEDPARAM
package kv_pkg;

  localparam logic [31:0] SPEC_ID = 32'hE8918025;

  // Fixed numbers of every engine build.
  localparam int unsigned MAGIC = 32'h4B564143;  // "KVAC": what the MAGIC register reads
  localparam int unsigned ABI_VERSION = 2;  // version of the packets and registers
  localparam int unsigned HEADER_BYTES = 32;  // bytes of a request header, a response header and a response trailer
  localparam int unsigned MAGIC_REQUEST = 32'h4B;  // "K": second byte of a request header
  localparam int unsigned MAGIC_RESPONSE = 32'h52;  // "R": second byte of a response header
  localparam int unsigned MAGIC_TRAILER = 32'h54;  // "T": second byte of a response trailer
  localparam int unsigned MAGIC_ABORT = 32'h41;  // "A": second byte of the beat that ends a response cut short by a soft reset
  localparam int unsigned DIM_STEP = 16;  // dims is a multiple of this
  localparam int unsigned SCORE_BITS = 40;  // bits of a score accumulator
  localparam int unsigned SCORE_FRAC = 24;  // fraction bits of a score accumulator
  localparam int unsigned MAX_IN_FLIGHT = 4;  // commands dispatched and not yet answered
  localparam int unsigned MAX_ATTN_ROWS = 16777215;  // attention rows in one SELECT
  localparam int unsigned MAX_ECHO_BYTES = 1048576;  // payload of one ECHO
  localparam int unsigned MAX_LINK_BYTES = 1073741824;  // payload of one SOURCE or SINK
  localparam int unsigned MAX_POOL_HALF = 7;  // pooling window of at most twice this and one
  localparam int unsigned TIER_DROPPED = 4;  // stands in a tier map for a position not kept

  // Latencies in enabled cycles; docs/engine.md, section 5, says what each counts.
  localparam int unsigned LAT_CHECK = 2;  // header complete to dispatch, at least
  localparam int unsigned LAT_QUANT_TOKEN = 12;  // last beat of a per-token group taken to its first ring read
  localparam int unsigned LAT_QUANT_CHANNEL = 16;  // last beat of a per-channel group taken to its first ring read, beside dims cycles
  localparam int unsigned LAT_QUANT_PIPE = 14;  // ring read to the payload FIFO
  localparam int unsigned LAT_DEQUANT_PIPE = 12;  // item issued to the payload FIFO
  localparam int unsigned LAT_DEQUANT_SLACK = 16;  // free places of the payload FIFO below which DEQUANTIZE issues nothing
  localparam int unsigned LAT_PREFIX = 2;  // idle cycles before the scales of a per-channel group are sent
  localparam int unsigned LAT_SELECT_ROW = 8;  // cycles an attention row takes, at least
  localparam int unsigned LAT_SELECT_ACC = 7;  // attention beat, or last beat of a word of scores, taken to its saturations counted
  localparam int unsigned LAT_SELECT_SETTLE = 11;  // last attention beat taken to the first pass
  localparam int unsigned LAT_SELECT_PASS = 12;  // cycles of a radix pass beside reading the scores
  localparam int unsigned LAT_SELECT_FIRST = 12;  // cycles of a first pass that was counted while the last row came
  localparam int unsigned LAT_SELECT_EMIT = 8;  // score word read to the payload FIFO
  localparam int unsigned LAT_SELECT_NORM = 8;  // settling of key norms beside that of attention rows
  localparam int unsigned LAT_SELECT_POOL = 24;  // cycles of pooling beside one for each position
  localparam int unsigned LAT_SELECT_POOL_SAT = 16;  // start of pooling to the saturation of position 0 counted
  localparam int unsigned LAT_SELECT_TIER = 12;  // cycles of giving out a tier beside one for each word
  localparam int unsigned LAT_SELECT_SCORES = 4;  // end of the keep list to the first score given
  localparam int unsigned LAT_COMPRESS_ROWS = 16;  // end of emission to the first value beat taken
  localparam int unsigned LAT_COMPRESS_FLUSH = 20;  // last ring read or last beat of a section to its end
  localparam int unsigned LAT_SOURCE = 2;  // dispatch to the first beat of SOURCE
  localparam int unsigned LAT_SINK = 4;  // last beat taken to the check result
  localparam int unsigned LAT_ROTATE = 20;  // last beat of a block come to its first rotated one, beside the beats of a block

  // Opcodes.
  localparam int unsigned OP_ECHO = 1;  // sends its payload back
  localparam int unsigned OP_QUANTIZE = 2;  // rows of fp16 in; scales, minima and packed codes out
  localparam int unsigned OP_DEQUANTIZE = 3;  // what QUANTIZE gave in; rows of fp16 out
  localparam int unsigned OP_SELECT = 4;  // attention rows in; positions to keep out
  localparam int unsigned OP_COMPRESS = 5;  // attention rows, then value and key rows in; the kept rows out, each at the precision of its rank
  localparam int unsigned OP_SOURCE = 6;  // gives pseudo-random bytes
  localparam int unsigned OP_SINK = 7;  // checks pseudo-random bytes

  // Status codes of a response.
  localparam int unsigned ST_OK = 0;  // the payload is the result
  localparam int unsigned ST_BAD_MAGIC = 1;  // the packet does not start with a request header
  localparam int unsigned ST_BAD_OPCODE = 2;  // no such command
  localparam int unsigned ST_UNSUPPORTED = 3;  // the command was left out of this build
  localparam int unsigned ST_BAD_OPTION = 4;  // an option has no meaning, or a reserved bit is set
  localparam int unsigned ST_BAD_GEOMETRY = 5;  // rows, dims, group or budget beyond what this build can do
  localparam int unsigned ST_TRUNCATED = 6;  // TLAST before the payload was complete
  localparam int unsigned ST_OVERLONG = 7;  // no TLAST where the payload was complete

  // Quantization schemes.
  localparam int unsigned SCHEME_ASYM = 0;  // scale and minimum; codes 0 to 2^b-1
  localparam int unsigned SCHEME_SYM = 1;  // scale; codes -(2^(b-1)-1) to 2^(b-1)-1 in two's complement
  localparam int unsigned SCHEME_OFFSET = 2;  // scale from the element of largest magnitude; codes 0 to 15 stand for -8 to 7 (block layout only)

  // Layouts of a quantized tile.
  localparam int unsigned LAYOUT_NATIVE = 0;  // scale, minimum, codes LSB first
  localparam int unsigned LAYOUT_BLOCK = 1;  // ggml's blocks of 32

  // Formats of rows, scales and minima.
  localparam int unsigned FORMAT_FP16 = 0;  // binary16
  localparam int unsigned FORMAT_BF16 = 1;  // bfloat16

  // Blocks of the rotation.
  localparam int unsigned ROTATE_NONE = 0;  // no rotation
  localparam int unsigned ROTATE_32 = 1;  // 32 elements
  localparam int unsigned ROTATE_64 = 2;  // 64 elements
  localparam int unsigned ROTATE_128 = 3;  // 128 elements

  // Forms of a selection.
  localparam int unsigned RESULT_LIST = 0;  // kept positions, 16 bits each
  localparam int unsigned RESULT_BITMAP = 1;  // a bit a position
  localparam int unsigned RESULT_TIERS = 2;  // 4 bits a position

  // Grouping axes.
  localparam int unsigned AXIS_TOKEN = 0;  // groups of dims of one row
  localparam int unsigned AXIS_CHANNEL = 1;  // groups of consecutive rows of one channel

  // Group sizes.
  localparam int unsigned GROUP_16 = 0;  // 16 elements
  localparam int unsigned GROUP_32 = 1;  // 32 elements
  localparam int unsigned GROUP_64 = 2;  // 64 elements
  localparam int unsigned GROUP_128 = 3;  // 128 elements
  localparam int unsigned GROUP_ROW = 4;  // the whole row (per token only)

  // Bits of the FEATURES register.
  localparam int unsigned FEAT_ECHO = 0;  // ECHO
  localparam int unsigned FEAT_QUANTIZE = 1;  // QUANTIZE
  localparam int unsigned FEAT_DEQUANTIZE = 2;  // DEQUANTIZE
  localparam int unsigned FEAT_SELECT = 3;  // SELECT
  localparam int unsigned FEAT_COMPRESS = 4;  // COMPRESS
  localparam int unsigned FEAT_LINK = 5;  // SOURCE and SINK
  localparam int unsigned FEAT_POOL = 6;  // pooling of scores
  localparam int unsigned FEAT_DECAY = 7;  // decay of scores
  localparam int unsigned FEAT_KEY_NORM = 8;  // key norms as scores
  localparam int unsigned FEAT_TIERS = 9;  // tiers
  localparam int unsigned FEAT_ROTATE = 10;  // rotation before QUANTIZE and after DEQUANTIZE
  localparam int unsigned FEAT_BF16 = 11;  // bfloat16 rows, scales and minima

  // Bits of the trailer's flags field.
  localparam int unsigned FLAG_NON_FINITE = 0;  // an input was NaN or infinite, or an attention weight negative
  localparam int unsigned FLAG_SATURATED = 1;  // a rotated or restored value or a score was clamped to its range

  // Bits of the CTRL register.
  localparam int unsigned CTRL_SOFT_RESET = 0;  // drops all work in the engine
  localparam int unsigned CTRL_CLEAR = 1;  // zeroes counters, sticky errors and pending interrupts

  // Bits of the STATUS register; in-flight is 4 bits from its position.
  localparam int unsigned STAT_BUSY = 0;  // a packet is being taken, worked on or given
  localparam int unsigned STAT_RESETTING = 1;  // a soft reset is not yet complete
  localparam int unsigned STAT_IN_FLIGHT = 4;  // commands dispatched and not yet answered

  // Bits of IRQ_STATUS and IRQ_ENABLE.
  localparam int unsigned IRQ_DONE = 0;  // a response was given
  localparam int unsigned IRQ_ERROR = 1;  // a response carried a status other than OK

  // Register byte addresses.
  localparam logic [11:0] REG_MAGIC = 12'h000;  // RO: reads Magic
  localparam logic [11:0] REG_ABI = 12'h004;  // RO: ABI version
  localparam logic [11:0] REG_SPEC_ID = 12'h008;  // RO: hash of the ABI part of this table
  localparam logic [11:0] REG_BUILD_HASH = 12'h00C;  // RO: what the builder gave as BuildHash
  localparam logic [11:0] REG_FEATURES = 12'h010;  // RO: feature bits
  localparam logic [11:0] REG_LANES = 12'h014;  // RO: fp16 elements per beat
  localparam logic [11:0] REG_MAX_DIM = 12'h018;  // RO: largest dims
  localparam logic [11:0] REG_TILE_TOKENS = 12'h01C;  // RO: most rows in a tile
  localparam logic [11:0] REG_MAX_TOKENS = 12'h020;  // RO: most positions in a SELECT
  localparam logic [11:0] REG_CTRL = 12'h040;  // WO: control bits; each acts once
  localparam logic [11:0] REG_STATUS = 12'h044;  // RO: state bits and commands in flight
  localparam logic [11:0] REG_ERRORS = 12'h048;  // W1C: bit s is set when a response carried status s
  localparam logic [11:0] REG_IRQ_STATUS = 12'h04C;  // W1C: pending interrupts
  localparam logic [11:0] REG_IRQ_ENABLE = 12'h050;  // RW: interrupts that drive irq_o
  localparam logic [11:0] REG_SCRATCH = 12'h054;  // RW: for software
  localparam logic [11:0] REG_CYCLES = 12'h080;  // RO: clock cycles
  localparam logic [11:0] REG_ACTIVE = 12'h084;  // RO: cycles in which the engine was busy
  localparam logic [11:0] REG_STALL_IN = 12'h088;  // RO: cycles lost to absent input
  localparam logic [11:0] REG_STALL_OUT = 12'h08C;  // RO: cycles lost to refused output
  localparam logic [11:0] REG_BEATS_IN = 12'h090;  // RO: beats taken on s_axis
  localparam logic [11:0] REG_BEATS_OUT = 12'h094;  // RO: beats given on m_axis
  localparam logic [11:0] REG_PACKETS = 12'h098;  // RO: packets given on m_axis
  localparam logic [11:0] REG_TOKENS = 12'h09C;  // RO: rows quantized or restored
  localparam logic [11:0] REG_GROUPS = 12'h0A0;  // RO: groups quantized or restored
  localparam logic [11:0] REG_SATURATIONS = 12'h0A4;  // RO: rotated and restored values and scores clamped
  localparam logic [11:0] REG_NON_FINITE = 12'h0A8;  // RO: NaN, infinite and negative-weight inputs

  // Request header: the first 32 bytes of every packet to the engine.
  localparam int unsigned REQ_OPCODE_LSB = 0, REQ_OPCODE_W = 8;  // command
  localparam int unsigned REQ_MAGIC_LSB = 8, REQ_MAGIC_W = 8;  // MagicRequest
  localparam int unsigned REQ_TAG_LSB = 16, REQ_TAG_W = 16;  // comes back in the response
  localparam int unsigned REQ_SCHEME_LSB = 32, REQ_SCHEME_W = 2;  // quantization scheme
  localparam int unsigned REQ_AXIS_LSB = 34, REQ_AXIS_W = 1;  // grouping axis; of COMPRESS that of the keys
  localparam int unsigned REQ_FORMAT_LSB = 35, REQ_FORMAT_W = 1;  // format of rows, scales and minima
  localparam int unsigned REQ_GROUP_LSB = 36, REQ_GROUP_W = 3;  // group size code; of COMPRESS that of the keys
  localparam int unsigned REQ_BITS_LSB = 40, REQ_BITS_W = 4;  // bits of a code: 2, 3, 4, 5, 6 or 8; of COMPRESS those of per-channel keys
  localparam int unsigned REQ_LAYOUT_LSB = 44, REQ_LAYOUT_W = 1;  // layout of the quantized tile
  localparam int unsigned REQ_VALUE_GROUP_LSB = 45, REQ_VALUE_GROUP_W = 3;  // group size code of the values
  localparam int unsigned REQ_POOL_HALF_LSB = 48, REQ_POOL_HALF_W = 3;  // scores are pooled over 2 PoolHalf + 1 positions
  localparam int unsigned REQ_POOL_MAX_LSB = 51, REQ_POOL_MAX_W = 1;  // pooled by the maximum, not the sum
  localparam int unsigned REQ_SCORES_IN_LSB = 52, REQ_SCORES_IN_W = 1;  // the payload starts with the scores so far
  localparam int unsigned REQ_SCORES_OUT_LSB = 53, REQ_SCORES_OUT_W = 1;  // the result holds the scores
  localparam int unsigned REQ_RESULT_LSB = 54, REQ_RESULT_W = 2;  // form of the selection
  localparam int unsigned REQ_PROT_TIER_LSB = 56, REQ_PROT_TIER_W = 2;  // tier of the positions always kept
  localparam int unsigned REQ_KEY_NORM_LSB = 58, REQ_KEY_NORM_W = 1;  // key rows instead of attention rows; score: the lower the norm the higher
  localparam int unsigned REQ_ROTATE_LSB = 59, REQ_ROTATE_W = 2;  // elements rotated together
  localparam int unsigned REQ_ROWS_LSB = 64, REQ_ROWS_W = 32;  // rows of the tile; attention rows; payload bytes of ECHO, SOURCE and SINK
  localparam int unsigned REQ_DIMS_LSB = 96, REQ_DIMS_W = 20;  // elements of a row; positions n of SELECT and COMPRESS
  localparam int unsigned REQ_ROW_DIMS_LSB = 116, REQ_ROW_DIMS_W = 12;  // elements of a key or value row
  localparam int unsigned REQ_SINKS_LSB = 128, REQ_SINKS_W = 16;  // first positions always kept
  localparam int unsigned REQ_RECENT_LSB = 144, REQ_RECENT_W = 16;  // last positions always kept
  localparam int unsigned REQ_RANK0_LSB = 160, REQ_RANK0_W = 16;  // highest scores in tier 0
  localparam int unsigned REQ_RANK1_LSB = 176, REQ_RANK1_W = 16;  // highest scores in tiers 0 and 1
  localparam int unsigned REQ_TOP_K_LSB = 192, REQ_TOP_K_W = 20;  // highest scores kept beside the protected
  localparam int unsigned REQ_STEP_ROWS_LSB = 212, REQ_STEP_ROWS_W = 12;  // attention rows of a step; 0: no decay
  localparam int unsigned REQ_LAMBDA_LSB = 224, REQ_LAMBDA_W = 16;  // decay of the scores before each step, in units of 2^-16
  localparam int unsigned REQ_RANK2_LSB = 240, REQ_RANK2_W = 16;  // highest scores in tiers 0, 1 and 2
  localparam int unsigned REQ_SEED_LSB = 224, REQ_SEED_W = 31;  // 31 bits before the stream

  // Response header: the first 32 bytes of every packet from the engine.
  localparam int unsigned RESP_OPCODE_LSB = 0, RESP_OPCODE_W = 8;  // opcode of the request, whatever it was
  localparam int unsigned RESP_MAGIC_LSB = 8, RESP_MAGIC_W = 8;  // MagicResponse
  localparam int unsigned RESP_TAG_LSB = 16, RESP_TAG_W = 16;  // tag of the request
  localparam int unsigned RESP_STATUS_LSB = 32, RESP_STATUS_W = 8;  // status known at dispatch; the trailer has the last word

  // Response trailer: the last 32 bytes of every packet from the engine.
  localparam int unsigned TRAIL_OPCODE_LSB = 0, TRAIL_OPCODE_W = 8;  // opcode of the request, whatever it was
  localparam int unsigned TRAIL_MAGIC_LSB = 8, TRAIL_MAGIC_W = 8;  // MagicTrailer
  localparam int unsigned TRAIL_TAG_LSB = 16, TRAIL_TAG_W = 16;  // tag of the request
  localparam int unsigned TRAIL_STATUS_LSB = 32, TRAIL_STATUS_W = 8;  // status of the command
  localparam int unsigned TRAIL_FLAGS_LSB = 40, TRAIL_FLAGS_W = 8;  // flag bits
  localparam int unsigned TRAIL_BYTES_IN_LSB = 64, TRAIL_BYTES_IN_W = 32;  // payload bytes the command took, whole beats
  localparam int unsigned TRAIL_BYTES_OUT_LSB = 96, TRAIL_BYTES_OUT_W = 32;  // payload bytes given, without padding
  localparam int unsigned TRAIL_CYCLES_LSB = 128, TRAIL_CYCLES_W = 32;  // enabled cycles from the first header beat taken to the last response beat given, both counted
  localparam int unsigned TRAIL_STALL_IN_LSB = 160, TRAIL_STALL_IN_W = 32;  // cycles lost to absent input meanwhile
  localparam int unsigned TRAIL_STALL_OUT_LSB = 192, TRAIL_STALL_OUT_W = 32;  // cycles lost to refused output meanwhile

endpackage
