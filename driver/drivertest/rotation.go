package drivertest

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// rotated lists tiles of every rotation that fits the device, in every scheme,
// axis and group, in all widths in turn, and in blocks.
func (s *session) rotated() (list []shape) {
	widths, n := []int{2, 3, 4, 5, 6, 8}, 0
	add := func(l packet.Layout, rows, dims int) {
		if rows > s.p.TileTokens || l.Axis == regmap.AxisToken && l.Group > 0 && dims%l.Group != 0 || rows*dims > 1<<13 {
			return
		}
		if !l.Block {
			l.Bits = widths[n%len(widths)]
			n++
		}
		list = append(list, shape{l, rows, dims})
	}
	for _, r := range []int{32, 64, 128} {
		for _, dims := range []int{r, 2 * r, 3 * r, s.p.MaxDim} {
			if dims > s.p.MaxDim || dims%r != 0 {
				continue
			}
			for scheme := range uint32(2) {
				for _, g := range []int{0, 16, 32, 64, 128} {
					l := packet.Layout{Scheme: scheme, Group: g, Rotate: r}
					add(l, 3, dims)
					if l.Axis = regmap.AxisChannel; g > 0 {
						add(l, g, dims)
					}
				}
			}
			for _, l := range blocks {
				l.Rotate = r
				add(l, 3, dims)
			}
		}
	}
	return list
}

// testRotation: rotated tiles there and back, sums that need all their bits, and
// what is true of a right device whatever the oracle says.
func testRotation(s *session) {
	var cmds []command
	for _, sh := range s.rotated() {
		cmds = append(cmds, s.command(sh.request(regmap.OpQuantize), pack(s.tile(sh.Layout, sh.rows, sh.dims))))
		cmds = append(cmds, s.command(sh.request(regmap.OpDequantize), s.foreignTile(sh)))
	}
	for _, r := range []int{32, 64, 128} {
		if r > s.p.MaxDim {
			continue
		}
		for _, d := range s.rotationBlocks(r) {
			for range 6 {
				cmds = append(cmds, s.shownRotation(r, d.name, d.fill), s.shownImpulses(r))
			}
		}
	}
	s.each(cmds)
	if s.info.Has(1<<regmap.FeatQuantize | 1<<regmap.FeatDequantize | 1<<regmap.FeatRotate) {
		s.undone()
	}
}

// blockKind fills a block that is rotated together.
type blockKind struct {
	name string
	fill func(g []uint16)
}

// rotationBlocks are blocks that are hard in some way to sum up.
func (s *session) rotationBlocks(r int) []blockKind {
	scale := 1 << map[int]int{32: 2, 64: 3, 128: 3}[r]
	return []blockKind{
		{"any pattern", func(g []uint16) { each(g, func() uint16 { return uint16(s.rng.IntN(1 << 16)) }) }},
		{"normal", func(g []uint16) {
			scale := math.Ldexp(1, s.rng.IntN(20)-12)
			each(g, func() uint16 { return finite(s.rng.NormFloat64() * scale) })
		}},
		{"pairs that cancel, and what is left", func(g []uint16) {
			apart := 1 << s.rng.IntN(5)
			for i := range g {
				if i&apart == 0 {
					v := anyFinite(s.rng)
					g[i], g[i|apart] = v, signed(s.rng, v&0x7fff)
				}
			}
			g[s.rng.IntN(len(g))] = uint16(s.rng.IntN(40))
		}},
		{"sums at a middle, or a unit beside it", func(g []uint16) {
			clear(g)
			v := 0x2400 + uint16(s.rng.IntN(0x4000))
			at := s.rng.Perm(len(g))
			g[at[0]] = signed(s.rng, v)
			g[at[1]] = signed(s.rng, finite(spacing(fp16.ToFloat64(v))/2))
			g[at[2]] = signed(s.rng, fpTiny*uint16(s.rng.IntN(2)))
		}},
		{"small units", func(g []uint16) { each(g, func() uint16 { return signed(s.rng, uint16(s.rng.IntN(30))) }) }},
		{"about the end of the range", func(g []uint16) {
			clear(g)
			for i := range scale { // the mean of these is 65504
				g[i] = fpTop
			}
			over := finite(float64(16*scale)) + uint16(s.rng.IntN(3)) - 1
			g[scale] = over
		}},
		{"far beyond the range", func(g []uint16) { each(g, func() uint16 { return signed(s.rng, fpTop) }) }},
	}
}

