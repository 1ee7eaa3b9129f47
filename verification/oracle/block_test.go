package oracle

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

var (
	q80 = packet.Layout{Scheme: regmap.SchemeSym, Group: 32, Bits: 8, Block: true}
	q40 = packet.Layout{Scheme: regmap.SchemeOffset, Group: 32, Bits: 4, Block: true}
	q41 = packet.Layout{Scheme: regmap.SchemeAsym, Group: 32, Bits: 4, Block: true}

	blockLayouts = []packet.Layout{q80, q40, q41}
)

// ggmlBlock reads one block as ggml's formulas say: q8_0 is a half d and 32
// signed bytes, d * q; q4_0 is a half d and 16 bytes, d * (nibble - 8); q4_1 is
// halves d and m and 16 bytes, d * nibble + m. Element i of the 4-bit ones is
// the low nibble of byte i, element i + 16 the high one. It gives the values and
// the rest of the bytes.
func ggmlBlock(l packet.Layout, b []byte) (y [32]float64, rest []byte) {
	half := func() float64 {
		v := fp16.ToFloat64(binary.LittleEndian.Uint16(b))
		b = b[2:]
		return v
	}
	d, m := half(), 0.0
	if l == q80 {
		for i := range y {
			y[i] = d * float64(int8(b[i]))
		}
		return y, b[32:]
	}
	if l == q41 {
		m = half()
	}
	for i, v := range b[:16] {
		low, high := float64(v&15), float64(v>>4)
		if l == q40 {
			low, high = low-8, high-8
		}
		y[i], y[i+16] = d*low+m, d*high+m
	}
	return y, b[16:]
}

// What QUANTIZE stores in the block layout means to ggml what DEQUANTIZE makes
// of it, but for the one rounding to binary16; and is near what went in.
func TestBlocksReadByGGML(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 13))
	for _, l := range blockLayouts {
		for range 60 {
			const rows, dims = 3, 96
			in := make([]uint16, rows*dims)
			scale := math.Ldexp(1, rng.IntN(20)-12)
			for i := range in {
				in[i] = fp16.FromFloat64(rng.NormFloat64() * scale)
			}
			tile, _, _ := Engine{}.QuantizeTile(l, rows, dims, pack(in...))
			values, _, _ := Engine{}.DequantizeTile(l, rows, dims, tile)
			if want := rows * dims / 32 * (2 + 32*l.Bits/8); l != q41 && len(tile) != want || l == q41 && len(tile) != rows*dims/32*20 {
				t.Fatalf("%+v: %d bytes", l, len(tile))
			}
			for at := 0; at < len(in); at += 32 {
				step := math.Abs(fp16.ToFloat64(binary.LittleEndian.Uint16(tile)))
				var y [32]float64
				y, tile = ggmlBlock(l, tile)
				for i, v := range y {
					if got := binary.LittleEndian.Uint16(values[2*(at+i):]); fp16.ToFloat64(got) != fp16.ToFloat64(fp16.FromFloat64(v)) {
						t.Fatalf("%+v: element %d is %g to ggml and restored as %#04x", l, at+i, v, got)
					}
					// Half a step, and what rounding the scale moves the last code
					// by; with an offset code the value opposite the largest can be
					// up to a step away.
					far := step / 2
					if l == q40 {
						far = step
					}
					if x := fp16.ToFloat64(in[at+i]); math.Abs(x-v) > far+127*spacing(step)/2 {
						t.Fatalf("%+v: element %d, %g, is %g to ggml, with a step of %g", l, at+i, x, v, step)
					}
				}
			}
		}
	}
}

// spacing is the distance of neighbouring binary16 values near v.
func spacing(v float64) float64 {
	_, e := math.Frexp(v)
	return math.Ldexp(1, max(e-11, -24))
}

// Blocks by hand: a ramp from -16 to 15, and its bytes.
func TestBlocksByHand(t *testing.T) {
	in := make([]uint16, 32)
	for i := range in {
		in[i] = fp16.FromFloat64(float64(i - 16))
	}
	// q4_0: m = -16, d = 2, code = RNE((i-16)/2) + 8, ties to even, at most 15.
	codes := [32]byte{0, 0, 1, 2, 2, 2, 3, 4, 4, 4, 5, 6, 6, 6, 7, 8, 8, 8, 9, 10, 10, 10, 11, 12, 12, 12, 13, 14, 14, 14, 15, 15}
	want := pack(0x4000)
	for i := range 16 {
		want = append(want, codes[i]|codes[i+16]<<4)
	}
	if got, _, _ := (Engine{}).QuantizeTile(q40, 1, 32, pack(in...)); string(got) != string(want) {
		t.Errorf("q4_0: %x, want %x", got, want)
	}
	// A block of anything: a negative scale, all nibbles, -0.25 * (n - 8).
	tile := pack(0xb400)
	for i := range 16 {
		tile = append(tile, byte(i|(15-i)<<4))
	}
	values, _, _ := Engine{}.DequantizeTile(q40, 1, 32, tile)
	for i := range 16 {
		low, high := fp16.FromFloat64(-0.25*float64(i-8)), fp16.FromFloat64(-0.25*float64(7-i))
		if i == 8 {
			low = 0
		}
		if i == 7 {
			high = 0
		}
		if a, b := binary.LittleEndian.Uint16(values[2*i:]), binary.LittleEndian.Uint16(values[2*(i+16):]); a != low || b != high {
			t.Errorf("byte %d is restored as %#04x and %#04x, want %#04x and %#04x", i, a, b, low, high)
		}
	}
}
