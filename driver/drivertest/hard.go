package drivertest

import (
	"math"
	"math/bits"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// The tests of this file aim at the cases that a division or a sum without all
// its bits gets wrong: results that lie on the middle of two neighbours, or as
// near to one as the inputs can come. Random inputs meet them once in thousands.

// topCode is the largest code, in steps of the scale.
func topCode(l packet.Layout) int {
	switch l.Scheme {
	case regmap.SchemeSym:
		return 1<<(l.Bits-1) - 1
	case regmap.SchemeOffset:
		return 8 // below zero
	}
	return 1<<l.Bits - 1
}

// hardTiles sends groups of one row each as QUANTIZE commands, in tiles as
// large as the device takes.
func (s *session) hardTiles(op uint32, l packet.Layout, what string, rows [][]uint16) {
	s.t.Helper()
	var cmds []command
	for at := 0; at < len(rows); at += s.p.TileTokens {
		var values []uint16
		some := rows[at:min(at+s.p.TileTokens, len(rows))]
		for _, r := range some {
			values = append(values, r...)
		}
		c := s.command(packet.Request{Opcode: op, Layout: l, Rows: len(some), Dims: len(rows[0])}, pack(values))
		c.name += ", " + what
		cmds = append(cmds, c)
	}
	s.each(cmds)
}

// everyCoding calls f with every scheme and number of bits, per token, in
// groups of the whole row, but for offset codes, which have groups of 32.
func everyCoding(f func(l packet.Layout)) {
	for _, scheme := range []uint32{regmap.SchemeAsym, regmap.SchemeSym} {
		for _, bits := range []int{2, 3, 4, 5, 6, 8} {
			f(packet.Layout{Scheme: scheme, Axis: regmap.AxisToken, Group: 0, Bits: bits})
		}
	}
	f(blocks[2])
}

// testScales: for every significand of the largest element, and for ranges that
// put the unrounded scale on the middle of every two neighbouring significands
// or one unit beside it.
func testScales(s *session) {
	everyCoding(func(l packet.Layout) {
		dims := groupSize(l, 16)
		var rows [][]uint16
		for m := range uint16(1024) {
			rows = append(rows, s.group(dims, signed(s.rng, m|uint16(s.rng.IntN(31))<<10), 0))
		}
		s.hardTiles(regmap.OpQuantize, l, "every significand of the largest", rows)
		if l.Scheme != regmap.SchemeAsym {
			return
		}
		rows = nil
		for middle := 2049; middle < 4096; middle += 2 { // twice a scale of 11 bits, and one
			span := 4*middle*topCode(l) + s.rng.IntN(3) - 1
			low := span & 0x7ff // up to 22 bits in two binary16 values: 11 and 11
			shift := s.rng.IntN(16) - 24
			rows = append(rows, s.group(dims, finite(math.Ldexp(float64(span-low), shift)), finite(-math.Ldexp(float64(low), shift))))
		}
		s.hardTiles(regmap.OpQuantize, l, "scales at a middle", rows)
	})
}

// group is n elements from a to b, both among them.
func (s *session) group(n int, a, b uint16) []uint16 {
	lo, hi := fp16.ToFloat64(a), fp16.ToFloat64(b)
	g := make([]uint16, n)
	each(g, func() uint16 { return finite(lo + (hi-lo)*s.rng.Float64()) })
	g[s.rng.IntN(n/2)], g[n/2+s.rng.IntN(n/2)] = a, b
	return g
}

// testQuotients: for every significand of the scale, elements next to the
// middle of two codes, on either side, and on it where there is such a binary16.
func testQuotients(s *session) {
	everyCoding(func(l packet.Layout) {
		var rows, fine [][]uint16
		for m := range 1024 {
			rows = append(rows, s.middles(l, math.Ldexp(float64(1024+m), s.rng.IntN(12)-20))) // up to 8 * 255 = 2040
		}
		s.hardTiles(regmap.OpQuantize, l, "elements at the middle of two codes", rows)
		for range 256 {
			fine = append(fine, s.nearMiddles(l))
		}
		s.hardTiles(regmap.OpQuantize, l, "elements a hair beside the middle of two codes", fine)
	})
}

// rowFor is the dims of a row that has room for the middles of all codes, if the
// device has.
func (s *session) rowFor(l packet.Layout) int {
	if l.Group != 0 {
		return l.Group
	}
	return min(256, s.p.MaxDim, max(32, (2*topCode(l)+31)/16*16))
}

// middles is a row whose scale is a step, or next to it, of elements at either
// side of the middles of codes.
func (s *session) middles(l packet.Layout, step float64) []uint16 {
	top, g := topCode(l), make([]uint16, s.rowFor(l))
	low := 0.0
	if l.Scheme == regmap.SchemeAsym {
		// What the middle of two codes has beyond 11 bits: that one is met exactly.
		middle := step * (float64(s.rng.IntN(top)) + 0.5)
		low = fp16.ToFloat64(finite(middle)) - middle
		if s.rng.IntN(2) == 0 {
			low -= step * float64(s.rng.IntN(top+1))
		}
		low = fp16.ToFloat64(finite(low))
		g[0] = finite(low)
	}
	g[1] = finite(low + step*float64(top))
	step = fp16.ToFloat64(finite((fp16.ToFloat64(g[1]) - low) / float64(top)))
	for i := 2; i < len(g); i++ {
		k := (i - 2) / 2 % top
		if 2*top > len(g)-2 {
			k = s.rng.IntN(top)
		}
		v := low + step*(float64(k)+0.5)
		h := finite(v)
		if below := fp16.ToFloat64(h) < v; below == (i%2 == 0) && fp16.ToFloat64(h) != v {
			h = neighbour(h, below)
		}
		if l.Scheme != regmap.SchemeAsym {
			h = signed(s.rng, h)
		}
		g[i] = h
	}
	if l.Scheme == regmap.SchemeOffset {
		g[1] = signed(s.rng, g[1])
	}
	return g
}

// nearMiddles is a row of elements on the middles of codes of a scale of few
// bits, and a minimum that is nearly zero: it takes a difference of all 41 bits
// to see on which side they are. A symmetric row has the middles alone.
func (s *session) nearMiddles(l packet.Layout) []uint16 {
	top, g := topCode(l), make([]uint16, s.rowFor(l))
	step := math.Ldexp(float64(1+2*s.rng.IntN(2)), s.rng.IntN(8))
	each(g, func() uint16 { return finite(step * (float64(s.rng.IntN(top)) + 0.5)) })
	g[1] = finite(step * float64(top))
	if l.Scheme == regmap.SchemeOffset {
		for i := range g {
			g[i] = signed(s.rng, g[i])
		}
	}
	if l.Scheme == regmap.SchemeAsym {
		g[0] = signed(s.rng, uint16(s.rng.IntN(0x400))>>s.rng.IntN(10))
		if g[0] < 0x8000 {
			g[0] = min(g[0], g[1])
		}
	}
	return g
}

// neighbour is the next larger or smaller binary16, within the finite ones.
func neighbour(h uint16, larger bool) uint16 {
	switch {
	case h&0x7fff == 0:
		if larger {
			return fpTiny
		}
		return fpTiny | 0x8000
	case larger == (h < 0x8000):
		if h&0x7fff == fpTop {
			return h
		}
		return h + 1
	}
	return h - 1
}

// testSums: restored values on the middle of two neighbours and as little beside
// it as can be, with minima and scales of every distance, and at the end of the
// range.
func testSums(s *session) {
	for _, bits := range []int{2, 3, 4, 5, 6, 8} {
		l := packet.Layout{Scheme: regmap.SchemeAsym, Axis: regmap.AxisToken, Group: 0, Bits: bits}
		dims := max(16, min(s.p.MaxDim, 1<<bits))
		near := nearPowers(1<<bits - 1)
		var cmds []command
		for range 8 {
			rows := min(128, s.p.TileTokens)
			var tile []byte
			for range rows {
				scale, low, code := s.hardSum(1<<bits - 1)
				if s.rng.IntN(2) == 0 {
					scale, low, code = s.nearSum(near)
				}
				tile = append(tile, pack([]uint16{scale, low})...)
				tile = append(tile, s.codes(dims, bits, code)...)
			}
			c := s.command(packet.Request{Opcode: regmap.OpDequantize, Layout: l, Rows: rows, Dims: dims}, tile)
			c.name += ", sums at a middle"
			cmds = append(cmds, c)
		}
		s.each(cmds)
	}
}

// hardSum is a scale and minimum of which one code makes a sum at or near the
// middle of two binary16 values, or one that nearly cancels.
func (s *session) hardSum(top int) (scale, low uint16, code int) {
	low = anyFinite(s.rng)
	if s.rng.IntN(8) == 0 {
		low = signed(s.rng, fpTop-uint16(s.rng.IntN(2)))
	}
	code = 1 + s.rng.IntN(top)
	half := spacing(fp16.ToFloat64(low)) / 2
	scale = signed(s.rng, finite(half*float64(1+2*s.rng.IntN(4))/float64(code)))
	if v := scale + uint16(s.rng.IntN(3)) - 1; s.rng.IntN(2) == 0 && v&0x7fff <= fpTop {
		scale = v
	}
	if s.rng.IntN(4) == 0 {
		scale = finite(-fp16.ToFloat64(low) / float64(code))
	}
	return scale, low, code
}

// nearPower is a code and an 11-bit significand whose product is one beside a
// multiple of 2^power.
type nearPower struct{ code, significand, power int }

// nearPowers lists those of codes up to top with the larger powers.
func nearPowers(top int) (list []nearPower) {
	for code := 1; code <= top; code++ {
		for m := 1024; m < 2048; m++ {
			for _, v := range []int{code*m - 1, code*m + 1} {
				if power := bits.TrailingZeros(uint(v)); power >= min(9, 7+bits.Len(uint(top))/2) {
					list = append(list, nearPower{code, m, power})
				}
			}
		}
	}
	return list
}

// nearSum is a scale and minimum of which one code makes a sum that is beside a
// middle by the last of up to 30 bits.
func (s *session) nearSum(near []nearPower) (scale, low uint16, code int) {
	n := near[s.rng.IntN(len(near))]
	shift := s.rng.IntN(max(1, 28-n.power)) - 24 // of the significand; the spacing at the minimum is 2^(shift+power+1)
	scale = finite(math.Ldexp(float64(n.significand), shift))
	low = finite(math.Ldexp(float64(1024+s.rng.IntN(1024)), shift+n.power+1))
	return signed(s.rng, scale), signed(s.rng, low), n.code
}

// codes packs n codes, from one on: all there are, if there is room.
func (s *session) codes(n, bits, first int) []byte {
	packed := make([]byte, n*bits/8)
	for i := range n * bits {
		packed[i/8] |= byte((first+i/bits)>>(i%bits)&1) << (i % 8)
	}
	return packed
}
