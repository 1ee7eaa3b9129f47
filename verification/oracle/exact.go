// Package oracle computes what the engine must answer, from the formulas of the
// numeric contract and nothing else: it shares no code with the engine's
// emulator, and holds no knowledge of how a device reaches a result.
//
// There are two forms of every kernel. Exact* work on rational numbers
// ([math/big.Rat]) and read like the formulas; they are the judge. The others
// work on integers: every finite binary16 value is a whole number of units of
// 2^-24 below 2^40, so the same formulas are exact in int64, and fast enough
// for whole tiles. The tests hold the second against the first.
//
// Elements are binary16 bit patterns.
package oracle

import (
	"math/big"
	"sort"
	"sync"
)

// Scheme is a way to code a group.
type Scheme int

// The schemes.
const (
	Asym   Scheme = iota // scale and minimum, codes 0 to 2^b-1
	Sym                  // scale, codes -(2^(b-1)-1) to 2^(b-1)-1
	Offset               // scale of either sign, codes 0 to 15 that stand for -8 to 7
)

// Group is a quantized group: what the engine stores of it.
type Group struct {
	Scale     uint16 // binary16
	Min       uint16 // binary16; zero but for Asym
	Codes     []int  // one per element
	NonFinite int    // elements that were NaN or infinite
}

const (
	maxFinite = 0x7bff // 65504
	infinity  = 0x7c00
)

// Sanitise gives the finite number an element counts as: NaN is 0, an infinity
// the largest number of its sign, and -0 is +0. nonFinite tells whether it was
// NaN or infinite.
func Sanitise(h uint16) (clean uint16, nonFinite bool) {
	sign, magnitude := h&0x8000, h&0x7fff
	switch {
	case magnitude > infinity:
		return 0, true
	case magnitude == infinity:
		return sign | maxFinite, true
	case magnitude == 0:
		return 0, false
	}
	return h, false
}

// Value is the number a finite element stands for:
// (-1)^sign * 2^(max(e,1)-25) * (1024*[e>0] + fraction).
func Value(h uint16) *big.Rat {
	exponent, fraction := int(h>>10&31), int64(h&0x3ff)
	if exponent > 0 {
		fraction += 1024
	} else {
		exponent = 1
	}
	v := new(big.Rat).SetInt64(fraction)
	v.Mul(v, new(big.Rat).SetFrac(
		new(big.Int).Lsh(big.NewInt(1), uint(exponent)),
		new(big.Int).Lsh(big.NewInt(1), 25)))
	if h&0x8000 != 0 {
		v.Neg(v)
	}
	return v
}

// magnitudes are the values of the bit patterns 0 to 0x7bff, which ascend with
// the pattern, and one more step, 2^16.
var magnitudes = sync.OnceValue(func() []*big.Rat {
	list := make([]*big.Rat, infinity+1)
	for h := range list[:infinity] {
		list[h] = Value(uint16(h))
	}
	list[infinity] = new(big.Rat).SetInt64(1 << 16)
	return list
})

// ExactRN16 rounds a number to the nearest binary16, the even pattern where two
// are equally near. What would round past 65504 becomes 65504 of its sign, and
// is reported. A zero is +0.
func ExactRN16(v *big.Rat) (h uint16, saturated bool) {
	abs := new(big.Rat).Abs(v)
	list := magnitudes()
	above := sort.Search(len(list), func(i int) bool { return list[i].Cmp(abs) >= 0 })
	if above == len(list) {
		above--
	}
	h = uint16(above)
	if above > 0 {
		middle := new(big.Rat).Add(list[above-1], list[above])
		middle.Quo(middle, big.NewRat(2, 1))
		if c := abs.Cmp(middle); c < 0 || c == 0 && above%2 == 1 {
			h--
		}
	}
	if h == infinity {
		h, saturated = maxFinite, true
	}
	if h != 0 && v.Sign() < 0 {
		h |= 0x8000
	}
	return h, saturated
}

// ExactRNE rounds a number to the nearest integer, the even one where two are
// equally near.
func ExactRNE(v *big.Rat) *big.Int {
	floor := new(big.Int).Div(v.Num(), v.Denom()) // Euclidean: floor, as the denominator is positive
	rest := new(big.Rat).Sub(v, new(big.Rat).SetInt(floor))
	if c := rest.Cmp(big.NewRat(1, 2)); c > 0 || c == 0 && floor.Bit(0) == 1 {
		floor.Add(floor, big.NewInt(1))
	}
	return floor
}

