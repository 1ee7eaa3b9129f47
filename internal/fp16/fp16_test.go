package fp16

import (
	"math"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		f := ToFloat64(h)
		if math.IsNaN(f) {
			if got := FromFloat64(f); ToFloat64(got) == ToFloat64(got) {
				t.Fatalf("%#04x: NaN became %#04x", h, got)
			}
			continue
		}
		if got := FromFloat64(f); got != h {
			t.Fatalf("%#04x -> %g -> %#04x", h, f, got)
		}
	}
}

// Between any two neighbours: just below the middle, the middle, just above.
func TestRoundsOnceHalfToEven(t *testing.T) {
	for h := uint16(0); h < 0x7bff; h++ {
		lo, hi := ToFloat64(h), ToFloat64(h+1)
		mid := (lo + hi) / 2
		even := h + h&1
		for _, c := range []struct {
			f    float64
			want uint16
		}{{math.Nextafter(mid, 0), h}, {mid, even}, {math.Nextafter(mid, hi), h + 1}} {
			if got := FromFloat64(c.f); got != c.want {
				t.Fatalf("%g: got %#04x, want %#04x", c.f, got, c.want)
			}
			if got := FromFloat64(-c.f); got != c.want|0x8000 {
				t.Fatalf("%g: got %#04x, want %#04x", -c.f, got, c.want|0x8000)
			}
		}
	}
}
