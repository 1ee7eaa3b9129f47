package model

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kvaccel/kvaccel/internal/fp16"
	"github.com/kvaccel/kvaccel/verification/oracle"
)

var allBits = []uint{2, 3, 4, 5, 6, 8}

var oracles = map[Format]oracle.Format{FP16: oracle.FP16, BF16: oracle.BF16}

// eachFormat runs f for all formats, schemes and bits.
func eachFormat(t *testing.T, f func(t *testing.T, c Coder, s oracle.Scheme, rng *rand.Rand)) {
	for format := range oracles {
		for _, b := range allBits {
			for _, s := range []oracle.Scheme{oracle.Asym, oracle.Sym} {
				runCoder(t, Coder{Symmetric: s == oracle.Sym, Bits: b, Format: format}, s, f)
			}
		}
	}
}

// eachBlock runs f for the codings that only blocks have.
func eachBlock(t *testing.T, f func(t *testing.T, c Coder, s oracle.Scheme, rng *rand.Rand)) {
	for _, s := range []oracle.Scheme{oracle.Asym, oracle.Sym, oracle.Offset} {
		runCoder(t, Coder{Symmetric: s == oracle.Sym, Offset: s == oracle.Offset, Paired: true, Bits: 4}, s, f)
	}
}

func runCoder(t *testing.T, c Coder, s oracle.Scheme, f func(t *testing.T, c Coder, s oracle.Scheme, rng *rand.Rand)) {
	t.Run(fmt.Sprintf("format%d-scheme%d-%dbits", c.Format, s, c.Bits), func(t *testing.T) {
		t.Parallel()
		f(t, c, s, rand.New(rand.NewPCG(uint64(c.Bits), uint64(s)|uint64(c.Format)<<8)))
	})
}

// numbers gives n elements of a format.
func numbers(f Format, rng *rand.Rand, n int) []uint16 {
	if f == BF16 {
		return wideElements(rng, n)
	}
	return elements(rng, n)
}

// elements gives n elements of one of several distributions, with NaN,
// infinities and -0 among them where it is random bits.
func elements(rng *rand.Rand, n int) []uint16 {
	x := make([]uint16, n)
	kind, scale := rng.IntN(6), fp16.ToFloat64(uint16(rng.IntN(maxFinite)))
	base := uint16(rng.IntN(1 << 16))
	for i := range x {
		switch kind {
		case 0:
			x[i] = uint16(rng.IntN(1 << 16))
		case 1:
			x[i] = fp16.FromFloat64(rng.NormFloat64() * scale / 8)
		case 2: // subnormals
			x[i] = uint16(rng.IntN(64)) | uint16(rng.IntN(2))<<15
		case 3: // neighbours
			x[i] = base + uint16(rng.IntN(20))
		case 4: // whole multiples: ties
			x[i] = fp16.FromFloat64(float64(rng.IntN(61)-30) / 4)
		case 5: // the largest range
			x[i] = uint16(rng.IntN(2))<<15 | uint16(maxFinite-rng.IntN(8))
		}
	}
	return x
}

func pack(x []uint16) []uint64 {
	w := make([]uint64, (len(x)+3)/4)
	for i, h := range x {
		w[i/4] |= uint64(h) << (i % 4 * 16)
	}
	return w
}

func cleanWords(f Format, w []uint64) (nonFinite int) {
	for i := range w {
		c, n := f.CleanWord(w[i])
		w[i] = c
		nonFinite += n
	}
	return nonFinite
}

func TestQuantizeToken(t *testing.T) {
	eachFormat(t, testQuantizeToken)
	t.Run("paired", func(t *testing.T) { eachBlock(t, testQuantizeToken) })
}

