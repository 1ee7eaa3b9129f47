package drivertest

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// shape is a layout with a tile size that it and the device can take.
type shape struct {
	packet.Layout
	rows, dims int
}

func (s shape) request(op uint32) packet.Request {
	return packet.Request{Opcode: op, Layout: s.Layout, Rows: s.rows, Dims: s.dims}
}

// blocks are the settings of ggml's blocks: q8_0, q4_1 and q4_0.
var blocks = []packet.Layout{
	{Scheme: regmap.SchemeSym, Axis: regmap.AxisToken, Group: 32, Bits: 8, Block: true},
	{Scheme: regmap.SchemeAsym, Axis: regmap.AxisToken, Group: 32, Bits: 4, Block: true},
	{Scheme: regmap.SchemeOffset, Axis: regmap.AxisToken, Group: 32, Bits: 4, Block: true},
}

// shapes lists every scheme, axis, group and number of bits that fits the
// device, each at several dims and rows.
func (s *session) shapes() (list []shape) {
	for _, scheme := range []uint32{regmap.SchemeAsym, regmap.SchemeSym} {
		for _, bits := range []int{2, 3, 4, 5, 6, 8} {
			for _, g := range []int{16, 32, 64, 128} {
				l := packet.Layout{Scheme: scheme, Axis: regmap.AxisToken, Group: g, Bits: bits}
				for _, dims := range []int{g, 3 * g, s.p.MaxDim} {
					if dims <= s.p.MaxDim && dims%g == 0 {
						list = append(list, shape{l, 3, dims})
					}
				}
				l.Axis = regmap.AxisChannel
				for _, dims := range []int{16, 48} {
					if g <= s.p.TileTokens && dims <= s.p.MaxDim {
						list = append(list, shape{l, g * (1 + min(1, s.p.TileTokens/g/2)), dims})
					}
				}
			}
			row := packet.Layout{Scheme: scheme, Axis: regmap.AxisToken, Group: 0, Bits: bits}
			for _, dims := range []int{16, 32, 80, s.p.MaxDim - 16, s.p.MaxDim} {
				if dims <= s.p.MaxDim {
					list = append(list, shape{row, 3, dims})
				}
			}
			list = append(list, shape{row, 1, 16}) // the smallest tile
		}
	}
	for _, l := range blocks {
		list = append(list, shape{l, 1, 32})
		for _, dims := range []int{32, 96, s.p.MaxDim} {
			if dims <= s.p.MaxDim {
				list = append(list, shape{l, 5, dims})
			}
		}
	}
	return append(list, s.largest()...)
}

// largest are the largest tiles, whole groups and single ones.
func (s *session) largest() []shape {
	g := 16
	for g*2 <= min(128, s.p.TileTokens) {
		g *= 2
	}
	var list []shape
	for _, l := range blocks {
		list = append(list, shape{l, s.p.TileTokens, s.p.MaxDim})
	}
	return append(list, []shape{
		{packet.Layout{Scheme: regmap.SchemeAsym, Axis: regmap.AxisChannel, Group: g, Bits: 3}, s.p.TileTokens, s.p.MaxDim},
		{packet.Layout{Scheme: regmap.SchemeAsym, Axis: regmap.AxisChannel, Group: 16, Bits: 8}, s.p.TileTokens, s.p.MaxDim},
		{packet.Layout{Scheme: regmap.SchemeSym, Axis: regmap.AxisToken, Group: 16, Bits: 2}, s.p.TileTokens, s.p.MaxDim},
		{packet.Layout{Scheme: regmap.SchemeAsym, Axis: regmap.AxisToken, Group: 0, Bits: 5}, s.p.TileTokens, s.p.MaxDim},
	}...)
}

