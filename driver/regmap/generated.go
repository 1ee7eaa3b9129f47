// Code generated from driver/regmap/spec by go generate ./driver/regmap. DO NOT EDIT.

package regmap

// SpecID is the hash of the ABI part of the specification.
const SpecID = 0xE8918025

// Fixed numbers of every engine build.
const (
	Magic         = 0x4B564143 // "KVAC": what the MAGIC register reads
	ABIVersion    = 2          // version of the packets and registers
	HeaderBytes   = 32         // bytes of a request header, a response header and a response trailer
	MagicRequest  = 0x4B       // "K": second byte of a request header
	MagicResponse = 0x52       // "R": second byte of a response header
	MagicTrailer  = 0x54       // "T": second byte of a response trailer
	MagicAbort    = 0x41       // "A": second byte of the beat that ends a response cut short by a soft reset
	DimStep       = 16         // dims is a multiple of this
	ScoreBits     = 40         // bits of a score accumulator
	ScoreFrac     = 24         // fraction bits of a score accumulator
	MaxInFlight   = 4          // commands dispatched and not yet answered
	MaxAttnRows   = 16777215   // attention rows in one SELECT
	MaxEchoBytes  = 1048576    // payload of one ECHO
	MaxLinkBytes  = 1073741824 // payload of one SOURCE or SINK
	MaxPoolHalf   = 7          // pooling window of at most twice this and one
	TierDropped   = 4          // stands in a tier map for a position not kept
)

// Latencies in enabled cycles; docs/engine.md, section 5, says what each counts.
const (
	LatCheck         = 2  // header complete to dispatch, at least
	LatQuantToken    = 12 // last beat of a per-token group taken to its first ring read
	LatQuantChannel  = 16 // last beat of a per-channel group taken to its first ring read, beside dims cycles
	LatQuantPipe     = 14 // ring read to the payload FIFO
	LatDequantPipe   = 12 // item issued to the payload FIFO
	LatDequantSlack  = 16 // free places of the payload FIFO below which DEQUANTIZE issues nothing
	LatPrefix        = 2  // idle cycles before the scales of a per-channel group are sent
	LatSelectRow     = 8  // cycles an attention row takes, at least
	LatSelectAcc     = 7  // attention beat, or last beat of a word of scores, taken to its saturations counted
	LatSelectSettle  = 11 // last attention beat taken to the first pass
	LatSelectPass    = 12 // cycles of a radix pass beside reading the scores
	LatSelectFirst   = 12 // cycles of a first pass that was counted while the last row came
	LatSelectEmit    = 8  // score word read to the payload FIFO
	LatSelectNorm    = 8  // settling of key norms beside that of attention rows
	LatSelectPool    = 24 // cycles of pooling beside one for each position
	LatSelectPoolSat = 16 // start of pooling to the saturation of position 0 counted
	LatSelectTier    = 12 // cycles of giving out a tier beside one for each word
	LatSelectScores  = 4  // end of the keep list to the first score given
	LatCompressRows  = 16 // end of emission to the first value beat taken
	LatCompressFlush = 20 // last ring read or last beat of a section to its end
	LatSource        = 2  // dispatch to the first beat of SOURCE
	LatSink          = 4  // last beat taken to the check result
	LatRotate        = 20 // last beat of a block come to its first rotated one, beside the beats of a block
)

// Opcodes.
const (
	OpEcho       = 1 // sends its payload back
	OpQuantize   = 2 // rows of fp16 in; scales, minima and packed codes out
	OpDequantize = 3 // what QUANTIZE gave in; rows of fp16 out
	OpSelect     = 4 // attention rows in; positions to keep out
	OpCompress   = 5 // attention rows, then value and key rows in; the kept rows out, each at the precision of its rank
	OpSource     = 6 // gives pseudo-random bytes
	OpSink       = 7 // checks pseudo-random bytes
)

