package oracle

import "math/bits"

// Numbers here are in units of 2^-24, the smallest binary16. A finite binary16
// is a whole number of units of at most 65504 * 2^24 < 2^40; a difference of two
// is below 2^41 and min + code*scale below 2^48, so nothing below can overflow.
const maxUnits = 65504 << 24

// units is the value of a finite element in units.
func units(h uint16) int64 {
	exponent, fraction := h>>10&31, int64(h&0x3ff)
	u := fraction // subnormal: fraction * 2^-24
	if exponent > 0 {
		u = (1024 + fraction) << (exponent - 1)
	}
	if h&0x8000 != 0 {
		return -u
	}
	return u
}

// divRNE is RNE(num/den) for num >= 0 and den > 0.
func divRNE(num, den int64) int64 {
	q, r := num/den, num%den
	if 2*r > den || 2*r == den && q%2 == 1 {
		q++
	}
	return q
}

// rn16 is RN16 of num/den units, den > 0. Neighbouring binary16 values are 2^e
// units apart where 2^(10+e) <= |num/den| < 2^(11+e), and one unit below that.
func rn16(num, den int64) (h uint16, saturated bool) {
	var sign uint16
	if num < 0 {
		num, sign = -num, 0x8000
	}
	e := max(bits.Len64(uint64(num/den))-11, 0)
	steps := divRNE(num, den<<e) // up to 2048, which is 1024 of the next larger step
	if steps<<e > maxUnits {
		return sign | (FP16.infinity() - 1), true
	}
	if steps == 0 {
		return 0, false
	}
	return sign | uint16(e<<10+int(steps)), false
}

func clean(group []uint16) (x []int64, nonFinite int) {
	x = make([]int64, len(group))
	for i, h := range group {
		c, bad := Sanitise(h)
		if bad {
			nonFinite++
		}
		x[i] = units(c)
	}
	return x, nonFinite
}

// Quantize codes a group of elements in codes of the given bits.
func Quantize(scheme Scheme, bits int, group []uint16) Group {
	x, bad := clean(group)
	g := Group{Codes: make([]int, len(x)), NonFinite: bad}
	switch scheme {
	case Sym:
		quantizeSym(&g, bits, x)
	case Offset:
		quantizeOffset(&g, x)
	default:
		quantizeAsym(&g, bits, x)
	}
	return g
}

func quantizeAsym(g *Group, bits int, x []int64) {
	mn, mx := x[0], x[0]
	for _, v := range x {
		mn, mx = min(mn, v), max(mx, v)
	}
	top := int64(1)<<bits - 1
	g.Scale, _ = rn16(mx-mn, top)
	g.Min, _ = rn16(mn, 1)
	if s := units(g.Scale); s != 0 {
		for i, v := range x {
			g.Codes[i] = int(min(top, divRNE(v-mn, s)))
		}
	}
}

func quantizeSym(g *Group, bits int, x []int64) {
	var m int64
	for _, v := range x {
		m = max(m, v, -v)
	}
	top := int64(1)<<(bits-1) - 1
	g.Scale, _ = rn16(m, top)
	if s := units(g.Scale); s != 0 {
		for i, v := range x {
			if v < 0 {
				g.Codes[i] = -int(min(top, divRNE(-v, s)))
			} else {
				g.Codes[i] = int(min(top, divRNE(v, s)))
			}
		}
	}
}

func quantizeOffset(g *Group, x []int64) {
	var m, far int64
	for _, v := range x {
		if a := max(v, -v); a > far {
			m, far = v, a
		}
	}
	g.Scale, _ = rn16(-m, 8)
	s := units(g.Scale)
	for i, v := range x {
		q := int64(0)
		switch {
		case s == 0:
		case (v < 0) == (s < 0):
			q = divRNE(max(v, -v), max(s, -s))
		default:
			q = -divRNE(max(v, -v), max(s, -s))
		}
		g.Codes[i] = int(min(15, max(0, q+8)))
	}
}

// Restore is RN16(min + code*scale) for finite scale and minimum, of any sign.
// An Offset code goes in less 8.
func Restore(scale, min uint16, code int) (h uint16, saturated bool) {
	return rn16(units(min)+int64(code)*units(scale), 1)
}
