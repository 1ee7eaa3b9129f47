package oracle

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/internal/fp16"
)

// Bit patterns the tests name.
const (
	one      = 0x3c00
	half     = 0x3800
	two      = 0x4000
	tiny     = 0x0001 // 2^-24
	minusOne = 0xbc00
	negZero  = 0x8000
	nan      = 0x7e01
	negNaN   = 0xfe01
	inf      = 0x7c00
	negInf   = 0xfc00
	top      = 0x7bff // 65504
	negTop   = 0xfbff
)

func TestSanitise(t *testing.T) {
	for _, c := range []struct {
		in, want uint16
		bad      bool
	}{
		{0, 0, false}, {negZero, 0, false}, {tiny, tiny, false}, {0x8001, 0x8001, false},
		{nan, 0, true}, {negNaN, 0, true}, {0x7c01, 0, true}, {0xffff, 0, true},
		{inf, top, true}, {negInf, negTop, true}, {top, top, false}, {negTop, negTop, false},
	} {
		if got, bad := Sanitise(c.in); got != c.want || bad != c.bad {
			t.Errorf("Sanitise(%#04x) = %#04x, %v; want %#04x, %v", c.in, got, bad, c.want, c.bad)
		}
	}
}

func TestValue(t *testing.T) {
	for _, c := range []struct {
		h    uint16
		want *big.Rat
	}{
		{one, big.NewRat(1, 1)}, {half, big.NewRat(1, 2)}, {minusOne, big.NewRat(-1, 1)},
		{tiny, big.NewRat(1, 1<<24)}, {0x03ff, big.NewRat(1023, 1<<24)}, {0x0400, big.NewRat(1, 1<<14)},
		{top, big.NewRat(65504, 1)}, {0x3555, big.NewRat(1365, 4096)}, {0, new(big.Rat)},
	} {
		if got := Value(c.h); got.Cmp(c.want) != 0 {
			t.Errorf("Value(%#04x) = %v, want %v", c.h, got, c.want)
		}
	}
	unit := big.NewRat(1, 1<<24)
	for i := range 1 << 16 {
		h := uint16(i)
		if h&0x7c00 == 0x7c00 {
			continue
		}
		v := Value(h)
		if f, exact := v.Float64(); !exact || f != fp16.ToFloat64(h) {
			t.Fatalf("Value(%#04x) = %v, as a float %v", h, v, fp16.ToFloat64(h))
		}
		if u := new(big.Rat).SetInt64(units(h)); v.Cmp(u.Mul(u, unit)) != 0 {
			t.Fatalf("units(%#04x) = %d, the value is %v", h, units(h), v)
		}
	}
}

func TestRNE(t *testing.T) {
	for _, c := range []struct{ num, den, want int64 }{
		{0, 1, 0}, {1, 2, 0}, {3, 2, 2}, {5, 2, 2}, {7, 2, 4}, {-1, 2, 0}, {-3, 2, -2}, {-5, 2, -2},
		{2, 3, 1}, {1, 3, 0}, {-2, 3, -1}, {-1, 3, 0}, {499, 1000, 0}, {501, 1000, 1}, {-2499, 1000, -2}, {-2501, 1000, -3},
	} {
		if got := ExactRNE(big.NewRat(c.num, c.den)); got.Int64() != c.want {
			t.Errorf("ExactRNE(%d/%d) = %v, want %d", c.num, c.den, got, c.want)
		}
		if c.num >= 0 && divRNE(c.num, c.den) != c.want {
			t.Errorf("divRNE(%d, %d) = %d, want %d", c.num, c.den, divRNE(c.num, c.den), c.want)
		}
	}
}

