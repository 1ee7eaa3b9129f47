package spec

// ABIVersion counts incompatible changes of the packets and registers.
const ABIVersion = 2

// Limits are the fixed numbers of the engine.
var Limits = Enum{Doc: "Fixed numbers of every engine build.", ABI: true, Values: []Const{
	{Name: "Magic", Value: 0x4B564143, Hex: true, Doc: `"KVAC": what the MAGIC register reads`},
	{Name: "ABIVersion", Value: ABIVersion, Doc: "version of the packets and registers"},
	{Name: "HeaderBytes", Value: 32, Doc: "bytes of a request header, a response header and a response trailer"},
	{Name: "MagicRequest", Value: 0x4B, Hex: true, Doc: `"K": second byte of a request header`},
	{Name: "MagicResponse", Value: 0x52, Hex: true, Doc: `"R": second byte of a response header`},
	{Name: "MagicTrailer", Value: 0x54, Hex: true, Doc: `"T": second byte of a response trailer`},
	{Name: "MagicAbort", Value: 0x41, Hex: true, Doc: `"A": second byte of the beat that ends a response cut short by a soft reset`},
	{Name: "DimStep", Value: 16, Doc: "dims is a multiple of this"},
	{Name: "ScoreBits", Value: 40, Doc: "bits of a score accumulator"},
	{Name: "ScoreFrac", Value: 24, Doc: "fraction bits of a score accumulator"},
	{Name: "MaxInFlight", Value: 4, Doc: "commands dispatched and not yet answered"},
	{Name: "MaxAttnRows", Value: 1<<24 - 1, Doc: "attention rows in one SELECT"},
	{Name: "MaxEchoBytes", Value: 1 << 20, Doc: "payload of one ECHO"},
	{Name: "MaxLinkBytes", Value: 1 << 30, Doc: "payload of one SOURCE or SINK"},
	{Name: "MaxPoolHalf", Value: 7, Doc: "pooling window of at most twice this and one"},
	{Name: "TierDropped", Value: 4, Doc: "stands in a tier map for a position not kept"},
}}

// Timing holds every latency that shows outside a module, in enabled cycles.
// docs/engine.md says what each one counts.
var Timing = Enum{Prefix: "Lat", Doc: "Latencies in enabled cycles; docs/engine.md, section 5, says what each counts.", Values: []Const{
	{Name: "Check", Value: 2, Doc: "header complete to dispatch, at least"},
	{Name: "QuantToken", Value: 12, Doc: "last beat of a per-token group taken to its first ring read"},
	{Name: "QuantChannel", Value: 16, Doc: "last beat of a per-channel group taken to its first ring read, beside dims cycles"},
	{Name: "QuantPipe", Value: 14, Doc: "ring read to the payload FIFO"},
	{Name: "DequantPipe", Value: 12, Doc: "item issued to the payload FIFO"},
	{Name: "DequantSlack", Value: 16, Doc: "free places of the payload FIFO below which DEQUANTIZE issues nothing"},
	{Name: "Prefix", Value: 2, Doc: "idle cycles before the scales of a per-channel group are sent"},
	{Name: "SelectRow", Value: 8, Doc: "cycles an attention row takes, at least"},
	{Name: "SelectAcc", Value: 7, Doc: "attention beat, or last beat of a word of scores, taken to its saturations counted"},
	{Name: "SelectSettle", Value: 11, Doc: "last attention beat taken to the first pass"},
	{Name: "SelectPass", Value: 12, Doc: "cycles of a radix pass beside reading the scores"},
	{Name: "SelectEmit", Value: 8, Doc: "score word read to the payload FIFO"},
	{Name: "SelectNorm", Value: 8, Doc: "settling of key norms beside that of attention rows"},
	{Name: "SelectPool", Value: 24, Doc: "cycles of pooling beside one for each position"},
	{Name: "SelectPoolSat", Value: 16, Doc: "start of pooling to the saturation of position 0 counted"},
	{Name: "SelectTier", Value: 12, Doc: "cycles of giving out a tier beside one for each word"},
	{Name: "SelectScores", Value: 4, Doc: "end of the keep list to the first score given"},
	{Name: "CompressRows", Value: 16, Doc: "end of emission to the first value beat taken"},
	{Name: "CompressFlush", Value: 20, Doc: "last ring read or last beat of a section to its end"},
	{Name: "Source", Value: 2, Doc: "dispatch to the first beat of SOURCE"},
	{Name: "Sink", Value: 4, Doc: "last beat taken to the check result"},
}}

