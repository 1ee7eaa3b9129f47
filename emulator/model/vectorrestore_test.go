package model

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/verification/oracle"
)

// stat gives a scale and minimum of some kind: usual ones, any bits, scales that
// are small beside the minimum, and those of which codes are just in the range.
func stat(rng *rand.Rand, c Coder) (scale, minimum uint16) {
	switch rng.IntN(5) {
	case 0:
		scale, minimum = uint16(rng.Uint32()), uint16(rng.Uint32())
	case 1:
		scale, minimum = uint16(rng.IntN(1<<10)), uint16(0x5000+rng.IntN(1<<13))
	case 2:
		scale, _ = Round(65504 << 24 / c.top() * (97 + rng.Int64N(6)) / 100)
		minimum = uint16(rng.IntN(1 << 12))
	case 3:
		minimum = 0x8000
		scale = uint16(rng.IntN(1<<16)) & 0x93ff
	default:
		scale, minimum = uint16(0x2800+rng.IntN(1<<12)), uint16(0xb800+rng.IntN(1<<12))
	}
	return scale, minimum
}

// readStat cleans a scale and a minimum, and tells whether one is not finite.
func readStat(scale, minimum uint16) (Stat, bool) {
	scale, a := Clean(scale)
	minimum, b := Clean(minimum)
	return Stat{Scale: Units(scale), Min: Units(minimum)}, a || b
}

// restored is what element i of a group restores to, as steps do it.
func restored(c Coder, s Stat, code uint64) (uint16, int) {
	var dst [4]uint64
	sat := c.restorePair(&dst, code, s, s)
	return uint16(dst[0]), sat
}

// Groups restored in bulk are what they are one by one; the first that has
// something not finite, or a code that is clamped, ends it, and only that.
func TestRestoreTokensAgree(t *testing.T) {
	eachVector(t, func(t *testing.T, c Coder, _ oracle.Scheme, rng *rand.Rand) {
		kinds := map[bool]int{}
		for range 1000 {
			group, n, lead := 16<<rng.IntN(3), 1+rng.IntN(12), rng.IntN(5)
			b := make([]byte, lead)
			var stats []Stat
			straight := 0
			for i := range n {
				scale, minimum := stat(rng, c)
				b = binary.LittleEndian.AppendUint16(b, scale)
				if c.Stats() == 2 {
					b = binary.LittleEndian.AppendUint16(b, minimum)
				} else {
					minimum = 0
				}
				s, bad := readStat(scale, minimum)
				stats = append(stats, s)
				_, first := restored(c, s, c.flip())
				_, last := restored(c, s, c.flip()^(1<<c.Bits-1))
				if straight == i && !bad && first+last == 0 {
					straight++
				}
				for range group * int(c.Bits) / 8 {
					b = append(b, byte(rng.Uint32()))
				}
			}
			src := words(b)
			var l Lines
			stride := (2*c.Stats() + group*int(c.Bits)/8) * 8
			if got := l.Read(c, src, uint64(8*lead), uint64(stride), n); got != straight || l.Len() != straight {
				t.Fatalf("%+v: %d of %d groups, want %d", stats, got, n, straight)
			}
			kinds[l.wide] += straight
			dst := make([]byte, 2*group*straight)
			if end := c.RestoreTokens(dst, src, 8*lead, group, &l, 0, straight); end != 8*lead+straight*stride {
				t.Fatalf("ends at %d, want %d", end, 8*lead+straight*stride)
			}
			for i := range straight * group {
				at := 8*lead + i/group*stride + 16*c.Stats() + i%group*int(c.Bits)
				code := bitsFrom(src, at) & (1<<c.Bits - 1)
				want, _ := restored(c, stats[i/group], code)
				if got := binary.LittleEndian.Uint16(dst[2*i:]); got != want {
					t.Fatalf("code %#x of %+v: %#04x, want %#04x", code, stats[i/group], got, want)
				}
			}
		}
		if kinds[false] < 100 || !c.Symmetric && kinds[true] < 100 {
			t.Errorf("groups in float64 and float32: %v", kinds)
		}
	})
}

