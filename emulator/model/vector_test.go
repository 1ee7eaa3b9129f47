package model

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/verification/oracle"
)

// eachVector runs f for all that the vector kernels know.
func eachVector(t *testing.T, f func(t *testing.T, c Coder, s oracle.Scheme, rng *rand.Rand)) {
	for _, b := range allBits {
		for _, s := range []oracle.Scheme{oracle.Asym, oracle.Sym} {
			runCoder(t, Coder{Symmetric: s == oracle.Sym, Bits: b}, s, f)
		}
	}
}

func cleanAll(x []uint64) {
	for i, w := range x {
		x[i], _ = CleanWord(w)
	}
}

// bitsOf empties a queue.
func bitsOf(w *Bits) (words []uint64) {
	for w.Len() > 0 {
		var v [4]uint64
		w.Take(&v, min(64, w.Len()))
		words = append(words, v[0])
	}
	return words
}

// Groups coded together, at any place of a queue, are what plain Go makes of each.
func TestQuantizeTokensAgree(t *testing.T) {
	eachVector(t, func(t *testing.T, c Coder, _ oracle.Scheme, rng *rand.Rand) {
		var got, want Bits
		for range 300 {
			group, n := 4<<rng.IntN(4), 1+rng.IntN(2*batch)
			if rng.IntN(4) == 0 {
				group = 4 * (1 + rng.IntN(16)) // a row
			}
			var x []uint64
			for range n {
				x = append(x, pack(elements(rng, 4*group))...)
			}
			cleanAll(x)
			for range rng.IntN(5) {
				v := rng.Uint64() & 0xffff
				got.Put(v, 16)
				want.Put(v, 16)
			}
			c.QuantizeTokens(x, group, &got)
			for rest := x; len(rest) > 0; rest = rest[group:] {
				c.quantizeToken(rest[:group], &want)
			}
			if a, b := bitsOf(&got), bitsOf(&want); !slices.Equal(a, b) {
				t.Fatalf("%d groups of %d words: %#x, want %#x (%#x)", n, group, a, b, x)
			}
		}
	})
}

func TestQuantizeChannelAgrees(t *testing.T) {
	eachVector(t, func(t *testing.T, c Coder, _ oracle.Scheme, rng *rand.Rand) {
		const maxDim = 64
		columns := NewColumns(maxDim)
		var got, want Bits
		for range 100 {
			rows, dims := 1+rng.IntN(40), 16*(1+rng.IntN(maxDim/16))
			x := pack(elements(rng, rows*dims))
			cleanAll(x)
			n := dims / 4 * c.Stats()
			a, b := make([]uint64, n), make([]uint64, n)
			c.QuantizeChannel(columns, x, dims, a, &got)
			c.plainChannel(columns, x, dims, b, &want)
			if !slices.Equal(a, b) {
				t.Fatalf("%d rows of %d: scales %#x, want %#x", rows, dims, a, b)
			}
			if a, b := bitsOf(&got), bitsOf(&want); !slices.Equal(a, b) {
				t.Fatalf("%d rows of %d: %#x, want %#x (%#x)", rows, dims, a, b, x)
			}
		}
	})
}

// Elements as near as can be to the middle of two codes, and there: all
// significands of the scale at many of its exponents, beside minima of all
// sizes.
func TestVectorTies(t *testing.T) {
	if !vector {
		return
	}
	const n = 16
	rng := rand.New(rand.NewPCG(5, 5))
	mins, recips := make([]float64, n), make([]float64, n)
	div, x := make([]divisor, n), make([]uint64, n/4)
	dst := make([]uint64, n+2)
	c := Coder{Bits: 8}
	low, high, _ := c.limits()
	for scale := uint16(1); scale < maxFinite; scale++ {
		if scale > 2048 && scale>>10%4 != 1 && scale%16 != 1 {
			continue
		}
		clear(x)
		for i := range n {
			v := newDivisor(scale, 0)
			minimum, _ := Round(-rng.Int64N(1 << (1 + rng.IntN(40))))
			code := rng.Int64N(256)
			h, _ := Round(Units(minimum) + (2*code+1)*v.scale/2 + rng.Int64N(3) - 1)
			if k := key(h) + int32(rng.IntN(3)-1); k > key(minimum) && unkey(k)&0x7fff < infinity {
				h = unkey(k)
			}
			if (Units(h)-Units(minimum))/v.scale >= 384 { // beyond what the contract's scales give
				h = minimum
			}
			v.origin = Units(minimum)
			div[i] = v
			mins[i], recips[i] = float64(v.origin)/(1<<24), 1/(float64(v.scale)/(1<<24))
			x[i/4] |= uint64(h) << (i % 4 * 16)
		}
		columnCodes(dst, 0, x, mins, recips, 8, c.mask(), low, high)
		for i := range n {
			h := uint16(x[i/4] >> (i % 4 * 16))
			want := min(255, div[i].quotient(Units(h)-div[i].origin))
			if got := dst[i/8] >> (i % 8 * 8) & 255; got != want {
				t.Fatalf("(%d units - %d) / %d: code %d, want %d", Units(h), div[i].origin, div[i].scale, got, want)
			}
		}
	}
}

// Scales of ranges around the middle of two binary16.
func TestGroupScales(t *testing.T) {
	if !vector {
		return
	}
	rng := rand.New(rand.NewPCG(6, 6))
	for _, bits := range allBits {
		for _, c := range []Coder{{Bits: bits}, {Bits: bits, Symmetric: true}} {
			testGroupScales(t, rng, c)
		}
	}
}

func testGroupScales(t *testing.T, rng *rand.Rand, c Coder) {
	_, _, symmetric := c.limits()
	for scale := uint16(0); scale < maxFinite; scale += uint16(1 + rng.IntN(12)) {
		low, high := make([]uint64, 1), make([]uint64, 1)
		scales, minima := make([]uint64, 1), make([]uint64, 1)
		mins, recips := make([]float64, 4), make([]float64, 4)
		var ext [4]extent
		for i := range ext {
			width := Units(scale)*c.top() + (Units(scale+1)-Units(scale))*c.top()/2 + rng.Int64N(3) - 1
			lowest, _ := Round(-rng.Int64N(1 << (1 + rng.IntN(40))))
			if rng.IntN(8) == 0 {
				lowest = 0x8000
			}
			highest, _ := Round(Units(lowest) + width)
			if c.Symmetric {
				highest, _ = Round(width)
			}
			if Units(highest) < Units(lowest) {
				highest = lowest
			}
			ext[i] = extent{key(lowest), key(highest)}
			low[0] |= uint64(uint16(key(lowest))) << (16 * i)
			high[0] |= uint64(uint16(key(highest))) << (16 * i)
		}
		groupScales(low, high, scales, minima, mins, recips, float64(c.top()), symmetric)
		for i, x := range ext {
			s, m, v := c.stats(x)
			recip := 0.0
			if v.scale != 0 {
				recip = 1 / (float64(v.scale) / (1 << 24))
			}
			gotS, gotM := uint16(scales[0]>>(16*i)), uint16(minima[0]>>(16*i))
			if gotS != s || gotM != m || mins[i]*(1<<24) != float64(v.origin) || recips[i] != recip {
				t.Fatalf("%+v of %+v: scale %#04x, minimum %#04x, %g, %g; want %#04x, %#04x, %d units, %g", c, x, gotS, gotM, mins[i], recips[i], s, m, v.origin, recip)
			}
		}
	}
}