// Enums are the code families.
var Enums = []Enum{
	{Prefix: "Op", Doc: "Opcodes.", ABI: true, Values: []Const{
		{Name: "Echo", Value: 1, Doc: "sends its payload back"},
		{Name: "Quantize", Value: 2, Doc: "rows of fp16 in; scales, minima and packed codes out"},
		{Name: "Dequantize", Value: 3, Doc: "what QUANTIZE gave in; rows of fp16 out"},
		{Name: "Select", Value: 4, Doc: "attention rows in; positions to keep out"},
		{Name: "Compress", Value: 5, Doc: "attention rows, then value and key rows in; the kept rows out, each at the precision of its rank"},
		{Name: "Source", Value: 6, Doc: "gives pseudo-random bytes"},
		{Name: "Sink", Value: 7, Doc: "checks pseudo-random bytes"},
	}},
	{Prefix: "St", Doc: "Status codes of a response.", ABI: true, Values: []Const{
		{Name: "OK", Value: 0, Doc: "the payload is the result"},
		{Name: "BadMagic", Value: 1, Doc: "the packet does not start with a request header"},
		{Name: "BadOpcode", Value: 2, Doc: "no such command"},
		{Name: "Unsupported", Value: 3, Doc: "the command was left out of this build"},
		{Name: "BadOption", Value: 4, Doc: "an option has no meaning, or a reserved bit is set"},
		{Name: "BadGeometry", Value: 5, Doc: "rows, dims, group or budget beyond what this build can do"},
		{Name: "Truncated", Value: 6, Doc: "TLAST before the payload was complete"},
		{Name: "Overlong", Value: 7, Doc: "no TLAST where the payload was complete"},
	}},
	{Prefix: "Scheme", Doc: "Quantization schemes.", ABI: true, Values: []Const{
		{Name: "Asym", Value: 0, Doc: "scale and minimum; codes 0 to 2^b-1"},
		{Name: "Sym", Value: 1, Doc: "scale; codes -(2^(b-1)-1) to 2^(b-1)-1 in two's complement"},
		{Name: "Offset", Value: 2, Doc: "scale from the element of largest magnitude; codes 0 to 15 stand for -8 to 7 (block layout only)"},
	}},
	{Prefix: "Layout", Doc: "Layouts of a quantized tile.", ABI: true, Values: []Const{
		{Name: "Native", Value: 0, Doc: "scale, minimum, codes LSB first"},
		{Name: "Block", Value: 1, Doc: "ggml's blocks of 32"},
	}},
	{Prefix: "Result", Doc: "Forms of a selection.", ABI: true, Values: []Const{
		{Name: "List", Value: 0, Doc: "kept positions, 16 bits each"},
		{Name: "Bitmap", Value: 1, Doc: "a bit a position"},
		{Name: "Tiers", Value: 2, Doc: "4 bits a position"},
	}},
	{Prefix: "Axis", Doc: "Grouping axes.", ABI: true, Values: []Const{
		{Name: "Token", Value: 0, Doc: "groups of dims of one row"},
		{Name: "Channel", Value: 1, Doc: "groups of consecutive rows of one channel"},
	}},
	{Prefix: "Group", Doc: "Group sizes.", ABI: true, Values: []Const{
		{Name: "16", Value: 0, Doc: "16 elements"},
		{Name: "32", Value: 1, Doc: "32 elements"},
		{Name: "64", Value: 2, Doc: "64 elements"},
		{Name: "128", Value: 3, Doc: "128 elements"},
		{Name: "Row", Value: 4, Doc: "the whole row (per token only)"},
	}},
	{Prefix: "Feat", Doc: "Bits of the FEATURES register.", ABI: true, Values: []Const{
		{Name: "Echo", Value: 0, Doc: "ECHO"},
		{Name: "Quantize", Value: 1, Doc: "QUANTIZE"},
		{Name: "Dequantize", Value: 2, Doc: "DEQUANTIZE"},
		{Name: "Select", Value: 3, Doc: "SELECT"},
		{Name: "Compress", Value: 4, Doc: "COMPRESS"},
		{Name: "Link", Value: 5, Doc: "SOURCE and SINK"},
		{Name: "Pool", Value: 6, Doc: "pooling of scores"},
		{Name: "Decay", Value: 7, Doc: "decay of scores"},
		{Name: "KeyNorm", Value: 8, Doc: "key norms as scores"},
		{Name: "Tiers", Value: 9, Doc: "tiers"},
	}},
	{Prefix: "Flag", Doc: "Bits of the trailer's flags field.", ABI: true, Values: []Const{
		{Name: "NonFinite", Value: 0, Doc: "an input was NaN or infinite, or an attention weight negative"},
		{Name: "Saturated", Value: 1, Doc: "a restored value or a score was clamped to its range"},
	}},
	{Prefix: "Ctrl", Doc: "Bits of the CTRL register.", ABI: true, Values: []Const{
		{Name: "SoftReset", Value: 0, Doc: "drops all work in the engine"},
		{Name: "Clear", Value: 1, Doc: "zeroes counters, sticky errors and pending interrupts"},
	}},
	{Prefix: "Stat", Doc: "Bits of the STATUS register; in-flight is 4 bits from its position.", ABI: true, Values: []Const{
		{Name: "Busy", Value: 0, Doc: "a packet is being taken, worked on or given"},
		{Name: "Resetting", Value: 1, Doc: "a soft reset is not yet complete"},
		{Name: "InFlight", Value: 4, Doc: "commands dispatched and not yet answered"},
	}},
	{Prefix: "Irq", Doc: "Bits of IRQ_STATUS and IRQ_ENABLE.", ABI: true, Values: []Const{
		{Name: "Done", Value: 0, Doc: "a response was given"},
		{Name: "Error", Value: 1, Doc: "a response carried a status other than OK"},
	}},
}

