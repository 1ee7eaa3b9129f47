package core

import (
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// trace is what one packet on an ideal link shows: the packet's first beat is
// on s_axis in clock 0, so the first header beat is taken by the core in cycle
// 1 and, enabled all along, cycles are clocks.
type trace struct {
	beats  []int               // clocks in which m_axis gives a beat
	change map[int][]int       // counter: clocks at whose end it changes
	last   [numCounters]uint32 // values at the end
}

func record(t *testing.T, p regmap.Params, wires ...[]byte) trace {
	t.Helper()
	e, err := New(p, allFeatures, 0)
	if err != nil {
		t.Fatal(err)
	}
	var beats []Beat
	var lasts []bool
	for _, w := range wires {
		b := beatsOf(p, w)
		beats = append(beats, b...)
		lasts = append(lasts, make([]bool, len(b))...)
		lasts[len(lasts)-1] = true
	}
	tr := trace{change: map[int][]int{}}
	in := Inputs{MReady: true}
	for clock, got := 0, 0; got < len(wires); clock++ {
		if clock > 1<<20 {
			t.Fatal("no response")
		}
		out, before := e.Outputs(), e.Taps()
		if in.SValid = len(beats) > 0; in.SValid {
			in.SData, in.SLast = beats[0], lasts[0]
		}
		e.Step(&in)
		if in.SValid && out.SReady {
			beats, lasts = beats[1:], lasts[1:]
		}
		if out.MValid {
			tr.beats = append(tr.beats, clock)
			if out.MLast {
				got++
			}
		}
		after := e.Taps()
		for i := range numCounters {
			if after[i] != before[i] {
				tr.change[i] = append(tr.change[i], clock)
			}
			tr.last[i] = after[i]
		}
	}
	return tr
}

func (tr trace) expect(t *testing.T, beats []int, changes map[int][]int) {
	t.Helper()
	if !slices.Equal(tr.beats, beats) {
		t.Errorf("beats in clocks %v, want %v", tr.beats, beats)
	}
	for c, want := range changes {
		if !slices.Equal(tr.change[c], want) {
			t.Errorf("counter %d changes in clocks %v, want %v", c, tr.change[c], want)
		}
	}
}

func span(from, n int) []int {
	var s []int
	for i := range n {
		s = append(s, from+i)
	}
	return s
}

// A beat on s_axis in clock 0 is in iskid at 1 and the header's second beat is
// taken at 2; CHECK lasts 3 and 4, so dispatch x = 4 and the payload is taken
// from 5 on. A beat pushed at t is on m_axis at t + 1.

func TestTimingEcho(t *testing.T) {
	p := regmap.DefaultParams()
	// The beat taken at 5 is pushed at 6 and given at 7, when the header (5, 6)
	// is through. Trailer 8 and 9.
	wire := request(t, p, packet.Request{Opcode: regmap.OpEcho, Rows: 3}, []byte{1, 2, 3})
	record(t, p, wire).expect(t, span(6, 5), map[int][]int{
		cntActive: span(1+1, 9), cntBeatsIn: span(0, 3), cntBeatsOut: span(6, 5), cntPackets: {10},
	})
	if r := answer(t, p, wire); r.Cycles != 8-1+2+2 || r.StallIn != 0 {
		t.Errorf("cycles %d, stalls %d", r.Cycles, r.StallIn)
	}
	// Without payload: the empty entry is pushed at 5, popped at 7.
	wire = request(t, p, packet.Request{Opcode: regmap.OpEcho}, nil)
	record(t, p, wire).expect(t, []int{6, 7, 9, 10}, nil)
}

func TestTimingRefused(t *testing.T) {
	p := regmap.DefaultParams()
	p.Lanes = 16 // header of one beat: taken at 1, CHECK 2 and 3, x = 3
	wire := request(t, p, packet.Request{Opcode: 9}, nil)
	// Header 4, empty entry popped at 5, trailer 6.
	tr := record(t, p, wire)
	tr.expect(t, []int{5, 7}, map[int][]int{cntPackets: {7}})
	if r := answer(t, p, wire); r.Status != regmap.StBadOpcode || r.Cycles != 6-1+1+2 {
		t.Errorf("status %d, cycles %d", r.Status, r.Cycles)
	}
}

func TestTimingQuantizeToken(t *testing.T) {
	p := regmap.DefaultParams()
	l := packet.Layout{Group: 16, Bits: 4}
	wire := request(t, p, packet.Request{Opcode: regmap.OpQuantize, Layout: l, Rows: 1, Dims: 32}, normal(32))
	// Beats taken at 5 to 8, groups complete at 6 and 8, read at 18, 19 and 20,
	// 21, at the packer at 32 to 35. Fill: 4+4, then 12, then 20: a full beat at
	// 34, then 8: the rest of 8 bytes at 35. The back pops a cycle later and
	// m_axis gives one after that.
	record(t, p, wire).expect(t, []int{6, 7, 36, 37, 38, 39}, map[int][]int{
		cntGroups: {18, 20}, cntTokens: {21}, cntNonFinite: nil,
	})
	if r := answer(t, p, wire); r.Cycles != 37-1+2+2 || len(r.Payload) != 24 {
		t.Errorf("cycles %d, %d bytes", r.Cycles, len(r.Payload))
	}
}

func TestTimingQuantizeChannel(t *testing.T) {
	p := regmap.DefaultParams()
	l := packet.Layout{Axis: regmap.AxisChannel, Group: 16, Bits: 2}
	payload := normal(256)
	copy(payload[16*5:], []byte{0, 0x7c, 1, 0xfc}) // beat 5: two non-finite
	wire := request(t, p, packet.Request{Opcode: regmap.OpQuantize, Layout: l, Rows: 16, Dims: 16}, payload)
	// 32 beats taken at 5 to 36, read from 36+16+16 = 68 to 99, at the packer 82
	// to 113. 2 units a beat: full beats at 89, 97, 105, 113. The back sees the
	// first at 90: two idle cycles, scales at 92 and 93, minima at 94 and 95,
	// codes at 96, 98, 106, 114. Trailer 115, 116.
	tr := record(t, p, wire)
	tokens := []int{}
	for row := range 16 {
		tokens = append(tokens, 68+2*row+1)
	}
	tr.expect(t, []int{6, 7, 93, 94, 95, 96, 97, 99, 107, 115, 116, 117}, map[int][]int{
		cntGroups: {68}, cntTokens: tokens, cntNonFinite: {5 + 5 + 1},
	})
	if tr.last[cntGroups] != 16 || tr.last[cntNonFinite] != 2 {
		t.Errorf("%d groups, %d non-finite", tr.last[cntGroups], tr.last[cntNonFinite])
	}
	if r := answer(t, p, wire); !r.NonFinite || r.Cycles != 115-1+2+2 {
		t.Errorf("non-finite %v, cycles %d", r.NonFinite, r.Cycles)
	}
}

func TestTimingDequantizeToken(t *testing.T) {
	p := regmap.DefaultParams()
	l := packet.Layout{Group: 16, Bits: 8}
	// Scale NaN, minimum 1: 20 bytes, two beats, taken at 5 and 6 and seen in
	// the FIFO at 6 and 7; moved at 6 and 7, so fill is 16 at 7: need 2+2+8, item
	// issued at 7. Then 4+16 at 8: item at 8. Pushed at 19 and 20.
	payload := append([]byte{0, 0x7e, 0, 0x3c}, make([]byte, 16)...)
	wire := request(t, p, packet.Request{Opcode: regmap.OpDequantize, Layout: l, Rows: 1, Dims: 16}, payload)
	tr := record(t, p, wire)
	tr.expect(t, []int{6, 7, 21, 22, 23, 24}, map[int][]int{
		cntGroups: {7}, cntTokens: {8}, cntNonFinite: {8},
	})
}

func TestTimingDequantizeChannel(t *testing.T) {
	p := regmap.DefaultParams()
	l := packet.Layout{Scheme: regmap.SchemeSym, Axis: regmap.AxisChannel, Group: 16, Bits: 8}
	payload := make([]byte, 32+256)
	for i := range payload {
		payload[i] = 0x7b // scales 60512 x code 123: all clamped
	}
	wire := request(t, p, packet.Request{Opcode: regmap.OpDequantize, Layout: l, Rows: 16, Dims: 16}, payload)
	// Scales taken at 5 and 6: complete at 7. The first code beat taken at 7 is
	// in the FIFO at 8, in the buffer at 9: 32 items from 9 on, pushed from 21.
	tr := record(t, p, wire)
	tr.expect(t, append([]int{6, 7}, span(23, 34)...), map[int][]int{
		cntGroups: {9}, cntSaturations: span(21, 32),
	})
	if tr.last[cntSaturations] != 256 || tr.last[cntTokens] != 16 {
		t.Errorf("%d clamped, %d tokens", tr.last[cntSaturations], tr.last[cntTokens])
	}
}

func TestTimingSelect(t *testing.T) {
	p := regmap.DefaultParams()
	// n = 12, W = 2, two rows: taken at 5, 6, then six cycles of rest, 13, 14. The
	// scores are 0x2000 + position: the first digit that differs is the lowest;
	// digit 3 is the highest not 0, so 4 passes, from 25, of 1+12 cycles: E = 77.
	// Words read at 77 and 78, packed at 85 and 86.
	row := make([]byte, 0, 32)
	for j := range 12 {
		row = append(row, byte(j), 0)
	}
	row = append(row, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0, 0xff) // padding counts as nothing
	first := slices.Clone(row)
	for j := range 12 {
		first[2*j], first[2*j+1] = 0, 0x10 // 2^-11 = 0x2000 units
	}
	wire := request(t, p, packet.Request{Opcode: regmap.OpSelect, Rows: 2, Dims: 12, Selection: packet.Selection{Sinks: 1, Recent: 1, TopK: 9}}, append(first, row...))
	tr := record(t, p, wire)
	// 11 positions, all but 1: 7 after the first word, 11 after the second: a
	// full beat at 86 and the rest at 87.
	tr.expect(t, []int{6, 7, 88, 89, 90, 91}, map[int][]int{cntNonFinite: nil})
	r := answer(t, p, wire)
	want := []byte{0, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8, 0, 9, 0, 10, 0, 11, 0}
	if !slices.Equal(r.Payload, want) || r.Cycles != 89-1+2+2 {
		t.Errorf("payload %v, cycles %d", r.Payload, r.Cycles)
	}
	// Aborted in the first row: an empty entry at 5+11, popped at 17.
	short := wire[:48]
	record(t, p, short).expect(t, []int{6, 7, 19, 20}, nil)
	// Everything kept: no pass, E = 25.
	all := request(t, p, packet.Request{Opcode: regmap.OpSelect, Rows: 2, Dims: 12, Selection: packet.Selection{TopK: 12}}, append(first, row...))
	record(t, p, all).expect(t, []int{6, 7, 35, 36, 37, 38}, nil)
}

// Saturations of SELECT are counted LatSelectAcc cycles after the beat.
func TestTimingSelectSaturation(t *testing.T) {
	p := regmap.DefaultParams()
	const rows = 6
	var payload []byte
	for range rows * 8 {
		payload = append(payload, 0xff, 0x7b)
	}
	wire := request(t, p, packet.Request{Opcode: regmap.OpSelect, Rows: rows, Dims: 8, Selection: packet.Selection{TopK: 1}}, payload)
	// A score holds 65504 once, not twice; a row takes 8 cycles.
	var want []int
	for row := range rows - 1 {
		want = append(want, 5+8*(1+row)+7)
	}
	tr := record(t, p, wire)
	tr.expect(t, tr.beats, map[int][]int{cntSaturations: want})
	if tr.last[cntSaturations] != 8*(rows-1) {
		t.Errorf("%d clamped", tr.last[cntSaturations])
	}
}

// A command of the same kind overlaps its predecessor, another waits for it.
func TestTimingOverlap(t *testing.T) {
	p := regmap.DefaultParams()
	echo := func(rows int) []byte {
		return request(t, p, packet.Request{Opcode: regmap.OpEcho, Rows: rows}, make([]byte, rows))
	}
	// Both in all: header 1, 2; CHECK 3, 4; payload 5. The second: 6, 7; 8, 9; 10.
	// Header 5, 6, payload 7, trailer 8, 9; and from 10 on the second's.
	record(t, p, echo(16), echo(16)).expect(t, span(6, 10), nil)
	// A SELECT waits until no descriptor is in flight: the last trailer beat is
	// pushed at 9, seen at 10: x = 10, payload 11, entry popped 11+19+1 = 31.
	sel := request(t, p, packet.Request{Opcode: regmap.OpSelect, Rows: 1, Dims: 8, Selection: packet.Selection{TopK: 8}}, make([]byte, 16))
	record(t, p, echo(16), sel).expect(t, append(span(6, 5), 12, 13, 32, 33, 34), nil)
}
