package oracle

import (
	"bytes"
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

func layouts(rows, dims int) (list []packet.Layout) {
	for _, scheme := range []uint32{regmap.SchemeAsym, regmap.SchemeSym} {
		for _, bits := range codeBits {
			for _, g := range []int{0, 16, 32, 64, 128} {
				if g == 0 || dims%g == 0 {
					list = append(list, packet.Layout{Scheme: scheme, Axis: regmap.AxisToken, Group: g, Bits: bits})
				}
				if g != 0 && rows%g == 0 {
					list = append(list, packet.Layout{Scheme: scheme, Axis: regmap.AxisChannel, Group: g, Bits: bits})
				}
			}
		}
	}
	if dims%32 == 0 {
		list = append(list, blockLayouts...)
	}
	return list
}

func pack(h ...uint16) (b []byte) {
	for _, v := range h {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	return b
}

// One row of 16: -1 to 14, but for a NaN that counts as the 0 in its place.
func TestTokenTileByHand(t *testing.T) {
	in := pack(0xbc00, nan, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600, 0x4700, 0x4800, 0x4880, 0x4900, 0x4980, 0x4a00, 0x4a80, 0x4b00)
	asym := packet.Layout{Scheme: regmap.SchemeAsym, Group: 16, Bits: 4}
	// s = 15/15, mn = -1, codes 0 to 15, two to a byte, the first in the low half.
	want := []byte{0x00, 0x3c, 0x00, 0xbc, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe}
	got, bad, _ := Engine{}.QuantizeTile(asym, 1, 16, in)
	if !bytes.Equal(got, want) || bad != 1 {
		t.Errorf("asymmetric: %x, %d non-finite; want %x, 1", got, bad, want)
	}
	clean := bytes.Clone(in)
	copy(clean[2:], pack(0))
	if back, bad, sat := (Engine{}).DequantizeTile(asym, 1, 16, got); !bytes.Equal(back, clean) || bad != 0 || sat != 0 {
		t.Errorf("restored %x (%d, %d), want %x", back, bad, sat, clean)
	}
	// L = 3, s = RN16(14/3) = 4.668 (0x44ab): x/s is -0.21, ..., 14/4.668 =
	// 2.999; codes round to 0 up to 2, 1 up to 7 (1.4995), 2 up to 11, 3 above.
	sym := packet.Layout{Scheme: regmap.SchemeSym, Group: 0, Bits: 3}
	codes := []int{0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3}
	var bits uint64
	for i, c := range codes {
		bits |= uint64(c) << (3 * i)
	}
	want = append(pack(0x44ab), binary.LittleEndian.AppendUint64(nil, bits)[:6]...)
	if got, _, _ := (Engine{}).QuantizeTile(sym, 1, 16, in); !bytes.Equal(got, want) {
		t.Errorf("symmetric: %x, want %x", got, want)
	}
}

// 16 rows of 16: channel d holds row*2^d, so its scale is 2^d and its codes are
// the rows; negative channels have their minimum at the last row.
func TestChannelTileByHand(t *testing.T) {
	var in, want []byte
	for row := range 16 {
		for d := range 16 {
			h, _ := ExactRN16(big.NewRat(int64(row)<<(d%8), 1))
			if d >= 8 && h != 0 {
				h |= 0x8000
			}
			in = append(in, pack(h)...)
		}
	}
	for d := range 16 { // scales 2^d
		want = append(want, pack(uint16(15+d%8)<<10)...)
	}
	want = append(want, make([]byte, 16)...) // minima 0
	for d := range 8 {
		h, _ := ExactRN16(big.NewRat(int64(-15)<<d, 1))
		want = append(want, pack(h)...)
	}
	for row := range 16 {
		for range 4 {
			want = append(want, byte(row*0x11))
		}
		for range 4 {
			want = append(want, byte((15-row)*0x11))
		}
	}
	l := packet.Layout{Scheme: regmap.SchemeAsym, Axis: regmap.AxisChannel, Group: 16, Bits: 4}
	got, _, _ := Engine{}.QuantizeTile(l, 16, 16, in)
	if !bytes.Equal(got, want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
	if back, _, _ := (Engine{}).DequantizeTile(l, 16, 16, got); !bytes.Equal(back, in) {
		t.Errorf("restored %x, want %x", back, in)
	}
}

// Every layout: each stored field is where the page of the contract puts it, by
// a formula for its bit position, and holds what the rational kernels say.
func TestTilesFieldByField(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for i, shape := range []struct{ rows, dims int }{{16, 16}, {32, 48}, {3, 128}, {5, 32}, {16, 16}, {3, 128}} {
		for _, l := range layouts(shape.rows, shape.dims) {
			if i >= 4 && !l.Block {
				l.Format = regmap.FormatBF16
			}
			in := pack(format(l).randomGroup(rng, shape.rows*shape.dims)...)
			tile, bad, _ := Engine{}.QuantizeTile(l, shape.rows, shape.dims, in)
			if want := l.QuantizedBytes(shape.rows, shape.dims); len(tile) != want {
				t.Fatalf("%+v %v: %d bytes, want %d", l, shape, len(tile), want)
			}
			rng2 := rand.New(rand.NewPCG(11, uint64(l.Bits)))
			sum := checkFields(t, rng2, l, shape.rows, shape.dims, in, tile)
			if sum != bad {
				t.Fatalf("%+v: %d non-finite, want %d", l, bad, sum)
			}
		}
	}
}

func checkFields(t *testing.T, rng *rand.Rand, l packet.Layout, rows, dims int, in, tile []byte) (bad int) {
	t.Helper()
	reversed := bytes.Clone(tile) // as one number, its first byte the lowest
	slices.Reverse(reversed)
	number := new(big.Int).SetBytes(reversed)
	field := func(bit, width int) (v int) {
		for i := range width {
			v |= int(number.Bit(bit+i)) << i
		}
		return v
	}
	g, stats := l.Group, 1
	if g == 0 {
		g = dims
	}
	if l.Scheme == regmap.SchemeAsym {
		stats = 2
	}
	for _, h := range elements(in, rows*dims) {
		if infinity := format(l).infinity(); h&infinity == infinity {
			bad++
		}
	}
	back, _, _ := Engine{}.DequantizeTile(l, rows, dims, append(bytes.Clone(tile), 0, 0))
	for range 6 { // any few groups of the tile
		var members [][2]int // row, channel
		var scaleAt, minAt int
		var codeAt func(i int) int
		if l.Axis == regmap.AxisToken {
			row, n := rng.IntN(rows), rng.IntN(dims/g)
			start := (row*(dims/g) + n) * (16*stats + g*l.Bits)
			scaleAt, minAt = start, start+16
			codeAt = func(i int) int { return start + 16*stats + i*l.Bits }
			if l.Block && l.Bits == 4 { // byte i%16, its low half first
				codeAt = func(i int) int { return start + 16*stats + i%16*8 + i/16*4 }
			}
			for i := range g {
				members = append(members, [2]int{row, n*g + i})
			}
		} else {
			block, d := rng.IntN(rows/g), rng.IntN(dims)
			start := block * dims * (16*stats + g*l.Bits)
			scaleAt, minAt = start+16*d, start+16*(dims+d)
			codeAt = func(i int) int { return start + 16*dims*stats + (i*dims+d)*l.Bits }
			for i := range g {
				members = append(members, [2]int{block*g + i, d})
			}
		}
		var group []uint16
		for _, m := range members {
			group = append(group, binary.LittleEndian.Uint16(in[2*(m[0]*dims+m[1]):]))
		}
		want := format(l).ExactQuantize(scheme(l), l.Bits, group)
		if s := field(scaleAt, 16); s != int(want.Scale) {
			t.Fatalf("%+v: scale %#04x, want %#04x", l, s, want.Scale)
		}
		if stats == 2 && field(minAt, 16) != int(want.Min) {
			t.Fatalf("%+v: minimum %#04x, want %#04x", l, field(minAt, 16), want.Min)
		}
		for _, i := range []int{0, 1, rng.IntN(g), g - 1} {
			if c := field(codeAt(i), l.Bits); c != want.Codes[i]&(1<<l.Bits-1) {
				t.Fatalf("%+v: code %d is %d, want %d", l, i, c, want.Codes[i])
			}
			m, value := members[i], want.Codes[i]
			if l.Scheme == regmap.SchemeOffset {
				value -= 8
			}
			h, _ := format(l).ExactRestore(want.Scale, want.Min, value)
			if got := binary.LittleEndian.Uint16(back[2*(m[0]*dims+m[1]):]); got != h {
				t.Fatalf("%+v: row %d channel %d is restored as %#04x, want %#04x", l, m[0], m[1], got, h)
			}
		}
	}
	return bad
}

// Scales and minima of any pattern: cleaned, counted once each, negative ones by
// the formula.
func TestDequantizeForeignTile(t *testing.T) {
	l := packet.Layout{Scheme: regmap.SchemeAsym, Group: 16, Bits: 2}
	codes := []byte{0xe4, 0xe4, 0xe4, 0xe4} // 0 1 2 3, four times
	for _, c := range []struct {
		name       string
		scale, min uint16
		want       [4]uint16
		bad, sat   int
	}{
		{"negative scale", minusOne, one, [4]uint16{one, 0, minusOne, 0xc000}, 0, 0},
		{"NaN scale", nan, one, [4]uint16{one, one, one, one}, 1, 0},
		{"both bad", inf, negInf, [4]uint16{negTop, 0, top, top}, 2, 4},
		{"minus zero", negZero, negZero, [4]uint16{0, 0, 0, 0}, 0, 0},
	} {
		got, bad, sat := Engine{}.DequantizeTile(l, 1, 16, append(pack(c.scale, c.min), codes...))
		want := pack(c.want[:]...)
		if !bytes.Equal(got, bytes.Repeat(want, 4)) || bad != c.bad || sat != c.sat {
			t.Errorf("%s: %x, %d, %d; want %x four times, %d, %d", c.name, got, bad, sat, want, c.bad, c.sat)
		}
	}
	sym := packet.Layout{Scheme: regmap.SchemeSym, Group: 16, Bits: 2}
	want := pack(0, one, 0xc000, minusOne) // the code -2 too
	if got, _, _ := (Engine{}).DequantizeTile(sym, 1, 16, append(pack(one), codes...)); !bytes.Equal(got, bytes.Repeat(want, 4)) {
		t.Errorf("symmetric: %x, want %x four times", got, want)
	}
}
