package oracle

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

var rotations = []int{32, 64, 128}

// finiteGroup draws finite elements.
func finiteGroup(rng *rand.Rand, n int) []uint16 {
	g := randomGroup(rng, n)
	for i := range g {
		g[i], _ = Sanitise(g[i])
	}
	return g
}

func TestRotateByHand(t *testing.T) {
	fill := func(n int, h ...uint16) []uint16 { return slices.Repeat(h, n/len(h)) }
	with := func(n int, at map[int]uint16) []uint16 {
		g := make([]uint16, n)
		for i, h := range at {
			g[i] = h
		}
		return g
	}
	for _, c := range []struct {
		name     string
		in, want []uint16
		e        int
		sat      int
	}{
		{"zeros", fill(32, 0), fill(32, 0), 2, 0},
		// Ones: all in the first place, 32/4 and 128/16.
		{"ones", fill(32, one), with(32, map[int]uint16{0: 0x4800}), 2, 0},
		{"ones", fill(128, one), with(128, map[int]uint16{0: 0x4800}), 4, 0},
		// One in the first place is everywhere, in another with the signs of its row.
		{"an impulse", with(64, map[int]uint16{0: one}), fill(64, 0x3000), 3, 0},
		{"an impulse at 1", with(64, map[int]uint16{1: one}), fill(64, 0x3000, 0xb000), 3, 0},
		{"an impulse at 3", with(32, map[int]uint16{3: one}), fill(32, 0x3400, 0xb400, 0xb400, 0x3400), 2, 0},
		{"an impulse at 16", with(32, map[int]uint16{16: one}), append(fill(16, 0x3400), fill(16, 0xb400)...), 2, 0},
		// The sum keeps its last unit: 2 units over 4 are half of one, a tie to 0; 6 of
		// them 1.5, to 2; and beside 65504 none is lost.
		{"half a unit", with(32, map[int]uint16{0: 2}), fill(32, 0), 2, 0},
		{"one and a half", with(32, map[int]uint16{0: 6}), fill(32, 2), 2, 0},
		{"cancelled", with(32, map[int]uint16{0: top, 1: negTop, 2: 4}), alternate(32), 2, 0},
		// 65504 * 32 / 4 is 8 times the range; 0 elsewhere.
		{"clamped", fill(32, top), with(32, map[int]uint16{0: top}), 2, 1},
		{"clamped below", fill(128, negTop), with(128, map[int]uint16{0: negTop}), 4, 1},
		// 4 * 65504 / 4 is just in range.
		{"the largest", with(32, map[int]uint16{0: top, 1: top, 2: top, 3: top}), largest(32), 2, 0},
	} {
		for form, f := range map[string]func([]uint16, int) ([]uint16, int){"exact": ExactRotate, "units": Rotate} {
			if got, sat := f(c.in, c.e); !slices.Equal(got, c.want) || sat != c.sat {
				t.Errorf("%s (%s): %#04x, %d saturated; want %#04x, %d", c.name, form, got, sat, c.want, c.sat)
			}
		}
	}
}

// alternate is what (top, -top, 4 units, 0, ...) becomes, over 4: at even places
// the 4 units alone, at odd ones 2 * 65504/4 more or less one unit, which is lost.
func alternate(n int) []uint16 {
	g := make([]uint16, n)
	for i := range g {
		g[i] = 1
		if i&2 != 0 {
			g[i] = 0x8001
		}
		if i%2 == 1 {
			g[i] = top - 0x400
		}
	}
	return g
}

// largest is what four times 65504 becomes, over 4: that, and three zeros, in turn.
func largest(n int) []uint16 {
	g := make([]uint16, n)
	for i := 0; i < n; i += 4 {
		g[i] = top
	}
	return g
}

func TestRotateAgainstExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 24))
	saturated := 0
	for i := range 90 {
		size := rotations[i%3]
		in := finiteGroup(rng, size)
		e := 2 + rng.IntN(3)
		got, sat := Rotate(in, e)
		want, wantSat := ExactRotate(in, e)
		if !slices.Equal(got, want) || sat != wantSat {
			t.Fatalf("%#04x, e = %d:\n got %#04x, %d\nwant %#04x, %d", in, e, got, sat, want, wantSat)
		}
		saturated += sat
	}
	if saturated == 0 {
		t.Error("nothing was clamped")
	}
}

