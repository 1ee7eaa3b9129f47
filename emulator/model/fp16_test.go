package model

import (
	"math/big"
	"testing"

	"github.com/kvaccel/kvaccel/verification/oracle"
)

// unit is 2^-24.
var unit = big.NewRat(1, 1<<24)

func rat(units int64) *big.Rat {
	v := new(big.Rat).SetInt64(units)
	return v.Mul(v, unit)
}

func TestCleanAndUnits(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		got, bad := Clean(h)
		want, wantBad := oracle.Sanitise(h)
		if got != want || bad != wantBad {
			t.Fatalf("Clean(%#04x) = %#04x, %v; want %#04x, %v", h, got, bad, want, wantBad)
		}
		if u := rat(Units(got)); u.Cmp(oracle.Value(want)) != 0 {
			t.Fatalf("Units(%#04x) = %v, want %v", got, u, oracle.Value(want))
		}
	}
}

func TestCleanWord(t *testing.T) {
	for i := range 1 << 16 {
		w := uint64(i) | uint64(i^0x5a5a)<<16 | 0x7c00_fe01<<32
		clean, n := CleanWord(w)
		want := 0
		for lane := 0; lane < 64; lane += 16 {
			h, bad := oracle.Sanitise(uint16(w >> lane))
			if bad {
				want++
			}
			if Units(uint16(clean>>lane)) != Units(h) {
				t.Fatalf("CleanWord(%#x) = %#x: lane %d is not %#04x", w, clean, lane/16, h)
			}
		}
		if n != want {
			t.Fatalf("CleanWord(%#x) counts %d, want %d", w, n, want)
		}
	}
}

// Round at binary16 numbers, at the middle of two and one unit beside: at all
// small ones and all ends of binades, and at many others.
func TestRound(t *testing.T) {
	check := func(v int64) {
		for _, v := range []int64{v, -v} {
			h, sat := Round(v)
			want, wantSat := oracle.ExactRN16(rat(v))
			if h != want || sat != wantSat {
				t.Fatalf("Round(%d) = %#04x, %v; want %#04x, %v", v, h, sat, want, wantSat)
			}
		}
	}
	for h := uint16(0); h < maxFinite; h++ {
		a, b := Units(h), Units(h+1)
		if h > 4096 && h%8 != 0 && h%1024 < 1020 {
			continue
		}
		for d := int64(-1); d <= 1; d++ {
			check(a + d)
			check((a+b)/2 + d)
		}
	}
	for _, v := range []int64{65504 << 24, 65520 << 24, 65536 << 24, 1 << 41, 1<<48 - 1} {
		for d := int64(-1); d <= 1; d++ {
			check(v + d)
		}
	}
}

// Scales: every divisor of the contract, at numerators around the ends of many
// results.
func TestRoundRatio(t *testing.T) {
	for i, den := range []uint64{1, 3, 7, 15, 31, 63, 127, 255} {
		for h := uint16(i); h < maxFinite; h += 11 {
			middle := uint64(Units(h)+Units(h+1)) * den / 2
			for d := range uint64(4) {
				num := middle + 2 - d
				if num > 131008<<24 {
					continue
				}
				v := rat(int64(num))
				want, _ := oracle.ExactRN16(v.Quo(v, new(big.Rat).SetInt64(int64(den))))
				if got := roundRatio(num, den); got != want {
					t.Fatalf("roundRatio(%d, %d) = %#04x, want %#04x", num, den, got, want)
				}
			}
		}
	}
}
