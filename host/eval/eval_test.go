package eval

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator"
	"github.com/kvaccel/kvaccel/host/llm"
	"github.com/kvaccel/kvaccel/host/policy"
)

const golm = "../llm/testdata/golm"

func model(t *testing.T) (*llm.Model, []int) {
	t.Helper()
	m, err := llm.Open(context.Background(), golm)
	if err != nil {
		t.Fatal(err)
	}
	text, err := m.ReadTokens(filepath.Join(golm, "sample.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return m, text
}

func open(ctx context.Context) (driver.Device, error) {
	u, err := driver.ParseURI("emu:")
	if err != nil {
		return nil, err
	}
	return emulator.Open(ctx, u)
}

func runs(t *testing.T, names ...string) []Run {
	t.Helper()
	var out []Run
	for _, n := range names {
		p, err := policy.Lookup(n)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, Run{Name: n, Policy: p})
	}
	return out
}

// small is an evaluation of seconds.
func small(t *testing.T, text []int, names ...string) Options {
	return Options{Text: text, TextName: "sample", Runs: runs(t, names...), Window: 192, Prefix: 128, Limit: 2, Block: 16, Trials: 1, Open: open}
}

func asJSON(t *testing.T, r *Result) []byte {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func find(t *testing.T, r *Result, name string) Row {
	t.Helper()
	for _, row := range r.Rows {
		if row.Name == name {
			return row
		}
	}
	t.Fatalf("no row %s", name)
	return Row{}
}

// The figures do not depend on how many engines work, nor on an interruption,
// nor on the run.
func TestEvaluate(t *testing.T) {
	m, text := model(t)
	ctx := context.Background()
	o := small(t, text, "h2o+kivi-2", "q8_0", "recent")
	o.State = filepath.Join(t.TempDir(), "state")
	first, err := Evaluate(ctx, m, o)
	if err != nil {
		t.Fatal(err)
	}
	checkFigures(t, first)
	want := asJSON(t, first)

	lines, err := os.ReadFile(o.State)
	if err != nil {
		t.Fatal(err)
	}
	// As if the machine had stopped in the middle of a line.
	if err := os.WriteFile(o.State, lines[:len(lines)*2/3], 0o666); err != nil {
		t.Fatal(err)
	}
	o.Workers = 1
	var steps atomic.Int64
	o.Progress = func(done, total int) {
		steps.Add(1)
		if done < 1 || done > total {
			t.Errorf("progress %d of %d", done, total)
		}
	}
	again, err := Evaluate(ctx, m, o)
	if err != nil {
		t.Fatal(err)
	}
	if got := asJSON(t, again); !bytes.Equal(got, want) {
		t.Errorf("resumed with one engine, the figures differ:\n%s\n%s", got, want)
	}
	if steps.Load() == 0 {
		t.Error("no progress was reported")
	}
	o.Seed = 5
	if _, err := Evaluate(ctx, m, o); !errors.Is(err, ErrState) || !strings.Contains(err.Error(), "seed") {
		t.Errorf("another seed on the same state: got %v", err)
	}
}

func checkFigures(t *testing.T, r *Result) {
	t.Helper()
	full := find(t, r, "full")
	if full.Delta != (Interval{}) || full.KL != 0 || full.SameTop != 1 || full.Share != 1 || full.CyclesPerToken != 0 {
		t.Errorf("full against itself: %+v", full)
	}
	q8, hk, recent := find(t, r, "q8_0"), find(t, r, "h2o+kivi-2"), find(t, r, "recent")
	if q8.KL <= 0 || q8.KL > 1e-3 || q8.KL >= hk.KL {
		t.Errorf("KL of q8_0 is %g, of h2o+kivi-2 %g", q8.KL, hk.KL)
	}
	// Blocks of 32 take 34 bytes for 64 of fp16; 31.5 rows of a chunk, on
	// average half of them, stay fp16.
	if q8.Share < 34./64 || q8.Share > 0.62 {
		t.Errorf("q8_0 takes %g of full", q8.Share)
	}
	if !(hk.Delta.Low <= hk.Delta.Mean && hk.Delta.Mean <= hk.Delta.High) || hk.Delta.Mean < 0.01 || math.Abs(hk.Nats-full.Nats-hk.Delta.Mean) > 1e-12 {
		t.Errorf("h2o+kivi-2: %+v, %g against %g", hk.Delta, hk.Nats, full.Nats)
	}
	if q8.RestoreCycles <= 0 || hk.SelectCycles <= 0 || recent.RestoreCycles != 0 {
		t.Errorf("cycles: %+v, %+v, %+v", q8.RestoreCycles, hk.SelectCycles, recent.RestoreCycles)
	}
	if r.Predictions != 2*63 || len(r.Fidelity.Correlations) != 4 || r.NeedleAbsent == nil || r.NeedleAbsent.Nats <= full.Needle.Nats {
		t.Errorf("%d predictions, fidelity %+v, needles %+v and %+v", r.Predictions, r.Fidelity, r.NeedleAbsent, full.Needle)
	}
	for _, row := range r.Rows[1:] {
		for _, kind := range Controls {
			c := r.Control(row, kind)
			if c == nil {
				t.Fatalf("%s has no control %s", row.Name, kind)
			}
			// One row more or less is 8 heads x 258 bytes a step; bytes per token
			// are over about 160 positions.
			if math.Abs(c.BytesPerToken-row.BytesPerToken) > 8*258/2./128 {
				t.Errorf("%s takes %g bytes per token, its control %s %g", row.Name, row.BytesPerToken, c.Name, c.BytesPerToken)
			}
		}
	}
	// The control "recent" at the bytes of the policy "recent" is that policy.
	if c := r.Control(recent, "recent"); c.Nats != recent.Nats || c.Memory != recent.Memory {
		t.Errorf("recent is %g nats, the same as a control %g", recent.Nats, c.Nats)
	}
}

// Decoding with the full cache is the model: what it loses to the plain float32
// cache is the rounding of rows to fp16, whatever the chunk.
func TestFullIsTheModel(t *testing.T) {
	m, text := model(t)
	ctx := context.Background()
	logits, err := m.Forward(ctx, text[:192], 0, m.NewCache())
	if err != nil {
		t.Fatal(err)
	}
	want := 0.0
	for i := 128; i < 191; i++ {
		want -= llm.LogSoftmax(logits[i*m.Vocab:][:m.Vocab])[text[i+1]]
	}
	for _, chunk := range []int{1, 7, 64} {
		o := small(t, text)
		o.Chunk, o.Limit, o.Trials = chunk, 1, -1
		r, err := Evaluate(ctx, m, o)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Rows[0].Nats * 63; math.Abs(got-want) > 0.02 {
			t.Errorf("chunk %d: %g nats, the model has %g", chunk, got, want)
		}
		if r.Rows[0].BytesPerToken != 2048 || r.NeedleNote == "" {
			t.Errorf("%g bytes per token, note %q", r.Rows[0].BytesPerToken, r.NeedleNote)
		}
	}
}

// An engine without SELECT can still be asked what it can do; the controls are
// told to be missing.
func TestWithoutSelect(t *testing.T) {
	m, text := model(t)
	o := small(t, text, "qserve-4")
	o.Limit, o.Trials = 1, -1
	o.Open = func(ctx context.Context) (driver.Device, error) {
		u, err := driver.ParseURI(fmt.Sprintf("emu:?features=%d", 1<<regmap.FeatEcho|1<<regmap.FeatQuantize|1<<regmap.FeatDequantize))
		if err != nil {
			return nil, err
		}
		return emulator.Open(ctx, u)
	}
	r, err := Evaluate(context.Background(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Controls) != 0 || len(r.LeftOut) != 1 || !strings.Contains(r.LeftOut[0], "SELECT") || find(t, r, "qserve-4").KL <= 0 {
		t.Errorf("%d controls, left out %q", len(r.Controls), r.LeftOut)
	}
	o.Runs = runs(t, "h2o")
	if _, err := Evaluate(context.Background(), m, o); !errors.Is(err, driver.ErrUnsupported) {
		t.Errorf("h2o: got %v", err)
	}
}

// An interrupted evaluation ends with the context's error and leaves what was
// done.
func TestInterrupt(t *testing.T) {
	m, text := model(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o := small(t, text, "kivi-2")
	o.State = filepath.Join(t.TempDir(), "state")
	o.Progress = func(done, _ int) {
		if done >= 3 {
			cancel()
		}
	}
	if _, err := Evaluate(ctx, m, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	b, err := os.ReadFile(o.State)
	if err != nil || bytes.Count(b, []byte("\n")) < 4 {
		t.Errorf("the state has %d lines (%v)", bytes.Count(b, []byte("\n")), err)
	}
}

func TestRefused(t *testing.T) {
	m, text := model(t)
	for word, change := range map[string]func(o *Options){
		"--window is 2000":     func(o *Options) { o.Window = 2000 },
		"--prefix is 191":      func(o *Options) { o.Prefix = 191 },
		"has 100 tokens":       func(o *Options) { o.Text = text[:100] },
		"--windows is 99":      func(o *Options) { o.Limit = 99 },
		"--chunk is -1":        func(o *Options) { o.Chunk = -1 },
		"names kivi-2 twice":   func(o *Options) { o.Runs = append(o.Runs, o.Runs[0]) },
		"not a state file":     func(o *Options) { o.State = filepath.Join(golm, "config.json") },
		"policy kivi-2: inval": func(o *Options) { o.Runs[0].Policy.KBits = 7 },
		"do not divide rows":   func(o *Options) { o.Runs[0].Policy.VAxis, o.Runs[0].Policy.Group = policy.Token, 128 },
	} {
		o := small(t, text, "kivi-2")
		change(&o)
		if word == "not a state file" {
			b, err := os.ReadFile(o.State)
			if err != nil {
				t.Fatal(err)
			}
			o.State = filepath.Join(t.TempDir(), "state")
			if err := os.WriteFile(o.State, b, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Evaluate(context.Background(), m, o); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("want an error with %q, got %v", word, err)
		}
	}
}

func TestWithBudget(t *testing.T) {
	for _, c := range []struct {
		name                string
		budget              int
		sinks, recent, topK int // -1: refused
	}{
		{"h2o", 100, 0, 50, 50}, {"h2o", 7, 0, 3, 4}, {"h2o", 2, 0, 1, 1}, {"h2o", 1, 0, -1, 0}, {"h2o", 513, 0, -1, 0},
		{"streaming", 100, 4, 96, 0}, {"streaming", 5, 4, 1, 0}, {"streaming", 4, 4, -1, 0},
		{"tova", 1, 0, 0, 1}, {"h2o+kivi-4", 40, 0, 20, 20},
	} {
		p, err := WithBudget(runs(t, c.name)[0].Policy, c.budget, 512)
		if c.recent < 0 {
			if !errors.Is(err, ErrOptions) || !strings.Contains(err.Error(), c.name) {
				t.Errorf("%s of %d: got %v", c.name, c.budget, err)
			}
			continue
		}
		if err != nil || p.Sinks != c.sinks || p.Recent != c.recent || *p.TopK != c.topK || p.Kept(512) != c.budget || p.Residual > p.Recent {
			t.Errorf("%s of %d: %+v, %v", c.name, c.budget, p, err)
		}
	}
	p := runs(t, "kivi-2")[0].Policy
	if q, err := WithBudget(p, 10, 512); err != nil || q.Evicts() {
		t.Errorf("kivi-2: %+v, %v", q, err)
	}
}

func TestStatistics(t *testing.T) {
	for _, c := range []struct {
		x, y []float64
		want float64
	}{
		{[]float64{1, 2, 3, 4}, []float64{10, 20, 25, 90}, 1},
		{[]float64{1, 2, 3, 4}, []float64{4, 3, 2, 1}, -1},
		{[]float64{1, 2, 3, 4, 5}, []float64{2, 1, 4, 3, 5}, 0.8},
		{[]float64{1, 1, 2, 3}, []float64{5, 6, 7, 7}, 8. / 9}, // ranks 1.5 1.5 3 4 and 1 2 3.5 3.5
		{[]float64{1, 1}, []float64{1, 2}, 0},
	} {
		if got := Spearman(c.x, c.y); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("Spearman(%v, %v) = %g, want %g", c.x, c.y, got, c.want)
		}
	}
	// Differences of 1, 2 and 3 nats in blocks of 10: 0.2 a token, standard
	// error sqrt(3/2 (1 + 0 + 1)) / 30, Student's t of 2 degrees 4.302653.
	ref := []Block{{Tokens: 10, NLL: 5}, {Tokens: 10, NLL: 6}, {Tokens: 10, NLL: 7}}
	mine := []Block{{Tokens: 10, NLL: 6}, {Tokens: 10, NLL: 8}, {Tokens: 10, NLL: 10}}
	got := paired(mine, ref, func(b Block) float64 { return b.NLL })
	half := 4.302652729696 * math.Sqrt(3) / 30
	if math.Abs(got.Mean-0.2) > 1e-12 || math.Abs(got.High-0.2-half) > 1e-9 || math.Abs(got.Low-0.2+half) > 1e-9 {
		t.Errorf("interval %+v, want 0.2 and %g on either side", got, half)
	}
}

// The needle's name is in its passage twice before the cue, never in the one
// without it, and both are as long.
func TestNeedles(t *testing.T) {
	m, text := model(t)
	o := Options{Text: text, Prefix: 128, Trials: 3}
	list, why := o.needles(m)
	if len(list) != 3*len(Depths) || why != "" {
		t.Fatalf("%d needles, %q", len(list), why)
	}
	for i, n := range list {
		s := make([]byte, len(n.tokens))
		for j, tok := range n.tokens {
			s[j] = byte(tok)
		}
		name := string(s[n.scored+1-needleCue:])
		if len(name) != 2*needleSyllables || strings.Count(string(s[:n.prefix]), name) != 2 || len(n.tokens) != len(n.absent.tokens) || n.scored != n.absent.scored {
			t.Errorf("needle %d: name %q in %q", i, name, s)
		}
	}
	o.Prefix = 60
	if _, why := o.needles(m); !strings.Contains(why, "room") {
		t.Errorf("a prefix of 60: %q", why)
	}
}
