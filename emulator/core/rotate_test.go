package core

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator/model"
)

// constant gives n equal elements.
func constant(n int, h uint16) []byte {
	var b []byte
	for range n {
		b = binary.LittleEndian.AppendUint16(b, h)
	}
	return b
}

func TestTimingQuantizeRotated(t *testing.T) {
	p := regmap.DefaultParams()
	r := packet.Request{Opcode: regmap.OpQuantize, Layout: packet.Layout{Group: 16, Bits: 4, Rotate: 32}, Rows: 1, Dims: 32}
	x := constant(32, 0x7000) // 8192: a quarter of the sum is beyond the range
	copy(x[16:], []byte{0, 0x7c})
	wire := request(t, p, r, x)
	// Beats taken at 5 to 8, which leave at 8+20+4 = 32 to 35. Groups complete at
	// 33 and 35, read from 45 and 47, at the packer at 59 to 62: a full beat at 61,
	// the rest at 62. Without rotation all but the counting of the infinity is 27
	// cycles earlier.
	tr := record(t, p, wire)
	tr.expect(t, []int{6, 7, 63, 64, 65, 66}, map[int][]int{
		cntGroups: {45, 47}, cntTokens: {48}, cntNonFinite: {7}, cntSaturations: {32},
	})
	got := answer(t, p, wire)
	if !got.Saturated || !got.NonFinite || got.Cycles != 64-1+2+2 {
		t.Errorf("saturated %v, non-finite %v, cycles %d", got.Saturated, got.NonFinite, got.Cycles)
	}
	if tr.last[cntSaturations] != 1 {
		t.Errorf("%d clamped", tr.last[cntSaturations])
	}
	// Two blocks in a row, of which the beats of the second are taken at 9 to 12
	// and leave at 36 to 39; one saturates, as the first of its block. Items reach the
	// packer at 61 to 68: 4+4, 12, 16 units at 63; 4; 12, 16 at 66, 4 and 8 at 68.
	r.Dims, r.Group = 64, 32
	x = append(normal(32), constant(32, 0x7000)...)
	record(t, p, request(t, p, r, x)).expect(t, append([]int{6, 7}, 65, 68, 70, 71, 72), map[int][]int{
		cntGroups: {47, 51}, cntTokens: {54}, cntSaturations: {36},
	})
}

func TestTimingDequantizeRotated(t *testing.T) {
	p := regmap.DefaultParams()
	r := packet.Request{Opcode: regmap.OpDequantize, Layout: packet.Layout{Group: 16, Bits: 8, Rotate: 32}, Rows: 1, Dims: 32}
	group := append([]byte{0xff, 0x7b, 0, 0x3c}, make([]byte, 16)...) // scale 65504, minimum 1
	group[4], group[4+9] = 2, 1
	tile := append(slices.Clone(group), make([]byte, 20)...)
	tile[22] = 1 // scale 0, minimum a subnormal
	wire := request(t, p, r, tile)
	// Three beats taken at 5 to 7; items issued at 7 to 10, of which the first has
	// an element clamped and the second one next to it. They come at 19 to 22 and
	// leave at 22+20+4 = 46 to 49. 2^-3 of their sum is in range.
	tr := record(t, p, wire)
	tr.expect(t, append([]int{6, 7}, span(48, 6)...), map[int][]int{
		cntGroups: {7, 9}, cntTokens: {10}, cntSaturations: {19}, cntNonFinite: nil,
	})
	if got := answer(t, p, wire); !got.Saturated || len(got.Payload) != 64 {
		t.Errorf("saturated %v, %d bytes", got.Saturated, len(got.Payload))
	}
	for i := range 16 {
		tile[4+i] = 1
	}
	// 16 elements of 65505, not clamped, to be added: 16 sums of the even places
	// are beyond the range.
	record(t, p, request(t, p, r, tile)).expect(t, append([]int{6, 7}, span(48, 6)...), map[int][]int{cntSaturations: {46, 48}})
}

