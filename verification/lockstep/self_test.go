package lockstep

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/rtl/simulation"
	"github.com/kvaccel/kvaccel/emulator/core"
)

// The tests in this file need no RTL: they hold the emulator against itself, with
// and without faults.

var smallSet = Set{regmap.Params{Lanes: 4, MaxDim: 32, TileTokens: 32, MaxTokens: 256}, AllFeatures}

// twin is a second emulator in the place of the RTL, with a fault.
type twin struct {
	engine *core.Engine
	cycle  int
	fault  func(cycle int, out *simulation.PinsOut)
	err    error
}

func newTwin(t *testing.T, s Set, fault func(int, *simulation.PinsOut)) *twin {
	t.Helper()
	e, err := core.New(s.Params, s.Features, 7)
	if err != nil {
		t.Fatal(err)
	}
	return &twin{engine: e, fault: fault}
}

func (w *twin) Replay(_ context.Context, in []byte) ([]byte, error) {
	var got []byte
	for ; len(in) > 0; in = in[simulation.PinsInSize:] {
		var p simulation.PinsIn
		p.Decode(in)
		out := w.engine.Outputs()
		po := pinsOut(&out, w.engine.Taps())
		if w.fault != nil {
			w.fault(w.cycle, &po)
		}
		got = po.Append(got)
		ci := coreInputs(&p)
		w.engine.Step(&ci)
		w.cycle++
	}
	return got, w.err
}

func TestTwinsAgree(t *testing.T) {
	for _, s := range append(Sets(), smallSet) {
		c := Config{Set: s, Seed: 3, Cycles: 30000}
		r, err := Run(t.Context(), c, 7, newTwin(t, s, nil))
		if err != nil || r.Difference != nil || r.Cycles != c.Cycles {
			t.Errorf("%s: %d cycles, %v, %v", s.Name(), r.Cycles, err, r.Difference)
		}
	}
}

// Every field is compared in every cycle: one bit of one of them, once, is found
// at its cycle and by its name.
func TestEveryFieldIsCompared(t *testing.T) {
	type fault struct {
		name string
		set  func(*simulation.PinsOut)
	}
	faults := []fault{
		{"s_axil_bresp", func(o *simulation.PinsOut) { o.Flags ^= 2 << simulation.OutBRespShift }},
		{"s_axil_rresp", func(o *simulation.PinsOut) { o.Flags ^= 2 << simulation.OutRRespShift }},
		{"s_axil_rdata", func(o *simulation.PinsOut) { o.RData ^= 1 << 31 }},
		{"m_axis_tdata", func(o *simulation.PinsOut) { o.Data[3] ^= 1 << 63 }},
		{"m_axis_tdata", func(o *simulation.PinsOut) { o.Data[0] ^= 1 }},
	}
	for i, n := range flagNames {
		faults = append(faults, fault{n, func(o *simulation.PinsOut) { o.Flags ^= 1 << i }})
	}
	for i, n := range tapNames() {
		faults = append(faults, fault{n, func(o *simulation.PinsOut) { o.Taps[i] ^= 1 << (i % 2) }})
	}
	if n := len(tapNames()); n != 16 {
		t.Fatalf("%d taps have names", n)
	}
	for i, f := range faults {
		at := []int{1, 4095, 4096, 9999, 3333}[i%5]
		w := newTwin(t, smallSet, func(cycle int, o *simulation.PinsOut) {
			if cycle == at {
				f.set(o)
			}
		})
		r, err := Run(t.Context(), Config{Set: smallSet, Seed: 5, Cycles: 10000}, 7, w)
		d := r.Difference
		if err != nil || d == nil || d.Cycle != at || r.Cycles != at || len(d.Fields) != 1 || d.Fields[0].Name != f.name {
			t.Errorf("%s at %d: %v, %+v", f.name, at, err, d)
		}
	}
}