func testQuantizeToken(t *testing.T, c Coder, s oracle.Scheme, rng *rand.Rand) {
	var w Bits
	for i := range 2000 {
		x := numbers(c.Format, rng, 16<<rng.IntN(4))
		words := pack(x)
		bad := cleanWords(c.Format, words)
		if i%2 == 0 {
			c.QuantizeToken(words, &w)
		} else {
			c.quantizeToken(words, &w)
		}
		want := oracles[c.Format].Quantize(s, int(c.Bits), x)
		if bad != want.NonFinite {
			t.Fatalf("%#04x: %d non-finite, want %d", x, bad, want.NonFinite)
		}
		var got [4]uint64
		if w.Take(&got, 16); uint16(got[0]) != want.Scale {
			t.Fatalf("%#04x: scale %#04x, want %#04x", x, got[0], want.Scale)
		}
		if s == oracle.Asym {
			if w.Take(&got, 16); uint16(got[0]) != want.Min {
				t.Fatalf("%#04x: minimum %#04x, want %#04x", x, got[0], want.Min)
			}
		}
		for i := range want.Codes {
			if c.Paired {
				i = i/2 + i%2*len(x)/2
			}
			q := want.Codes[i]
			if w.Take(&got, int(c.Bits)); got[0] != uint64(q)&(1<<c.Bits-1) {
				t.Fatalf("%#04x: code %d is %#x, want %d (scale %#04x)", x, i, got[0], q, want.Scale)
			}
		}
		if w.Len() != 0 {
			t.Fatalf("%d bits left", w.Len())
		}
	}
}

func TestQuantizeChannel(t *testing.T) {
	eachFormat(t, func(t *testing.T, c Coder, s oracle.Scheme, rng *rand.Rand) {
		const maxDim = 64
		columns := NewColumns(maxDim)
		var w Bits
		for range 40 {
			rows, dims := 16<<rng.IntN(3), 16*(1+rng.IntN(maxDim/16))
			x := make([]uint16, rows*dims)
			want := make([]oracle.Group, dims)
			for d := range dims {
				column := numbers(c.Format, rng, rows)
				for r, h := range column {
					x[r*dims+d] = h
				}
				want[d] = oracles[c.Format].Quantize(s, int(c.Bits), column)
			}
			words := pack(x)
			cleanWords(c.Format, words)
			stats := make([]uint64, dims/2)
			if c.Symmetric {
				stats = stats[:dims/4]
			}
			c.QuantizeChannel(columns, words, dims, stats, &w)
			for d, g := range want {
				if h := uint16(stats[d/4] >> (d % 4 * 16)); h != g.Scale {
					t.Fatalf("channel %d: scale %#04x, want %#04x", d, h, g.Scale)
				}
				if c.Symmetric {
					continue
				}
				if h := uint16(stats[(dims+d)/4] >> (d % 4 * 16)); h != g.Min {
					t.Fatalf("channel %d: minimum %#04x, want %#04x", d, h, g.Min)
				}
			}
			for r := range rows {
				for d := range dims {
					var got [4]uint64
					if w.Take(&got, int(c.Bits)); got[0] != uint64(want[d].Codes[r])&(1<<c.Bits-1) {
						t.Fatalf("row %d, channel %d: code %#x, want %d", r, d, got[0], want[d].Codes[r])
					}
				}
			}
		}
	})
}

// Every significand of a scale, at and beside every border of two codes.
func TestQuotient(t *testing.T) {
	check := func(v *divisor, d int64, scale uint16) {
		q, rest := d/v.scale, d%v.scale
		if 2*rest > v.scale || 2*rest == v.scale && q%2 == 1 {
			q++
		}
		if got := v.quotient(d); got != uint64(q) {
			t.Fatalf("scale %#04x: quotient of %d is %d, want %d", scale, d, got, q)
		}
	}
	for _, exponent := range []uint16{0, 1, 2, 9, 20, 29} {
		for m := range uint16(1024) {
			scale := exponent<<10 | m
			if scale == 0 {
				continue
			}
			v := newDivisor(scale, 0)
			for q := int64(0); q < 400; q++ {
				border := q*v.scale + v.scale/2
				for d := max(border-1, 0); d <= border+2; d++ {
					check(&v, d, scale)
				}
			}
		}
	}
	v := newDivisor(0, 0)
	if q := v.quotient(0); q != 0 {
		t.Fatalf("scale 0: quotient of 0 is %d", q)
	}
}

func TestRestore(t *testing.T) {
	eachFormat(t, testRestore)
	t.Run("blocks", func(t *testing.T) { eachBlock(t, testRestore) })
}