func TestRN16(t *testing.T) {
	for _, c := range []struct {
		num, den  int64
		want      uint16
		saturated bool
	}{
		{0, 1, 0, false}, {1, 1, one, false}, {-1, 1, minusOne, false}, {1, 3, 0x3555, false},
		{1, 1 << 24, tiny, false},
		{1, 1 << 25, 0, false},             // half of the smallest: to even, 0
		{-1, 1 << 25, 0, false},            // and +0, never -0
		{3, 1 << 25, 2, false},             // 1.5 units: to even, 2
		{5, 1 << 25, 2, false},             // 2.5 units: to even, 2
		{1<<20 + 1, 1 << 45, tiny, false},  // a hair above half a unit
		{2047, 1 << 25, 0x0400, false},     // 1023.5 units: into the normals
		{2049, 2048, one, false},           // 1 + 2^-11: tie to the even 1
		{2051, 2048, 0x3c02, false},        // 1 + 3*2^-11: tie to the even 1 + 2^-9
		{4095, 2048, two, false},           // 2 - 2^-11: tie, carries into the next binade
		{4099, 4096, 0x3c01, false},        // 1 + 3*2^-12: above the tie
		{65504, 1, top, false},             // the largest
		{65519, 1, top, false},             // rounds down to it
		{65520, 1, top, true},              // would round to 2^16
		{-65520, 1, negTop, true},          //
		{1 << 40, 1, top, true},            //
		{131008, 3, 0x7955, false},         // (65504 - -65504)/3
		{131039999, 2000, top, false},      // 65519.9995
		{131040001, 2000, top, true},       // 65520.0005
		{16777217, 1 << 38, 0x0400, false}, // just above 2^-14
	} {
		if got, sat := ExactRN16(big.NewRat(c.num, c.den)); got != c.want || sat != c.saturated {
			t.Errorf("ExactRN16(%d/%d) = %#04x, %v; want %#04x, %v", c.num, c.den, got, sat, c.want, c.saturated)
		}
	}
}

// One part in 2^20 around every value and every middle of two, against a
// rounding that was written for another purpose.
func TestRN16AgainstFloatRounding(t *testing.T) {
	for h := uint16(0); h <= top; h += 3 { // 3 divides the largest pattern, 31743
		lo := fp16.ToFloat64(h)
		hi := 65536.0
		if h < top {
			hi = fp16.ToFloat64(h + 1)
		}
		mid := (lo + hi) / 2
		for _, f := range []float64{lo, math.Nextafter(lo, hi), math.Nextafter(mid, lo), mid, math.Nextafter(mid, hi), math.Nextafter(hi, lo)} {
			want, over := fp16.FromFloat64(f), f >= 65520
			if over {
				want = top
			}
			if got, sat := ExactRN16(new(big.Rat).SetFloat64(f)); got != want || sat != over {
				t.Fatalf("ExactRN16(%g) = %#04x, %v; want %#04x, %v", f, got, sat, want, over)
			}
			if f == 0 {
				continue
			}
			if got, _ := ExactRN16(new(big.Rat).SetFloat64(-f)); want != 0 && got != want|0x8000 || want == 0 && got != 0 {
				t.Fatalf("ExactRN16(%g) = %#04x", -f, got)
			}
		}
	}
}

// Integer rounding against the rational one: every denominator a scale has, at
// values that are random, at a middle, and one part beside it.
func TestUnitRN16AgainstExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 40000 {
		den := []int64{1, 3, 7, 8, 15, 31, 63, 127, 255}[rng.IntN(9)]
		num := rng.Int64N(1 << (1 + rng.IntN(48)))
		if rng.IntN(2) == 0 { // a middle of two neighbours, times den, and beside it
			h := uint16(rng.IntN(top))
			num = (units(h)+units(h+1))*den/2 + rng.Int64N(3) - 1
		}
		if rng.IntN(2) == 0 {
			num = -num
		}
		want, wantSat := ExactRN16(new(big.Rat).Quo(big.NewRat(num, 1<<24), big.NewRat(den, 1)))
		if got, sat := rn16(num, den); got != want || sat != wantSat {
			t.Fatalf("rn16(%d, %d) = %#04x, %v; want %#04x, %v", num, den, got, sat, want, wantSat)
		}
	}
}

