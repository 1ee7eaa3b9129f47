package drivertest

import (
	"math"
	"math/rand/v2"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// Bfloat16 patterns with names.
const (
	bfTop = 0x7f7f // (2 - 2^-7) 2^127
	bfInf = 0x7f80
	bfNaN = 0x7fc0
)

// bfloat rounds to bfloat16 within its range.
func bfloat(f float64) uint16 {
	top := float64(math.Float32frombits(bfTop << 16))
	v := math.Float32bits(float32(min(max(f, -top), top)))
	return uint16((v + 0x7fff + v>>16&1) >> 16)
}

func fromBF16(h uint16) float64 { return float64(math.Float32frombits(uint32(h) << 16)) }

// anyStep is a power of two somewhere in the range of bfloat16.
func anyStep(rng *rand.Rand) float64 { return math.Ldexp(1, rng.IntN(230)-120) }

// wideDistributions are those of bfloat16.
var wideDistributions = []distribution{
	{"normal", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		scale := anyStep(rng)
		each(g, func() uint16 { return bfloat(rng.NormFloat64() * scale) })
	}},
	{"any finite pattern", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		each(g, func() uint16 { return signed(rng, uint16(rng.IntN(bfInf))) })
	}},
	{"any pattern", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		each(g, func() uint16 { return uint16(rng.IntN(1 << 16)) })
	}},
	{"NaN and infinities among small values", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		each(g, func() uint16 { return bfloat(rng.NormFloat64()) })
		for range 1 + rng.IntN(3) {
			g[rng.IntN(len(g))] = signed(rng, []uint16{bfNaN, bfInf + 1, bfInf, fpInf, fpNaN}[rng.IntN(5)])
		}
	}},
	{"only NaN", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		each(g, func() uint16 { return signed(rng, bfInf+1+uint16(rng.IntN(0x7f))) })
	}},
	{"subnormals", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		each(g, func() uint16 { return signed(rng, uint16(rng.IntN(128))) })
	}},
	{"few units", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		most := 1 << (1 + rng.IntN(10))
		each(g, func() uint16 { return signed(rng, uint16(rng.IntN(most))) })
	}},
	{"constant", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		v := signed(rng, uint16(rng.IntN(bfInf)))
		each(g, func() uint16 { return v })
	}},
	{"constant but one", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		v := uint16(rng.IntN(bfTop))
		each(g, func() uint16 { return v })
		g[rng.IntN(len(g))] = v + 1
	}},
	{"zeros of both signs", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		each(g, func() uint16 { return signed(rng, 0) })
	}},
	{"largest range", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		each(g, func() uint16 { return signed(rng, bfTop-uint16(rng.IntN(3)*rng.IntN(2))) })
		g[0], g[len(g)-1] = bfTop|0x8000, bfTop
	}},
	{"largest range, small values", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		each(g, func() uint16 { return signed(rng, uint16(rng.IntN(0x4000))) })
		g[rng.IntN(len(g))] = bfTop
		g[rng.IntN(len(g))] = bfTop | 0x8000
	}},
	{"far apart", func(rng *rand.Rand, _ packet.Layout, g []uint16) {
		low, high := uint16(rng.IntN(0x2000)), uint16(0x5000+rng.IntN(0x2f00))
		each(g, func() uint16 { return signed(rng, []uint16{low, high, low + 1, high + 1, 0}[rng.IntN(5)]) })
	}},
	{"ties", func(rng *rand.Rand, l packet.Layout, g []uint16) { wideTies(rng, l, g, 0) }},
	{"a hair beside ties", func(rng *rand.Rand, l packet.Layout, g []uint16) {
		wideTies(rng, l, g, signed(rng, uint16(1+rng.IntN(0x600))>>rng.IntN(11)))
	}},
}

