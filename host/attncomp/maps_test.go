package attncomp

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/emulator"
	"github.com/kvaccel/kvaccel/host/eval"
	"github.com/kvaccel/kvaccel/host/llm"
	"github.com/kvaccel/kvaccel/host/llm/kvengine"
	"github.com/kvaccel/kvaccel/host/policy"
)

const golm = "../llm/testdata/golm"

// sample opens the small model and its text.
func sample(t *testing.T) (*llm.Model, []int) {
	t.Helper()
	m, err := llm.Open(t.Context(), golm)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(golm + "/sample.txt")
	if err != nil {
		t.Fatal(err)
	}
	tokens := make([]int, len(b))
	for i, c := range b {
		tokens[i] = int(c)
	}
	return m, tokens
}

func openEmu(ctx context.Context) (driver.Device, error) {
	return emulator.Open(ctx, driver.URI{Scheme: "emu"})
}

// onModel decodes two short windows.
func onModel(t *testing.T, o ModelOptions) (*ModelResult, error) {
	t.Helper()
	m, text := sample(t)
	o.Text, o.TextName, o.Window, o.Prefix, o.Limit, o.Chunk, o.Trials, o.Open = text[:1000], "sample", 192, 128, 2, 16, -1, openEmu
	return RunModel(t.Context(), m, o)
}

func row(t *testing.T, r *ModelResult, method string, rank int, pol string) ModelRow {
	t.Helper()
	for _, x := range r.Rows {
		if x.Method == method && x.Rank == rank && x.Policy == pol {
			return x
		}
	}
	t.Fatalf("no row %s %d %s", method, rank, pol)
	return ModelRow{}
}

// At full rank nothing is lost, whatever the rows look like; below, there is; and the
// rows' bytes are what their shape says.
func TestModelInTheLoop(t *testing.T) {
	res, err := onModel(t, ModelOptions{Methods: []string{"none", "lowrank", "lowrank-q", "joint", "merge", "merge-fit", "share", "share-fit"}, Ranks: []int{64, 32}})
	if err != nil {
		t.Fatal(err)
	}
	if res.Calibrated != 2*192 || res.Predictions != 2*63 || res.FullBytes != 2048 || len(res.Rows) != 1+3*2+4 {
		t.Errorf("%+v", res)
	}
	d := 64
	maps := map[string]int64{ // numbers of each map, 4 layers, 2 heads, keys and values; of share one layer in two
		"lowrank": 16 * int64(d), "lowrank-q": 16 * int64(d), "joint": 16 * 2 * int64(d), "merge-fit": 16 * int64(d), "share-fit": 8 * int64(d),
	}
	for _, x := range res.Rows {
		if x.Skipped != "" {
			t.Errorf("%s: %s", x.name(), x.Skipped)
		}
		width, want := x.Rank, 2048.
		switch {
		case x.Rank > 0:
			want *= float64(x.Rank) / float64(d)
		case x.Method != "none":
			want, width = 1024, d
		}
		if math.Abs(x.Bytes-want) > 1e-9 || x.MapBytes != 2*maps[x.Method]*int64(width) {
			t.Errorf("%s: %.2f bytes a token, want %.0f; %d of maps, want %d", x.name(), x.Bytes, want, x.MapBytes, 2*maps[x.Method]*int64(width))
		}
		whole := x.Method == "none" || x.Rank == d
		if whole != (math.Abs(x.Delta.Mean) < 2e-3) || whole != (x.KL < 1e-3) {
			t.Errorf("%s: %.5f nats, KL %.2g", x.name(), x.Delta.Mean, x.KL)
		}
	}
	// The methods with maps do better than those without, in the loop as on a trace.
	for _, c := range [][2]string{{"merge-fit", "merge"}, {"share-fit", "share"}} {
		if a, b := row(t, res, c[0], 0, "full"), row(t, res, c[1], 0, "full"); a.Delta.Mean >= b.Delta.Mean {
			t.Errorf("%s costs %.3f, %s %.3f", c[0], a.Delta.Mean, c[1], b.Delta.Mean)
		}
	}
	if j, l := row(t, res, "joint", 32, "full"), row(t, res, "lowrank", 32, "full"); j.Delta.Mean >= l.Delta.Mean {
		t.Errorf("joint costs %.3f, lowrank %.3f", j.Delta.Mean, l.Delta.Mean)
	}
}