func TestGroupsByHand(t *testing.T) {
	for _, c := range []struct {
		name   string
		scheme Scheme
		bits   int
		in     []uint16
		want   Group
	}{
		// s = 3/3 = 1; 0.5 and 2.5 are ties to the even code, 1.5 goes up.
		{"asymmetric ties", Asym, 2, []uint16{0, 0x3800, 0x3e00, 0x4100, 0x4200}, Group{one, 0, []int{0, 0, 2, 2, 3}, 0}},
		// The same below zero: mn = -3.
		{"asymmetric negative", Asym, 2, []uint16{0xc200, 0xc100, 0xbe00, 0xb800, 0}, Group{one, 0xc200, []int{0, 0, 2, 2, 3}, 0}},
		// L = 1, s = 1: 0.5 is a tie to 0, 0.501 goes to 1, signs alike.
		{"symmetric ties", Sym, 2, []uint16{one, half, 0x3801, minusOne, 0xb800, 0xb801}, Group{one, 0, []int{1, 0, 1, -1, 0, -1}, 0}},
		// L = 3, s = 1.
		{"symmetric 3 bits", Sym, 3, []uint16{0x4200, 0x4100, 0x3e00, 0xc100, 0xc200, 0xbe00}, Group{one, 0, []int{3, 2, 2, -2, -3, -2}, 0}},
		{"constant", Asym, 4, []uint16{0x4321, 0x4321, 0x4321}, Group{0, 0x4321, []int{0, 0, 0}, 0}},
		{"constant negative", Asym, 8, []uint16{0xc321, 0xc321}, Group{0, 0xc321, []int{0, 0}, 0}},
		{"all zero", Sym, 4, []uint16{0, negZero}, Group{0, 0, []int{0, 0}, 0}},
		{"minus zero is the minimum as +0", Asym, 2, []uint16{negZero, 0x4200}, Group{one, 0, []int{0, 3}, 0}},
		// The span is 131008, beyond binary16, and s = 43669.33 rounds to 43680:
		// 0 is 65504/43680 = 1.4997 up, 65504 is 2.9993 up.
		{"largest span", Asym, 2, []uint16{negTop, 0, top}, Group{0x7955, negTop, []int{0, 1, 3}, 0}},
		// 131008/255 = 513.76 rounds to 514: the top code is 254.88.
		{"largest span, 8 bits", Asym, 8, []uint16{negTop, top}, Group{0x6004, negTop, []int{0, 255}, 0}},
		{"infinities", Asym, 2, []uint16{negInf, nan, inf, negNaN}, Group{0x7955, negTop, []int{0, 1, 3, 1}, 4}},
		{"infinity, symmetric", Sym, 2, []uint16{inf, negInf, 0x77ff, 0x7801}, Group{top, 0, []int{1, -1, 0, 1}, 2}},
		{"only NaN", Sym, 3, []uint16{nan, nan}, Group{0, 0, []int{0, 0}, 2}},
		// Two units over 15 codes: s = 2/15 units rounds to 0.
		{"scale vanishes", Asym, 4, []uint16{0, 1, 2}, Group{0, 0, []int{0, 0, 0}, 0}},
		// 8/15 of a unit rounds to one: the codes are the units.
		{"scale of one unit", Asym, 4, []uint16{0, 1, 8}, Group{tiny, 0, []int{0, 1, 8}, 0}},
		// 22 units / 15 = 1.47 rounds to one unit: 16 and 22 are cut to 15.
		{"code clamped", Asym, 4, []uint16{0, 16, 22}, Group{tiny, 0, []int{0, 15, 15}, 0}},
		// 10 units / 7 = 1.43 rounds to one: clamped at both ends.
		{"code clamped, symmetric", Sym, 4, []uint16{10, 0x800a, 0x8007}, Group{tiny, 0, []int{7, -7, -7}, 0}},
		// 3.5 units / 7 = half a unit cannot be had; 4/7 rounds to one, 3/7 to none.
		{"subnormal scale", Sym, 4, []uint16{4, 0x8003}, Group{tiny, 0, []int{4, -3}, 0}},
		{"subnormal scale vanishes", Sym, 4, []uint16{3, 0x8003}, Group{0, 0, []int{0, 0}, 0}},
		// s = RN16(1/3) = 1365/4096 is below 1/3; 0.5 is 1.5004 steps, and would
		// be a tie of the unrounded scale.
		{"codes from the stored scale", Asym, 2, []uint16{0, 0x3555, half, one}, Group{0x3555, 0, []int{0, 1, 2, 3}, 0}},
		// s = RN16(1/15) = 0.06665 is below 1/15 and 1/30 lies just above half
		// of it: RN16(1/30) = 0.033325 = s/2 exactly: a tie to 0.
		// m/-8: 2 gives -0.25, which takes -2 to 8, beyond the last code.
		{"offset", Offset, 4, []uint16{one, two, 0xc000, 0, half, minusOne}, Group{0xb400, 0, []int{4, 0, 15, 8, 6, 12}, 0}},
		{"offset, first of the largest negative", Offset, 4, []uint16{0xc000, two, nan}, Group{0x3400, 0, []int{0, 15, 8}, 1}},
		{"offset, largest is infinite", Offset, 4, []uint16{one, negInf, top}, Group{0x6fff, 0, []int{8, 0, 15}, 1}},
		{"offset, zeros", Offset, 4, []uint16{negZero, 0}, Group{0, 0, []int{8, 8}, 0}},
		// 4/8 of a unit is a tie to 0; 12/8 units are a tie to 2.
		{"offset, scale rounds to 0", Offset, 4, []uint16{0x0004, 0x8004}, Group{0, 0, []int{8, 8}, 0}},
		{"offset, scale of two units", Offset, 4, []uint16{0x000c, 0x800b, 1, 3}, Group{0x8002, 0, []int{2, 14, 8, 6}, 0}},
		{"tie of the rounded scale", Asym, 4, []uint16{0, 0x2844, one}, Group{0x2c44, 0, []int{0, 0, 15}, 0}},
	} {
		for form, f := range map[string]func(Scheme, int, []uint16) Group{"exact": ExactQuantize, "units": Quantize} {
			got := f(c.scheme, c.bits, c.in)
			if got.Scale != c.want.Scale || got.Min != c.want.Min || !slices.Equal(got.Codes, c.want.Codes) || got.NonFinite != c.want.NonFinite {
				t.Errorf("%s (%s): got %#04x, want %#04x", c.name, form, got, c.want)
			}
		}
	}
}

