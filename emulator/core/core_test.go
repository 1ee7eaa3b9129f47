package core

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		edit     func(*regmap.Params)
		features uint32
	}{
		{func(p *regmap.Params) { p.Lanes = 32 }, 15},
		{func(p *regmap.Params) { p.Lanes = 6 }, 15},
		{func(p *regmap.Params) { p.MaxDim = 16 }, 15},
		{func(p *regmap.Params) { p.TileTokens = 512 }, 15},
		{func(p *regmap.Params) { p.MaxTokens = 100 }, 15},
		{func(*regmap.Params) {}, allFeatures + 1},
		{func(*regmap.Params) {}, allFeatures &^ (1 << regmap.FeatTiers)},
		{func(*regmap.Params) {}, allFeatures &^ (1 << regmap.FeatSelect)},
		{func(*regmap.Params) {}, allFeatures &^ (1 << regmap.FeatQuantize)},
	} {
		p := regmap.DefaultParams()
		c.edit(&p)
		if _, err := New(p, c.features, 0); !errors.Is(err, regmap.ErrParams) {
			t.Errorf("%+v, features %#x: error %v, want %v", p, c.features, err, regmap.ErrParams)
		}
	}
	// What COMPRESS needs may be left out with it.
	for _, features := range []uint32{1 << regmap.FeatEcho, 1<<regmap.FeatEcho | 1<<regmap.FeatDequantize} {
		if _, err := New(regmap.DefaultParams(), features, 0); err != nil {
			t.Errorf("features %#x: %v", features, err)
		}
	}
}

// driverPins feeds packets with random stalls and checks what a link may rely
// on: outputs stay while they wait.
type driverPins struct {
	t        testing.TB
	p        regmap.Params
	rng      *rand.Rand
	beats    []Beat
	lasts    []bool
	in       Inputs
	got      []byte
	answers  []packet.Response
	wait     Outputs
	waiting  bool
	sPerMil  int // chance of a beat offered, of ready
	mPerMil  int
	emulator *Engine
}

func (d *driverPins) queue(wire []byte) {
	b := beatsOf(d.p, wire)
	d.beats = append(d.beats, b...)
	d.lasts = append(d.lasts, make([]bool, len(b))...)
	d.lasts[len(d.lasts)-1] = true
}

func (d *driverPins) clock() {
	out := d.emulator.Outputs()
	if d.waiting && (!out.MValid || out.MData != d.wait.MData || out.MLast != d.wait.MLast) {
		d.t.Fatalf("m_axis changed while it waited: %+v, then %+v", d.wait, out)
	}
	if !d.in.SValid && len(d.beats) > 0 && d.rng.IntN(1000) < d.sPerMil {
		d.in.SValid, d.in.SData, d.in.SLast = true, d.beats[0], d.lasts[0]
	}
	d.in.MReady = d.rng.IntN(1000) < d.mPerMil
	d.emulator.Step(&d.in)
	if d.in.SValid && out.SReady {
		d.beats, d.lasts = d.beats[1:], d.lasts[1:]
		d.in.SValid = false
	}
	d.wait, d.waiting = out, out.MValid && !d.in.MReady
	if !out.MValid || !d.in.MReady {
		return
	}
	for i := range d.p.BeatBytes() {
		d.got = append(d.got, byte(out.MData[i/8]>>(i%8*8)))
	}
	if out.MLast {
		r, err := packet.ParseResponse(d.got, d.p)
		if err != nil {
			d.t.Fatal(err)
		}
		r.Payload = slices.Clone(r.Payload)
		d.answers, d.got = append(d.answers, r), d.got[:0]
	}
}