// shownRotation is a QUANTIZE of 16 equal rows per channel: the minima are the
// rotated elements themselves.
func (s *session) shownRotation(r int, name string, fill func([]uint16)) command {
	row := make([]uint16, r)
	fill(row)
	var values []uint16
	for range 16 {
		values = append(values, row...)
	}
	l := packet.Layout{Axis: regmap.AxisChannel, Group: 16, Bits: 2, Rotate: r}
	c := s.command(packet.Request{Opcode: regmap.OpQuantize, Layout: l, Rows: 16, Dims: r}, pack(values))
	c.name += ", " + name
	return c
}

// shownImpulses is a DEQUANTIZE of rows in which one element of each 16 is not 0:
// the scale of its group, of which a third is near half the spacing of another.
func (s *session) shownImpulses(r int) command {
	const rows = 4
	l := packet.Layout{Scheme: regmap.SchemeSym, Group: 16, Bits: 2, Rotate: r}
	var tile []byte
	for range rows {
		v := 0x2400 + uint16(s.rng.IntN(0x5000))
		for g := range r / 16 {
			h := anyFinite(s.rng)
			switch {
			case g == 0:
				h = signed(s.rng, v)
			case g == 1:
				h = signed(s.rng, finite(spacing(fp16.ToFloat64(v))/2))
			case s.rng.IntN(2) == 0:
				h = signed(s.rng, uint16(s.rng.IntN(2)))
			}
			codes := make([]byte, 4)
			codes[s.rng.IntN(4)] = byte(1+2*s.rng.IntN(2)) << (2 * s.rng.IntN(4)) // 1 or -1
			tile = append(append(tile, byte(h), byte(h>>8)), codes...)
		}
	}
	c := s.command(packet.Request{Opcode: regmap.OpDequantize, Layout: l, Rows: rows, Dims: r}, tile)
	c.name += ", impulses"
	return c
}

// undone restores what the device itself has rotated and coded, and holds the
// error of each block, as a whole, to what its codes allow: half a step an
// element, as a rotation changes no length but by its scale.
func (s *session) undone() {
	for _, r := range []int{32, 64, 128} {
		if r > s.p.MaxDim {
			continue
		}
		out := float64(int(8) << (r / 128)) // 2^3, 2^3, 2^4
		sh := shape{packet.Layout{Scheme: regmap.SchemeAsym, Group: 0, Bits: 8, Rotate: r}, 3, r}
		values := s.tileOf(sh.Layout, sh.rows, sh.dims, func() distribution { return distributions[0] })
		q := s.command(sh.request(regmap.OpQuantize), pack(values))
		s.send(q)
		b, err := s.dev.Recv(s.ctx, nil)
		if err != nil {
			s.t.Fatalf("%s: Recv: %v", q.name, err)
		}
		resp, err := s.judge(b, q.want)
		if err != nil {
			s.t.Fatalf("%s: %v", q.name, err)
		}
		d := s.command(sh.request(regmap.OpDequantize), resp.Payload)
		s.run(d)
		for row := range sh.rows {
			step := fp16.ToFloat64(binary.LittleEndian.Uint16(resp.Payload[row*(4+r):]))
			sum, most := 0.0, 0.0
			for i := row * r; i < (row+1)*r; i++ {
				x, back := fp16.ToFloat64(values[i]), fp16.ToFloat64(binary.LittleEndian.Uint16(d.want.payload[2*i:]))
				sum += (x - back) * (x - back)
				most = max(most, math.Abs(x))
			}
			n := float64(r)
			if got, limit := math.Sqrt(sum), n/out*(step/2+spacing(most*n)); got > limit {
				s.t.Fatal(fmt.Errorf("%s: row %d is %g away from what went in, want at most %g", d.name, row, got, limit))
			}
		}
	}
}
