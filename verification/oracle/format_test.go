package oracle

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// Bit patterns of bfloat16.
const (
	bOne      = 0x3f80
	bMinusOne = 0xbf80
	bTop      = 0x7f7f // (2 - 2^-7) 2^127
	bNegTop   = 0xff7f
	bInf      = 0x7f80
	bNaN      = 0x7fc0
)

func TestSanitiseBF16(t *testing.T) {
	for _, c := range []struct {
		in, want uint16
		bad      bool
	}{
		{0, 0, false}, {negZero, 0, false}, {tiny, tiny, false}, {0x807f, 0x807f, false},
		{bNaN, 0, true}, {0xff81, 0, true}, {0x7fff, 0, true}, {0xffff, 0, true},
		{bInf, bTop, true}, {bInf | 0x8000, bNegTop, true}, {bTop, bTop, false}, {inf, inf, false}, {nan, nan, false},
	} {
		if got, bad := BF16.Sanitise(c.in); got != c.want || bad != c.bad {
			t.Errorf("Sanitise(%#04x) = %#04x, %v; want %#04x, %v", c.in, got, bad, c.want, c.bad)
		}
	}
}

// A bfloat16 is the upper half of a binary32.
func TestValueBF16(t *testing.T) {
	unit := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), 133))
	for i := range 1 << 16 {
		h := uint16(i)
		if h&0x7f80 == 0x7f80 {
			continue
		}
		v := BF16.Value(h)
		if f, exact := v.Float32(); !exact || f != math.Float32frombits(uint32(h)<<16) {
			t.Fatalf("Value(%#04x) = %v", h, v)
		}
		if u := new(big.Rat).SetInt(wide(h)); v.Cmp(u.Mul(u, unit)) != 0 {
			t.Fatalf("wide(%#04x) = %v, the value is %v", h, wide(h), v)
		}
	}
}

// Around every value and every middle of two.
func TestRoundBF16(t *testing.T) {
	value := func(h uint16) float64 { return float64(math.Float32frombits(uint32(h) << 16)) }
	for h := uint16(0); h <= bTop; h++ {
		lo, hi := value(h), 0x1p128
		if h < bTop {
			hi = value(h + 1)
		}
		mid, over := (lo+hi)/2, h == bTop
		above := min(h+1, bTop)
		even := h + h%2
		if over {
			even = bTop
		}
		for _, c := range []struct {
			v    float64
			want uint16
			sat  bool
		}{
			{lo, h, false}, {math.Nextafter(lo, hi), h, false}, {math.Nextafter(mid, lo), h, false},
			{mid, even, over}, {math.Nextafter(mid, hi), above, over}, {math.Nextafter(hi, lo), above, over},
		} {
			for _, sign := range []float64{1, -1} {
				want := c.want
				if want != 0 && sign < 0 {
					want |= 0x8000
				}
				if got, sat := BF16.ExactRound(new(big.Rat).SetFloat64(sign * c.v)); got != want || sat != c.sat {
					t.Fatalf("ExactRound(%g) = %#04x, %v; want %#04x, %v", sign*c.v, got, sat, want, c.sat)
				}
			}
		}
	}
}

// Integer rounding against the rational one: every denominator a scale has, at
// values that are random, at a middle, and one part beside it.
func TestWideRoundAgainstExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	unit := new(big.Int).Lsh(big.NewInt(1), 133)
	for range 20000 {
		den := []int64{1, 3, 7, 15, 31, 63, 127, 255}[rng.IntN(8)]
		num := new(big.Int).Lsh(big.NewInt(rng.Int64()), uint(rng.IntN(216)))
		if rng.IntN(2) == 0 {
			h := uint16(rng.IntN(bTop))
			num.Add(wide(h), wide(h+1))
			num.Rsh(num.Mul(num, big.NewInt(den)), 1)
			num.Add(num, big.NewInt(rng.Int64N(3)-1))
		}
		if rng.IntN(2) == 0 {
			num.Neg(num)
		}
		want, wantSat := BF16.ExactRound(new(big.Rat).SetFrac(num, new(big.Int).Mul(unit, big.NewInt(den))))
		if got, sat := wideRound(num, den); got != want || sat != wantSat {
			t.Fatalf("wideRound(%v, %d) = %#04x, %v; want %#04x, %v", num, den, got, sat, want, wantSat)
		}
	}
}

