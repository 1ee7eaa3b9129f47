// Package oracle computes what the engine must answer, from the formulas of the
// numeric contract and nothing else: it shares no code with the engine's
// emulator, and holds no knowledge of how a device reaches a result.
//
// There are two forms of every kernel. Exact* work on rational numbers
// ([math/big.Rat]) and read like the formulas; they are the judge. The others
// work on integers: every finite binary16 value is a whole number of units of
// 2^-24 below 2^40, so the same formulas are exact in int64, and fast enough
// for whole tiles; bfloat16 values are whole numbers of units of 2^-133 below
// 2^261, exact in [math/big.Int]. The tests hold the second against the first.
//
// Elements are bit patterns: of binary16, unless a [Format] is named.
package oracle

import "math/big"

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
	Scale     uint16 // in the format of the elements
	Min       uint16 // likewise; zero but for Asym
	Codes     []int  // one per element
	NonFinite int    // elements that were NaN or infinite
}

// Sanitise gives the finite binary16 that one counts as; see [Format.Sanitise].
func Sanitise(h uint16) (clean uint16, nonFinite bool) { return FP16.Sanitise(h) }

// Value is the number a finite binary16 stands for.
func Value(h uint16) *big.Rat { return FP16.Value(h) }

// ExactRN16 rounds to binary16; see [Format.ExactRound].
func ExactRN16(v *big.Rat) (h uint16, saturated bool) { return FP16.ExactRound(v) }

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

// ExactQuantize codes a group of binary16 elements; see [Format.ExactQuantize].
func ExactQuantize(scheme Scheme, bits int, group []uint16) Group {
	return FP16.ExactQuantize(scheme, bits, group)
}

// ExactQuantize codes a group of elements in codes of the given bits.
func (f Format) ExactQuantize(scheme Scheme, bits int, group []uint16) Group {
	var g Group
	x := make([]*big.Rat, len(group))
	for i, h := range group {
		clean, bad := f.Sanitise(h)
		if bad {
			g.NonFinite++
		}
		x[i] = f.Value(clean)
	}
	switch scheme {
	case Sym:
		f.exactSym(&g, bits, x)
	case Offset:
		f.exactOffset(&g, x)
	default:
		f.exactAsym(&g, bits, x)
	}
	return g
}

// exactAsym: mn = min x, mx = max x, s = RN16((mx-mn)/(2^b-1)),
// q = min(2^b-1, RNE((x-mn)/s)); 0 if s = 0.
func (f Format) exactAsym(g *Group, bits int, x []*big.Rat) {
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
	g.Scale, _ = f.ExactRound(span.Quo(span, new(big.Rat).SetInt(top)))
	g.Min, _ = f.ExactRound(mn)
	s := f.Value(g.Scale)
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
func (f Format) exactSym(g *Group, bits int, x []*big.Rat) {
	m := new(big.Rat)
	for _, v := range x {
		if a := new(big.Rat).Abs(v); a.Cmp(m) > 0 {
			m = a
		}
	}
	top := big.NewInt(1<<(bits-1) - 1)
	g.Scale, _ = f.ExactRound(new(big.Rat).Quo(m, new(big.Rat).SetInt(top)))
	s := f.Value(g.Scale)
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
func (f Format) exactOffset(g *Group, x []*big.Rat) {
	m := x[0]
	for _, v := range x {
		if new(big.Rat).Abs(v).Cmp(new(big.Rat).Abs(m)) > 0 {
			m = v
		}
	}
	g.Scale, _ = f.ExactRound(new(big.Rat).Quo(m, big.NewRat(-8, 1)))
	s := f.Value(g.Scale)
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

// ExactRestore restores a binary16; see [Format.ExactRestore].
func ExactRestore(scale, min uint16, code int) (h uint16, saturated bool) {
	return FP16.ExactRestore(scale, min, code)
}

// ExactRestore is min + code*scale, rounded, for finite scale and minimum, of any
// sign. An Offset code goes in less 8.
func (f Format) ExactRestore(scale, min uint16, code int) (h uint16, saturated bool) {
	v := new(big.Rat).SetInt64(int64(code))
	v.Mul(v, f.Value(scale))
	return f.ExactRound(v.Add(v, f.Value(min)))
}
