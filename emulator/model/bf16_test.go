package model

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/kvaccel/kvaccel/internal/fp16"
	"github.com/kvaccel/kvaccel/verification/oracle"
)

// wideElements gives n elements of one of several distributions of bfloat16.
func wideElements(rng *rand.Rand, n int) []uint16 {
	x := make([]uint16, n)
	kind, base := rng.IntN(9), uint16(rng.IntN(1<<16))
	if kind == 8 {
		return wideMiddles(rng, x)
	}
	for i := range x {
		sign := uint16(rng.IntN(2)) << 15
		switch kind {
		case 0: // anything, NaN and infinities too
			x[i] = uint16(rng.IntN(1 << 16))
		case 1: // some binades
			x[i] = base&0x7f80 + uint16(rng.IntN(1<<11)) ^ sign
		case 2: // subnormals and the smallest normal ones
			x[i] = sign | uint16(rng.IntN(300))
		case 3: // neighbours
			x[i] = base + uint16(rng.IntN(20))
		case 4: // whole multiples of a power of two: ties
			v := uint16(rng.IntN(61))
			if v > 0 {
				e := bits.Len16(v)
				v = (base>>8&0x7f+64+uint16(e))<<7 | v<<(8-e)&0x7f
			}
			x[i] = sign | v
		case 5: // the largest range
			x[i] = sign | (wideInfinity - 1 - uint16(rng.IntN(8)))
		case 6: // few large ones, the others so much smaller that it is cut
			x[i] = sign | uint16(rng.IntN(1<<12))
			if rng.IntN(6) == 0 {
				x[i] = sign | (base&0x3f80 + 30<<7 + uint16(rng.IntN(1<<8)))
			}
		case 7: // halves of the largest beside next to nothing
			x[i] = sign | (base>>1&0x7f80 + uint16(rng.IntN(4))<<7)
			if rng.IntN(3) == 0 {
				x[i] = sign | uint16(rng.IntN(4))
			}
		}
	}
	return x
}

// wideMiddles fills in elements on the middles of codes, with a minimum that is
// nothing, or so little that it shows only in the direction of a rounding.
func wideMiddles(rng *rand.Rand, x []uint16) []uint16 {
	top := 1<<allBits[rng.IntN(len(allBits))] - 1
	step := math.Ldexp(1+float64(rng.IntN(2)), rng.IntN(200)-80)
	for i := range x {
		x[i] = fp16.BFloatFromFloat64(step * (float64(rng.IntN(top)) + 0.5))
	}
	x[0] = fp16.BFloatFromFloat64(step * float64(top))
	x[1] = uint16(rng.IntN(2))<<15 | x[0] - uint16(rng.IntN(int(x[0])))
	if rng.IntN(2) == 0 {
		x[1] = uint16(rng.IntN(2))<<15 | uint16(rng.IntN(200))
	}
	return x
}

// FuzzBF16 quantizes and restores groups of any elements.
func FuzzBF16(f *testing.F) {
	rng := rand.New(rand.NewPCG(41, 42))
	for i := range 40 {
		var b []byte
		for _, h := range wideElements(rng, 16) {
			b = binary.LittleEndian.AppendUint16(b, h)
		}
		f.Add(byte(i), b)
	}
	f.Fuzz(func(t *testing.T, how byte, data []byte) {
		c := Coder{Bits: allBits[how>>1%6], Symmetric: how&1 == 1, Format: BF16}
		s := oracle.Asym
		if c.Symmetric {
			s = oracle.Sym
		}
		x := make([]uint16, 16)
		for i := range min(16, len(data)/2) {
			x[i] = binary.LittleEndian.Uint16(data[2*i:])
		}
		words := pack(x)
		cleanWords(BF16, words)
		var w Bits
		c.QuantizeToken(words, &w)
		want := oracle.BF16.ExactQuantize(s, int(c.Bits), x)
		var got [4]uint64
		w.Take(&got, 16*c.Stats())
		if uint16(got[0]) != want.Scale || !c.Symmetric && uint16(got[0]>>16) != want.Min {
			t.Fatalf("%#04x: scale and minimum %#x, want %#04x, %#04x", x, got[0], want.Scale, want.Min)
		}
		stat, _ := BF16.ReadStat(want.Scale, want.Min)
		if c.Symmetric {
			stat, _ = BF16.ReadStat(want.Scale, 0)
			want.Min = 0
		}
		for i, q := range want.Codes {
			if w.Take(&got, int(c.Bits)); got[0] != uint64(q)&(1<<c.Bits-1) {
				t.Fatalf("%#04x: code %d is %#x, want %d", x, i, got[0], q)
			}
			h, over := BF16.value(&stat, int64(q))
			if back, sat := oracle.BF16.ExactRestore(want.Scale, want.Min, q); uint16(h) != back || over == 1 != sat {
				t.Fatalf("%#04x: element %d is restored as %#04x, want %#04x", x, i, h, back)
			}
		}
	})
}