func TestRestoreRowsAgree(t *testing.T) {
	eachVector(t, func(t *testing.T, c Coder, _ oracle.Scheme, rng *rand.Rand) {
		var l Lines
		for range 300 {
			dims, rows := 16*(1+rng.IntN(5)), 1+rng.IntN(20)
			var stats []Stat
			mixed := rng.IntN(2) == 0
			for len(stats) < dims {
				scale, minimum := uint16(0x2c00), uint16(0xbc00+rng.IntN(99))
				if mixed {
					scale, minimum = stat(rng, c)
				}
				if c.Stats() == 1 {
					minimum = 0
				}
				if s, bad := readStat(scale, minimum); !bad && new(Lines).Add(c, s) {
					stats = append(stats, s)
				}
			}
			if !l.Set(c, stats) {
				t.Fatalf("%+v: clamped together, but not one by one", stats)
			}
			src := make([]uint64, dims*rows/8+2)
			for i := range src {
				src[i] = rng.Uint64()
			}
			dst, at := make([]byte, 2*dims*rows), 8*rng.IntN(4)
			c.RestoreRows(dst, src, at, &l)
			plain := make([]byte, len(dst))
			c.restoreLines(plain, src, at, l.bases, l.scales)
			for i := range dims * rows {
				code := bitsFrom(src, at+i*int(c.Bits)) & (1<<c.Bits - 1)
				want, _ := restored(c, stats[i%dims], code)
				got, other := binary.LittleEndian.Uint16(dst[2*i:]), binary.LittleEndian.Uint16(plain[2*i:])
				if got != want || other != want {
					t.Fatalf("code %#x of %+v: %#04x, in plain Go %#04x, want %#04x", code, stats[i%dims], got, other, want)
				}
			}
		}
	})
}

// words packs bytes, and some more.
func words(b []byte) (w []uint64) {
	b = append(slices.Clone(b), make([]byte, 24)...)
	for ; len(b) >= 8; b = b[8:] {
		w = append(w, binary.LittleEndian.Uint64(b))
	}
	return w
}

func bitsFrom(src []uint64, at int) uint64 {
	return src[at/64]>>(at%64) | src[at/64+1]<<1<<(63-at%64)
}

// What is added in bulk is what is added beat by beat, up to the neighbourhood of
// the first beat with something to count.
func TestAccumulateFinite(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	for range 4000 {
		lanes := 2 << rng.IntN(4)
		n := lanes * (1 + rng.IntN(40))
		scores, x := make([]uint64, n), make([]byte, 2*n)
		stop := n
		for j := range n {
			scores[j] = rng.Uint64N(MaxScore+1) >> 3
			if rng.IntN(50) == 0 {
				scores[j] = MaxScore - rng.Uint64N(1<<30)
			}
			h := uint16(rng.IntN(0x3c00))
			if rng.IntN(60) == 0 {
				h = uint16(rng.Uint32())
			}
			binary.LittleEndian.PutUint16(x[2*j:], h)
			if h >= infinity || scores[j]+uint64(magnitude(h)) > MaxScore {
				stop = min(stop, j)
			}
		}
		want := slices.Clone(scores)
		got := AccumulateFinite(scores, x, lanes)
		if got*lanes > stop || got*lanes <= stop-16 {
			t.Fatalf("%d lanes: %d of %d beats, the first to count at element %d", lanes, got, n/lanes, stop)
		}
		Accumulate(want[:got*lanes], words(x))
		if !slices.Equal(scores, want) {
			t.Fatalf("%d lanes, %d beats: %v, want %v", lanes, got, scores, want)
		}
	}
}

func TestCopyFinite(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	for range 2000 {
		n := 4 * (1 + rng.IntN(20))
		src := make([]byte, 8*n+8*rng.IntN(3))
		stop := n
		for i := range len(src) / 2 {
			h := uint16(rng.Uint32())
			if h&infinity == infinity && rng.IntN(30) > 0 {
				h &^= 0x400
			}
			if h&infinity == infinity {
				stop = min(stop, i/16*4)
			}
			binary.LittleEndian.PutUint16(src[2*i:], h)
		}
		dst := make([]uint64, n)
		if got := CopyFinite(dst, src); got != stop || !slices.Equal(dst[:got], words(src)[:got]) {
			t.Fatalf("%d words, want %d", got, stop)
		}
	}
}
