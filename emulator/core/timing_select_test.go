package core

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// A beat pushed into the payload FIFO at t is given at t + 2, when the header
// (6, 7) is through; the trailer follows.

// row is one row of elements, padded to whole beats of the default engine.
func row(h ...uint16) (b []byte) {
	for _, v := range h {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	return append(b, make([]byte, -len(b)&15)...)
}

// scores are given ones, padded with what counts as nothing.
func scores(v ...uint64) (b []byte) {
	for len(v)%8 != 0 {
		v = append(v, 1<<64-1)
	}
	for _, s := range v {
		b = binary.LittleEndian.AppendUint64(b, s)
	}
	return b
}

func TestTimingBitmap(t *testing.T) {
	p := regmap.DefaultParams()
	// Taken at 5 and 6, E = 17, words packed at 25 and 26.
	s := packet.Selection{TopK: 12, Result: regmap.ResultBitmap}
	wire := request(t, p, packet.Request{Opcode: regmap.OpSelect, Rows: 1, Dims: 12, Selection: s}, make([]byte, 32))
	record(t, p, wire).expect(t, []int{6, 7, 28, 29, 30}, nil)
	if r := answer(t, p, wire); !slices.Equal(r.Payload, []byte{0xff, 0x0f}) {
		t.Errorf("payload %v", r.Payload)
	}
	// 128 positions fill a beat with the 16th word, one more needs another.
	wire = request(t, p, packet.Request{Opcode: regmap.OpSelect, Rows: 1, Dims: 129, Selection: packet.Selection{TopK: 129, Result: regmap.ResultBitmap}}, make([]byte, 272))
	// Taken at 5 to 21, E = 32, words packed at 40 to 56: beats at 55 and 56.
	record(t, p, wire).expect(t, []int{6, 7, 57, 58, 59, 60}, nil)
}

func TestTimingScores(t *testing.T) {
	p := regmap.DefaultParams()
	// W = 2: 8 beats of scores at 5 to 12, E = 23. The bitmap is pushed with the
	// second word, at 32, the scores from 23+2+8+4 = 37 on. The words of scores
	// are complete at 8 and 12: clamped ones count 7 later.
	s := packet.Selection{TopK: 9, Result: regmap.ResultBitmap, ScoresIn: true, ScoresOut: true}
	in := []uint64{1 << 40, 1, 1<<40 - 1, 3, 4, 5, 6, 7, 1<<64 - 1}
	wire := request(t, p, packet.Request{Opcode: regmap.OpSelect, Dims: 9, Selection: s}, scores(in...))
	tr := record(t, p, wire)
	tr.expect(t, slices.Concat([]int{6, 7, 34}, span(39, 10)), map[int][]int{cntSaturations: {15, 19}})
	if tr.last[cntSaturations] != 2 {
		t.Errorf("%d clamped", tr.last[cntSaturations])
	}
	r := answer(t, p, wire)
	want := make([]byte, 16+128)
	want[0], want[1] = 0xff, 1
	for i, v := range in {
		binary.LittleEndian.PutUint64(want[16+8*i:], min(v, 1<<40-1))
	}
	if !slices.Equal(r.Payload, want) || !r.Saturated {
		t.Errorf("payload %v, saturated %v", r.Payload, r.Saturated)
	}
	// Cut in the second word: that one counts for nothing. Aborted at 10.
	record(t, p, wire[:32+96]).expect(t, []int{6, 7, 24, 25}, map[int][]int{cntSaturations: {15}})
	// With a list of none nothing precedes the scores; one row: not before 21.
	s = packet.Selection{ScoresIn: true, ScoresOut: true}
	wire = request(t, p, packet.Request{Opcode: regmap.OpSelect, Rows: 1, Dims: 9, Selection: s}, append(scores(in...), make([]byte, 32)...))
	// t = 22, E = 33, scores from 47 on.
	record(t, p, wire).expect(t, slices.Concat([]int{6, 7}, span(49, 10)), nil)
}

func TestTimingDecay(t *testing.T) {
	p := regmap.DefaultParams()
	// 1001 becomes 500, then 501 and 502; 251 and 252.
	s := packet.Selection{ScoresIn: true, ScoresOut: true, StepRows: 2, Lambda: 1 << 15}
	wire := request(t, p, packet.Request{Opcode: regmap.OpSelect, Rows: 3, Dims: 1, Selection: s}, slices.Concat(scores(1001), row(1), row(1), row(1)))
	// Scores at 5 to 8, rows at 17, 25 and 33, E = 44, scores from 57 on.
	record(t, p, wire).expect(t, append([]int{6, 7}, span(59, 6)...), nil)
	if r := answer(t, p, wire); binary.LittleEndian.Uint64(r.Payload) != 252 {
		t.Errorf("payload %v", r.Payload)
	}
}

func TestTimingPool(t *testing.T) {
	p := regmap.DefaultParams()
	wire := func(s packet.Selection) []byte {
		s.PoolHalf, s.TopK = 1, 1
		return request(t, p, packet.Request{Opcode: regmap.OpSelect, Rows: 1, Dims: 9, Selection: s}, append(row(0x7bff, 0x7bff, 0x7bff, 0, 0, 0, 0, 0), row(0)...))
	}
	// Row at 5 and 6, pooling from 17 on, search from 17+9+24 = 50. Three sums
	// are at the top: 10 passes of 13 do not tell them apart. E = 180, the list
	// is pushed with the second word at 189.
	sum := wire(packet.Selection{})
	record(t, p, sum).expect(t, []int{6, 7, 191, 192, 193}, map[int][]int{cntSaturations: span(17+16, 3)})
	if r := answer(t, p, sum); !slices.Equal(r.Payload, []byte{0, 0}) || !r.Saturated {
		t.Errorf("payload %v, saturated %v", r.Payload, r.Saturated)
	}
	// The maximum is 65504 up to position 3: no sum, nothing clamped.
	record(t, p, wire(packet.Selection{PoolMax: true})).expect(t, []int{6, 7, 191, 192, 193}, map[int][]int{cntSaturations: nil})
}

func TestTimingTiers(t *testing.T) {
	p := regmap.DefaultParams()
	run := func(s packet.Selection) (trace, []byte) {
		s.Result, s.Sinks, s.Recent = regmap.ResultTiers, 1, 1
		wire := request(t, p, packet.Request{Opcode: regmap.OpSelect, Rows: 1, Dims: 12, Selection: s}, row(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11))
		return record(t, p, wire), answer(t, p, wire).Payload
	}
	// Row at 5 and 6. Search 0 from 17 to 30, its tier until 44, search 1 (which
	// finds nothing new, but the protected) until 57, tier 71, search 2 84, tier
	// 98; all others are kept: E = 98. The map is pushed with word 1 at 107.
	tr, got := run(packet.Selection{Rank: [3]int{2, 2, 5}, TopK: 10, ProtTier: 1})
	tr.expect(t, []int{6, 7, 109, 110, 111}, nil)
	if want := []byte{0x31, 0x33, 0x33, 0x22, 0x02, 0x10}; !slices.Equal(got, want) {
		t.Errorf("tiers %x, want %x", got, want)
	}
	// Search 0 for the protected alone, until 17, its tier until 31; search 3
	// until 44.
	tr, got = run(packet.Selection{TopK: 2})
	tr.expect(t, []int{6, 7, 55, 56, 57}, nil)
	if want := []byte{0x40, 0x44, 0x44, 0x44, 0x34, 0x03}; !slices.Equal(got, want) {
		t.Errorf("tiers %x, want %x", got, want)
	}
	// One search alone, until 30.
	tr, got = run(packet.Selection{TopK: 2, ProtTier: 3})
	tr.expect(t, []int{6, 7, 41, 42, 43}, nil)
	if want := []byte{0x43, 0x44, 0x44, 0x44, 0x34, 0x33}; !slices.Equal(got, want) {
		t.Errorf("tiers %x, want %x", got, want)
	}
}

func TestTimingAhead(t *testing.T) {
	p := regmap.DefaultParams()
	const half, quarter, one, tiny = 0x3800, 0x3400, 0x3c00, 0x0c00 // tiny is 2^-12
	run := func(s packet.Selection, rows ...[]byte) trace {
		s.Sinks, s.Recent = 1, 1
		return record(t, p, request(t, p, packet.Request{Opcode: regmap.OpSelect, Rows: len(rows), Dims: 8, Selection: s}, slices.Concat(rows...)))
	}
	end := func(e int) []int { return []int{6, 7, e + 10, e + 11, e + 12} }
	// One row at 5, s = 16. The top digit is 5 and tells them apart: E = 16 + 12.
	run(packet.Selection{TopK: 1}, row(one, half, quarter, 0, 0, 0, 0, one)).expect(t, end(28), nil)
	// They differ in the third digit.
	run(packet.Selection{TopK: 1}, row(0, half, half+1, 0, 0, 0, 0, 0)).expect(t, end(28+26), nil)
	// Pooled scores are not counted ahead.
	run(packet.Selection{TopK: 1, PoolHalf: 1, PoolMax: true}, row(0, half, 0, 0, quarter, 0, 0, 0)).expect(t, end(16+8+24+6*13), nil)
	// The top digit is 6 after the first row and stays; what is protected does not count.
	run(packet.Selection{TopK: 1}, row(0, one, half, 0, 0, 0, 0, 0), row(0, half, 0, 0, 0, 0, 0, 0)).expect(t, end(24+12), nil)
	run(packet.Selection{TopK: 1}, row(one, half, 0, 0, 0, 0, 0, 0), row(0, one, 0, 0, 0, 0, 0, 0)).expect(t, end(24+13), nil)
	// Too low and too high a guess.
	run(packet.Selection{TopK: 1}, row(0, one, half, 0, 0, 0, 0, 0)).expect(t, end(16+13), nil)
	run(packet.Selection{TopK: 1}, row(0, tiny, 0, 0, 0, 0, 0, 0)).expect(t, end(16+13), nil)
	// A first search with nothing to do leaves the count to the next one.
	s := packet.Selection{TopK: 2, Rank: [3]int{0, 1, 1}, Result: regmap.ResultTiers}
	tr := run(s, row(0, half, quarter, 0, 0, 0, 0, 0))
	// Search 0 for the protected, its tier to 29, search 1 to 41, tier 54, search 3 to 67.
	tr.expect(t, end(67), nil)
}

func TestTimingKeyNorm(t *testing.T) {
	p := regmap.DefaultParams()
	ones := slices.Repeat([]uint16{0x3c00}, 16)
	none := make([]uint16, 16)
	none[3] = 0x7e00
	// 4 beats at 5 to 8, s = 27. The scores 2^40-1 and 16 less differ in the third
	// digit: 3 passes of 13, E = 66, list at 74.
	s := packet.Selection{TopK: 1, KeyNorm: true}
	wire := request(t, p, packet.Request{Opcode: regmap.OpSelect, Dims: 2, RowDims: 16, Selection: s}, append(row(none...), row(ones...)...))
	record(t, p, wire).expect(t, []int{6, 7, 76, 77, 78}, map[int][]int{cntNonFinite: {6}})
	if r := answer(t, p, wire); !slices.Equal(r.Payload, []byte{0, 0}) || !r.NonFinite {
		t.Errorf("payload %v, non-finite %v", r.Payload, r.NonFinite)
	}
}

func TestTimingLink(t *testing.T) {
	p := regmap.DefaultParams()
	// x = 4: beats pushed at 6, 7 and 8.
	source := request(t, p, packet.Request{Opcode: regmap.OpSource, Rows: 40, Seed: 1}, nil)
	record(t, p, source).expect(t, span(6, 7), nil)
	stream := answer(t, p, source).Payload
	// b_0 = b_-31 + b_-28 = 1, then 27 zeros; b_28 = b_-3 + b_0 = 1, b_31 = b_0 + b_3.
	if want := []byte{1, 0, 0, 0x90}; len(stream) != 40 || !slices.Equal(stream[:4], want) {
		t.Errorf("stream %v", stream)
	}
	// Taken at 5, 6 and 7, result at 11.
	sink := request(t, p, packet.Request{Opcode: regmap.OpSink, Rows: 40, Seed: 1}, stream)
	record(t, p, sink).expect(t, []int{6, 7, 13, 14, 15}, nil)
	if r := answer(t, p, sink); !slices.Equal(r.Payload, []byte{0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}) {
		t.Errorf("check result %v", r.Payload)
	}
	for _, at := range []int{32 + 16, 32 + 39, 32 + 40} { // the last is padding
		sink[at] ^= 4
	}
	if r := answer(t, p, sink); !slices.Equal(r.Payload, []byte{2, 0, 0, 0, 1, 0, 0, 0}) {
		t.Errorf("check result %v", r.Payload)
	}
	// Cut at 6: an empty entry at 10.
	record(t, p, sink[:64]).expect(t, []int{6, 7, 13, 14}, nil)
	// None: the empty entry is pushed at 5.
	record(t, p, request(t, p, packet.Request{Opcode: regmap.OpSink, Seed: 1}, nil)).expect(t, []int{6, 7, 9, 10}, nil)
	// Two lanes: the header is of 8 beats, taken at 1 to 8; beat at 11, result at
	// 15 and 16. The header is given from x + 2 = 12 on.
	p.Lanes = 2
	sink = request(t, p, packet.Request{Opcode: regmap.OpSink, Rows: 4, Seed: 1}, stream[:4])
	record(t, p, sink).expect(t, append(span(12, 8), span(20, 10)...), nil)
}