// OpCodes names them.
var OpCodes = Codes{
	{1, "ECHO", "sends its payload back"},
	{2, "QUANTIZE", "rows of fp16 in; scales, minima and packed codes out"},
	{3, "DEQUANTIZE", "what QUANTIZE gave in; rows of fp16 out"},
	{4, "SELECT", "attention rows in; positions to keep out"},
	{5, "COMPRESS", "attention rows, then value and key rows in; the kept rows out, each at the precision of its rank"},
	{6, "SOURCE", "gives pseudo-random bytes"},
	{7, "SINK", "checks pseudo-random bytes"},
}

// Status codes of a response.
const (
	StOK          = 0 // the payload is the result
	StBadMagic    = 1 // the packet does not start with a request header
	StBadOpcode   = 2 // no such command
	StUnsupported = 3 // the command was left out of this build
	StBadOption   = 4 // an option has no meaning, or a reserved bit is set
	StBadGeometry = 5 // rows, dims, group or budget beyond what this build can do
	StTruncated   = 6 // TLAST before the payload was complete
	StOverlong    = 7 // no TLAST where the payload was complete
)

// StCodes names them.
var StCodes = Codes{
	{0, "OK", "the payload is the result"},
	{1, "BAD_MAGIC", "the packet does not start with a request header"},
	{2, "BAD_OPCODE", "no such command"},
	{3, "UNSUPPORTED", "the command was left out of this build"},
	{4, "BAD_OPTION", "an option has no meaning, or a reserved bit is set"},
	{5, "BAD_GEOMETRY", "rows, dims, group or budget beyond what this build can do"},
	{6, "TRUNCATED", "TLAST before the payload was complete"},
	{7, "OVERLONG", "no TLAST where the payload was complete"},
}

// Quantization schemes.
const (
	SchemeAsym   = 0 // scale and minimum; codes 0 to 2^b-1
	SchemeSym    = 1 // scale; codes -(2^(b-1)-1) to 2^(b-1)-1 in two's complement
	SchemeOffset = 2 // scale from the element of largest magnitude; codes 0 to 15 stand for -8 to 7 (block layout only)
)

// SchemeCodes names them.
var SchemeCodes = Codes{
	{0, "ASYM", "scale and minimum; codes 0 to 2^b-1"},
	{1, "SYM", "scale; codes -(2^(b-1)-1) to 2^(b-1)-1 in two's complement"},
	{2, "OFFSET", "scale from the element of largest magnitude; codes 0 to 15 stand for -8 to 7 (block layout only)"},
}

// Layouts of a quantized tile.
const (
	LayoutNative = 0 // scale, minimum, codes LSB first
	LayoutBlock  = 1 // ggml's blocks of 32
)

// LayoutCodes names them.
var LayoutCodes = Codes{
	{0, "NATIVE", "scale, minimum, codes LSB first"},
	{1, "BLOCK", "ggml's blocks of 32"},
}

// Formats of rows, scales and minima.
const (
	FormatFP16 = 0 // binary16
	FormatBF16 = 1 // bfloat16
)

// FormatCodes names them.
var FormatCodes = Codes{
	{0, "FP16", "binary16"},
	{1, "BF16", "bfloat16"},
}

// Blocks of the rotation.
const (
	RotateNone = 0 // no rotation
	Rotate32   = 1 // 32 elements
	Rotate64   = 2 // 64 elements
	Rotate128  = 3 // 128 elements
)

// RotateCodes names them.
var RotateCodes = Codes{
	{0, "NONE", "no rotation"},
	{1, "32", "32 elements"},
	{2, "64", "64 elements"},
	{3, "128", "128 elements"},
}

// Forms of a selection.
const (
	ResultList   = 0 // kept positions, 16 bits each
	ResultBitmap = 1 // a bit a position
	ResultTiers  = 2 // 4 bits a position
)

// ResultCodes names them.
var ResultCodes = Codes{
	{0, "LIST", "kept positions, 16 bits each"},
	{1, "BITMAP", "a bit a position"},
	{2, "TIERS", "4 bits a position"},
}

