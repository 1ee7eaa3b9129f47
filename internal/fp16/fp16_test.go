package fp16

import (
	"math"
	"testing"
)

var formats = []struct {
	name string
	to   func(uint16) float64
	from func(float64) uint16
	top  uint16 // largest finite
}{
	{"binary16", ToFloat64, FromFloat64, 0x7bff},
	{"bfloat16", BFloatToFloat64, BFloatFromFloat64, 0x7f7f},
}

func TestRoundTrip(t *testing.T) {
	for _, x := range formats {
		for i := range 1 << 16 {
			h := uint16(i)
			f := x.to(h)
			if math.IsNaN(f) {
				if got := x.from(f); x.to(got) == x.to(got) {
					t.Fatalf("%s %#04x: NaN became %#04x", x.name, h, got)
				}
				continue
			}
			if got := x.from(f); got != h {
				t.Fatalf("%s %#04x -> %g -> %#04x", x.name, h, f, got)
			}
		}
	}
}

// Between any two neighbours: just below the middle, the middle, just above.
func TestRoundsOnceHalfToEven(t *testing.T) {
	for _, x := range formats {
		for h := uint16(0); h <= x.top; h++ {
			lo, hi := x.to(h), x.to(h+1)
			if h == x.top { // infinity stands where the next would be
				hi = 2*lo - x.to(h-1)
			}
			mid := (lo + hi) / 2
			even := h + h&1
			for _, c := range []struct {
				f    float64
				want uint16
			}{{math.Nextafter(mid, 0), h}, {mid, even}, {math.Nextafter(mid, hi), h + 1}} {
				if got := x.from(c.f); got != c.want {
					t.Fatalf("%s %g: got %#04x, want %#04x", x.name, c.f, got, c.want)
				}
				if got := x.from(-c.f); got != c.want|0x8000 {
					t.Fatalf("%s %g: got %#04x, want %#04x", x.name, -c.f, got, c.want|0x8000)
				}
			}
		}
	}
}