// Rotated or not, QUANTIZE does the same, only later; and what is rotated is
// what the model says. DEQUANTIZE rotates what it gives otherwise.
func TestRotated(t *testing.T) {
	for _, lanes := range []int{2, 4, 8, 16} {
		p := regmap.Params{Lanes: lanes, MaxDim: 128, TileTokens: 32, MaxTokens: 256}
		for _, l := range []packet.Layout{
			{Group: 16, Bits: 4, Rotate: 32},
			{Bits: 3, Rotate: 64},
			{Scheme: regmap.SchemeSym, Group: 32, Bits: 8, Rotate: 128},
			{Axis: regmap.AxisChannel, Group: 16, Bits: 2, Rotate: 64},
			{Scheme: regmap.SchemeSym, Axis: regmap.AxisChannel, Group: 32, Bits: 5, Rotate: 128},
			{Group: 32, Bits: 4, Block: true, Rotate: 32},
		} {
			const rows, dims = 32, 128
			plain := l
			plain.Rotate = 0
			in := packet.Request{Opcode: regmap.OpQuantize, Layout: l, Rows: rows, Dims: dims}
			inPlain := in
			inPlain.Layout = plain
			x := normal(rows * dims)
			got := answer(t, p, request(t, p, in, x))
			want := answer(t, p, request(t, p, inPlain, rotated(x, l.Rotate, model.RotateIn(l.Rotate))))
			if !slices.Equal(got.Payload, want.Payload) || got.Saturated || got.Status != regmap.StOK {
				t.Fatalf("%d lanes, %+v: QUANTIZE differs from that of rotated rows", lanes, l)
			}
			if late := got.Cycles - want.Cycles; late != uint32(regmap.LatRotate+2*l.Rotate/lanes-1) {
				t.Errorf("%d lanes, %+v: QUANTIZE is %d cycles late", lanes, l, late)
			}
			out, outPlain := in, inPlain
			out.Opcode, outPlain.Opcode = regmap.OpDequantize, regmap.OpDequantize
			tile := got.Payload
			got, want = answer(t, p, request(t, p, out, tile)), answer(t, p, request(t, p, outPlain, tile))
			if !slices.Equal(got.Payload, rotated(want.Payload, l.Rotate, model.RotateOut(l.Rotate))) {
				t.Fatalf("%d lanes, %+v: DEQUANTIZE differs from that without rotation", lanes, l)
			}
		}
	}
}

// rotated gives elements rotated block by block.
func rotated(x []byte, size int, e uint) (y []byte) {
	var counts [model.MaxRotate]uint8
	for ; len(x) > 0; x = x[2*size:] {
		words := make([]uint64, size/4)
		for i := range words {
			words[i] = binary.LittleEndian.Uint64(x[8*i:])
		}
		model.Rotate(words, e, 16, counts[:])
		for _, w := range words {
			y = binary.LittleEndian.AppendUint64(y, w)
		}
	}
	return y
}

// Commands that overlap keep their flags, though the beats of one are still
// being rotated when the next is taken.
func TestRotatedFlagsOfOverlap(t *testing.T) {
	for _, lanes := range []int{2, 8, 16} {
		p := regmap.Params{Lanes: lanes, MaxDim: 32, TileTokens: 16, MaxTokens: 256}
		in := packet.Request{Opcode: regmap.OpQuantize, Layout: packet.Layout{Group: 32, Bits: 8, Rotate: 32}, Rows: 1, Dims: 32}
		out := in
		out.Opcode = regmap.OpDequantize
		infinite := constant(32, 0)
		infinite[1] = 0x7c
		large := append([]byte{0xff, 0x7b, 0, 0}, slices.Repeat([]byte{1}, 32)...) // rotated beyond the range
		nan := append([]byte{0, 0x7e, 0, 0}, make([]byte, 32)...)
		for _, c := range []struct {
			r                 packet.Request
			saturating, other []byte
		}{{in, constant(32, 0x7000), infinite}, {out, large, nan}} {
			e, err := New(p, allFeatures, 0)
			if err != nil {
				t.Fatal(err)
			}
			f := &driverPins{t: t, p: p, rng: rand.New(rand.NewPCG(1, 1)), emulator: e, sPerMil: 1000, mPerMil: 1000}
			kinds := [][]byte{make([]byte, len(c.saturating)), c.saturating, c.other}
			order := []int{1, 0, 2, 1, 2, 0, 0, 1, 1, 0, 2, 0}
			for _, k := range order {
				f.queue(request(t, p, c.r, kinds[k]))
			}
			for len(f.answers) < len(order) {
				f.clock()
			}
			for i, k := range order {
				if a := f.answers[i]; a.Saturated != (k == 1) || a.NonFinite != (k == 2) {
					t.Errorf("%d lanes, opcode %d: answer %d has the flags %v and %v", lanes, c.r.Opcode, i, a.Saturated, a.NonFinite)
				}
			}
		}
	}
}

// A payload that ends too early is filled up with zeros, in the block too.
func TestRotatedPad(t *testing.T) {
	p := regmap.DefaultParams()
	r := packet.Request{Opcode: regmap.OpQuantize, Layout: packet.Layout{Axis: regmap.AxisChannel, Group: 16, Bits: 4, Rotate: 64}, Rows: 16, Dims: 64}
	x := normal(16 * 64)
	short := request(t, p, r, x[:3*128+48])
	clear(x[3*128+48:])
	got, want := answer(t, p, short), answer(t, p, request(t, p, r, x))
	if got.Status != regmap.StTruncated || got.BytesIn != 3*128+48 || !slices.Equal(got.Payload, want.Payload) {
		t.Errorf("status %d, %d bytes in, payload as if filled up: %v", got.Status, got.BytesIn, slices.Equal(got.Payload, want.Payload))
	}
}