// Grouping axes.
const (
	AxisToken   = 0 // groups of dims of one row
	AxisChannel = 1 // groups of consecutive rows of one channel
)

// AxisCodes names them.
var AxisCodes = Codes{
	{0, "TOKEN", "groups of dims of one row"},
	{1, "CHANNEL", "groups of consecutive rows of one channel"},
}

// Group sizes.
const (
	Group16  = 0 // 16 elements
	Group32  = 1 // 32 elements
	Group64  = 2 // 64 elements
	Group128 = 3 // 128 elements
	GroupRow = 4 // the whole row (per token only)
)

// GroupCodes names them.
var GroupCodes = Codes{
	{0, "16", "16 elements"},
	{1, "32", "32 elements"},
	{2, "64", "64 elements"},
	{3, "128", "128 elements"},
	{4, "ROW", "the whole row (per token only)"},
}

// Bits of the FEATURES register.
const (
	FeatEcho       = 0  // ECHO
	FeatQuantize   = 1  // QUANTIZE
	FeatDequantize = 2  // DEQUANTIZE
	FeatSelect     = 3  // SELECT
	FeatCompress   = 4  // COMPRESS
	FeatLink       = 5  // SOURCE and SINK
	FeatPool       = 6  // pooling of scores
	FeatDecay      = 7  // decay of scores
	FeatKeyNorm    = 8  // key norms as scores
	FeatTiers      = 9  // tiers
	FeatRotate     = 10 // rotation before QUANTIZE and after DEQUANTIZE
	FeatBF16       = 11 // bfloat16 rows, scales and minima
)

// FeatCodes names them.
var FeatCodes = Codes{
	{0, "ECHO", "ECHO"},
	{1, "QUANTIZE", "QUANTIZE"},
	{2, "DEQUANTIZE", "DEQUANTIZE"},
	{3, "SELECT", "SELECT"},
	{4, "COMPRESS", "COMPRESS"},
	{5, "LINK", "SOURCE and SINK"},
	{6, "POOL", "pooling of scores"},
	{7, "DECAY", "decay of scores"},
	{8, "KEY_NORM", "key norms as scores"},
	{9, "TIERS", "tiers"},
	{10, "ROTATE", "rotation before QUANTIZE and after DEQUANTIZE"},
	{11, "BF16", "bfloat16 rows, scales and minima"},
}

// Bits of the trailer's flags field.
const (
	FlagNonFinite = 0 // an input was NaN or infinite, or an attention weight negative
	FlagSaturated = 1 // a rotated or restored value or a score was clamped to its range
)

// FlagCodes names them.
var FlagCodes = Codes{
	{0, "NON_FINITE", "an input was NaN or infinite, or an attention weight negative"},
	{1, "SATURATED", "a rotated or restored value or a score was clamped to its range"},
}

// Bits of the CTRL register.
const (
	CtrlSoftReset = 0 // drops all work in the engine
	CtrlClear     = 1 // zeroes counters, sticky errors and pending interrupts
)

// CtrlCodes names them.
var CtrlCodes = Codes{
	{0, "SOFT_RESET", "drops all work in the engine"},
	{1, "CLEAR", "zeroes counters, sticky errors and pending interrupts"},
}

// Bits of the STATUS register; in-flight is 4 bits from its position.
const (
	StatBusy      = 0 // a packet is being taken, worked on or given
	StatResetting = 1 // a soft reset is not yet complete
	StatInFlight  = 4 // commands dispatched and not yet answered
)

// StatCodes names them.
var StatCodes = Codes{
	{0, "BUSY", "a packet is being taken, worked on or given"},
	{1, "RESETTING", "a soft reset is not yet complete"},
	{4, "IN_FLIGHT", "commands dispatched and not yet answered"},
}

// Bits of IRQ_STATUS and IRQ_ENABLE.
const (
	IrqDone  = 0 // a response was given
	IrqError = 1 // a response carried a status other than OK
)

// IrqCodes names them.
var IrqCodes = Codes{
	{0, "DONE", "a response was given"},
	{1, "ERROR", "a response carried a status other than OK"},
}

