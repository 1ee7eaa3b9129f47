package oracle

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

var codeBits = []int{2, 3, 4, 5, 6, 8}

// anyCoding draws a scheme and a number of bits it has.
func anyCoding(rng *rand.Rand) (Scheme, int) {
	scheme := Scheme(rng.IntN(3))
	if scheme == Offset {
		return scheme, 4
	}
	return scheme, codeBits[rng.IntN(len(codeBits))]
}

// randomGroup draws elements of one of several kinds.
func randomGroup(rng *rand.Rand, n int) []uint16 {
	g := make([]uint16, n)
	kind, base, width := rng.IntN(6), uint16(rng.IntN(1<<16)), 1+rng.IntN(10)
	for i := range g {
		switch kind {
		case 0: // any pattern, NaN and infinities among them
			g[i] = uint16(rng.IntN(1 << 16))
		case 1: // subnormals of both signs
			g[i] = uint16(rng.IntN(1024)) | uint16(rng.IntN(2))<<15
		case 2: // few units: scales of zero or one unit
			g[i] = uint16(rng.IntN(1<<width)) | uint16(rng.IntN(2))<<15
		case 3: // neighbours
			g[i] = base + uint16(rng.IntN(4))
		case 4: // few fraction bits, near each other: ties abound
			g[i] = base&0x7800 + uint16(rng.IntN(8))<<8 | uint16(rng.IntN(2))<<15
		case 5: // the ends of the range
			g[i] = []uint16{top, negTop, top - 1, 0, negZero, inf, negInf, tiny}[rng.IntN(8)]
		}
	}
	return g
}

func TestQuantizeAgainstExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 4000 {
		scheme, bits := anyCoding(rng)
		in := randomGroup(rng, 1+rng.IntN(20))
		got, want := Quantize(scheme, bits, in), ExactQuantize(scheme, bits, in)
		if got.Scale != want.Scale || got.Min != want.Min || got.NonFinite != want.NonFinite || !slices.Equal(got.Codes, want.Codes) {
			t.Fatalf("scheme %d, %d bits, %#04x:\n got %#04x\nwant %#04x", scheme, bits, in, got, want)
		}
	}
}

func TestRestoreAgainstExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 20000 {
		pair := randomGroup(rng, 2)
		scale, _ := Sanitise(pair[0])
		min, _ := Sanitise(pair[1])
		code := rng.IntN(384) - 128
		got, sat := Restore(scale, min, code)
		want, wantSat := ExactRestore(scale, min, code)
		if got != want || sat != wantSat {
			t.Fatalf("%#04x + %d * %#04x = %#04x, %v; want %#04x, %v", min, code, scale, got, sat, want, wantSat)
		}
	}
}

// The contract said another way: no legal code of a group comes nearer to its
// element than the one chosen, measured from the stored scale, and no binary16
// nearer to the ideal scale than the stored one.
func TestQuantizeIsNearest(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 600 {
		scheme, bits := anyCoding(rng)
		in := randomGroup(rng, 1+rng.IntN(8))
		g := Quantize(scheme, bits, in)
		lo, hi := 0, 1<<bits-1
		if scheme == Sym {
			hi = 1<<(bits-1) - 1
			lo = -hi
		}
		s, origin, zero := Value(g.Scale), Value(g.Min), 0
		ideal := idealScale(in, scheme, hi)
		if scheme == Offset {
			origin, zero = at(origin, s, -8), 8
			ideal = idealScale(in, Sym, 8)
		}
		for _, near := range []int{-1, 1} {
			stored := new(big.Rat).Abs(s)
			if h := int(g.Scale&0x7fff) + near; h >= 0 && h <= top && distance(Value(uint16(h)), ideal).Cmp(distance(stored, ideal)) < 0 {
				t.Fatalf("scale %#04x is nearer to %v than %#04x", h, ideal, g.Scale)
			}
		}
		for i, h := range in {
			clean, _ := Sanitise(h)
			x := Value(clean)
			chosen := distance(x, at(origin, s, g.Codes[i]))
			for q := lo; q <= hi; q++ {
				c := distance(x, at(origin, s, q)).Cmp(chosen)
				if c < 0 || c == 0 && q != g.Codes[i] && s.Sign() != 0 && g.Codes[i]%2 != 0 {
					t.Fatalf("%v: code %d beats %d for scale %v from %v (%d bits)", x, q, g.Codes[i], s, origin, bits)
				}
			}
			if s.Sign() == 0 && g.Codes[i] != zero {
				t.Fatalf("scale 0, code %d", g.Codes[i])
			}
		}
	}
}

func at(origin, s *big.Rat, q int) *big.Rat {
	v := new(big.Rat).SetInt64(int64(q))
	return v.Add(v.Mul(v, s), origin)
}

func distance(a, b *big.Rat) *big.Rat {
	d := new(big.Rat).Sub(a, b)
	return d.Abs(d)
}

// idealScale is the unrounded scale: the largest difference of two elements
// (or of an element and its negative, halved) over the largest code.
func idealScale(in []uint16, scheme Scheme, hi int) *big.Rat {
	widest := new(big.Rat)
	for _, a := range in {
		ca, _ := Sanitise(a)
		for _, b := range in {
			cb, _ := Sanitise(b)
			d := distance(Value(ca), Value(cb))
			if scheme == Sym {
				d = distance(Value(ca), new(big.Rat))
			}
			if d.Cmp(widest) > 0 {
				widest = d
			}
		}
	}
	return widest.Quo(widest, big.NewRat(int64(hi), 1))
}