// Links are the constants of the byte links; docs/link.md says how they are
// used. They are no part of what SPEC_ID hashes: a link has its own version.
var Links = []Enum{
	{Prefix: "Link", Doc: "Fixed numbers of the byte links.", Values: []Const{
		{Name: "Version", Value: 1, Doc: "version of the frames and their rules"},
		{Name: "HeaderBytes", Value: 4, Doc: "bytes of a frame before its payload: type, A, B, N"},
		{Name: "CRCBytes", Value: 4, Doc: "bytes of the CRC-32 after the payload, little-endian"},
		{Name: "MaxPayload", Value: 224, Doc: "most payload bytes of a frame; a multiple of every beat"},
		{Name: "HelloBytes", Value: 12, Doc: "payload bytes of a device's HELLO"},
		{Name: "RequestBytes", Value: 6, Doc: "payload bytes of READ and WRITE: address (16 bits), value (32 bits)"},
		{Name: "AnswerBytes", Value: 6, Doc: "payload bytes of ANSWER: value (32 bits), damaged frames, timeouts"},
		{Name: "MaxSlots", Value: 64, Doc: "largest window, in frames"},
		{Name: "Retries", Value: 15, Doc: "timeouts without a whole frame from the host, after which a device goes quiet"},
	}},
	{Prefix: "Frame", Doc: "Frame types: bits 3:0 of a frame's first byte.", Values: []Const{
		{Name: "Hello", Value: 1, Doc: "host: reset link and engine; device: done, and what it is"},
		{Name: "Read", Value: 2, Doc: "host: read a register"},
		{Name: "Write", Value: 3, Doc: "host: write a register"},
		{Name: "Answer", Value: 4, Doc: "device: outcome of the register request with this id"},
		{Name: "Data", Value: 5, Doc: "both: whole beats of the stream"},
		{Name: "Ack", Value: 6, Doc: "both: next DATA expected, first DATA not to be sent yet"},
		{Name: "Error", Value: 7, Doc: "device: a whole frame that it cannot follow"},
	}},
	{Prefix: "FrameFlag", Doc: "Frame flags: positions in a frame's first byte.", Values: []Const{
		{Name: "Last", Value: 4, Doc: "DATA: the last beat carries TLAST"},
		{Name: "Nak", Value: 4, Doc: "ACK: frames were lost, go back to A"},
		{Name: "Poll", Value: 5, Doc: "ACK: answer with an ACK"},
		{Name: "Resp", Value: 4, Doc: "ANSWER: two bits, the AXI response (0 OKAY, 2 SLVERR, 3 DECERR)"},
	}},
	{Prefix: "LinkErr", Doc: "Codes of an ERROR frame.", Values: []Const{
		{Name: "NoHello", Value: 1, Doc: "no HELLO since power-up; B is the first byte of the frame"},
		{Name: "Version", Value: 2, Doc: "HELLO of another version; B is the device's version"},
		{Name: "Frame", Value: 3, Doc: "unknown type or wrong length for it; B is the first byte of the frame"},
		{Name: "Credit", Value: 4, Doc: "DATA beyond the limit; B is its sequence number"},
		{Name: "Busy", Value: 5, Doc: "register request while another is under way; B is its id"},
	}},
}