func testRestore(t *testing.T, c Coder, s oracle.Scheme, rng *rand.Rand) {
	asym := uint16(0)
	if s == oracle.Asym {
		asym = 1
	}
	for range 4000 {
		n := 2 << rng.IntN(4)
		stored := numbers(c.Format, rng, 2*n)
		stats := make([]Stat, n)
		for i := range stats {
			stats[i], _ = c.Format.ReadStat(stored[i], stored[n+i]*asym)
		}
		var src, channel, token [4]uint64
		codes := make([]int, n)
		for i := range codes {
			q := rng.IntN(1 << c.Bits)
			at := i * int(c.Bits)
			src[at/64] |= uint64(q) << (at % 64)
			if at%64+int(c.Bits) > 64 {
				src[at/64+1] |= uint64(q) >> (64 - at%64)
			}
			if codes[i] = q; c.Symmetric && q >= 1<<(c.Bits-1) {
				codes[i] = q - 1<<c.Bits
			}
			if s == oracle.Offset {
				codes[i] = q - 8
			}
		}
		one, _ := c.Format.ReadStat(stored[0], stored[n]*asym)
		satChannel, satToken := c.RestoreChannel(&channel, &src, stats), c.RestoreToken(&token, &src, n, one)
		var tables []uint32
		for _, st := range stats {
			tables = c.AppendTable(tables, st)
		}
		var looked [4]uint64
		if sat := c.LookUp(&looked, &src, n, tables, 1<<c.Bits); sat != satChannel || looked != channel {
			t.Fatalf("from tables: %#x, %d clamped; want %#x, %d", looked, sat, channel, satChannel)
		}
		if sat := c.LookUp(&looked, &src, n, c.AppendTable(nil, one), 0); sat != satToken || looked != token {
			t.Fatalf("from one table: %#x, %d clamped; want %#x, %d", looked, sat, token, satToken)
		}
		for i, q := range codes {
			for _, v := range []struct {
				got        uint64
				scale, min uint16
				sat        *int
			}{
				{channel[i/4], stored[i], stored[n+i], &satChannel},
				{token[i/4], stored[0], stored[n], &satToken},
			} {
				scale, _ := oracles[c.Format].Sanitise(v.scale)
				minimum, _ := oracles[c.Format].Sanitise(v.min * asym)
				want, sat := oracles[c.Format].Restore(scale, minimum, q)
				if got := uint16(v.got >> (i % 4 * 16)); got != want {
					t.Fatalf("scale %#04x, minimum %#04x, code %d: %#04x, want %#04x", scale, minimum, q, got, want)
				}
				if sat {
					*v.sat--
				}
			}
		}
		if satChannel != 0 || satToken != 0 {
			t.Fatalf("counts of clamped elements are off by %d and %d", satChannel, satToken)
		}
	}
}

// FuzzBits puts and takes fields of the widths that the data names.
func FuzzBits(f *testing.F) {
	f.Add([]byte{16, 32, 200, 7, 64, 255, 1, 130})
	f.Fuzz(func(t *testing.T, data []byte) {
		var b Bits
		var queue []byte // one bit each
		rng := rand.New(rand.NewPCG(1, uint64(len(data))))
		for i, v := range data {
			if n := uint(v&63) + 1; v < 128 {
				w := rng.Uint64() >> (64 - n)
				b.Put(w, n)
				for k := range n {
					queue = append(queue, byte(w>>k&1))
				}
			} else {
				var got [4]uint64
				n := int(v-128)*2 + 1
				b.Take(&got, n)
				for k := range n {
					var want byte
					if len(queue) > 0 {
						want, queue = queue[0], queue[1:]
					}
					if byte(got[k/64]>>(k%64)&1) != want {
						t.Fatalf("step %d: bit %d of %d is wrong", i, k, n)
					}
				}
			}
			if v%5 == 0 {
				b.Compact()
			}
			if b.Len() != len(queue) {
				t.Fatalf("step %d: %d bits, want %d", i, b.Len(), len(queue))
			}
		}
	})
}