// In and out again is the identity, exactly where nothing is rounded: with small
// whole numbers of halves.
func TestRotationIsUndone(t *testing.T) {
	rng := rand.New(rand.NewPCG(25, 26))
	for _, size := range rotations {
		if exponentIn[size]+exponentOut[size] != map[int]int{32: 5, 64: 6, 128: 7}[size] {
			t.Errorf("the exponents of %d do not add up", size)
		}
		in := make([]uint16, size)
		for i := range in {
			in[i], _ = ExactRN16(big.NewRat(int64(rng.IntN(15)-7), 2))
		}
		x := slices.Clone(in)
		if sat := rotateRows(x, size, exponentIn) + rotateRows(x, size, exponentOut); !slices.Equal(x, in) || sat != 0 {
			t.Errorf("%d: %#04x comes back as %#04x", size, in, x)
		}
	}
}

// With rotation a tile is the tile of the rotated rows, and what comes back are
// the restored rows, rotated.
func TestTilesRotated(t *testing.T) {
	rng := rand.New(rand.NewPCG(27, 28))
	for i := range 60 {
		size := rotations[i%3]
		l := packet.Layout{Scheme: uint32(rng.IntN(2)), Axis: uint32(rng.IntN(2)), Group: 16, Bits: codeBits[rng.IntN(6)]}
		if i%5 == 0 {
			l = blockLayouts[rng.IntN(3)]
		}
		rows, dims := 16, size*(1+rng.IntN(2))
		in := randomGroup(rng, rows*dims)
		var rotated []uint16
		bad, sat := 0, 0
		for at := 0; at < len(in); at += size {
			block := slices.Clone(in[at : at+size])
			for j, h := range block {
				clean, nonFinite := Sanitise(h)
				if block[j] = clean; nonFinite {
					bad++
				}
			}
			y, clamped := Rotate(block, exponentIn[size])
			rotated, sat = append(rotated, y...), sat+clamped
		}
		want, _, _ := Engine{}.QuantizeTile(l, rows, dims, pack(rotated...))
		l.Rotate = size
		got, nonFinite, saturated := Engine{}.QuantizeTile(l, rows, dims, pack(in...))
		if string(got) != string(want) || nonFinite != bad || saturated != sat {
			t.Fatalf("%+v: %d non-finite, %d saturated; want %d, %d, and the tile of the rotated rows", l, nonFinite, saturated, bad, sat)
		}
		back, _, both := Engine{}.DequantizeTile(l, rows, dims, got)
		l.Rotate = 0
		plain, _, one := Engine{}.DequantizeTile(l, rows, dims, got)
		x := elements(plain, rows*dims)
		for at := 0; at < len(x); at += size {
			y, clamped := Rotate(x[at:at+size], exponentOut[size])
			copy(x[at:], y)
			one += clamped
		}
		if string(back) != string(pack(x...)) || both != one {
			t.Fatalf("%+v: restored rows differ from the rotated ones; %d saturated, want %d", l, both, one)
		}
	}
}

// A COMPRESS of bfloat16 rows: tier 0 as it came, the others by the formulas of
// bfloat16.
func TestSectionBF16(t *testing.T) {
	l := packet.Layout{Group: 16, Format: regmap.FormatBF16}
	rng := rand.New(rand.NewPCG(29, 30))
	rows := pack(BF16.randomGroup(rng, 3*16)...)
	copy(rows, pack(bNaN, bInf, inf))
	got, bad := Engine{}.Section(l, 16, []uint8{0, regmap.TierDropped, 2}, rows)
	g := BF16.ExactQuantize(Asym, 4, elements(rows[64:], 16))
	want := append(slices.Clone(rows[:32]), pack(g.Scale, g.Min)...)
	for i := 0; i < 16; i += 2 {
		want = append(want, byte(g.Codes[i]|g.Codes[i+1]<<4))
	}
	wantBad := g.NonFinite
	for _, h := range elements(rows, 16) {
		if h&0x7f80 == 0x7f80 {
			wantBad++
		}
	}
	if string(got) != string(want) || bad != wantBad {
		t.Errorf("%x, %d; want %x, %d", got, bad, want, wantBad)
	}
}