// none is the policy alone, to the digit; quantization and eviction work on a method's rows.
func TestModelWithPolicies(t *testing.T) {
	run := func(name string) eval.Run {
		p, err := policy.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		return eval.Run{Name: name, Policy: p}
	}
	ladder := run("ladder")
	ladder.Policy.Ceiling = &policy.Ceiling{Percent: 60}
	policies := []eval.Run{run("full"), run("qserve-4"), run("tova"), run("h2o+q8_0"), ladder, run("tiers")}
	res, err := onModel(t, ModelOptions{Methods: []string{"none", "lowrank", "joint", "share-fit"}, Ranks: []int{32, 40}, Options: eval.Options{Runs: policies}})
	if err != nil {
		t.Fatal(err)
	}
	m, text := sample(t)
	alone, err := eval.Evaluate(t.Context(), m, eval.Options{Text: text[384:1000], TextName: "sample", Runs: policies[1:5], Window: 192, Prefix: 128, Limit: 2, Chunk: 16, Trials: -1, Open: openEmu, Alone: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range alone.Rows[1:] {
		if x := row(t, res, "none", 0, want.Name); x.Delta != want.Delta || x.Bytes != want.BytesPerToken || x.Cycles != want.CyclesPerToken {
			t.Errorf("none with %s: %+v, alone %v nats and %.1f bytes", want.Name, x, want.Delta, want.BytesPerToken)
		}
	}
	for _, name := range []string{"lowrank", "joint"} {
		whole := row(t, res, name, 32, "full")
		four := row(t, res, name, 32, "qserve-4")
		if four.Bytes >= whole.Bytes*.55 || four.Cycles == 0 || math.Abs(four.Delta.Mean-whole.Delta.Mean) > .1 {
			t.Errorf("%s at 4 bits: %+v, at 16 %+v", name, four, whole)
		}
		if x := row(t, res, name, 32, "tova"); x.Bytes >= whole.Bytes*.5 || x.Cycles == 0 {
			t.Errorf("%s with tova: %+v", name, x)
		}
		if x := row(t, res, name, 32, "ladder"); x.Skipped != "" || x.Bytes >= whole.Bytes {
			t.Errorf("%s under a ceiling: %+v", name, x)
		}
	}
	for _, c := range []struct {
		x    ModelRow
		want string
	}{
		{row(t, res, "lowrank", 40, "qserve-4"), "multiple of 16"}, {row(t, res, "none", 0, "tiers"), "compresses a prompt once"},
	} {
		if !strings.Contains(c.x.Skipped, c.want) {
			t.Errorf("%s: %q, want %q", c.x.name(), c.x.Skipped, c.want)
		}
	}
}

// What a decoder writes through maps is what the maps say, for a method with all kinds of them.
func TestMapsAreLinear(t *testing.T) {
	m, text := sample(t)
	c, err := Calibrate(t.Context(), m, [][]int{text[:150]}, 0)
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.Maps("joint", []int{16})
	if err != nil {
		t.Fatal(err)
	}
	x := all[0]
	if h := x.Held(); h.Layers != 4 || h.KVHeads != 1 || h.HeadDim != 32 || x.Mixed() {
		t.Errorf("%+v", h)
	}
	rng := rand.New(rand.NewPCG(4, 4))
	rows := make([]float32, 3*2*64)
	for i := range rows {
		rows[i] = float32(rng.NormFloat64())
	}
	coded := x.encode(1, keys, 3, rows)
	double := make([]float32, len(rows))
	for i, v := range rows {
		double[i] = 2 * v
	}
	for i, v := range x.encode(1, keys, 3, double) {
		if math.Abs(float64(v-2*coded[i])) > 1e-4 {
			t.Fatalf("element %d: %g of twice the rows, %g of the rows", i, v, coded[i])
		}
	}
	for _, name := range []string{"joint-2", "nonsense"} {
		if _, err := c.Maps(name, []int{16}); !errors.Is(err, ErrOptions) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.Maps("lowrank", []int{65}); !errors.Is(err, ErrOptions) {
		t.Errorf("rank 65: %v", err)
	}
}

// A layer that is the one before with its heads mixed up decodes as if it had rows of its own,
// unless heads drop what others hold.
func TestMixedHeads(t *testing.T) {
	cfg := llm.Config{Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 16}
	const n, dims = 60, 16
	x := [2]*layer{{}, {}}
	for h := range 2 {
		x[0].x[keys] = append(x[0].x[keys], random(uint64(h), n, dims))
		x[0].x[values] = append(x[0].x[values], random(uint64(10+h), n, dims))
		x[0].q, x[1].q = append(x[0].q, random(20, n, dims)), append(x[1].q, random(21, n, dims))
	}
	x[1].x[keys] = []*mat.Dense{x[0].x[keys][1], x[0].x[keys][0]} // keys are swapped,
	x[1].x[values] = x[0].x[values]                               // values are not
	c := &Calibration{Tokens: n, model: cfg, blocks: []*block{{calibrate: n, ridge: 1e-9, dims: dims, layers: x[:]}}}
	all, err := c.Maps("share-fit", nil)
	if err != nil {
		t.Fatal(err)
	}
	m := all[0]
	if h := m.Held(); !m.Mixed() || h.Layers != 1 || h.KVHeads != 2 {
		t.Fatalf("mixed %v, holds %+v", m.Mixed(), h)
	}
	plain, held := kvengine.New(cfg, 0), kvengine.New(m.Held(), 0)
	through := m.KV(held)
	rng := rand.New(rand.NewPCG(8, 8))
	numbers := func(k int) []float32 {
		out := make([]float32, k)
		for i := range out {
			out[i] = float32(rng.NormFloat64())
		}
		return out
	}
	for at := range 5 {
		k, v := numbers(2*dims), numbers(2*dims)
		for l := range 2 {
			step := llm.Step{Layer: l, First: at, N: 1, Q: numbers(4 * dims), K: k, V: v, Out: make([]float32, 4*dims)}
			if l == 1 {
				step.K = append(append([]float32{}, k[dims:]...), k[:dims]...)
			}
			if err := plain.Attend(t.Context(), step); err != nil {
				t.Fatal(err)
			}
			want := append([]float32{}, step.Out...)
			if err := through.Attend(t.Context(), step); err != nil {
				t.Fatal(err)
			}
			for i := range want {
				if math.Abs(float64(want[i]-step.Out[i])) > 5e-3 {
					t.Fatalf("position %d, layer %d: %v, want %v", at, l, step.Out, want)
				}
			}
		}
	}
	o := ModelOptions{Methods: []string{"share-fit"}}
	for _, name := range []string{"h2o", "tova", "q8_0"} {
		p, err := policy.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		o.Runs = append(o.Runs, eval.Run{Name: name, Policy: p})
	}
	rows, runs, err := o.runs(c)
	if err != nil || len(rows) != 3 || len(runs) != 2 || !strings.Contains(rows[0].Skipped, "shared") || rows[1].Skipped+rows[2].Skipped != "" {
		t.Errorf("%v: %+v, %d runs", err, rows, len(runs))
	}
}

func TestModelRefuses(t *testing.T) {
	m, text := sample(t)
	for name, o := range map[string]ModelOptions{
		"all is fitted on": {Fit: 5, Options: eval.Options{Text: text[:900], Window: 180}},
		"window":           {Options: eval.Options{Text: text, Window: 5000}},
		"ridge":            {Ridge: -1, Options: eval.Options{Text: text, Window: 180}},
		"method":           {Methods: []string{"svd"}, Options: eval.Options{Text: text, Window: 180}},
		"rank":             {Ranks: []int{-1}, Options: eval.Options{Text: text, Window: 180}},
	} {
		o.Open = openEmu
		if _, err := RunModel(t.Context(), m, o); !errors.Is(err, ErrOptions) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
