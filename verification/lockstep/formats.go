package lockstep

import (
	"fmt"
	"math"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

var rotations = []int{32, 64, 128}

// rotation draws a rotation that a row of the engine has room for, and makes the
// request's dims a multiple of it.
func (g *program) rotation(q *packet.Request) {
	q.Rotate = rotations[g.IntN(min(len(rotations), log2(g.cfg.Params.MaxDim/32)+1))]
	q.Dims = ceil(q.Dims, q.Rotate) * q.Rotate
}

// isBF16 says that the rows of a request are bfloat16.
func isBF16(q packet.Request) bool { return q.Format == regmap.FormatBF16 }

// wideDistribution draws a distribution of bfloat16 numbers. The exponents of
// these go much farther apart than those of binary16.
func (r random) wideDistribution() values {
	step := math.Ldexp(1, r.IntN(250)-126)
	sign := func() uint16 { return uint16(r.Uint32()) & 0x8000 }
	switch r.IntN(9) {
	case 0: // all bit patterns
		return func() uint16 { return uint16(r.Uint32()) }
	case 1: // a normal distribution of some scale
		return func() uint16 { return bfloat(r.NormFloat64() * step) }
	case 2: // one value, rarely another: constant groups, scale 0
		v, w := uint16(r.Uint32()), uint16(r.Uint32())
		odd := pickOne(r, 1<<30, 40, 400)
		return func() uint16 {
			if r.IntN(odd) == 0 {
				return w
			}
			return v
		}
	case 3: // the ends of the range: a minimum and steps beyond it
		ends := []uint16{0x7F7F, 0xFF7F, 0x7F80, 0xFF80, 0x7F7E, 0x7F00, 0xFF00, 0x7FC0, 0, 0x8000, 0x3F80, 0x7F81}
		n := pickOne(r, 2, 4, len(ends))
		return func() uint16 { return ends[r.IntN(n)] }
	case 4: // subnormals and zeros
		return func() uint16 { return sign() | uint16(r.upTo(0x100)-1) }
	case 5: // multiples of half a step: ties
		n := pickOne(r, 3, 7, 15, 31, 63, 127)
		off := float64(r.IntN(2*n)) - float64(n)
		return func() uint16 { return bfloat((float64(r.IntN(2*n+1)) + off) / 2 * step) }
	case 6: // ties, and a little that is on one side of them
		hair := sign() | uint16(r.IntN(0x1000))>>r.IntN(12)
		n := pickOne(r, 3, 7, 15, 63)
		return func() uint16 {
			if r.IntN(12) == 0 {
				return hair
			}
			return bfloat(float64(r.IntN(2*n+1)) / 2 * step)
		}
	case 7: // exponents far apart
		low, high := uint16(r.IntN(0x2000)), uint16(0x4000+r.IntN(0x3F00))
		return func() uint16 { return sign() | pickOne(r, low, high, low+1, high-1, 0) }
	default: // large, of both signs
		return func() uint16 { return sign() | (0x7F7F - uint16(r.IntN(64))) }
	}
}

// bfloat rounds to bfloat16 within its range.
func bfloat(v float64) uint16 {
	const top = 0x7F7F << 16
	b := math.Float32bits(float32(v))
	if b&0x7FFFFFFF > top {
		b = b&0x80000000 | top
	}
	return uint16((b + 0x7FFF + b>>16&1) >> 16)
}

// badFormat sets a format or rotation beside what the request asks for, which may
// turn out to be legal.
func (g *program) badFormat(h []byte) {
	switch g.IntN(5) {
	case 0: // bfloat16 and a rotation
		regmap.ReqFormat.Put(h, regmap.FormatBF16)
		regmap.ReqRotate.Put(h, 1+g.Uint32N(3))
	case 1, 2: // bfloat16 in a legal block
		l := pickOne(g.random, blocks...)
		regmap.ReqFormat.Put(h, regmap.FormatBF16)
		regmap.ReqLayout.Put(h, regmap.LayoutBlock)
		regmap.ReqScheme.Put(h, l.Scheme)
		regmap.ReqAxis.Put(h, l.Axis)
		regmap.ReqGroup.Put(h, regmap.Group32)
		regmap.ReqBits.Put(h, uint32(l.Bits))
	case 3: // rows that fill no block
		regmap.ReqRotate.Put(h, 1+g.Uint32N(3))
		regmap.ReqDims.Put(h, regmap.DimStep*(1+g.Uint32N(uint32(g.cfg.Params.MaxDim/regmap.DimStep))))
	default:
		regmap.ReqFormat.Put(h, regmap.ReqFormat.Get(h)^1)
	}
}

// requiredFormats names what rotation and bfloat16 must have been seen in.
func requiredFormats() (s []string) {
	for _, name := range []string{"QUANTIZE", "DEQUANTIZE"} {
		for _, axis := range []string{"token", "channel"} {
			for _, size := range rotations {
				s = append(s, fmt.Sprintf("rotation %s/%s/%d", name, axis, size))
			}
			for _, scheme := range []string{"asym", "sym"} {
				s = append(s, fmt.Sprintf("bfloat16 %s/%s/%s", name, axis, scheme))
			}
		}
		s = append(s, "rotation "+name+"/block", "rotation "+name+"/saturated", "rotation "+name+"/misfit", "rotation "+name+"/bfloat16",
			"bfloat16 "+name+"/block", "bfloat16 "+name+"/nonfinite", fmt.Sprintf("status %s/%d", name, regmap.StUnsupported))
	}
	for _, axis := range []string{"token", "channel"} {
		s = append(s, "bfloat16 COMPRESS/"+axis+"/asym", "bfloat16 COMPRESS/"+axis+"/sym")
	}
	return append(s, "bfloat16 DEQUANTIZE/saturated", "bfloat16 COMPRESS/nonfinite", "bfloat16 COMPRESS/key-norm", "rotation COMPRESS/refused")
}

// formats counts what a response to a good request of bfloat16 or with a rotation
// shows.
func (k *sink) formats(name string, q packet.Request, flags uint32) {
	kind := ""
	switch {
	case q.Rotate > 0 && q.Block:
		k.coverage.hit("rotation " + name + "/block")
		kind = "rotation"
	case q.Rotate > 0:
		k.coverage.hit(fmt.Sprintf("rotation %s/%s/%d", name, []string{"token", "channel"}[q.Axis], q.Rotate))
		kind = "rotation"
	case isBF16(q):
		k.coverage.hit("bfloat16 " + name + "/" + []string{"token", "channel"}[q.Axis] + "/" + []string{"asym", "sym"}[q.Scheme])
		kind = "bfloat16"
	default:
		return
	}
	if flags>>regmap.FlagSaturated&1 != 0 {
		k.coverage.hit(kind + " " + name + "/saturated")
	}
	if flags>>regmap.FlagNonFinite&1 != 0 {
		k.coverage.hit(kind + " " + name + "/nonfinite")
	}
}

// refusedFormats counts what a refused header combines.
func (k *sink) refusedFormats(name string, h []byte, status uint32) {
	format, rotate := regmap.ReqFormat.Get(h) == regmap.FormatBF16, regmap.ReqRotate.Get(h) > 0
	tile := name == "QUANTIZE" || name == "DEQUANTIZE"
	switch {
	case tile && status == regmap.StBadGeometry && rotate:
		k.coverage.hit("rotation " + name + "/misfit")
	case status != regmap.StBadOption:
	case tile && format && rotate:
		k.coverage.hit("rotation " + name + "/bfloat16")
	case tile && format && regmap.ReqLayout.Get(h) == regmap.LayoutBlock:
		k.coverage.hit("bfloat16 " + name + "/block")
	case name == "COMPRESS" && rotate:
		k.coverage.hit("rotation COMPRESS/refused")
	case name == "COMPRESS" && format && regmap.ReqKeyNorm.Get(h) == 1:
		k.coverage.hit("bfloat16 COMPRESS/key-norm")
	}
}
