// Package packet builds request packets and reads response packets.
//
// A request is a 32-byte header and a payload padded with zeros to whole beats;
// a response is a header, a payload padded likewise and a trailer that has the
// last word on status, byte counts and cycles. docs/engine.md, section 3, gives
// the payload of each command.
package packet

import (
	"errors"
	"fmt"

	"github.com/kvaccel/kvaccel/driver/regmap"
)

// Layout of a quantized tile: how its values are grouped and coded.
type Layout struct {
	Scheme uint32 // regmap.SchemeAsym, SchemeSym or SchemeOffset
	Axis   uint32 // regmap.AxisToken or AxisChannel
	Group  int    // elements of a group: 16, 32, 64 or 128; 0 is the whole row (per token only)
	Bits   int    // bits of a code: 2, 3, 4, 5, 6 or 8
	Block  bool   // ggml's blocks of 32: q8_0 (sym, 8 bits), q4_1 (asym, 4 bits), q4_0 (offset, 4 bits)
	Format uint32 // of rows, scales and minima: regmap.FormatFP16 or FormatBF16
	Rotate int    // elements of a row rotated together: 32, 64 or 128; 0 is no rotation (QUANTIZE, DEQUANTIZE)
}

// QuantizedBytes is the payload size of a tile of rows x dims in layout l,
// without padding: what QUANTIZE gives and DEQUANTIZE takes. It holds for the
// shapes the engine accepts.
func (l Layout) QuantizedBytes(rows, dims int) int {
	g := l.Group
	if g == 0 {
		g = dims
	}
	stats := 2
	if l.Scheme == regmap.SchemeAsym {
		stats = 4
	}
	n := rows * dims
	return n/g*stats + n*l.Bits/8
}

// Response is a decoded response packet. Payload aliases the packet.
type Response struct {
	Opcode    uint32
	Tag       uint16
	Status    Status
	NonFinite bool // an input was NaN or infinite, or an attention weight negative
	Saturated bool // a rotated or restored value or a score was clamped
	BytesIn   int  // payload bytes taken, whole beats
	Cycles    uint32
	StallIn   uint32
	StallOut  uint32
	Payload   []byte
}

// ErrResponse says that a response packet is malformed.
var ErrResponse = errors.New("malformed response packet")

// ParseResponse decodes a response packet from an engine with parameters p.
// A command that failed is no error here: see Response.Err.
func ParseResponse(b []byte, p regmap.Params) (Response, error) {
	var r Response
	if len(b) < 2*regmap.HeaderBytes || len(b)%p.BeatBytes() != 0 {
		return r, fmt.Errorf("%w: %d bytes, want a header, whole beats of %d bytes and a trailer", ErrResponse, len(b), p.BeatBytes())
	}
	head, body, trail := b[:regmap.HeaderBytes], b[regmap.HeaderBytes:len(b)-regmap.HeaderBytes], b[len(b)-regmap.HeaderBytes:]
	if m := regmap.RespMagic.Get(head); m != regmap.MagicResponse {
		return r, fmt.Errorf("%w: header magic %#x, want %#x", ErrResponse, m, regmap.MagicResponse)
	}
	if m := regmap.TrailMagic.Get(trail); m != regmap.MagicTrailer {
		return r, fmt.Errorf("%w: trailer magic %#x, want %#x", ErrResponse, m, regmap.MagicTrailer)
	}
	r = Response{
		Opcode:    regmap.TrailOpcode.Get(trail),
		Tag:       uint16(regmap.TrailTag.Get(trail)),
		Status:    Status(regmap.TrailStatus.Get(trail)),
		NonFinite: regmap.TrailFlags.Get(trail)>>regmap.FlagNonFinite&1 != 0,
		Saturated: regmap.TrailFlags.Get(trail)>>regmap.FlagSaturated&1 != 0,
		BytesIn:   int(regmap.TrailBytesIn.Get(trail)),
		Cycles:    regmap.TrailCycles.Get(trail),
		StallIn:   regmap.TrailStallIn.Get(trail),
		StallOut:  regmap.TrailStallOut.Get(trail),
	}
	if tag, op := uint16(regmap.RespTag.Get(head)), regmap.RespOpcode.Get(head); tag != r.Tag || op != r.Opcode {
		return r, fmt.Errorf("%w: header is of opcode %d tag %d, trailer of opcode %d tag %d", ErrResponse, op, tag, r.Opcode, r.Tag)
	}
	n := int(regmap.TrailBytesOut.Get(trail))
	if n > len(body) || len(body)-n >= p.BeatBytes() {
		return r, fmt.Errorf("%w: trailer counts %d payload bytes, the packet has %d with padding", ErrResponse, n, len(body))
	}
	r.Payload = body[:n]
	return r, nil
}

// Status is the outcome of a command.
type Status uint32

// CommandError is a command that the engine refused or could not complete.
// Test for a cause with errors.Is(err, packet.Status(regmap.StBadGeometry)).
type CommandError struct {
	Opcode uint32
	Tag    uint16
	Status Status
}

func (e *CommandError) Error() string {
	return fmt.Sprintf("engine refused %s (tag %d): %v", OpcodeName(e.Opcode), e.Tag, e.Status)
}

// Unwrap gives the status, which is an error itself.
func (e *CommandError) Unwrap() error { return e.Status }

func (s Status) Error() string {
	if c, ok := regmap.StCodes.Find(uint32(s)); ok {
		return c.Doc
	}
	return fmt.Sprintf("unknown status %d", uint32(s))
}

// Err is nil for a command that succeeded and a *CommandError otherwise.
func (r Response) Err() error {
	if r.Status == regmap.StOK {
		return nil
	}
	return &CommandError{r.Opcode, r.Tag, r.Status}
}

// OpcodeName names a command for people.
func OpcodeName(op uint32) string {
	if c, ok := regmap.OpCodes.Find(op); ok {
		return c.Name
	}
	return fmt.Sprintf("opcode %d", op)
}