func testQuantize(s *session) {
	var cmds []command
	for _, sh := range s.shapes() {
		cmds = append(cmds, s.command(sh.request(regmap.OpQuantize), pack(s.tile(sh.Layout, sh.rows, sh.dims))))
	}
	// Every distribution alone, in every scheme, axis and number of bits.
	for _, scheme := range []uint32{regmap.SchemeAsym, regmap.SchemeSym} {
		for axis := range uint32(2) {
			for _, bits := range []int{2, 3, 4, 5, 6, 8} {
				l := packet.Layout{Scheme: scheme, Axis: axis, Group: 16, Bits: bits}
				for _, d := range distributions {
					values := s.tileOf(l, 16, 16, func() distribution { return d })
					c := s.command(packet.Request{Opcode: regmap.OpQuantize, Layout: l, Rows: 16, Dims: 16}, pack(values))
					c.name += ", " + d.name
					cmds = append(cmds, c)
				}
			}
		}
	}
	for _, l := range blocks {
		for _, d := range distributions {
			values := s.tileOf(l, 8, 32, func() distribution { return d })
			c := s.command(packet.Request{Opcode: regmap.OpQuantize, Layout: l, Rows: 8, Dims: 32}, pack(values))
			c.name += ", " + d.name
			cmds = append(cmds, c)
		}
	}
	s.each(cmds)
}

// testDequantize restores tiles that no encoder would give: any scale, minimum
// and code.
func testDequantize(s *session) {
	var cmds []command
	for _, sh := range s.shapes() {
		cmds = append(cmds, s.command(sh.request(regmap.OpDequantize), s.foreignTile(sh)))
	}
	s.each(cmds)
}

// foreignTile is random codes under scales and minima of all kinds: small ones
// that make sums, any pattern, and those at the edge of clamping.
func (s *session) foreignTile(sh shape) []byte {
	tile := s.randomBytes(sh.QuantizedBytes(sh.rows, sh.dims))
	stat := func(at int) {
		var h uint16
		if sh.Format == regmap.FormatBF16 {
			var one [2]uint16
			wideDistributions[s.rng.IntN(len(wideDistributions))].fill(s.rng, sh.Layout, one[:])
			h = one[s.rng.IntN(2)]
			tile[at], tile[at+1] = byte(h), byte(h>>8)
			return
		}
		switch s.rng.IntN(8) {
		case 0, 1:
			h = uint16(s.rng.IntN(1 << 16))
		case 2:
			h = signed(s.rng, uint16(s.rng.IntN(0x500))) // subnormal, or nearly
		case 3:
			h = signed(s.rng, 0x5c00+uint16(s.rng.IntN(0x2000))) // 256 and more: near the end of the range
		case 4:
			h = []uint16{0, fpNegZero, fpTiny, fpTop, fpNegTop, fpInf, fpNegInf, fpNaN}[s.rng.IntN(8)]
		default:
			h = finite(s.rng.NormFloat64())
		}
		tile[at], tile[at+1] = byte(h), byte(h>>8)
	}
	size, stats := groupSize(sh.Layout, sh.dims), 1
	if sh.Scheme == regmap.SchemeAsym {
		stats = 2
	}
	each, together := size*sh.Bits/8, 1 // bytes of codes after so many groups' scales
	if sh.Axis == regmap.AxisChannel {
		each, together = each*sh.dims, sh.dims
	}
	for at := 0; at < len(tile); at += each {
		for range together * stats {
			stat(at)
			at += 2
		}
	}
	return tile
}

// testRoundTrip restores what the device itself has coded, and holds the error
// to half a step: what is true of a right device whatever the oracle says.
func testRoundTrip(s *session) {
	if !s.has(regmap.OpQuantize) || !s.has(regmap.OpDequantize) {
		s.unsupported(regmap.OpQuantize, regmap.OpDequantize)
		return
	}
	for _, sh := range s.largest() {
		values := s.tileOf(sh.Layout, sh.rows, sh.dims, func() distribution { return distributions[0] })
		q := s.command(sh.request(regmap.OpQuantize), pack(values))
		s.send(q)
		b, err := s.dev.Recv(s.ctx, nil)
		if err != nil {
			s.t.Fatalf("%s: Recv: %v", q.name, err)
		}
		r, err := s.judge(b, q.want)
		if err != nil {
			s.t.Fatalf("%s: %v", q.name, err)
		}
		d := s.command(sh.request(regmap.OpDequantize), r.Payload)
		s.run(d)
		if err := withinHalfStep(sh, values, r.Payload, d.want.payload); err != nil {
			s.t.Fatalf("%s: %v", d.name, err)
		}
	}
}