func TestCleanBF16(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		got, bad := BF16.Clean(h)
		want, wantBad := oracle.BF16.Sanitise(h)
		if got != want || bad != wantBad {
			t.Fatalf("Clean(%#04x) = %#04x, %v; want %#04x, %v", h, got, bad, want, wantBad)
		}
		w := uint64(h) | uint64(h^0x5a5a)<<16 | 0x7f80_ff81<<32
		clean, n := BF16.CleanWord(w)
		wantN := 0
		for lane := 0; lane < 64; lane += 16 {
			c, bad := oracle.BF16.Sanitise(uint16(w >> lane))
			if bad {
				wantN++
			}
			if v := uint16(clean >> lane); v != c && (v != 0x8000 || c != 0) {
				t.Fatalf("CleanWord(%#x) = %#x: lane %d is not %#04x", w, clean, lane/16, c)
			}
		}
		if n != wantN || BF16.CountNonFinite([]uint64{w, 0x7f7f}) != wantN {
			t.Fatalf("CleanWord(%#x) counts %d, want %d", w, n, wantN)
		}
	}
}

// Every bfloat16 beside the largest in a binade: the same number times a power
// of two, or, cut, one that is as near to 0 as it should be and not 0.
func TestNarrow(t *testing.T) {
	step := new(big.Int).Lsh(big.NewInt(1), 133) // one 2^-133th
	for _, top := range []int{1, 2, 3, 8, 20, 29, 30, 31, 32, 33, 34, 60, 127, 200, 254} {
		for h := uint16(0); h < wideInfinity; h++ {
			if binade(h) > top {
				break
			}
			if h > 4096 && top-binade(h) > 45 && h%8 != 0 {
				continue
			}
			if got := narrow(h|0x8000, top); got != narrow(h, top)|0x8000 {
				t.Fatalf("binade %d: %#04x and its negative differ", top, h)
			}
			v := oracle.BF16.Value(h)
			exact := v.Num() // v in units of 2^(top-33-133)
			exact = new(big.Int).Quo(new(big.Int).Mul(exact, new(big.Int).Lsh(step, 33)), v.Denom())
			whole, rest := new(big.Int).QuoRem(exact, new(big.Int).Lsh(big.NewInt(1), uint(top)), new(big.Int))
			want := whole.Int64()
			if rest.Sign() != 0 {
				want |= 1
				if want >= 1<<8 {
					t.Fatalf("binade %d: %#04x is cut and not small", top, h)
				}
			}
			if got := Units(narrow(h, top)); got != want {
				t.Fatalf("binade %d: %#04x becomes %d units, want %d", top, h, got, want)
			}
		}
	}
}

// Codes of 2 bits and every pair of numbers that matters: sums that lie on the
// middle of two bfloat16, or a hair beside it.
func TestRestoreBF16Middles(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 60000 {
		c := Coder{Bits: allBits[rng.IntN(len(allBits))], Format: BF16}
		q := rng.IntN(1 << c.Bits)
		scale := uint16(rng.IntN(1 << 16))
		minimum := scale&0x7f80 + uint16(rng.IntN(24)-8)<<7 ^ uint16(rng.IntN(2))<<15 | uint16(rng.IntN(1<<7))
		switch rng.IntN(4) {
		case 0:
			minimum = uint16(rng.IntN(2))<<15 | uint16(rng.IntN(3)) // next to nothing
		case 1:
			scale = minimum&0x7f80 - uint16(rng.IntN(300))<<7 // a power of two, far below
		}
		s, _ := BF16.ReadStat(scale, minimum)
		scale, _ = BF16.Clean(scale)
		minimum, _ = BF16.Clean(minimum)
		h, over := BF16.value(&s, int64(q))
		want, sat := oracle.BF16.ExactRestore(scale, minimum, q)
		if uint16(h) != want || over == 1 != sat {
			t.Fatalf("scale %#04x, minimum %#04x, code %d: %#04x, %d; want %#04x, %v", scale, minimum, q, h, over, want, sat)
		}
	}
}

func TestLoadStats(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for f := range oracles {
		x := numbers(f, rng, 64)
		for _, asym := range []bool{false, true} {
			stats, words := make([]Stat, 32), pack(x)
			if !asym {
				words = words[:8]
			}
			f.LoadStats(stats, words)
			for i, got := range stats {
				minimum := uint16(0)
				if asym {
					minimum = x[32+i]
				}
				if want, _ := f.ReadStat(x[i], minimum); got != want {
					t.Fatalf("format %d: stat %d is %+v, want %+v", f, i, got, want)
				}
			}
		}
	}
}