// samples is one packet of every kind.
func samples(t testing.TB, p regmap.Params) [][]byte {
	t.Helper()
	var wires [][]byte
	for _, l := range []packet.Layout{
		{Group: 16, Bits: 4},
		{Bits: 3},
		{Scheme: regmap.SchemeSym, Axis: regmap.AxisChannel, Group: 16, Bits: 5},
		{Axis: regmap.AxisChannel, Group: 16, Bits: 8},
		{Scheme: regmap.SchemeSym, Group: 32, Bits: 8, Block: true},
		{Scheme: regmap.SchemeOffset, Group: 32, Bits: 4, Block: true},
		{Group: 32, Bits: 4, Block: true},
		{Group: 16, Bits: 6, Rotate: 32},
		{Scheme: regmap.SchemeSym, Axis: regmap.AxisChannel, Group: 16, Bits: 4, Rotate: 32},
		{Group: 16, Bits: 4, Format: regmap.FormatBF16},
		{Axis: regmap.AxisChannel, Group: 16, Bits: 6, Format: regmap.FormatBF16},
	} {
		r := packet.Request{Opcode: regmap.OpQuantize, Layout: l, Rows: 16, Dims: 32}
		q := request(t, p, r, normal(16*32))
		wires = append(wires, q)
		r.Opcode = regmap.OpDequantize
		wires = append(wires, request(t, p, r, answer(t, p, q).Payload))
	}
	source := request(t, p, packet.Request{Opcode: regmap.OpSource, Rows: 333, Seed: 77}, nil)
	wires = append(wires,
		request(t, p, packet.Request{Opcode: regmap.OpEcho, Rows: 333}, normal(167)[:333]),
		source,
		request(t, p, packet.Request{Opcode: regmap.OpSink, Rows: 333, Seed: 77}, answer(t, p, source).Payload),
	)
	for _, s := range []packet.Selection{
		{Sinks: 2, Recent: 3, TopK: 7},
		{TopK: 9, ScoresIn: true, ScoresOut: true, StepRows: 2, Lambda: 0xf000},
		{TopK: 9, PoolHalf: 3, Result: regmap.ResultBitmap},
		{Sinks: 2, Recent: 3, TopK: 20, Rank: [3]int{3, 9, 9}, ProtTier: 1, Result: regmap.ResultTiers},
	} {
		payload := weights(96)
		if s.ScoresIn {
			payload = weights(128 + 96)
		}
		wires = append(wires, request(t, p, packet.Request{Opcode: regmap.OpSelect, Rows: 3, Dims: 32, Selection: s}, payload))
	}
	s := packet.Selection{Sinks: 1, TopK: 20, Rank: [3]int{2, 7, 12}, ProtTier: 2}
	compress := packet.Request{Opcode: regmap.OpCompress, Rows: 1, Dims: 32, RowDims: 32, ValueGroup: 16, Selection: s}
	wires = append(wires, request(t, p, compress, append(weights(32), normal(64*32)...)))
	compress.Layout = packet.Layout{Axis: regmap.AxisChannel, Group: 16, Bits: 3}
	compress.Rows, compress.KeyNorm = 0, true
	return append(wires, request(t, p, compress, normal(96*32)))
}

// A response and its cycles are the same however the link stalls.
func TestPatience(t *testing.T) {
	for _, lanes := range []int{2, 4, 8, 16} {
		p := regmap.Params{Lanes: lanes, MaxDim: 32, TileTokens: 16, MaxTokens: 256}
		rng := rand.New(rand.NewPCG(uint64(lanes), 1))
		for i, wire := range samples(t, p) {
			want := answer(t, p, wire)
			if want.StallIn != 0 || want.StallOut != 0 {
				t.Fatalf("packet %d: %d, %d stalls on an ideal link", i, want.StallIn, want.StallOut)
			}
			for range 6 {
				e, err := New(p, allFeatures, 0)
				if err != nil {
					t.Fatal(err)
				}
				d := &driverPins{t: t, p: p, rng: rng, emulator: e, sPerMil: 50 + rng.IntN(950), mPerMil: 50 + rng.IntN(950)}
				for range rng.IntN(20) {
					d.clock()
				}
				d.queue(wire)
				for len(d.answers) == 0 {
					d.clock()
				}
				got := d.answers[0]
				taps := e.Taps()
				if got.StallIn != taps[cntStallIn] || got.StallOut > taps[cntStallOut] {
					t.Errorf("packet %d: stalls %d, %d in the trailer, %d, %d counted", i, got.StallIn, got.StallOut, taps[cntStallIn], taps[cntStallOut])
				}
				got.StallIn, got.StallOut = 0, 0
				if got.Cycles != want.Cycles || got.BytesIn != want.BytesIn || got.Status != want.Status || !slices.Equal(got.Payload, want.Payload) {
					t.Errorf("packet %d on a stalling link: %+v, want %+v", i, got, want)
				}
			}
		}
	}
}

