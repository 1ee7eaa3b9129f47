package decode

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/host/hosttest"
	"github.com/kvaccel/kvaccel/host/llm/kvengine"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/safetensors"
	"github.com/kvaccel/kvaccel/host/session"
	"github.com/kvaccel/kvaccel/host/trace"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

const (
	length, dims   = 96, 32
	layers, hq, kv = 2, 4, 2
)

// make a trace; key gives element d of the key at position j.
func makeTrace(t *testing.T, meta map[string]string, withQ bool, key func(r *rand.Rand, j, d int) float64) *trace.Trace {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	tensor := func(name string, heads int, of func(r *rand.Rand, j, d int) float64) safetensors.Entry {
		data := make([]uint16, heads*length*dims)
		for i := range data {
			data[i] = fp16.FromFloat64(of(r, i/dims%length, i%dims))
		}
		return safetensors.FP16(name, data, int64(heads), length, dims)
	}
	normal := func(r *rand.Rand, _, _ int) float64 { return r.NormFloat64() }
	one := func(*rand.Rand, int, int) float64 { return 1 }
	var entries []safetensors.Entry
	for _, l := range []string{"layers.0.", "layers.1."} {
		entries = append(entries, tensor(l+"k", kv, key), tensor(l+"v", kv, normal))
		if withQ {
			entries = append(entries, tensor(l+"q", hq, one))
		}
	}
	return hosttest.Trace(t, meta, entries...)
}

func noise(r *rand.Rand, _, _ int) float64 { return r.NormFloat64() }

// held replays a trace and gives what a head holds at the end.
func held(t *testing.T, tr *trace.Trace, pol policy.Policy, prefill int) ([]int, *Result) {
	t.Helper()
	dev := hosttest.Device(t, "emu:")
	res, err := Run(t.Context(), dev, tr, pol, Options{Prefill: prefill})
	if err != nil {
		t.Fatal(err)
	}
	// The same by hand, to look into the cache.
	r := &replay{t: tr, s: session.New(dev), n: prefill}
	r.cfg.Layers, r.cfg.Heads, r.cfg.KVHeads, r.cfg.HeadDim = layers, hq, kv, dims
	if r.cache, err = kvengine.New(r.cfg, kvengine.RecordAll).Fork(r.s, res.Policy, 0); err != nil {
		t.Fatal(err)
	}
	if err := r.run(t.Context(), &Result{}, length-prefill, nil); err != nil {
		t.Fatal(err)
	}
	positions, _, _ := r.cache.Rows(1, 1)
	return positions, res
}

// span lists the numbers from a to b-1.
func span(a, b int) []int {
	var list []int
	for i := a; i < b; i++ {
		list = append(list, i)
	}
	return list
}

// Where all keys are alike, every query gives every position held the same: the
// longer held, the higher the sum, and with no memory the lower position wins.
func TestKeepsTheOldest(t *testing.T) {
	tr := makeTrace(t, nil, true, func(*rand.Rand, int, int) float64 { return 0 })
	want := append(span(0, 20), span(length-10, length)...)
	for name, o := range map[string]policy.Override{
		"sums": {}, "decay": {Lambda: hosttest.Ptr(.9)}, "forgets": {Lambda: hosttest.Ptr(0.)}, "last queries": {Observe: hosttest.Ptr(4)}, "shared": {Shared: hosttest.Ptr(true)},
	} {
		pol := hosttest.Policy(t, "h2o").With(o).With(policy.Override{Recent: hosttest.Ptr(10), TopK: hosttest.Ptr(20)})
		if got, _ := held(t, tr, pol, 50); !slices.Equal(got, want) {
			t.Errorf("%s: holds %v, want %v", name, got, want)
		}
	}
	// The recent ones alone.
	got, res := held(t, tr, hosttest.Policy(t, "recent").With(policy.Override{Recent: hosttest.Ptr(7)}), 50)
	if !slices.Equal(got, span(length-7, length)) || len(res.Steps) != length-50 {
		t.Errorf("recent: holds %v after %d steps", got, len(res.Steps))
	}
}

