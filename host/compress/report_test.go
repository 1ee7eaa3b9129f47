package compress

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/cache"
	"github.com/kvaccel/kvaccel/host/hosttest"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/trace"
)

// What the report says must follow from the cache and the packets.
func TestReportAddsUp(t *testing.T) {
	dev := hosttest.Device(t, "emu:")
	p := regmap.DefaultParams()
	res, err := Run(t.Context(), dev, testTrace(t), hosttest.Policy(t, "h2o+kivi-4").With(policy.Override{Recent: hosttest.Ptr(40), TopK: hosttest.Ptr(60), Observe: hosttest.Ptr(3)}), Options{Prefix: 175})
	if err != nil {
		t.Fatal(err)
	}
	heads := testLayers * testHkv
	// 100 kept, the last 40 fp16: 32 keys and 60 values quantized a head.
	want := cache.Bytes{
		Codes: int64(heads * (32 + 60) * testD / 2), Scales: int64(heads * (32 + 60) * testD / 32 * 4),
		Residual: int64(heads * (68 + 40) * testD * 2), Positions: int64(heads * 100 * 2),
	}
	in := int64(heads * 2 * 175 * testD * 2)
	if res.Bytes != want || res.BytesOut != want.Total() || res.BytesIn != in || res.TokensKept != 100 || res.TokensIn != 175 {
		t.Errorf("bytes %+v (%d of %d), want %+v (%d of %d)", res.Bytes, res.BytesOut, res.BytesIn, want, want.Total(), in)
	}
	if res.Ratio != float64(in)/float64(want.Total()) || math.Abs(res.BitsPerElem*res.Ratio-16) > 1e-12 || math.Abs(res.BitsPerKept*100-res.BitsPerElem*175) > 1e-9 {
		t.Errorf("ratio %g, bits %g, per kept %g", res.Ratio, res.BitsPerElem, res.BitsPerKept)
	}
	sum := int64(0)
	for _, h := range res.Heads {
		sum += h.Total
	}
	if sum != res.BytesOut || len(res.Heads) != heads {
		t.Errorf("%d heads add up to %d", len(res.Heads), sum)
	}
	beats := func(bytes int) uint64 { return uint64((bytes + p.BeatBytes() - 1) / p.BeatBytes()) }
	hb := uint64(p.HeaderBeats())
	for name, c := range map[string]struct{ commands, in, out uint64 }{
		"select": {uint64(heads), uint64(heads) * (hb + 3*2*beats(175*2)), uint64(heads) * (2*hb + beats(200))},
		"quantize": {uint64(2 * heads), uint64(heads) * (2*hb + beats(32*testD*2) + beats(60*testD*2)),
			uint64(heads) * (4*hb + beats(32*testD*5/8) + beats(60*testD*5/8))},
		"dequantize": {uint64(2 * heads), uint64(heads) * (2*hb + beats(32*testD*5/8) + beats(60*testD*5/8)),
			uint64(heads) * (4*hb + beats(32*testD*2) + beats(60*testD*2))},
	} {
		st := res.Commands[name]
		if st.Commands != c.commands || st.BeatsIn != c.in || st.BeatsOut != c.out {
			t.Errorf("%s: %d commands, %d beats in, %d out, want %+v", name, st.Commands, st.BeatsIn, st.BeatsOut, c)
		}
		if st.Cycles < max(c.in, c.out) || st.Cycles > st.CommandCycles+64*st.Commands || st.StallOut != 0 {
			t.Errorf("%s: %+v", name, st)
		}
		if bpc := res.BeatsPerCycle[name]; bpc <= 0 || bpc > 1 {
			t.Errorf("%s: %g beats per cycle", name, bpc)
		}
		if res.Cycles.PerCommand[name] != st.Cycles {
			t.Errorf("%s: %d cycles, %d in the list", name, st.Cycles, res.Cycles.PerCommand[name])
		}
	}
	total := uint64(0)
	for _, c := range res.Cycles.PerCommand {
		total += c
	}
	if total != res.Cycles.Total || len(res.Cycles.PerCommand) != 3 {
		t.Errorf("%d cycles, %v", res.Cycles.Total, res.Cycles.PerCommand)
	}
	if f := res.Fidelity; f == nil || f.Queries != 25 || len(f.Heads) != heads || f.OutputL2.Median <= 0 || f.LostMass.Median <= 0 {
		t.Errorf("fidelity %+v", f)
	}
}

// Cycles are a property of the work: a second run takes the same number.
func TestCyclesRepeat(t *testing.T) {
	dev := hosttest.Device(t, "emu:")
	var first Costs
	for i := range 2 {
		res, err := Run(t.Context(), dev, testTrace(t), hosttest.Policy(t, "h2o+kivi-4"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = res.Costs
		} else if !reflect.DeepEqual(first, res.Costs) {
			t.Errorf("first %+v, then %+v", first, res.Costs)
		}
	}
}

func TestSampleFidelity(t *testing.T) {
	dev := hosttest.Device(t, "emu:")
	tr, err := trace.Sample()
	if err != nil {
		t.Fatal(err)
	}
	run := func(name string) *Result {
		res, err := Run(t.Context(), dev, tr, hosttest.Policy(t, name), Options{})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	full, four, two, both := run("full"), run("kivi-4"), run("kivi-2"), run("h2o+kivi-4")
	if f := full.Fidelity; full.Ratio != 1 || f.OutputL2.P95 != 0 || f.KL.P95 != 0 || f.LostMass.P95 != 0 || f.Recall.P95 != 1 || f.Queries != 64 {
		t.Errorf("full: ratio %g, %+v", full.Ratio, f)
	}
	if a, b := four.Fidelity, two.Fidelity; !(0 < a.KL.Median && a.KL.Median < b.KL.Median && a.OutputL2.Median < b.OutputL2.Median && a.LostMass.P95 == 0 && a.Recall.Median > b.Recall.Median) {
		t.Errorf("4 bits: %+v, 2 bits: %+v", a, b)
	}
	if f := both.Fidelity; f.LostMass.Median <= 0 || f.LostMass.Median > .5 || both.Ratio < 6 {
		t.Errorf("h2o+kivi-4: ratio %g, %+v", both.Ratio, f)
	}
}

func TestNoLaterQueries(t *testing.T) {
	res, err := Run(t.Context(), hosttest.Device(t, "emu:"), testTrace(t), hosttest.Policy(t, "h2o+kivi-4"), Options{Prefix: testT})
	if err != nil || res.Fidelity != nil || res.FidelityNote == "" || res.TokensIn != testT {
		t.Fatalf("%+v %v", res, err)
	}
	b, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"schema_version", "source", "device", "policy", "trace", "bytes_in", "bytes_out", "bits_per_element", "ratio", "tokens_in", "tokens_kept", "cycles", "beats_per_cycle", "fidelity"} {
		if v, ok := m[key]; !ok || (v == nil) != (key == "fidelity") {
			t.Errorf("%s is %v", key, v)
		}
	}
	if m["source"] != "emulator" {
		t.Errorf("source %v", m["source"])
	}
}