// Queued packets are answered in order, each as it is alone.
func TestQueue(t *testing.T) {
	p := regmap.Params{Lanes: 8, MaxDim: 32, TileTokens: 16, MaxTokens: 256}
	e, err := New(p, allFeatures, 0)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(9, 9))
	d := &driverPins{t: t, p: p, rng: rng, emulator: e, sPerMil: 900, mPerMil: 900}
	all := samples(t, p)
	var sent []int
	for range 60 {
		k := rng.IntN(len(all))
		for range 1 + rng.IntN(5) {
			sent = append(sent, k)
			d.queue(all[k])
		}
	}
	for len(d.answers) < len(sent) {
		d.clock()
	}
	for i, k := range sent {
		if want := answer(t, p, all[k]); !slices.Equal(d.answers[i].Payload, want.Payload) || d.answers[i].Status != want.Status {
			t.Fatalf("answer %d, to packet %d, differs from that packet's answer alone", i, k)
		}
	}
}

// A soft reset at any clock leaves both streams legal and the engine in order.
func TestSoftResetAnywhere(t *testing.T) {
	p := regmap.Params{Lanes: 8, MaxDim: 32, TileTokens: 16, MaxTokens: 256}
	wires := samples(t, p)
	for _, wire := range wires {
		good := answer(t, p, wire)
		for at := 0; at < int(good.Cycles); at += 3 {
			e, err := New(p, allFeatures, 0)
			if err != nil {
				t.Fatal(err)
			}
			beats := beatsOf(p, wire)
			next, open := 0, false // beats taken; inside a packet on m_axis
			in := Inputs{MReady: true}
			for clock := 0; clock < at+10+len(beats); clock++ {
				out := e.Outputs()
				in.SValid = next < len(beats) && (clock < at || next > 0)
				in.SData, in.SLast = beats[next%len(beats)], next == len(beats)-1
				in.AWValid, in.WValid, in.AWAddr, in.WData, in.WStrb, in.BReady = clock == at, clock == at, regmap.RegCtrl, 1, 15, true
				e.Step(&in)
				if in.SValid && out.SReady {
					next++
				}
				if out.MValid {
					open = !out.MLast
				}
			}
			if open || next != 0 && next != len(beats) {
				t.Fatalf("soft reset at %d: %d of %d beats taken, inside a response: %v", at, next, len(beats), open)
			}
			if s := e.Taps()[15]; s != 0 {
				t.Fatalf("soft reset at %d: STATUS %#x long after", at, s)
			}
			d := &driverPins{t: t, p: p, rng: rand.New(rand.NewPCG(1, 1)), emulator: e, sPerMil: 1000, mPerMil: 1000}
			d.queue(wire)
			for len(d.answers) == 0 {
				d.clock()
			}
			if r := d.answers[0]; r.Cycles != good.Cycles || !slices.Equal(r.Payload, good.Payload) {
				t.Fatalf("after a soft reset at %d: %+v, want %+v", at, r, good)
			}
		}
	}
}

// Stepping allocates nothing once the queues have their size.
func TestNoAllocation(t *testing.T) {
	p := regmap.Params{Lanes: 8, MaxDim: 32, TileTokens: 16, MaxTokens: 256}
	for i, wire := range samples(t, p) {
		e, err := New(p, allFeatures, 0)
		if err != nil {
			t.Fatal(err)
		}
		f := newFeeder(p, wire)
		run := func() {
			for range 5000 {
				f.clock(e)
			}
		}
		run()
		if n := testing.AllocsPerRun(3, run); n != 0 {
			t.Errorf("packet %d: %v allocations in 5000 clocks", i, n)
		}
	}
}