// A key that every query looks for stays, with the trace's scale; with next to
// none it is one of many.
func TestKeepsWhatIsLookedFor(t *testing.T) {
	const hot = 33
	key := func(_ *rand.Rand, j, _ int) float64 {
		if j == hot {
			return 4
		}
		return 0
	}
	pol := hosttest.Policy(t, "h2o").With(policy.Override{Recent: hosttest.Ptr(10), TopK: hosttest.Ptr(5)})
	got, _ := held(t, makeTrace(t, nil, true, key), pol, 60)
	if want := append([]int{0, 1, 2, 3, hot}, span(length-10, length)...); !slices.Equal(got, want) {
		t.Errorf("holds %v, want %v", got, want)
	}
	got, _ = held(t, makeTrace(t, map[string]string{"attention_scale": "1e-9"}, true, key), pol, 60)
	if want := append(span(0, 5), span(length-10, length)...); !slices.Equal(got, want) {
		t.Errorf("with no scale: holds %v, want %v", got, want)
	}
}

// The budget holds at every step, whatever the policy; the same on any engine.
func TestSteps(t *testing.T) {
	tr := makeTrace(t, nil, true, noise)
	for _, name := range []string{"full", "h2o", "tova", "snapkv", "adakv", "pyramidkv", "knorm", "random", "streaming", "q4_1", "h2o+kivi-4", "snapkv+q8_0", "ladder", "h2o+quarot-4", "file"} {
		pol := fileOr(t, name)
		var first *Result
		for _, uri := range []string{"emu:", "emu:?lanes=2&max-tokens=256&tile-tokens=64"} {
			res, err := Run(t.Context(), hosttest.Device(t, uri), tr, pol, Options{Prefill: 64, Steps: 20})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			check(t, name, res)
			if first == nil {
				first = res
				continue
			}
			for i, s := range res.Steps {
				if s.Bytes != first.Steps[i].Bytes || s.Kept != first.Steps[i].Kept {
					t.Errorf("%s: step %d on %s: %+v, on emu: %+v", name, i, uri, s, first.Steps[i])
				}
			}
			if !reflect.DeepEqual(res.Fidelity, first.Fidelity) || res.Bytes != first.Bytes {
				t.Errorf("%s: fidelity or bytes depend on the engine", name)
			}
		}
	}
}

