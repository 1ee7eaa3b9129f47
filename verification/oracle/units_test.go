package oracle

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

var (
	codeBits = []int{2, 3, 4, 5, 6, 8}
	formats  = []Format{FP16, BF16}
)

// anyCoding draws a scheme and a number of bits it has.
func anyCoding(rng *rand.Rand) (Scheme, int) {
	scheme := Scheme(rng.IntN(3))
	if scheme == Offset {
		return scheme, 4
	}
	return scheme, codeBits[rng.IntN(len(codeBits))]
}

// randomGroup draws binary16 elements of one of several kinds.
func randomGroup(rng *rand.Rand, n int) []uint16 { return FP16.randomGroup(rng, n) }

// randomGroup draws elements of one of several kinds.
func (f Format) randomGroup(rng *rand.Rand, n int) []uint16 {
	g := make([]uint16, n)
	kind, base, width := rng.IntN(7), uint16(rng.IntN(1<<16)), 1+rng.IntN(10)
	top := f.infinity() - 1
	for i := range g {
		switch sign := uint16(rng.IntN(2)) << 15; kind {
		case 0: // any pattern, NaN and infinities among them
			g[i] = uint16(rng.IntN(1 << 16))
		case 1: // subnormals of both signs
			g[i] = uint16(rng.IntN(1<<f.fraction)) | sign
		case 2: // few units: scales of zero or one unit
			g[i] = uint16(rng.IntN(1<<width)) | sign
		case 3: // neighbours
			g[i] = base + uint16(rng.IntN(4))
		case 4: // few fraction bits, near each other: ties abound
			g[i] = base&0x7800 + uint16(rng.IntN(8))<<(f.fraction-2) | sign
		case 5: // the ends of the range
			g[i] = []uint16{top, top | 0x8000, top - 1, 0, negZero, top + 1, (top + 1) | 0x8000, tiny}[rng.IntN(8)]
		case 6: // some far above the others
			g[i] = uint16(rng.IntN(1<<f.fraction)) | sign | uint16(rng.IntN(3))*(base&0x2800)
		}
	}
	return g
}

func TestQuantizeAgainstExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range 6000 {
		scheme, bits := anyCoding(rng)
		f := formats[i%2]
		if scheme == Offset {
			f = FP16
		}
		in := f.randomGroup(rng, 1+rng.IntN(20))
		got, want := f.Quantize(scheme, bits, in), f.ExactQuantize(scheme, bits, in)
		if got.Scale != want.Scale || got.Min != want.Min || got.NonFinite != want.NonFinite || !slices.Equal(got.Codes, want.Codes) {
			t.Fatalf("%+v, scheme %d, %d bits, %#04x:\n got %#04x\nwant %#04x", f, scheme, bits, in, got, want)
		}
	}
}

func TestRestoreAgainstExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range 30000 {
		f := formats[i%2]
		pair := f.randomGroup(rng, 2)
		scale, _ := f.Sanitise(pair[0])
		min, _ := f.Sanitise(pair[1])
		code := rng.IntN(384) - 128
		got, sat := f.Restore(scale, min, code)
		want, wantSat := f.ExactRestore(scale, min, code)
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
	for i := range 800 {
		scheme, bits := anyCoding(rng)
		f := formats[i%2]
		if scheme == Offset {
			f = FP16
		}
		in := f.randomGroup(rng, 1+rng.IntN(8))
		g := f.Quantize(scheme, bits, in)
		lo, hi := 0, 1<<bits-1
		if scheme == Sym {
			hi = 1<<(bits-1) - 1
			lo = -hi
		}
		s, origin, zero := f.Value(g.Scale), f.Value(g.Min), 0
		ideal := f.idealScale(in, scheme, hi)
		if scheme == Offset {
			origin, zero = at(origin, s, -8), 8
			ideal = f.idealScale(in, Sym, 8)
		}
		for _, near := range []int{-1, 1} {
			stored := new(big.Rat).Abs(s)
			if h := int(g.Scale&0x7fff) + near; h >= 0 && h < int(f.infinity()) && distance(f.Value(uint16(h)), ideal).Cmp(distance(stored, ideal)) < 0 {
				t.Fatalf("scale %#04x is nearer to %v than %#04x", h, ideal, g.Scale)
			}
		}
		for i, h := range in {
			clean, _ := f.Sanitise(h)
			x := f.Value(clean)
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
func (f Format) idealScale(in []uint16, scheme Scheme, hi int) *big.Rat {
	widest := new(big.Rat)
	for _, a := range in {
		ca, _ := f.Sanitise(a)
		for _, b := range in {
			cb, _ := f.Sanitise(b)
			d := distance(f.Value(ca), f.Value(cb))
			if scheme == Sym {
				d = distance(f.Value(ca), new(big.Rat))
			}
			if d.Cmp(widest) > 0 {
				widest = d
			}
		}
	}
	return widest.Quo(widest, big.NewRat(int64(hi), 1))
}