// wideTies puts every element on a half step of the scale, seen from a minimum
// that is 0 or very little beside it, in the first place.
func wideTies(rng *rand.Rand, l packet.Layout, g []uint16, minimum uint16) {
	top := topCode(l)
	step := anyStep(rng)
	each(g, func() uint16 {
		v := bfloat(step * (float64(rng.IntN(top)) + 0.5))
		if l.Scheme == regmap.SchemeSym {
			v = signed(rng, v)
		}
		return v
	})
	g[1] = bfloat(step * float64(top))
	if g[0] = 0; l.Scheme == regmap.SchemeAsym {
		g[0] = minimum
	}
}

// distributionsOf are those that suit a layout.
func distributionsOf(l packet.Layout) []distribution {
	if l.Format == regmap.FormatBF16 {
		return wideDistributions
	}
	return distributions
}

// wideShapes lists tiles of bfloat16 in every scheme, axis, group and width.
func (s *session) wideShapes() (list []shape) {
	for scheme := range uint32(2) {
		for _, bits := range []int{2, 3, 4, 5, 6, 8} {
			for _, g := range []int{0, 16, 32, 64, 128} {
				l := packet.Layout{Scheme: scheme, Group: g, Bits: bits, Format: regmap.FormatBF16}
				if dims := max(32, 2*g); dims <= s.p.MaxDim {
					list = append(list, shape{l, 3, dims})
				}
				if l.Axis = regmap.AxisChannel; g > 0 && g <= s.p.TileTokens {
					list = append(list, shape{l, g, 16})
				}
			}
		}
	}
	return list
}

// testBF16: tiles of every layout and distribution, scales and sums of every
// significand, and COMPRESS of bfloat16 rows.
func testBF16(s *session) {
	var cmds []command
	for _, sh := range s.wideShapes() {
		cmds = append(cmds, s.command(sh.request(regmap.OpQuantize), pack(s.tile(sh.Layout, sh.rows, sh.dims))))
		cmds = append(cmds, s.command(sh.request(regmap.OpDequantize), s.foreignTile(sh)))
	}
	for scheme := range uint32(2) {
		for _, bits := range []int{2, 3, 4, 5, 6, 8} {
			l := packet.Layout{Scheme: scheme, Axis: uint32(bits) / 2 % 2, Group: 16, Bits: bits, Format: regmap.FormatBF16}
			for _, d := range wideDistributions {
				c := s.command(packet.Request{Opcode: regmap.OpQuantize, Layout: l, Rows: 16, Dims: 16}, pack(s.tileOf(l, 16, 16, func() distribution { return d })))
				c.name += ", " + d.name
				cmds = append(cmds, c)
			}
			cmds = append(cmds, s.wideSums(bits))
		}
	}
	s.each(cmds)
	everyCoding(func(l packet.Layout) {
		if l.Scheme == regmap.SchemeOffset {
			return
		}
		l.Format = regmap.FormatBF16
		var rows [][]uint16
		for m := range uint16(128) { // every significand of the scale's dividend, and spans about the middle of two scales
			rows = append(rows, s.wideGroup(signed(s.rng, m|uint16(s.rng.IntN(255))<<7), 0))
			span, step := (257+2*int(m))*topCode(l)+s.rng.IntN(3)-1, anyStep(s.rng)
			low := float64(span & 0xff)
			rows = append(rows, s.wideGroup(bfloat((float64(span)-low)*step/256), bfloat(-low*step/256)))
		}
		s.hardTiles(regmap.OpQuantize, l, "every significand", rows)
	})
	s.each(s.wideCompress())
}

// wideGroup is a row from a to b, both among it.
func (s *session) wideGroup(a, b uint16) []uint16 {
	g := make([]uint16, 16)
	lo, hi := fromBF16(a), fromBF16(b)
	each(g, func() uint16 { return bfloat(lo + (hi-lo)*s.rng.Float64()) })
	g[s.rng.IntN(8)], g[8+s.rng.IntN(8)] = a, b
	return g
}