// fileOr is a named policy, or one with rules.
func fileOr(t *testing.T, name string) policy.Policy {
	switch name {
	case "file":
	case "ladder":
		return hosttest.Policy(t, name).With(policy.Override{Ceiling: &policy.Ceiling{Positions: 25}, Recent: hosttest.Ptr(7)})
	default:
		return hosttest.Policy(t, name)
	}
	p, err := policy.Parse("p.yaml", []byte("version: 1\npolicy: h2o+kivi-2\nrules:\n- {layers: 1, set: {budget: 30, pool: 3, lambda: 0.9}}\n- {heads: 0, set: {k-bits: 8, residual: 3}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// check holds a result against itself.
func check(t *testing.T, name string, res *Result) {
	t.Helper()
	if len(res.Steps) != 20 || res.Steps[0].Position != 64 || res.Fidelity == nil || res.Fidelity.Queries != 20 || len(res.Fidelity.Heads) != layers*kv {
		t.Fatalf("%s: %d steps, fidelity %+v", name, len(res.Steps), res.Fidelity)
	}
	var total, worst uint64
	for i, s := range res.Steps {
		kept := 0
		for l := range layers {
			for h := range kv {
				kept += res.Policy.At(l, h).Kept(64 + i + 1)
			}
		}
		if under := res.Ceiling - 4*layers*kv*dims; name == "ladder" && s.Bytes > under {
			t.Errorf("%s: step %d holds %d bytes; with a row to come %d are too many", name, i, s.Bytes, under)
		}
		if name != "adakv" && name != "ladder" && s.Kept != (kept+layers*kv/2)/(layers*kv) || name == "adakv" && s.Kept != res.Steps[0].Kept {
			t.Errorf("%s: step %d keeps %d, want %d", name, i, s.Kept, kept/(layers*kv))
		}
		total, worst = total+s.Cycles.Total(), max(worst, s.Cycles.Total())
	}
	c := res.StepCycles
	if c.Total != total || c.Worst != worst || float64(c.P95) < c.Median || c.P95 > c.Worst || (c.Median > 0) != (res.StepSeconds > 0) {
		t.Errorf("%s: %+v, want %d in all, %d at worst", name, c, total, worst)
	}
	if got := res.SelectCycles.Total + res.QuantCycles.Total + res.RestoreCycles.Total; got != total {
		t.Errorf("%s: commands take %d, steps %d", name, got, total)
	}
	evicts, quantizes := res.Policy.Evicts() || name == "ladder", res.Policy.Quantizes() || name == "ladder"
	if (res.SelectCycles.Total > 0) != evicts || (res.RestoreCycles.Total > 0) != quantizes && name != "h2o+kivi-4" {
		t.Errorf("%s: select %d, dequantize %d", name, res.SelectCycles.Total, res.RestoreCycles.Total)
	}
	full := int64(layers * kv * 4 * dims * 84)
	if res.FullBytes != full || res.PeakBytes < res.Bytes.Total() || name == "full" && res.Bytes.Total() != full {
		t.Errorf("%s: %d bytes, at most %d, all %d", name, res.Bytes.Total(), res.PeakBytes, res.FullBytes)
	}
	if f := res.Fidelity; (name == "full") != (f.OutputL2.P95 == 0) || evicts != (f.LostMass.P95 > 0) {
		t.Errorf("%s: fidelity %+v", name, f.OutputL2)
	}
}

func TestRepeats(t *testing.T) {
	tr := makeTrace(t, nil, true, noise)
	var first []byte
	for range 2 {
		res, err := Run(t.Context(), hosttest.Device(t, "emu:"), tr, hosttest.Policy(t, "h2o+kivi-4"), Options{Steps: 9})
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(res)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = b
		}
		if !bytes.Equal(b, first) {
			t.Error("a second run gives another report")
		}
	}
}

func TestRefuses(t *testing.T) {
	tr, bare := makeTrace(t, nil, true, noise), makeTrace(t, nil, false, noise)
	for name, c := range map[string]struct {
		tr    *trace.Trace
		pol   policy.Policy
		opt   Options
		uri   string
		want  error
		words string
	}{
		"no steps left":    {tr, hosttest.Policy(t, "h2o"), Options{Prefill: length}, "emu:", ErrSteps, "t.safetensors has 96 positions"},
		"too many steps":   {tr, hosttest.Policy(t, "h2o"), Options{Prefill: 90, Steps: 7}, "emu:", ErrSteps, "7 steps"},
		"negative":         {tr, hosttest.Policy(t, "h2o"), Options{Prefill: -1}, "emu:", ErrSteps, "-1 of prefill"},
		"no queries":       {bare, hosttest.Policy(t, "recent"), Options{}, "emu:", trace.ErrMissing, "layers.0.q"},
		"tiers":            {tr, hosttest.Policy(t, "h2o+tiers"), Options{}, "emu:", kvengine.ErrOnce, "tiers"},
		"budget":           {tr, hosttest.Policy(t, "h2o").With(policy.Override{TopK: hosttest.Ptr(65)}), Options{Prefill: 64}, "emu:", policy.ErrInvalid, "topk is 65"},
		"no feature":       {tr, hosttest.Policy(t, "snapkv"), Options{}, "emu:?features=0xf", driver.ErrUnsupported, "POOL"},
		"invalid":          {tr, hosttest.Policy(t, "h2o").With(policy.Override{Pool: hosttest.Ptr(4)}), Options{}, "emu:", policy.ErrInvalid, "pool is 4"},
		"group over a row": {tr, hosttest.Policy(t, "kivi-2").With(policy.Override{Group: hosttest.Ptr(64)}), Options{}, "emu:", session.ErrGeometry, "64"},
	} {
		_, err := Run(t.Context(), hosttest.Device(t, c.uri), c.tr, c.pol, c.opt)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: got %v, want %v with %q", name, err, c.want, c.words)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Run(ctx, hosttest.Device(t, "emu:"), tr, hosttest.Policy(t, "h2o"), Options{Progress: func(done, total int) {
		if done == 3 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestSpread(t *testing.T) {
	var steps []Step
	for i := range 40 {
		steps = append(steps, Step{Position: i, Cycles: Cycles{Select: uint64(i * 7 % 40)}})
	}
	want := Spread{Median: 19.5, P95: 37, Worst: 39, WorstStep: 17, Total: 780}
	if got := spread(steps, Cycles.Total); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