// Fixed numbers of the byte links.
const (
	LinkVersion      = 1   // version of the frames and their rules
	LinkHeaderBytes  = 4   // bytes of a frame before its payload: type, A, B, N
	LinkCRCBytes     = 4   // bytes of the CRC-32 after the payload, little-endian
	LinkMaxPayload   = 224 // most payload bytes of a frame; a multiple of every beat
	LinkHelloBytes   = 12  // payload bytes of a device's HELLO
	LinkRequestBytes = 6   // payload bytes of READ and WRITE: address (16 bits), value (32 bits)
	LinkAnswerBytes  = 6   // payload bytes of ANSWER: value (32 bits), damaged frames, timeouts
	LinkMaxSlots     = 64  // largest window, in frames
	LinkRetries      = 15  // timeouts without a whole frame from the host, after which a device goes quiet
)

// Frame types: bits 3:0 of a frame's first byte.
const (
	FrameHello  = 1 // host: reset link and engine; device: done, and what it is
	FrameRead   = 2 // host: read a register
	FrameWrite  = 3 // host: write a register
	FrameAnswer = 4 // device: outcome of the register request with this id
	FrameData   = 5 // both: whole beats of the stream
	FrameAck    = 6 // both: next DATA expected, first DATA not to be sent yet
	FrameError  = 7 // device: a whole frame that it cannot follow
)

// Frame flags: positions in a frame's first byte.
const (
	FrameFlagLast = 4 // DATA: the last beat carries TLAST
	FrameFlagNak  = 4 // ACK: frames were lost, go back to A
	FrameFlagPoll = 5 // ACK: answer with an ACK
	FrameFlagResp = 4 // ANSWER: two bits, the AXI response (0 OKAY, 2 SLVERR, 3 DECERR)
)

// Board ids: what HELLO tells.
const (
	BoardNone          = 0 // not stated, or no board (a simulation)
	BoardULX3S85F      = 1 // ULX3S with an LFE5U-85F
	BoardOrangeCrab25F = 2 // OrangeCrab r0.2 with an LFE5U-25F
	BoardICEBreaker    = 3 // iCEBreaker, iCE40UP5K
	BoardArtix7XDMA    = 4 // Artix-7 behind XDMA
	BoardAWSF2         = 5 // AWS F2 instance
)

// Codes of an ERROR frame.
const (
	LinkErrNoHello = 1 // no HELLO since power-up; B is the first byte of the frame
	LinkErrVersion = 2 // HELLO of another version; B is the device's version
	LinkErrFrame   = 3 // unknown type or wrong length for it; B is the first byte of the frame
	LinkErrCredit  = 4 // DATA beyond the limit; B is its sequence number
	LinkErrBusy    = 5 // register request while another is under way; B is its id
)

// Register byte addresses.
const (
	RegMagic       = 0x000 // RO: reads Magic
	RegABI         = 0x004 // RO: ABI version
	RegSpecID      = 0x008 // RO: hash of the ABI part of this table
	RegBuildHash   = 0x00C // RO: what the builder gave as BuildHash
	RegFeatures    = 0x010 // RO: feature bits
	RegLanes       = 0x014 // RO: fp16 elements per beat
	RegMaxDim      = 0x018 // RO: largest dims
	RegTileTokens  = 0x01C // RO: most rows in a tile
	RegMaxTokens   = 0x020 // RO: most positions in a SELECT
	RegCtrl        = 0x040 // WO: control bits; each acts once
	RegStatus      = 0x044 // RO: state bits and commands in flight
	RegErrors      = 0x048 // W1C: bit s is set when a response carried status s
	RegIrqStatus   = 0x04C // W1C: pending interrupts
	RegIrqEnable   = 0x050 // RW: interrupts that drive irq_o
	RegScratch     = 0x054 // RW: for software
	RegCycles      = 0x080 // RO: clock cycles
	RegActive      = 0x084 // RO: cycles in which the engine was busy
	RegStallIn     = 0x088 // RO: cycles lost to absent input
	RegStallOut    = 0x08C // RO: cycles lost to refused output
	RegBeatsIn     = 0x090 // RO: beats taken on s_axis
	RegBeatsOut    = 0x094 // RO: beats given on m_axis
	RegPackets     = 0x098 // RO: packets given on m_axis
	RegTokens      = 0x09C // RO: rows quantized or restored
	RegGroups      = 0x0A0 // RO: groups quantized or restored
	RegSaturations = 0x0A4 // RO: rotated and restored values and scores clamped
	RegNonFinite   = 0x0A8 // RO: NaN, infinite and negative-weight inputs
)

