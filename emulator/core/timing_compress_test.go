package core

import (
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// compression is a COMPRESS of three rows of 16 with the tiers 0, dropped, 3.
func compression(t *testing.T) []byte {
	rows := normal(6 * 16)
	copy(rows[20:], []byte{1, 0x7e})    // a NaN of row 0, second beat
	copy(rows[32:], []byte{1, 0x7e, 1}) // and one of row 1
	return request(t, regmap.DefaultParams(), packet.Request{
		Opcode: regmap.OpCompress, Rows: 1, Dims: 3, RowDims: 16, ValueGroup: 16,
		Selection: packet.Selection{TopK: 2, Rank: [3]int{1, 1, 1}},
	}, append(row(3, 1, 2), rows...))
}

func TestTimingCompressToken(t *testing.T) {
	p := regmap.DefaultParams()
	wire := compression(t)
	// Weights at 5, search 0 from 16 to 29, tier until 42, search 3 until E = 55:
	// the map, a full beat, is pushed at 63. Values are taken at 72 to 77. Row 0:
	// complete at 73, read at 85 and 86, pushed at 99 and 100. Row 2: complete at
	// 77, read at 89 and 90, 4+2 and 2 units reach the packer at 103 and 104; the
	// section ends at 110 with a full beat. Keys are taken at 111 to 116: row 0 is
	// read at 124 and 125, pushed at 138 and 139, row 2 read at 128 and 129; the
	// rest of 8 bytes is pushed at 149.
	tr := record(t, p, wire)
	tr.expect(t, []int{6, 7, 65, 101, 102, 112, 140, 141, 151, 152, 153}, map[int][]int{
		cntTokens: {86, 90, 125, 129}, cntGroups: {89, 128}, cntNonFinite: {74}, cntSaturations: nil,
	})
	r := answer(t, p, wire)
	if len(r.Payload) != 16+32+16+32+8 || !r.NonFinite || r.Status != regmap.StOK {
		t.Fatalf("%d bytes, non-finite %v, status %d", len(r.Payload), r.NonFinite, r.Status)
	}
	if !slices.Equal(r.Payload[:16], append([]byte{0x40, 3}, make([]byte, 14)...)) {
		t.Errorf("tiers %v", r.Payload[:16])
	}
	values, keys := wire[48:48+96], wire[48+96:]
	if !slices.Equal(r.Payload[16:48], values[:32]) || !slices.Equal(r.Payload[64:96], keys[:32]) {
		t.Error("rows of tier 0 are not as they came")
	}
	quantized := func(x []byte) []byte {
		l := packet.Layout{Group: 16, Bits: 2}
		return answer(t, p, request(t, p, packet.Request{Opcode: regmap.OpQuantize, Layout: l, Rows: 1, Dims: 16}, x)).Payload
	}
	if got := append(slices.Clone(r.Payload[48:56]), r.Payload[96:]...); !slices.Equal(got, append(quantized(values[64:]), quantized(keys[64:])...)) {
		t.Errorf("rows of tier 3: %x", got)
	}
}

func TestTimingCompressCut(t *testing.T) {
	p := regmap.DefaultParams()
	wire := compression(t)
	// On the last beat of weights, at 5: an empty entry at 16.
	record(t, p, wire[:48]).expect(t, []int{6, 7, 19, 20}, nil)
	if r := answer(t, p, wire[:48]); r.Status != regmap.StTruncated || r.BytesIn != 16 || len(r.Payload) != 0 {
		t.Errorf("%+v", r)
	}
	// On the first value beat: zeros follow at the same pace.
	tr := record(t, p, wire[:64])
	tr.expect(t, []int{6, 7, 65, 101, 102, 112, 140, 141, 151, 152, 153}, map[int][]int{cntTokens: {86, 90, 125, 129}, cntNonFinite: nil})
	if r := answer(t, p, wire[:64]); r.Status != regmap.StTruncated || r.BytesIn != 32 || len(r.Payload) != 104 {
		t.Errorf("%+v", r)
	}
}

func TestTimingCompressChannel(t *testing.T) {
	p := regmap.DefaultParams()
	// 17 rows of 16, all protected, in tier 3: E = 18, map at 28, values from 37
	// to 70. Row i is complete at 38 + 2i, read at 50 + 2i and 51 + 2i; its items of
	// 4 and 2 units fill beats at 68, 74, 79, 84, 90 and 95. The last is read at
	// 83, so the section ends at 103 with the 6 units left. Keys from 104 to 137:
	// the group is complete at 135, read from 167 to 198, beats pushed at 188, 196,
	// 204 and 212. The row left over is read at 198+12 = 210 and 211, pushed at 224
	// and 225, and the section ends at 231.
	wire := request(t, p, packet.Request{
		Opcode: regmap.OpCompress, Rows: 1, Dims: 17, RowDims: 16, ValueGroup: 16,
		Layout:    packet.Layout{Scheme: regmap.SchemeSym, Axis: regmap.AxisChannel, Group: 16, Bits: 2},
		Selection: packet.Selection{Sinks: 17, ProtTier: 3},
	}, append(make([]byte, 48), normal(34*16)...))
	tokens, groups := []int{}, []int{}
	for i := range 17 {
		tokens, groups = append(tokens, 51+2*i), append(groups, 50+2*i)
	}
	for i := range 16 {
		tokens = append(tokens, 168+2*i)
	}
	tr := record(t, p, wire)
	tr.expect(t, []int{6, 7, 30, 70, 76, 81, 86, 92, 97, 105, 192, 193, 194, 198, 206, 214, 226, 227, 234, 235}, map[int][]int{
		cntTokens: append(tokens, 211), cntGroups: append(groups, 167),
	})
	if tr.last[cntGroups] != 17+16 {
		t.Errorf("%d groups", tr.last[cntGroups])
	}
	r := answer(t, p, wire)
	quantized := answer(t, p, request(t, p, packet.Request{Opcode: regmap.OpQuantize, Rows: 16, Dims: 16,
		Layout: packet.Layout{Scheme: regmap.SchemeSym, Axis: regmap.AxisChannel, Group: 16, Bits: 2}}, wire[32+48+17*32:32+48+33*32])).Payload
	if got, want := r.Payload[16+7*16:], append(quantized, wire[len(wire)-32:]...); !slices.Equal(got, want) {
		t.Errorf("keys %x, want %x", got, want)
	}
	// None kept: both sections are empty and end 20 after their last beat: values
	// at 37 to 70, keys at 91 to 124, `last` at 144.
	regmap.ReqSinks.Put(wire, 0)
	record(t, p, wire).expect(t, []int{6, 7, 30, 147, 148}, map[int][]int{cntTokens: nil})
}