func TestRestoreByHand(t *testing.T) {
	for _, c := range []struct {
		scale, min uint16
		code       int
		want       uint16
		saturated  bool
	}{
		{one, 0, 3, 0x4200, false},
		{one, minusOne, 1, 0, false},                  // a zero is +0
		{0x8001, tiny, 1, 0, false},                   // also from a negative scale
		{minusOne, 0, 2, 0xc000, false},               // negative scale: -2
		{minusOne, 0, -2, two, false},                 //
		{one, 0, -128, 0xd800, false},                 // the code no encoder gives
		{0x7955, negTop, 3, top, true},                // 3 * 43680 - 65504 = 65536
		{top, top, 1, top, true},                      //
		{top, negTop, 1, 0, false},                    //
		{negTop, 0, 255, negTop, true},                //
		{0x4c00, 0x7bff, 1, top, true},                // 65504 + 16: would round to 65536
		{0x4bff, 0x7bff, 1, top, false},               // 65504 + 15.99: rounds down
		{tiny, one, 1, one, false},                    // 1 + 2^-24
		{tiny, 0x3bff, 255, 0x3bff, false},            // 255 units are less than half a step, 4096
		{0x1000, one, 1, one, false},                  // 1 + 2^-11: tie to even
		{0x1000, 0x3c01, 1, 0x3c02, false},            // 1 + 3*2^-11: tie to even
		{0x1000, 0x3c00, 3, 0x3c02, false},            // 1 + 3*2^-11
		{0x1000, 0x3c00, -1, 0x3bff, false},           // 1 - 2^-11 is a binary16
		{0x0c00, 0x3c00, -1, 0x3c00, false},           // 1 - 2^-12: tie to even
		{0x03ff, 0x0001, 1, 0x0400, false},            // subnormals add up to a normal
		{0x0001, 0x8400, 1, 0x83ff, false},            // and a normal comes down
		{0x0001, 0x8400, 255, 0x8400 - 255, false},    //
		{0x0001, 0x8000 | 0x00ff, 255, 0x0, false},    //
		{0x0001, 0x8000 | 0x0100, 255, 0x8001, false}, //
	} {
		for form, f := range map[string]func(uint16, uint16, int) (uint16, bool){"exact": ExactRestore, "units": Restore} {
			if got, s := f(c.scale, c.min, c.code); got != c.want || s != c.saturated {
				t.Errorf("%s: %#04x + %d * %#04x = %#04x, %v; want %#04x, %v", form, c.min, c.code, c.scale, got, s, c.want, c.saturated)
			}
		}
	}
}
