// Package fp16 converts IEEE 754 binary16 and bfloat16 bit patterns to and
// from float64. Rounding from float64 is done once, half to even: going through
// float32 would round twice.
package fp16

import "math"

// MaxFinite is the largest finite binary16 value.
const MaxFinite = 65504

// ToFloat64 converts binary16 bits to the value they stand for.
func ToFloat64(h uint16) float64 {
	mag := float64(h&0x3ff) * 0x1p-24
	switch e := h >> 10 & 31; {
	case e == 31 && h&0x3ff != 0:
		return math.NaN()
	case e == 31:
		mag = math.Inf(1)
	case e != 0:
		mag = math.Ldexp(float64(h&0x3ff|0x400), int(e)-25)
	}
	if h&0x8000 != 0 {
		return -mag
	}
	return mag
}

// FromFloat64 rounds to the nearest binary16, half to even; what is beyond the
// largest finite value by half a step or more becomes infinite.
func FromFloat64(f float64) uint16 {
	sign := uint16(math.Float64bits(f) >> 48 & 0x8000)
	f = math.Abs(f)
	switch {
	case math.IsNaN(f):
		return 0x7e00
	case f >= 65520:
		return sign | 0x7c00
	case f < 0x1p-14:
		// Exact scaling: the step is 2^-24, and a carry into the normals is
		// the right encoding.
		return sign | uint16(math.RoundToEven(f*0x1p24))
	}
	_, e := math.Frexp(f) // f = m * 2^e, m in [0.5, 1)
	m := uint16(math.RoundToEven(math.Ldexp(f, 11-e)))
	return sign | (uint16(e+13)<<10 + m)
}

// BFloatFromFloat64 rounds to the nearest bfloat16, as FromFloat64 does.
func BFloatFromFloat64(f float64) uint16 {
	sign := uint16(math.Float64bits(f) >> 48 & 0x8000)
	f = math.Abs(f)
	switch {
	case math.IsNaN(f):
		return 0x7fc0
	case f >= 0x1.ffp127:
		return sign | 0x7f80
	case f < 0x1p-126:
		return sign | uint16(math.RoundToEven(f*0x1p133))
	}
	_, e := math.Frexp(f)
	m := uint16(math.RoundToEven(math.Ldexp(f, 8-e)))
	return sign | (uint16(e+125)<<7 + m)
}

// BFloatToFloat64 converts bfloat16 bits to the value they stand for.
func BFloatToFloat64(b uint16) float64 {
	return float64(math.Float32frombits(uint32(b) << 16))
}