// Registers is the register map.
var Registers = []Register{
	{"Magic", 0x000, RO, "reads Magic"},
	{"ABI", 0x004, RO, "ABI version"},
	{"SpecID", 0x008, RO, "hash of the ABI part of this table"},
	{"BuildHash", 0x00C, RO, "what the builder gave as BuildHash"},
	{"Features", 0x010, RO, "feature bits"},
	{"Lanes", 0x014, RO, "fp16 elements per beat"},
	{"MaxDim", 0x018, RO, "largest dims"},
	{"TileTokens", 0x01C, RO, "most rows in a tile"},
	{"MaxTokens", 0x020, RO, "most positions in a SELECT"},
	{"Ctrl", 0x040, WO, "control bits; each acts once"},
	{"Status", 0x044, RO, "state bits and commands in flight"},
	{"Errors", 0x048, W1C, "bit s is set when a response carried status s"},
	{"IrqStatus", 0x04C, W1C, "pending interrupts"},
	{"IrqEnable", 0x050, RW, "interrupts that drive irq_o"},
	{"Scratch", 0x054, RW, "for software"},
	{"Cycles", 0x080, RO, "clock cycles"},
	{"Active", 0x084, RO, "cycles in which the engine was busy"},
	{"StallIn", 0x088, RO, "cycles lost to absent input"},
	{"StallOut", 0x08C, RO, "cycles lost to refused output"},
	{"BeatsIn", 0x090, RO, "beats taken on s_axis"},
	{"BeatsOut", 0x094, RO, "beats given on m_axis"},
	{"Packets", 0x098, RO, "packets given on m_axis"},
	{"Tokens", 0x09C, RO, "rows quantized or restored"},
	{"Groups", 0x0A0, RO, "groups quantized or restored"},
	{"Saturations", 0x0A4, RO, "restored values and scores clamped"},
	{"NonFinite", 0x0A8, RO, "NaN, infinite and negative-weight inputs"},
}