func TestGroupsByHandBF16(t *testing.T) {
	for _, c := range []struct {
		name   string
		scheme Scheme
		bits   int
		in     []uint16
		want   Group
	}{
		// s = 3/3 = 1; 0.5 and 2.5 are ties to the even code, 1.5 goes up.
		{"asymmetric ties", Asym, 2, []uint16{0, 0x3f00, 0x3fc0, 0x4020, 0x4040}, Group{bOne, 0, []int{0, 0, 2, 2, 3}, 0}},
		{"symmetric ties", Sym, 2, []uint16{bOne, 0x3f00, 0x3f01, bMinusOne, 0xbf00, 0xbf01}, Group{bOne, 0, []int{1, 0, 1, -1, 0, -1}, 0}},
		// The span is 2 Max = 510 * 2^120, beyond bfloat16, and s = 170 * 2^120:
		// 0 is a tie of 1 and 2.
		{"largest span", Asym, 2, []uint16{bNegTop, 0, bTop}, Group{0x7f2a, bNegTop, []int{0, 2, 3}, 0}},
		{"infinities", Asym, 2, []uint16{bInf | 0x8000, bNaN, bInf, 0xff81}, Group{0x7f2a, bNegTop, []int{0, 2, 3, 2}, 4}},
		{"infinity, symmetric", Sym, 2, []uint16{bInf, bNegTop, 0x7eff, 0x7f00}, Group{bTop, 0, []int{1, -1, 0, 1}, 1}},
		{"only NaN", Sym, 3, []uint16{bNaN, bNaN}, Group{0, 0, []int{0, 0}, 2}},
		{"scale vanishes", Asym, 4, []uint16{0, 1, 2}, Group{0, 0, []int{0, 0, 0}, 0}},
		{"scale of one unit", Asym, 4, []uint16{0, 1, 8}, Group{tiny, 0, []int{0, 1, 8}, 0}},
		{"code clamped", Asym, 4, []uint16{0, 16, 22}, Group{tiny, 0, []int{0, 15, 15}, 0}},
		{"code clamped, symmetric", Sym, 4, []uint16{10, 0x800a, 0x8007}, Group{tiny, 0, []int{7, -7, -7}, 0}},
		// The smallest beside the largest: nothing is left of it but its side of the
		// tie. s = Max/3 = 85 * 2^120 exactly, and half of it is a bfloat16.
		{"a tie", Asym, 2, []uint16{0, 0x7e2a, bTop}, Group{0x7eaa, 0, []int{0, 0, 3}, 0}},
		{"a unit above a tie", Asym, 2, []uint16{0x8001, 0x7e2a, bTop}, Group{0x7eaa, 0x8001, []int{0, 1, 3}, 0}},
		// From 2^-133 up the second is one and a half steps less a unit.
		{"a unit below a tie", Asym, 2, []uint16{0x0001, 0x7eff, bTop}, Group{0x7eaa, 0x0001, []int{0, 1, 3}, 0}},
		{"a tie to 2", Asym, 2, []uint16{0, 0x7eff, bTop}, Group{0x7eaa, 0, []int{0, 2, 3}, 0}},
	} {
		for form, f := range map[string]func(Scheme, int, []uint16) Group{"exact": BF16.ExactQuantize, "units": BF16.Quantize} {
			got := f(c.scheme, c.bits, c.in)
			if got.Scale != c.want.Scale || got.Min != c.want.Min || !slices.Equal(got.Codes, c.want.Codes) || got.NonFinite != c.want.NonFinite {
				t.Errorf("%s (%s): got %#04x, want %#04x", c.name, form, got, c.want)
			}
		}
	}
}

func TestRestoreByHandBF16(t *testing.T) {
	for _, c := range []struct {
		scale, min uint16
		code       int
		want       uint16
		saturated  bool
	}{
		{bOne, 0, 3, 0x4040, false},
		{bOne, bMinusOne, 1, 0, false},
		{0x8001, tiny, 1, 0, false},
		{bMinusOne, 0, 2, 0xc000, false},
		{bOne, 0, -128, 0xc300, false},
		{0x7f2a, bNegTop, 3, bTop, false},  // 3 * 170 - 255 = 255
		{0x7f2b, bNegTop, 3, bTop, true},   // 3 * 171 - 255 = 258
		{bTop, bTop, 255, bTop, true},      //
		{bNegTop, 0, 255, bNegTop, true},   //
		{0x7b00, bTop, 1, bTop, true},      // half a step above the top: would round to 2^128
		{0x7aff, bTop, 1, bTop, false},     // less than half
		{tiny, bTop, 255, bTop, false},     //
		{tiny, bOne, 255, bOne, false},     //
		{0x3b80, bOne, 1, bOne, false},     // 1 + 2^-8: tie to even
		{0x3b80, 0x3f81, 1, 0x3f82, false}, // 1 + 3*2^-8: tie to even
		{0x8001, bOne, 1, bOne, false},     // 1 less a unit
		{0x3b80, bOne, -1, 0x3f7f, false},  // 1 - 2^-8 is a bfloat16
		{0x3b00, bOne, -1, bOne, false},    // 1 - 2^-9: tie to even
		{0x007f, 0x0001, 1, 0x0080, false}, // subnormals add up to a normal
		{0x0001, 0x8080, 1, 0x807f, false}, // and a normal comes down
	} {
		for form, f := range map[string]func(uint16, uint16, int) (uint16, bool){"exact": BF16.ExactRestore, "units": BF16.Restore} {
			if got, s := f(c.scale, c.min, c.code); got != c.want || s != c.saturated {
				t.Errorf("%s: %#04x + %d * %#04x = %#04x, %v; want %#04x, %v", form, c.min, c.code, c.scale, got, s, c.want, c.saturated)
			}
		}
	}
}
