package core

import (
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

var (
	q40 = packet.Layout{Scheme: regmap.SchemeOffset, Group: 32, Bits: 4, Block: true}
	q41 = packet.Layout{Scheme: regmap.SchemeAsym, Group: 32, Bits: 4, Block: true}
	q80 = packet.Layout{Scheme: regmap.SchemeSym, Group: 32, Bits: 8, Block: true}
)

func TestTimingQuantizeBlock(t *testing.T) {
	p := regmap.DefaultParams()
	wire := request(t, p, packet.Request{Opcode: regmap.OpQuantize, Layout: q40, Rows: 1, Dims: 32}, normal(32))
	// Beats taken at 5 to 8, read at 20 to 23, at the packer at 34 to 37: 2 units
	// of scale, 8 of codes, none, 8: a full beat at 37 and the rest at 38.
	record(t, p, wire).expect(t, []int{6, 7, 39, 40, 41, 42}, map[int][]int{cntGroups: {20}, cntTokens: {23}})
	if r := answer(t, p, wire); r.Cycles != 40-1+2+2 || len(r.Payload) != 18 {
		t.Errorf("cycles %d, %d bytes", r.Cycles, len(r.Payload))
	}
	p.Lanes = 2 // header of 8 beats, x = 10
	wire = request(t, p, packet.Request{Opcode: regmap.OpQuantize, Layout: q41, Rows: 1, Dims: 32}, normal(32))
	// Beats taken at 11 to 26, read from 38, at the packer from 52 on: scale and
	// minimum are a beat at once, at 52; then 8 units at 53, 55, ..., 67.
	record(t, p, wire).expect(t, slices.Concat(span(12, 8), []int{54, 57, 61, 65, 69}, span(70, 8)), map[int][]int{
		cntGroups: {38}, cntTokens: {53},
	})
}

func TestTimingDequantizeBlock(t *testing.T) {
	p := regmap.DefaultParams()
	wire := request(t, p, packet.Request{Opcode: regmap.OpDequantize, Layout: q41, Rows: 1, Dims: 32}, make([]byte, 20))
	// 20 bytes, two beats, taken at 5 and 6, moved at 6 and 7. Items at 7 (need
	// 2+2+8 of 16), 8 (need 8 of 4+16), 9 and 10 (need none).
	record(t, p, wire).expect(t, append([]int{6, 7}, span(21, 6)...), map[int][]int{cntGroups: {7}, cntTokens: {10}})
	// Rows of q4_0, 9 units for 16 on average: items of the second half are
	// issued with next to nothing in the buffer, and nothing waits.
	wire = request(t, p, packet.Request{Opcode: regmap.OpDequantize, Layout: q40, Rows: 16, Dims: 32}, make([]byte, 16*18))
	record(t, p, wire).expect(t, append([]int{6, 7}, span(21, 64+2)...), nil)
}

// Header bits beside those of the blocks.
func TestBlockChecks(t *testing.T) {
	p := regmap.DefaultParams()
	check := func(l packet.Layout, dims int, want packet.Status) {
		t.Helper()
		for _, op := range []uint32{regmap.OpQuantize, regmap.OpDequantize} {
			r := packet.Request{Opcode: op, Layout: l, Rows: 32, Dims: dims}
			n := 2 * r.Rows * dims
			if op == regmap.OpDequantize && l.Scheme <= regmap.SchemeOffset {
				n = r.QuantizedBytes(r.Rows, dims)
			}
			if got := answer(t, p, request(t, p, r, make([]byte, n))); got.Status != want {
				t.Errorf("%+v, dims %d: status %d, want %d", l, dims, got.Status, want)
			}
		}
	}
	legal := []packet.Layout{q40, q41, q80}
	for _, l := range legal {
		check(l, 32, regmap.StOK)
		check(l, 96, regmap.StOK)
		check(l, 48, regmap.StBadGeometry)
	}
	for scheme := range uint32(4) {
		for _, bits := range []int{2, 3, 4, 5, 6, 8} {
			for _, group := range []int{0, 16, 32, 64} {
				for axis := range uint32(2) {
					l := packet.Layout{Scheme: scheme, Axis: axis, Group: group, Bits: bits, Block: true}
					if !slices.Contains(legal, l) {
						check(l, 64, regmap.StBadOption)
					}
				}
			}
		}
	}
	native := q40
	native.Block = false
	check(native, 32, regmap.StBadOption)
}
