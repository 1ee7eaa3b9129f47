package drivertest

import (
	"math"
	"math/rand/v2"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// Binary16 patterns with names.
const (
	fpTop      = 0x7bff // 65504
	fpNegTop   = 0xfbff
	fpInf      = 0x7c00
	fpNegInf   = 0xfc00
	fpNaN      = 0x7e00
	fpNegNaN   = 0xfdff
	fpNegZero  = 0x8000
	fpTiny     = 0x0001 // 2^-24
	fpOne      = 0x3c00
	fpMinusOne = 0xbc00
)

// A distribution fills one group with values that are hard in one way.
type distribution struct {
	name string
	fill func(rng *rand.Rand, l packet.Layout, group []uint16)
}

var distributions = []distribution{
	{"normal", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		scale := math.Ldexp(1, rng.IntN(20)-12)
		each(g, func() uint16 { return finite(rng.NormFloat64() * scale) })
	}},
	{"outlier", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		each(g, func() uint16 { return finite(rng.NormFloat64() / 16) })
		g[rng.IntN(len(g))] = finite(rng.NormFloat64() * 1000)
	}},
	{"any finite pattern", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		each(g, func() uint16 { return anyFinite(rng) })
	}},
	{"any pattern", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		each(g, func() uint16 { return uint16(rng.IntN(1 << 16)) })
	}},
	{"NaN and infinities among small values", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		each(g, func() uint16 { return finite(rng.NormFloat64()) })
		for range 1 + rng.IntN(3) {
			g[rng.IntN(len(g))] = []uint16{fpNaN, fpNegNaN, fpInf, fpNegInf}[rng.IntN(4)]
		}
	}},
	{"only NaN", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		each(g, func() uint16 { return fpInf + 1 + uint16(rng.IntN(0x3ff)) | uint16(rng.IntN(2))<<15 })
	}},
	{"subnormals", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		each(g, func() uint16 { return signed(rng, uint16(rng.IntN(1024))) })
	}},
	{"few units", func(rng *rand.Rand, _ packet.Layout, g []uint16) { // scales of no unit, or one, or two
		most := 1 << (1 + rng.IntN(10))
		each(g, func() uint16 { return signed(rng, uint16(rng.IntN(most))) })
	}},
	{"around the least normal", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		each(g, func() uint16 { return signed(rng, uint16(0x3f0+rng.IntN(0x20))) })
	}},
	{"constant", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		v := anyFinite(rng)
		each(g, func() uint16 { return v })
	}},
	{"constant but one", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		v := uint16(rng.IntN(fpTop))
		each(g, func() uint16 { return v })
		g[rng.IntN(len(g))] = v + 1
	}},
	{"zeros of both signs", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		each(g, func() uint16 { return signed(rng, 0) })
	}},
	{"all negative", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		each(g, func() uint16 { return finite(-math.Abs(rng.NormFloat64()) - 1) })
	}},
	{"largest range", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		each(g, func() uint16 { return signed(rng, fpTop-uint16(rng.IntN(3)*rng.IntN(2))) })
		g[0], g[len(g)-1] = fpNegTop, fpTop
	}},
	{"both ends of one size", func(rng *rand.Rand, _ packet.Layout, g []uint16) { // which comes first tells
		each(g, func() uint16 { return finite(rng.Float64()*2 - 1) })
		end := signed(rng, fpOne)
		g[rng.IntN(len(g)/2)], g[len(g)/2+rng.IntN(len(g)/2)] = end, end^0x8000
	}},
	{"largest range, small values", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		each(g, func() uint16 { return finite(rng.NormFloat64() * 1000) })
		g[rng.IntN(len(g))] = fpTop
		g[rng.IntN(len(g))] = fpNegTop
	}},
	{"ties", ties},
	{"beside ties", func(rng *rand.Rand, l packet.Layout, g []uint16) {
		ties(rng, l, g)
		for i := range g {
			if v := g[i] + uint16(rng.IntN(3)) - 1; i > 1 && v&0x7fff <= fpTop {
				g[i] = v
			}
		}
	}},
	{"increasing", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		v := uint16(rng.IntN(fpTop - len(g)))
		each(g, func() uint16 { v++; return v })
	}},
}

// ties puts every element on a half step of the scale: the first two fix the
// scale at m*2^e, the others are odd multiples of half of it.
func ties(rng *rand.Rand, l packet.Layout, g []uint16) {
	step := math.Ldexp(float64(1+2*rng.IntN(2)), rng.IntN(12)-8)
	top, low := 1<<l.Bits-1, 0.0
	switch l.Scheme {
	case regmap.SchemeSym:
		top = 1<<(l.Bits-1) - 1
	case regmap.SchemeOffset:
		top = 8
	}
	if l.Scheme == regmap.SchemeAsym && rng.IntN(2) == 0 {
		low = -step * float64(rng.IntN(top+1))
	}
	each(g, func() uint16 {
		v := low + step*(float64(rng.IntN(top))+0.5)
		if l.Scheme != regmap.SchemeAsym && rng.IntN(2) == 0 {
			v = -v
		}
		return finite(v)
	})
	g[0], g[1] = finite(low), finite(low+step*float64(top))
	if l.Scheme == regmap.SchemeOffset {
		g[1] = signed(rng, g[1])
	}
}

func each(g []uint16, draw func() uint16) {
	for i := range g {
		g[i] = draw()
	}
}

// finite rounds to binary16 within its range.
func finite(f float64) uint16 {
	return fp16.FromFloat64(min(max(f, -fp16.MaxFinite), fp16.MaxFinite))
}

func anyFinite(rng *rand.Rand) uint16 { return signed(rng, uint16(rng.IntN(fpInf))) }

func signed(rng *rand.Rand, h uint16) uint16 { return h | uint16(rng.IntN(2))<<15 }

// groups lists the elements of each group of a row-major tile.
func groups(l packet.Layout, rows, dims int) [][]int {
	size := groupSize(l, dims)
	list := make([][]int, rows*dims/size)
	for i := range rows * dims {
		at := i / size // per token: groups are contiguous
		if l.Axis == regmap.AxisChannel {
			at = i/(size*dims)*dims + i%dims
		}
		list[at] = append(list[at], i)
	}
	return list
}

// tile draws a tile in which each group follows a distribution of its own.
func (s *session) tile(l packet.Layout, rows, dims int) []uint16 {
	list := distributionsOf(l)
	return s.tileOf(l, rows, dims, func() distribution { return list[s.rng.IntN(len(list))] })
}

func (s *session) tileOf(l packet.Layout, rows, dims int, next func() distribution) []uint16 {
	values := make([]uint16, rows*dims)
	group := make([]uint16, groupSize(l, dims))
	for _, members := range groups(l, rows, dims) {
		next().fill(s.rng, l, group)
		for i, at := range members {
			values[at] = group[i]
		}
	}
	return values
}

// randomBytes are bytes of any value.
func (s *session) randomBytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(s.rng.Uint32())
	}
	return b
}