// Registers lists the register map in address order.
var Registers = []Register{
	{"MAGIC", 0x000, "RO", "reads Magic"},
	{"ABI", 0x004, "RO", "ABI version"},
	{"SPEC_ID", 0x008, "RO", "hash of the ABI part of this table"},
	{"BUILD_HASH", 0x00C, "RO", "what the builder gave as BuildHash"},
	{"FEATURES", 0x010, "RO", "feature bits"},
	{"LANES", 0x014, "RO", "fp16 elements per beat"},
	{"MAX_DIM", 0x018, "RO", "largest dims"},
	{"TILE_TOKENS", 0x01C, "RO", "most rows in a tile"},
	{"MAX_TOKENS", 0x020, "RO", "most positions in a SELECT"},
	{"CTRL", 0x040, "WO", "control bits; each acts once"},
	{"STATUS", 0x044, "RO", "state bits and commands in flight"},
	{"ERRORS", 0x048, "W1C", "bit s is set when a response carried status s"},
	{"IRQ_STATUS", 0x04C, "W1C", "pending interrupts"},
	{"IRQ_ENABLE", 0x050, "RW", "interrupts that drive irq_o"},
	{"SCRATCH", 0x054, "RW", "for software"},
	{"CYCLES", 0x080, "RO", "clock cycles"},
	{"ACTIVE", 0x084, "RO", "cycles in which the engine was busy"},
	{"STALL_IN", 0x088, "RO", "cycles lost to absent input"},
	{"STALL_OUT", 0x08C, "RO", "cycles lost to refused output"},
	{"BEATS_IN", 0x090, "RO", "beats taken on s_axis"},
	{"BEATS_OUT", 0x094, "RO", "beats given on m_axis"},
	{"PACKETS", 0x098, "RO", "packets given on m_axis"},
	{"TOKENS", 0x09C, "RO", "rows quantized or restored"},
	{"GROUPS", 0x0A0, "RO", "groups quantized or restored"},
	{"SATURATIONS", 0x0A4, "RO", "rotated and restored values and scores clamped"},
	{"NON_FINITE", 0x0A8, "RO", "NaN, infinite and negative-weight inputs"},
}

