package oracle

import "math/big"

// The kernels for bfloat16, in units of 2^-133, its smallest. A finite bfloat16 is
// a whole number of them below 2^261.

// wide is the value of a finite bfloat16 in units of 2^-133.
func wide(h uint16) *big.Int {
	exponent, fraction := uint(h>>7&255), int64(h&0x7f)
	u := big.NewInt(fraction)
	if exponent > 0 {
		u.SetInt64(128+fraction).Lsh(u, exponent-1)
	}
	if h&0x8000 != 0 {
		u.Neg(u)
	}
	return u
}

// wideRNE is RNE(|num|/|den|), den other than 0.
func wideRNE(num, den *big.Int) *big.Int {
	q, r := new(big.Int).QuoRem(num, den, new(big.Int))
	q.Abs(q)
	if c := r.Lsh(r, 1).CmpAbs(den); c > 0 || c == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(1))
	}
	return q
}

// wideRound rounds num/den units to bfloat16, den > 0. Neighbours are 2^e units
// apart where 2^(7+e) <= |num/den| < 2^(8+e), and one unit below that.
func wideRound(num *big.Int, den int64) (h uint16, saturated bool) {
	if num.Sign() < 0 {
		h = 0x8000
	}
	divisor := big.NewInt(den)
	e := max(new(big.Int).Quo(num, divisor).BitLen()-8, 0)
	steps := wideRNE(num, divisor.Lsh(divisor, uint(e))).Int64() // up to 256, which is 128 of the next larger step
	if steps == 0 {
		return 0, false
	}
	if pattern := int64(e)<<7 + steps; pattern <= 0x7f7f {
		return h | uint16(pattern), false
	}
	return h | 0x7f7f, true
}

// Quantize codes a group of elements in codes of the given bits.
func (f Format) Quantize(scheme Scheme, bits int, group []uint16) Group {
	if f == FP16 {
		return Quantize(scheme, bits, group)
	}
	g := Group{Codes: make([]int, len(group))}
	x := make([]*big.Int, len(group))
	for i, h := range group {
		c, bad := f.Sanitise(h)
		if bad {
			g.NonFinite++
		}
		x[i] = wide(c)
	}
	if scheme == Asym {
		wideAsym(&g, bits, x)
	} else {
		wideSym(&g, bits, x)
	}
	return g
}

func wideAsym(g *Group, bits int, x []*big.Int) {
	mn, mx := x[0], x[0]
	for _, v := range x {
		if v.Cmp(mn) < 0 {
			mn = v
		}
		if v.Cmp(mx) > 0 {
			mx = v
		}
	}
	top := int64(1)<<bits - 1
	g.Scale, _ = wideRound(new(big.Int).Sub(mx, mn), top)
	g.Min, _ = wideRound(mn, 1)
	if s := wide(g.Scale); s.Sign() != 0 {
		for i, v := range x {
			g.Codes[i] = atMost(wideRNE(new(big.Int).Sub(v, mn), s), top)
		}
	}
}

func wideSym(g *Group, bits int, x []*big.Int) {
	m := new(big.Int)
	for _, v := range x {
		if v.CmpAbs(m) > 0 {
			m = v
		}
	}
	top := int64(1)<<(bits-1) - 1
	g.Scale, _ = wideRound(new(big.Int).Abs(m), top)
	if s := wide(g.Scale); s.Sign() != 0 {
		for i, v := range x {
			g.Codes[i] = v.Sign() * atMost(wideRNE(v, s), top)
		}
	}
}

// atMost is a quotient, cut to the largest code.
func atMost(q *big.Int, top int64) int {
	if q.IsInt64() {
		return int(min(q.Int64(), top))
	}
	return int(top)
}

// Restore is min + code*scale, rounded, for finite scale and minimum, of any sign.
// An Offset code goes in less 8.
func (f Format) Restore(scale, min uint16, code int) (h uint16, saturated bool) {
	if f == FP16 {
		return Restore(scale, min, code)
	}
	sum := new(big.Int).Mul(wide(scale), big.NewInt(int64(code)))
	return wideRound(sum.Add(sum, wide(min)), 1)
}