// unsupported checks that those of the commands which the device is built
// without are refused.
func (s *session) unsupported(ops ...uint32) {
	s.t.Helper()
	for _, op := range ops {
		if s.has(op) {
			continue
		}
		c := s.small(op)
		if c.want.status != regmap.StUnsupported {
			s.t.Fatalf("%s is expected to be supported", c.name)
		}
		s.run(c)
	}
}

// small is a valid command of each kind, of a few beats.
func (s *session) small(op uint32) command {
	s.t.Helper()
	l := packet.Layout{Scheme: regmap.SchemeAsym, Axis: regmap.AxisToken, Group: 16, Bits: 4}
	sh := shape{l, 2, 32}
	switch op {
	case regmap.OpEcho:
		return s.command(packet.Request{Opcode: op, Rows: 45}, s.randomBytes(45))
	case regmap.OpQuantize:
		return s.command(sh.request(op), pack(s.tile(l, 2, 32)))
	case regmap.OpDequantize:
		return s.command(sh.request(op), s.foreignTile(sh))
	case regmap.OpCompress:
		o := packet.Selection{Sinks: 1, Recent: 2, TopK: 4, Rank: [3]int{1, 2, 3}, ProtTier: 1}
		return s.choice(packet.Request{Opcode: op, Rows: 2, Dims: 13, RowDims: 32, ValueGroup: 16, Selection: o}, weightKinds[0])
	case regmap.OpSource:
		return s.source(45, 99)
	case regmap.OpSink:
		return s.sink(45, 99, 20)
	}
	return s.selection(13, 2, 1, 2, 4, weightKinds[0])
}

// commands are the opcodes in order.
var commands = []uint32{regmap.OpEcho, regmap.OpQuantize, regmap.OpDequantize, regmap.OpSelect, regmap.OpCompress, regmap.OpSource, regmap.OpSink}

// withinHalfStep checks that restored values are as near to the originals as
// the stored scale allows: half a step, what rounding the scale moves the last
// code by, and the rounding of the result itself. An offset group has no code
// above 7 steps: what lies farther up comes back as 7 steps.
func withinHalfStep(sh shape, values []uint16, tile, restored []byte) error {
	size := groupSize(sh.Layout, sh.dims)
	top, stats := float64(int(1)<<(sh.Bits-1)-1), 1
	if sh.Scheme == regmap.SchemeAsym {
		top, stats = float64(int(1)<<sh.Bits-1), 2
	}
	for g, members := range groups(sh.Layout, sh.rows, sh.dims) {
		at := g * (2*stats + size*sh.Bits/8)
		if sh.Axis == regmap.AxisChannel {
			at = g/sh.dims*sh.dims*(2*stats+size*sh.Bits/8) + 2*(g%sh.dims)
		}
		scale := fp16.ToFloat64(binary.LittleEndian.Uint16(tile[at:]))
		step := math.Abs(scale)
		for _, i := range members {
			x, back := fp16.ToFloat64(values[i]), fp16.ToFloat64(binary.LittleEndian.Uint16(restored[2*i:]))
			reach := step / 2
			if sh.Scheme == regmap.SchemeOffset && x*scale > 0 {
				reach = max(reach, math.Abs(x)-7*step)
			}
			if d := math.Abs(x - back); d > reach+top*spacing(step)/2+spacing(back)/2 {
				return fmt.Errorf("row %d, channel %d: %g is restored as %g, %g away with a step of %g", i/sh.dims, i%sh.dims, x, back, d, step)
			}
		}
	}
	return nil
}

// spacing is the distance of neighbouring binary16 values near v.
func spacing(v float64) float64 {
	_, e := math.Frexp(v)
	return math.Ldexp(1, max(e-11, -24))
}
