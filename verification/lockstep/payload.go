package lockstep

import (
	"encoding/binary"
	"math"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// values gives binary16 numbers of one distribution.
type values func() uint16

// distribution draws one. What they have in common is that each provokes
// something: specials, ties, equal scores, saturation, subnormals.
func (r random) distribution() values {
	switch r.IntN(10) {
	case 0: // all bit patterns
		return func() uint16 { return uint16(r.Uint32()) }
	case 9: // one magnitude of both signs, and small ones: sums that cancel
		v, most := uint16(r.IntN(0x7C00)), 1+r.IntN(64)
		return func() uint16 {
			if r.IntN(8) == 0 {
				return uint16(r.IntN(most))
			}
			return v | uint16(r.Uint32())&0x8000
		}
	case 1: // a normal distribution of some scale
		scale := math.Ldexp(1, r.IntN(36)-20)
		return func() uint16 { return fp16.FromFloat64(r.NormFloat64() * scale) }
	case 2: // one value, rarely another: constant groups, scale 0
		v, w := uint16(r.Uint32()), uint16(r.Uint32())
		odd := pickOne(r, 1<<30, 40, 400)
		return func() uint16 {
			if r.IntN(odd) == 0 {
				return w
			}
			return v
		}
	case 3: // attention-like: most near nothing, some large
		return func() uint16 { return fp16.FromFloat64(math.Exp(-12 * r.Float64() * r.Float64() * 1.5)) }
	case 4: // few different weights: equal scores
		n := 1 + r.IntN(5)
		return func() uint16 { return fp16.FromFloat64(float64(r.IntN(n)) / 64) }
	case 5: // the ends of the range: saturation
		ends := []uint16{0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7BFE, 0x7800, 0xF800, 0x7E00, 0, 0x8000, 0x3C00}
		n := pickOne(r, 2, 4, len(ends))
		return func() uint16 { return ends[r.IntN(n)] }
	case 6: // subnormals and zeros
		return func() uint16 { return uint16(r.Uint32())&0x8000 | uint16(r.upTo(0x800)-1) }
	case 7: // multiples of half a step: ties
		step := math.Ldexp(1, r.IntN(20)-10)
		n := pickOne(r, 7, 15, 31, 63, 255, 511)
		off := float64(r.IntN(2*n)) - float64(n)
		return func() uint16 { return fp16.FromFloat64((float64(r.IntN(2*n+1)) + off) / 2 * step) }
	default: // large positive weights
		return func() uint16 { return 0x7BFF - uint16(r.IntN(64)) }
	}
}

// floats fills b with numbers, changing the distribution now and then.
func (r random) floats(b []byte, draw func() values) {
	v := draw()
	for i := 0; i+1 < len(b); i += 2 {
		if i%512 == 0 && r.IntN(8) == 0 {
			v = draw()
		}
		binary.LittleEndian.PutUint16(b[i:], v())
	}
}

// bytes fills b with random bits.
func (r random) bytes(b []byte) {
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, r.Uint64())
		b = b[8:]
	}
	for i := range b {
		b[i] = byte(r.Uint32())
	}
}

// payload is the payload of a legal request, padded to whole beats with bits that
// the engine must ignore.
func (r random) payload(q packet.Request, p regmap.Params) []byte {
	n := payloadBytes(q, p)
	b := make([]byte, ceil(n, p.BeatBytes())*p.BeatBytes())
	switch {
	case q.Opcode == regmap.OpEcho || r.chance(1, 12):
		r.bytes(b)
	case q.Opcode == regmap.OpDequantize:
		r.quantized(b, q)
	case q.Opcode == regmap.OpSink:
		r.stream(b, q.Seed)
	case isBF16(q): // a COMPRESS has attention rows before
		rows := n
		if q.Opcode == regmap.OpCompress {
			rows = 4 * q.Dims * q.RowDims
		}
		r.weights(b[:n-rows], q, p)
		r.floats(b[n-rows:], r.wideDistribution)
	default:
		r.weights(b, q, p)
	}
	return b
}

// weights fills b with scores so far, if the request has them, and binary16 numbers.
func (r random) weights(b []byte, q packet.Request, p regmap.Params) {
	if q.ScoresIn {
		scores := 8 * ceil(q.Dims, p.Lanes) * p.Lanes
		r.scores(b[:scores])
		b = b[scores:]
	}
	r.floats(b, r.distribution)
	if r.chance(1, 10) {
		r.lonely(b)
	}
}

// lonely leaves few special values, each alone among tame ones: what is noted of one
// group must reach the trailer by itself.
func (r random) lonely(b []byte) {
	special := []uint16{0x7C00, 0xFE00, 0x7BFF, 0xFBFF, 0x8000, 1}
	for i := 0; i+1 < len(b); i += 2 {
		binary.LittleEndian.PutUint16(b[i:], fp16.FromFloat64(r.Float64()))
	}
	for range 1 + r.IntN(2) {
		if len(b) >= 2 {
			binary.LittleEndian.PutUint16(b[r.IntN(len(b)/2)*2:], special[r.IntN(len(special))])
		}
	}
}

// quantized fills b with codes and with scales and minima of some distribution.
func (r random) quantized(b []byte, q packet.Request) {
	switch r.IntN(4) {
	case 0: // all codes at one end
		fill := byte(-r.IntN(2))
		for i := range b {
			b[i] = fill
		}
	default:
		r.bytes(b)
	}
	stats := 2
	if q.Scheme == regmap.SchemeAsym {
		stats = 4
	}
	v := r.distribution()
	if isBF16(q) {
		v = r.wideDistribution()
	}
	put := func(at, n int) {
		for i := at; i < at+n; i += 2 {
			binary.LittleEndian.PutUint16(b[i:], v())
		}
	}
	if q.Axis == regmap.AxisChannel {
		codes := q.Group * q.Dims * q.Bits / 8
		for at := 0; at < len(b); at += stats*q.Dims + codes {
			put(at, stats*q.Dims)
		}
		return
	}
	g := q.Group
	if g == 0 {
		g = q.Dims
	}
	size := stats + g*q.Bits/8
	for at := 0; at+size <= len(b); at += size {
		put(at, stats)
	}
}

// payloadBytes is the size of a legal request's payload, without padding at its
// end.
func payloadBytes(q packet.Request, p regmap.Params) int {
	switch q.Opcode {
	case regmap.OpEcho, regmap.OpSink:
		return q.Rows
	case regmap.OpSource:
		return 0
	case regmap.OpQuantize:
		return 2 * q.Rows * q.Dims
	case regmap.OpDequantize:
		return q.QuantizedBytes(q.Rows, q.Dims)
	}
	words := ceil(q.Dims, p.Lanes)
	n := q.Rows * words * p.BeatBytes()
	if q.ScoresIn {
		n += 4 * words * p.BeatBytes()
	}
	if q.KeyNorm {
		n = 2 * q.Dims * q.RowDims
	}
	if q.Opcode == regmap.OpCompress {
		n += 4 * q.Dims * q.RowDims
	}
	return n
}

func ceil(a, b int) int { return (a + b - 1) / b }

func put64(b []byte, v uint64) { binary.LittleEndian.PutUint64(b, v) }
