package drivertest_test

import (
	"math"
	"math/big"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// The kernels of rotation and bfloat16. The sums of a rotation are exact in
// float64; those of bfloat16 span more, and are made in floats of so many bits
// that nothing is lost, unless a hook says so.
const exactBits = 640

// precision is the bits of a bfloat16 computation.
func (k kernels) precision() uint {
	switch k.fault {
	case "bfloat16 in 24 bits":
		return 24
	case "bfloat16 in 53 bits":
		return 53
	case "bfloat16 in 128 bits":
		return 128
	}
	return exactBits
}

func (k kernels) float(v float64) *big.Float {
	return new(big.Float).SetPrec(exactBits).SetFloat64(v)
}

// numberOf is the value a pattern counts as in a format.
func (k kernels) numberOf(format uint32, h uint16) (v float64, bad bool) {
	if format != regmap.FormatBF16 || k.is("bfloat16 cleaned as binary16") && h&0x7c00 == 0x7c00 && h&0x7f80 != 0x7f80 {
		return k.number(h)
	}
	top := float64(math.Float32frombits(0x7f7f << 16))
	v = float64(math.Float32frombits(uint32(h) << 16))
	switch {
	case math.IsNaN(v):
		return 0, true
	case math.IsInf(v, 0) && k.is("infinite bfloat16 counts as 65504"):
		return math.Copysign(65504, v), true
	case math.IsInf(v, 0):
		return math.Copysign(top, v), true
	case math.Abs(v) < 0x1p-126 && k.is("bfloat16 subnormals flushed"), v == 0:
		return 0, false
	}
	return v, false
}

// roundBF16 rounds a value to bfloat16: to 8 bits, or units of 2^-133.
func (k kernels) roundBF16(v *big.Float) (h uint16, saturated bool) {
	sign := uint16(0)
	if v.Sign() < 0 {
		sign = 0x8000
	}
	abs := new(big.Float).Abs(v)
	e := -133 // of the unit
	if abs.Sign() != 0 {
		e = max(abs.MantExp(nil)-8, -133)
	}
	units := k.nearest(new(big.Float).SetPrec(exactBits).SetMantExp(abs, -e))
	pattern := int64(e+133)<<7 + units // 256 units are 128 of the next exponent
	switch {
	case pattern > 0x7f7f:
		return sign | 0x7f7f, !k.is("clamped bfloat16 not counted")
	case pattern == 0:
		return 0, false
	}
	return sign | uint16(pattern), false
}

// nearest rounds a positive number to an integer, ties to even.
func (k kernels) nearest(v *big.Float) int64 {
	if v.Cmp(big.NewFloat(1<<20)) > 0 {
		return 1 << 20
	}
	n, _ := v.Int64()
	rest := new(big.Float).SetPrec(exactBits).Sub(v, new(big.Float).SetInt64(n))
	if c := rest.Cmp(big.NewFloat(0.5)); c > 0 || c == 0 && n%2 == 1 {
		n++
	}
	return n
}

// quantizeWide codes a group of bfloat16.
func (k kernels) quantizeWide(l packet.Layout, x []float64) (g coded) {
	lo, hi, far := x[0], x[0], 0.0
	for _, v := range x {
		lo, hi, far = min(lo, v), max(hi, v), max(far, math.Abs(v))
	}
	prec := k.precision()
	span, top, low := new(big.Float).SetPrec(prec).Sub(k.float(hi), k.float(lo)), int64(1)<<l.Bits-1, int64(0)
	if l.Scheme == regmap.SchemeSym {
		span, top, lo = k.float(far), 1<<(l.Bits-1)-1, 0
		low = -top
	}
	if largest := k.float(float64(math.Float32frombits(0x7f7f << 16))); k.is("range of bfloat16 overflows") && span.Cmp(largest) > 0 {
		span = largest
	}
	g.scale, _ = k.roundBF16(new(big.Float).SetPrec(exactBits).Quo(span, k.float(float64(top))))
	if k.is("bfloat16 scales are binary16") {
		f, _ := span.Float64()
		g.scale, _ = k.round16(f / float64(top))
	}
	g.low, _ = k.roundBF16(k.float(lo))
	step, _ := k.numberOf(regmap.FormatBF16, g.scale)
	for _, v := range x {
		q := int64(0)
		if step != 0 {
			d := new(big.Float).SetPrec(prec).Sub(k.float(v), k.float(lo))
			d.SetPrec(exactBits).Quo(d, k.float(step))
			q = k.nearest(new(big.Float).Abs(d))
			if d.Sign() < 0 {
				q = -q
			}
		}
		g.codes = append(g.codes, int(min(max(q, low), top)))
	}
	return g
}

// restoreWide is minimum + code * scale in bfloat16.
func (k kernels) restoreWide(scale, low float64, code int) (h uint16, saturated bool) {
	sum := new(big.Float).SetPrec(k.precision())
	return k.roundBF16(sum.Add(k.float(low), new(big.Float).Mul(k.float(scale), k.float(float64(code)))))
}

// rotate rotates a row in place, scaled by 2^-e, e as on the way in or out.
func (k kernels) rotate(l packet.Layout, row []float64, out bool) (saturated int) {
	size := l.Rotate
	if k.is("the whole row rotated") && len(row)&(len(row)-1) == 0 {
		size = len(row)
	}
	e := map[int]int{32: 2, 64: 3, 128: 3}[l.Rotate]
	if out {
		e = map[int]int{32: 3, 64: 3, 128: 4}[l.Rotate]
	}
	switch {
	case k.is("rotation scaled alike both ways"):
		e = map[int]int{32: 2, 64: 3, 128: 4}[l.Rotate]
	case k.is("rotation not undone") && out:
		return 0
	}
	for at := 0; at < len(row); at += size {
		block := row[at:min(at+size, len(row))] // shorter only where a fault takes rows that fill no block
		for apart := 1; apart < len(block); apart *= 2 {
			for i := range block {
				if i&apart == 0 && i+apart < len(block) {
					a, b := block[i], block[i+apart]
					block[i], block[i+apart] = k.sum(a+b), k.sum(a-b)
				}
			}
		}
		k.settle(block, e, &saturated)
	}
	return saturated
}

// sum is a sum on the way through a rotation.
func (k kernels) sum(v float64) float64 {
	switch k.fault {
	case "rotation rounded in every stage":
		h, _ := k.round16(v / 2)
		n, _ := k.number(h)
		return 2 * n
	case "rotation in 24 bits":
		return roundTo(v, 24)
	case "rotation in 40 bits":
		return roundTo(v, 40)
	case "rotation's sum wraps":
		if math.Abs(v) >= 0x1p22 {
			return math.Mod(v, 0x1p22)
		}
	}
	return v
}

// settle scales and rounds a rotated block.
func (k kernels) settle(block []float64, e int, saturated *int) {
	given := append([]float64(nil), block...)
	bits := 0
	for len(given)>>bits > 1 {
		bits++
	}
	for i := range block {
		at := i
		if k.is("rotation in order of sequency") {
			at = 0
			for b := range bits {
				at |= i >> b & 1 << (bits - 1 - b)
			}
		}
		h, clamped := k.round16(given[at] / float64(int(1)<<e))
		if k.is("rotated values truncated") {
			if v, _ := k.number(h); math.Abs(v) > math.Abs(given[at])/float64(int(1)<<e) {
				h--
			}
		}
		if clamped && !k.is("rotated saturation not counted") {
			*saturated++
		}
		block[i], _ = k.number(h)
	}
}
