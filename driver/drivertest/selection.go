package drivertest

import (
	"math"
	"math/rand/v2"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// A weightKind draws attention weights that are hard to rank in one way.
type weightKind struct {
	name string
	fill func(rng *rand.Rand, row []uint16)
}

var weightKinds = []weightKind{
	{"softmax", func(rng *rand.Rand, row []uint16) {
		sum, e := 0.0, make([]float64, len(row))
		for i := range e {
			e[i] = math.Exp(3 * rng.NormFloat64())
			sum += e[i]
		}
		for i := range row {
			row[i] = finite(e[i] / sum)
		}
	}},
	{"all equal", func(_ *rand.Rand, row []uint16) { each(row, func() uint16 { return 0x2e66 }) }},
	{"all zero", func(rng *rand.Rand, row []uint16) { each(row, func() uint16 { return signed(rng, 0) }) }},
	{"all saturated", func(_ *rand.Rand, row []uint16) { each(row, func() uint16 { return fpTop }) }},
	{"a few values", func(rng *rand.Rand, row []uint16) {
		each(row, func() uint16 { return finite(float64(rng.IntN(4))) })
	}},
	{"single units under large weights", func(rng *rand.Rand, row []uint16) {
		large := rng.IntN(2) == 0
		each(row, func() uint16 {
			if large {
				return 0x77ff // 32752: twice is below the top
			}
			return uint16(rng.IntN(3))
		})
	}},
	{"some saturated", func(rng *rand.Rand, row []uint16) {
		each(row, func() uint16 { return []uint16{fpTop, fpTop, fpTop - 1, 0x7800, fpOne, 0}[rng.IntN(6)] })
	}},
	{"any pattern", func(rng *rand.Rand, row []uint16) { each(row, func() uint16 { return uint16(rng.IntN(1 << 16)) }) }},
	{"any finite weight", func(rng *rand.Rand, row []uint16) { each(row, func() uint16 { return uint16(rng.IntN(fpInf)) }) }},
	{"subnormal", func(rng *rand.Rand, row []uint16) { each(row, func() uint16 { return uint16(rng.IntN(0x400)) }) }},
	{"invalid ones among equals", func(rng *rand.Rand, row []uint16) {
		each(row, func() uint16 {
			if rng.IntN(4) != 0 {
				return 0x2000
			}
			return []uint16{fpNaN, fpNegNaN, fpInf, fpNegInf, fpMinusOne, fpNegZero, 0x8001, fpNegTop}[rng.IntN(8)]
		})
	}},
	{"digits", func(rng *rand.Rand, row []uint16) { // differences in 4 bits of a score, elsewhere in each row
		unit := math.Ldexp(1, 4*rng.IntN(10)-24)
		each(row, func() uint16 { return finite(unit * float64(rng.IntN(16))) })
	}},
	{"ascending", func(rng *rand.Rand, row []uint16) {
		v := uint16(rng.IntN(0x4000))
		each(row, func() uint16 { v += uint16(rng.IntN(2)); return min(v, fpTop) })
	}},
	{"descending", func(rng *rand.Rand, row []uint16) {
		v := uint16(fpTop)
		each(row, func() uint16 { v -= min(v, uint16(rng.IntN(4))); return v })
	}},
}

// selection is a SELECT over rows of weights of one kind.
func (s *session) selection(n, rows, sinks, recent, topK int, kind weightKind) command {
	s.t.Helper()
	return s.choice(packet.Request{Opcode: regmap.OpSelect, Rows: rows, Dims: n, Selection: packet.Selection{Sinks: sinks, Recent: recent, TopK: topK}}, kind)
}

func testSelect(s *session) {
	lanes := s.p.Lanes
	var cmds []command
	for _, kind := range weightKinds {
		for _, n := range []int{1, 2, lanes - 1, lanes, lanes + 1, 3*lanes + 1, 256} {
			for _, k := range []int{0, 1, n / 2, n - 1, n} {
				if n > 0 {
					cmds = append(cmds, s.selection(n, 1+s.rng.IntN(3), 0, 0, k, kind))
				}
			}
		}
		for _, c := range [][3]int{ // sinks, recent, k out of 77
			{4, 8, 16}, {0, 77, 3}, {77, 0, 3}, {77, 77, 77}, {40, 37, 5}, {40, 36, 5}, {50, 50, 50}, {1, 0, 75}, {0, 1, 76}, {1, 1, 0}, {38, 38, 1},
		} {
			cmds = append(cmds, s.selection(77, 1+s.rng.IntN(4), c[0], c[1], c[2], kind))
		}
		for range 6 {
			n := 1 + s.rng.IntN(200)
			cmds = append(cmds, s.selection(n, 1+s.rng.IntN(8), s.rng.IntN(n+1)/4, s.rng.IntN(n+1)/4, s.rng.IntN(n+1), kind))
		}
		n := s.p.MaxTokens
		cmds = append(cmds, s.selection(n, 2, 4, n/16, n/8, kind), s.selection(n-1, 3, 0, 0, n/2, kind))
	}
	// Many short rows: one beat each, and one weight each.
	cmds = append(cmds, s.selection(lanes, 500, 0, 0, lanes/2, weightKinds[0]), s.selection(1, 300, 0, 0, 1, weightKinds[0]))
	s.each(cmds)
}