// Headers are the three 32-byte framings: word w is bytes 4w to 4w+3, little-endian.
var Headers = []Header{
	{Name: "Req", Doc: "Request header: the first 32 bytes of every packet to the engine.", Fields: []Field{
		{Name: "Opcode", Word: 0, Low: 0, Width: 8, Doc: "command"},
		{Name: "Magic", Word: 0, Low: 8, Width: 8, Doc: "MagicRequest"},
		{Name: "Tag", Word: 0, Low: 16, Width: 16, Doc: "comes back in the response"},
		{Name: "Scheme", Word: 1, Low: 0, Width: 2, Doc: "quantization scheme", Commands: "QUANTIZE, DEQUANTIZE, COMPRESS"},
		{Name: "Axis", Word: 1, Low: 2, Width: 1, Doc: "grouping axis; of COMPRESS that of the keys", Commands: "QUANTIZE, DEQUANTIZE, COMPRESS"},
		{Name: "Group", Word: 1, Low: 4, Width: 3, Doc: "group size code; of COMPRESS that of the keys", Commands: "QUANTIZE, DEQUANTIZE, COMPRESS"},
		{Name: "Bits", Word: 1, Low: 8, Width: 4, Doc: "bits of a code: 2, 3, 4, 5, 6 or 8; of COMPRESS those of per-channel keys", Commands: "QUANTIZE, DEQUANTIZE, COMPRESS"},
		{Name: "Layout", Word: 1, Low: 12, Width: 1, Doc: "layout of the quantized tile", Commands: "QUANTIZE, DEQUANTIZE"},
		{Name: "ValueGroup", Word: 1, Low: 13, Width: 3, Doc: "group size code of the values", Commands: "COMPRESS"},
		{Name: "PoolHalf", Word: 1, Low: 16, Width: 3, Doc: "scores are pooled over 2 PoolHalf + 1 positions", Commands: "SELECT, COMPRESS"},
		{Name: "PoolMax", Word: 1, Low: 19, Width: 1, Doc: "pooled by the maximum, not the sum", Commands: "SELECT, COMPRESS"},
		{Name: "ScoresIn", Word: 1, Low: 20, Width: 1, Doc: "the payload starts with the scores so far", Commands: "SELECT, COMPRESS"},
		{Name: "ScoresOut", Word: 1, Low: 21, Width: 1, Doc: "the result holds the scores", Commands: "SELECT, COMPRESS"},
		{Name: "Result", Word: 1, Low: 22, Width: 2, Doc: "form of the selection", Commands: "SELECT"},
		{Name: "ProtTier", Word: 1, Low: 24, Width: 2, Doc: "tier of the positions always kept", Commands: "SELECT, COMPRESS"},
		{Name: "KeyNorm", Word: 1, Low: 26, Width: 1, Doc: "key rows instead of attention rows; score: the lower the norm the higher", Commands: "SELECT, COMPRESS"},
		{Name: "Rows", Word: 2, Low: 0, Width: 32, Doc: "rows of the tile; attention rows; payload bytes of ECHO, SOURCE and SINK"},
		{Name: "Dims", Word: 3, Low: 0, Width: 20, Doc: "elements of a row; positions n of SELECT and COMPRESS", Commands: "QUANTIZE, DEQUANTIZE, SELECT, COMPRESS"},
		{Name: "RowDims", Word: 3, Low: 20, Width: 12, Doc: "elements of a key or value row", Commands: "SELECT, COMPRESS"},
		{Name: "Sinks", Word: 4, Low: 0, Width: 16, Doc: "first positions always kept", Commands: "SELECT, COMPRESS"},
		{Name: "Recent", Word: 4, Low: 16, Width: 16, Doc: "last positions always kept", Commands: "SELECT, COMPRESS"},
		{Name: "Rank0", Word: 5, Low: 0, Width: 16, Doc: "highest scores in tier 0", Commands: "SELECT, COMPRESS"},
		{Name: "Rank1", Word: 5, Low: 16, Width: 16, Doc: "highest scores in tiers 0 and 1", Commands: "SELECT, COMPRESS"},
		{Name: "TopK", Word: 6, Low: 0, Width: 20, Doc: "highest scores kept beside the protected", Commands: "SELECT, COMPRESS"},
		{Name: "StepRows", Word: 6, Low: 20, Width: 12, Doc: "attention rows of a step; 0: no decay", Commands: "SELECT, COMPRESS"},
		{Name: "Lambda", Word: 7, Low: 0, Width: 16, Doc: "decay of the scores before each step, in units of 2^-16", Commands: "SELECT, COMPRESS"},
		{Name: "Rank2", Word: 7, Low: 16, Width: 16, Doc: "highest scores in tiers 0, 1 and 2", Commands: "SELECT, COMPRESS"},
		{Name: "Seed", Word: 7, Low: 0, Width: 31, Doc: "31 bits before the stream", Commands: "SOURCE, SINK"},
	}},
	{Name: "Resp", Doc: "Response header: the first 32 bytes of every packet from the engine.", Fields: []Field{
		{Name: "Opcode", Word: 0, Low: 0, Width: 8, Doc: "opcode of the request, whatever it was"},
		{Name: "Magic", Word: 0, Low: 8, Width: 8, Doc: "MagicResponse"},
		{Name: "Tag", Word: 0, Low: 16, Width: 16, Doc: "tag of the request"},
		{Name: "Status", Word: 1, Low: 0, Width: 8, Doc: "status known at dispatch; the trailer has the last word"},
	}},
	{Name: "Trail", Doc: "Response trailer: the last 32 bytes of every packet from the engine.", Fields: []Field{
		{Name: "Opcode", Word: 0, Low: 0, Width: 8, Doc: "opcode of the request, whatever it was"},
		{Name: "Magic", Word: 0, Low: 8, Width: 8, Doc: "MagicTrailer"},
		{Name: "Tag", Word: 0, Low: 16, Width: 16, Doc: "tag of the request"},
		{Name: "Status", Word: 1, Low: 0, Width: 8, Doc: "status of the command"},
		{Name: "Flags", Word: 1, Low: 8, Width: 8, Doc: "flag bits"},
		{Name: "BytesIn", Word: 2, Low: 0, Width: 32, Doc: "payload bytes the command took, whole beats"},
		{Name: "BytesOut", Word: 3, Low: 0, Width: 32, Doc: "payload bytes given, without padding"},
		{Name: "Cycles", Word: 4, Low: 0, Width: 32, Doc: "enabled cycles from the first header beat taken to the last response beat given, both counted"},
		{Name: "StallIn", Word: 5, Low: 0, Width: 32, Doc: "cycles lost to absent input meanwhile"},
		{Name: "StallOut", Word: 6, Low: 0, Width: 32, Doc: "cycles lost to refused output meanwhile"},
	}},
}