func TestDifferenceTellsAll(t *testing.T) {
	w := newTwin(t, smallSet, func(cycle int, o *simulation.PinsOut) {
		if cycle >= 6000 {
			o.Taps[2]++
		}
	})
	r, err := Run(t.Context(), Config{Set: smallSet, Seed: 9, Cycles: 10000}, 7, w)
	if err != nil || r.Difference == nil {
		t.Fatal(err, r.Difference)
	}
	text := r.Difference.String()
	for _, want := range []string{
		"seed 9, cycle 6000", "l4-d32-t32-n256", "STALL_IN", "tag ", "regime ", ">      6000 emu", "6000 rtl", "5986 emu", "6006 emu",
		"-seed 9 -cycles 6050 -span 6050 -lanes 4 -max-dim 32 -tile-tokens 32 -max-tokens 256",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// Before the first reset nothing is defined; from then on everything is.
func TestFirstCycleIsFree(t *testing.T) {
	for at, differs := range []bool{false, true} {
		w := newTwin(t, smallSet, func(cycle int, o *simulation.PinsOut) {
			if cycle == at {
				o.RData = 0xDEAD
			}
		})
		r, err := Run(t.Context(), Config{Set: smallSet, Seed: 1, Cycles: 100}, 7, w)
		if err != nil || (r.Difference != nil) != differs {
			t.Errorf("cycle %d: %v, %v", at, err, r.Difference)
		}
	}
}

func TestMachineError(t *testing.T) {
	w := newTwin(t, smallSet, nil)
	w.err = errors.New("assertion failed")
	_, err := Run(t.Context(), Config{Set: smallSet, Seed: 77, Cycles: 100}, 7, w)
	if !errors.Is(err, w.err) || !strings.Contains(err.Error(), "seed 77") {
		t.Error(err)
	}
}

func TestSameSeedSamePins(t *testing.T) {
	pins := func(seed uint64, step int) []byte {
		e, err := newEmulation(Config{Set: smallSet, Seed: seed}, 7)
		if err != nil {
			t.Fatal(err)
		}
		var b []byte
		for range 12000 / step {
			e.run(step)
			b = append(b, e.in...)
		}
		return b
	}
	a := pins(1, 4000)
	if !bytes.Equal(a, pins(1, 12)) {
		t.Error("the pins depend on the chunk")
	}
	if bytes.Equal(a, pins(2, 4000)) {
		t.Error("two seeds give the same pins")
	}
}

// A source keeps what it offers until it is taken, also the register master.
func TestSourcesAreLegal(t *testing.T) {
	for seed := range uint64(4) {
		e, err := newEmulation(Config{Set: smallSet, Seed: seed}, 7)
		if err != nil {
			t.Fatal(err)
		}
		var last core.Inputs
		var out core.Outputs
		for cycle := range 60000 {
			var in core.Inputs
			now := e.engine.Outputs()
			e.stimulus.next(&in, &now)
			e.engine.Step(&in)
			if !last.Reset && !in.Reset && cycle > 0 {
				if last.SValid && !out.SReady && (!in.SValid || in.SData != last.SData || in.SLast != last.SLast) {
					t.Fatalf("seed %d: s_axis changes its mind in cycle %d", seed, cycle)
				}
				if last.AWValid && !out.AWReady && (!in.AWValid || in.AWAddr != last.AWAddr) {
					t.Fatalf("seed %d: awaddr changes in cycle %d", seed, cycle)
				}
				if last.WValid && !out.WReady && (!in.WValid || in.WData != last.WData || in.WStrb != last.WStrb) {
					t.Fatalf("seed %d: wdata changes in cycle %d", seed, cycle)
				}
				if last.ARValid && !out.ARReady && (!in.ARValid || in.ARAddr != last.ARAddr) {
					t.Fatalf("seed %d: araddr changes in cycle %d", seed, cycle)
				}
			}
			last, out = in, now
		}
	}
}

// The emulator alone, over all default engines, sees everything that a campaign
// must see: the stimulus is what decides that.
func TestStimulusReachesEverything(t *testing.T) {
	seen := newCoverage()
	for i, s := range Sets() {
		for seed := range uint64(3) {
			e, err := newEmulation(Config{Set: s, Seed: 100*uint64(i) + seed}, 7)
			if err != nil {
				t.Fatal(err)
			}
			e.skip(200_000)
			seen.Add(e.stimulus.coverage)
		}
	}
	if m := seen.Missing(); len(m) > 0 {
		t.Errorf("never seen: %s", strings.Join(m, "; "))
	}
	var b bytes.Buffer
	seen.Print(&b)
	if !strings.Contains(b.String(), "status") || strings.Count(b.String(), "\n") > 20 {
		t.Errorf("printed as\n%s", b.String())
	}
}