// ExactQuantize codes a group of elements in codes of the given bits.
func ExactQuantize(scheme Scheme, bits int, group []uint16) Group {
	var g Group
	x := make([]*big.Rat, len(group))
	for i, h := range group {
		clean, bad := Sanitise(h)
		if bad {
			g.NonFinite++
		}
		x[i] = Value(clean)
	}
	switch scheme {
	case Sym:
		exactSym(&g, bits, x)
	case Offset:
		exactOffset(&g, x)
	default:
		exactAsym(&g, bits, x)
	}
	return g
}

// exactAsym: mn = min x, mx = max x, s = RN16((mx-mn)/(2^b-1)),
// q = min(2^b-1, RNE((x-mn)/s)); 0 if s = 0.
func exactAsym(g *Group, bits int, x []*big.Rat) {
	mn, mx := x[0], x[0]
	for _, v := range x {
		if v.Cmp(mn) < 0 {
			mn = v
		}
		if v.Cmp(mx) > 0 {
			mx = v
		}
	}
	top := big.NewInt(1<<bits - 1)
	span := new(big.Rat).Sub(mx, mn)
	g.Scale, _ = ExactRN16(span.Quo(span, new(big.Rat).SetInt(top)))
	g.Min, _ = ExactRN16(mn)
	s := Value(g.Scale)
	for _, v := range x {
		q := new(big.Int)
		if s.Sign() != 0 {
			d := new(big.Rat).Sub(v, mn)
			q = ExactRNE(d.Quo(d, s))
		}
		if q.Cmp(top) > 0 {
			q = top
		}
		g.Codes = append(g.Codes, int(q.Int64()))
	}
}

// exactSym: L = 2^(b-1)-1, s = RN16(max|x|/L), q = clamp(RNE(x/s), -L, L); 0 if
// s = 0.
func exactSym(g *Group, bits int, x []*big.Rat) {
	m := new(big.Rat)
	for _, v := range x {
		if a := new(big.Rat).Abs(v); a.Cmp(m) > 0 {
			m = a
		}
	}
	top := big.NewInt(1<<(bits-1) - 1)
	g.Scale, _ = ExactRN16(new(big.Rat).Quo(m, new(big.Rat).SetInt(top)))
	s := Value(g.Scale)
	for _, v := range x {
		q := new(big.Int)
		if s.Sign() != 0 {
			q = ExactRNE(new(big.Rat).Quo(v, s))
		}
		if q.CmpAbs(top) > 0 {
			q = new(big.Int).Mul(top, big.NewInt(int64(q.Sign())))
		}
		g.Codes = append(g.Codes, int(q.Int64()))
	}
}

// exactOffset: m = the first element of largest magnitude, s = RN16(m/-8),
// q = min(15, max(0, RNE(x/s)+8)); 8 if s = 0.
func exactOffset(g *Group, x []*big.Rat) {
	m := x[0]
	for _, v := range x {
		if new(big.Rat).Abs(v).Cmp(new(big.Rat).Abs(m)) > 0 {
			m = v
		}
	}
	g.Scale, _ = ExactRN16(new(big.Rat).Quo(m, big.NewRat(-8, 1)))
	s := Value(g.Scale)
	for _, v := range x {
		q := new(big.Int)
		if s.Sign() != 0 {
			q = ExactRNE(new(big.Rat).Quo(v, s))
		}
		q.Add(q, big.NewInt(8))
		if q.Sign() < 0 {
			q.SetInt64(0)
		}
		if q.Cmp(big.NewInt(15)) > 0 {
			q.SetInt64(15)
		}
		g.Codes = append(g.Codes, int(q.Int64()))
	}
}

// ExactRestore is RN16(min + code*scale) for finite scale and minimum, of any
// sign. An Offset code goes in less 8.
func ExactRestore(scale, min uint16, code int) (h uint16, saturated bool) {
	v := new(big.Rat).SetInt64(int64(code))
	v.Mul(v, Value(scale))
	return ExactRN16(v.Add(v, Value(min)))
}
