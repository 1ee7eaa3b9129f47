package model

import (
	"math/rand/v2"
	"testing"

	"github.com/kvaccel/kvaccel/verification/oracle"
)

func TestRotateExponents(t *testing.T) {
	for size, want := range map[int][2]uint{32: {2, 3}, 64: {3, 3}, 128: {3, 4}} {
		if in, out := RotateIn(size), RotateOut(size); in != want[0] || out != want[1] {
			t.Errorf("%d elements: 2^-%d and 2^-%d, want %v", size, in, out, want)
		}
	}
}

func TestRotate(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 32))
	for i := range 1500 {
		size := 32 << rng.IntN(3)
		e := []uint{RotateIn(size), RotateOut(size)}[rng.IntN(2)]
		x := elements(rng, size)
		for j, h := range x {
			x[j], _ = Clean(h)
		}
		switch i % 5 {
		case 0: // one element alone: what is too small for the smallest must round
			clear(x)
			x[rng.IntN(size)] = uint16(rng.IntN(40)) | uint16(rng.IntN(2))<<15
		case 1: // sums about the end of the range
			for j := range x {
				x[j] = uint16(rng.IntN(2))<<15 | 0x6800 + uint16(rng.IntN(0x1000))
			}
			if rng.IntN(2) == 0 {
				for j := range x {
					x[j] &= 0x7fff
				}
			}
		}
		want, sat := oracle.Rotate(x, int(e))
		words := pack(x)
		n := 2 << rng.IntN(4)
		clamped := make([]uint8, size/n)
		Rotate(words, e, n, clamped)
		for _, v := range clamped {
			sat -= int(v)
		}
		if sat != 0 {
			t.Fatalf("block %#04x: %d clamped too few", x, sat)
		}
		for j, h := range want {
			if got := uint16(words[j/4] >> (j % 4 * 16)); got != h {
				t.Fatalf("block %#04x, e = %d: element %d is %#04x, want %#04x", x, e, j, got, h)
			}
		}
	}
}

// The clamped elements are counted beat by beat: of these, only the first is.
func TestRotateCounts(t *testing.T) {
	for _, n := range []int{2, 4, 8, 16} {
		x := make([]uint64, 8)
		for i := range x {
			x[i] = 0x7000_7000_7000_7000 // 8192: the sum is 2^18
		}
		counts := make([]uint8, 32/n)
		counts[0] = 3
		Rotate(x, 2, n, counts)
		for i, v := range counts {
			if want := []uint8{4, 0}[min(i, 1)]; v != want {
				t.Errorf("beats of %d: %d counted in beat %d, want %d", n, v, i, want)
			}
		}
		if x[0] != 0x7bff || x[7] != 0 {
			t.Errorf("rotated to %#x", x)
		}
	}
}

// Sums that are just below the middle of two binary16, on it and just above.
func TestRoundScaled(t *testing.T) {
	for e := uint(2); e <= 4; e++ {
		for h := uint16(0); h <= maxFinite; h += 1 + h/2048 {
			low := Units(h) << e
			step := (Units(min(h+1, maxFinite)) - Units(h)) << e
			if h == maxFinite {
				step = 32 << 24 << e
			}
			for _, v := range []int64{low, low + 1, low + step/2 - 1, low + step/2, low + step/2 + 1, low + step - 1} {
				want, sat := oracle.ExactRN16(rat(v).Quo(rat(v), rat(1<<24<<e)))
				if got, over := roundScaled(v, e); uint16(got) != want || over == 1 != sat {
					t.Fatalf("%d 2^-%d: %#04x, %d; want %#04x, %v", v, e, got, over, want, sat)
				}
				negative := want | 0x8000
				if want == 0 {
					negative = 0
				}
				if got, _ := roundScaled(-v, e); uint16(got) != negative {
					t.Fatalf("%d 2^-%d: %#04x, want %#04x", -v, e, got, negative)
				}
			}
		}
	}
}