// Request header: the first 32 bytes of every packet to the engine.
var (
	ReqOpcode     = Field{Word: 0, Low: 0, Width: 8}   // command
	ReqMagic      = Field{Word: 0, Low: 8, Width: 8}   // MagicRequest
	ReqTag        = Field{Word: 0, Low: 16, Width: 16} // comes back in the response
	ReqScheme     = Field{Word: 1, Low: 0, Width: 2}   // quantization scheme
	ReqAxis       = Field{Word: 1, Low: 2, Width: 1}   // grouping axis; of COMPRESS that of the keys
	ReqFormat     = Field{Word: 1, Low: 3, Width: 1}   // format of rows, scales and minima
	ReqGroup      = Field{Word: 1, Low: 4, Width: 3}   // group size code; of COMPRESS that of the keys
	ReqBits       = Field{Word: 1, Low: 8, Width: 4}   // bits of a code: 2, 3, 4, 5, 6 or 8; of COMPRESS those of per-channel keys
	ReqLayout     = Field{Word: 1, Low: 12, Width: 1}  // layout of the quantized tile
	ReqValueGroup = Field{Word: 1, Low: 13, Width: 3}  // group size code of the values
	ReqPoolHalf   = Field{Word: 1, Low: 16, Width: 3}  // scores are pooled over 2 PoolHalf + 1 positions
	ReqPoolMax    = Field{Word: 1, Low: 19, Width: 1}  // pooled by the maximum, not the sum
	ReqScoresIn   = Field{Word: 1, Low: 20, Width: 1}  // the payload starts with the scores so far
	ReqScoresOut  = Field{Word: 1, Low: 21, Width: 1}  // the result holds the scores
	ReqResult     = Field{Word: 1, Low: 22, Width: 2}  // form of the selection
	ReqProtTier   = Field{Word: 1, Low: 24, Width: 2}  // tier of the positions always kept
	ReqKeyNorm    = Field{Word: 1, Low: 26, Width: 1}  // key rows instead of attention rows; score: the lower the norm the higher
	ReqRotate     = Field{Word: 1, Low: 27, Width: 2}  // elements rotated together
	ReqRows       = Field{Word: 2, Low: 0, Width: 32}  // rows of the tile; attention rows; payload bytes of ECHO, SOURCE and SINK
	ReqDims       = Field{Word: 3, Low: 0, Width: 20}  // elements of a row; positions n of SELECT and COMPRESS
	ReqRowDims    = Field{Word: 3, Low: 20, Width: 12} // elements of a key or value row
	ReqSinks      = Field{Word: 4, Low: 0, Width: 16}  // first positions always kept
	ReqRecent     = Field{Word: 4, Low: 16, Width: 16} // last positions always kept
	ReqRank0      = Field{Word: 5, Low: 0, Width: 16}  // highest scores in tier 0
	ReqRank1      = Field{Word: 5, Low: 16, Width: 16} // highest scores in tiers 0 and 1
	ReqTopK       = Field{Word: 6, Low: 0, Width: 20}  // highest scores kept beside the protected
	ReqStepRows   = Field{Word: 6, Low: 20, Width: 12} // attention rows of a step; 0: no decay
	ReqLambda     = Field{Word: 7, Low: 0, Width: 16}  // decay of the scores before each step, in units of 2^-16
	ReqRank2      = Field{Word: 7, Low: 16, Width: 16} // highest scores in tiers 0, 1 and 2
	ReqSeed       = Field{Word: 7, Low: 0, Width: 31}  // 31 bits before the stream
)

// Response header: the first 32 bytes of every packet from the engine.
var (
	RespOpcode = Field{Word: 0, Low: 0, Width: 8}   // opcode of the request, whatever it was
	RespMagic  = Field{Word: 0, Low: 8, Width: 8}   // MagicResponse
	RespTag    = Field{Word: 0, Low: 16, Width: 16} // tag of the request
	RespStatus = Field{Word: 1, Low: 0, Width: 8}   // status known at dispatch; the trailer has the last word
)

// Response trailer: the last 32 bytes of every packet from the engine.
var (
	TrailOpcode   = Field{Word: 0, Low: 0, Width: 8}   // opcode of the request, whatever it was
	TrailMagic    = Field{Word: 0, Low: 8, Width: 8}   // MagicTrailer
	TrailTag      = Field{Word: 0, Low: 16, Width: 16} // tag of the request
	TrailStatus   = Field{Word: 1, Low: 0, Width: 8}   // status of the command
	TrailFlags    = Field{Word: 1, Low: 8, Width: 8}   // flag bits
	TrailBytesIn  = Field{Word: 2, Low: 0, Width: 32}  // payload bytes the command took, whole beats
	TrailBytesOut = Field{Word: 3, Low: 0, Width: 32}  // payload bytes given, without padding
	TrailCycles   = Field{Word: 4, Low: 0, Width: 32}  // enabled cycles from the first header beat taken to the last response beat given, both counted
	TrailStallIn  = Field{Word: 5, Low: 0, Width: 32}  // cycles lost to absent input meanwhile
	TrailStallOut = Field{Word: 6, Low: 0, Width: 32}  // cycles lost to refused output meanwhile
)