// wideSums is a DEQUANTIZE of minima and scales of which a code makes a sum on the
// middle of two neighbours, or beside it, near the end of the range too.
func (s *session) wideSums(bits int) command {
	l := packet.Layout{Group: 16, Bits: bits, Format: regmap.FormatBF16}
	rows := min(64, s.p.TileTokens)
	var tile []byte
	for range rows {
		low := uint16(s.rng.IntN(bfInf))
		if s.rng.IntN(4) == 0 {
			low = bfTop - uint16(s.rng.IntN(2))
		}
		code := 1 + s.rng.IntN(1<<bits-1)
		half := math.Ldexp(1, max(int(low>>7), 1)-135) // of the spacing at low
		scale := bfloat(half * float64(1+2*s.rng.IntN(2)) / float64(code))
		if v := scale + uint16(s.rng.IntN(3)) - 1; s.rng.IntN(2) == 0 && v < bfInf {
			scale = v
		}
		tile = append(tile, pack([]uint16{signed(s.rng, scale), signed(s.rng, low)})...)
		tile = append(tile, s.codes(16, bits, code)...)
	}
	c := s.command(packet.Request{Opcode: regmap.OpDequantize, Layout: l, Rows: rows, Dims: 16}, tile)
	c.name += ", sums at a middle"
	return c
}

// wideCompress are COMPRESSes of bfloat16 rows.
func (s *session) wideCompress() (cmds []command) {
	for scheme := range uint32(2) {
		for _, keys := range []packet.Layout{{Scheme: scheme, Group: 16}, {Scheme: scheme}, {Scheme: scheme, Axis: regmap.AxisChannel, Group: 16, Bits: 3}} {
			keys.Format = regmap.FormatBF16
			for _, o := range options {
				q := s.compression(keys, 16, 20+s.rng.IntN(30), 32, o)
				cmds = append(cmds, s.choice(q, weightKinds[s.rng.IntN(len(weightKinds))]))
			}
		}
	}
	return cmds
}

// formatRefusals are tiles whose rotation or format does not fit, and with two
// faults, where the order of the checks says which counts.
func (s *session) formatRefusals(op uint32, add func(op uint32, status packet.Status, name string, edits ...func([]byte))) {
	refuse := s.refuser(op, add)
	format := set("format", regmap.ReqFormat, regmap.FormatBF16)
	if op == regmap.OpSelect {
		refuse(regmap.StBadOption, format)
		return
	}
	if op == regmap.OpCompress {
		norm, none, dims := set("key norms", regmap.ReqKeyNorm, 1), set("rows", regmap.ReqRows, 0), set("row dims", regmap.ReqRowDims, 16)
		refuse(regmap.StBadOption, format, norm, none)
		refuse(regmap.StBadOption, format, norm, none, dims)
		refuse(regmap.StBadGeometry, format, set("row dims", regmap.ReqRowDims, 24))
		for v := range uint32(3) {
			refuse(regmap.StBadOption, set("rotation", regmap.ReqRotate, 1+v))
		}
		return
	}
	layout, group := set("layout", regmap.ReqLayout, regmap.LayoutBlock), set("group", regmap.ReqGroup, regmap.Group32)
	refuse(regmap.StBadOption, format, layout, group)
	refuse(regmap.StBadOption, format, set("scheme", regmap.ReqScheme, regmap.SchemeOffset), group)
	refuse(regmap.StBadGeometry, format, set("rows", regmap.ReqRows, 0))
	for v := range uint32(3) {
		size := uint32(32) << v
		rotation := set("rotation", regmap.ReqRotate, 1+v)
		refuse(regmap.StBadOption, rotation, format)
		refuse(regmap.StBadOption, rotation, format, layout, group)
		refuse(regmap.StBadOption, rotation, set("bits", regmap.ReqBits, 7))
		refuse(regmap.StBadOption, rotation, layout) // of groups of 16
		refuse(regmap.StBadOption, rotation, set("dims", regmap.ReqDims, 24), set("group", regmap.ReqGroup, 6))
		for _, dims := range []uint32{size / 2, size + 16, size*2 - 16, size * 3 / 2} {
			if dims%16 == 0 && int(dims) <= s.p.MaxDim {
				refuse(regmap.StBadGeometry, rotation, set("dims", regmap.ReqDims, dims))
			}
		}
	}
}
