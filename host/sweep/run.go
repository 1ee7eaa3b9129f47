package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/host/compress"
	"github.com/kvaccel/kvaccel/host/eval"
	"github.com/kvaccel/kvaccel/host/llm"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/trace"
)

// ErrRefused says that a combination makes no point.
var ErrRefused = errors.New("cannot be combined")

// OpenFunc opens an engine by its URI.
type OpenFunc func(ctx context.Context, uri string) (driver.Device, error)

// Runner computes points. It is safe for use by several goroutines, each with
// an engine of its own.
type Runner struct {
	mu     sync.Mutex
	models map[string]*modelSlot
}

// modelSlot is a model that is loaded once.
type modelSlot struct {
	once sync.Once
	m    *llm.Model
	err  error
}

// Run computes one point on dev, which stays open.
func (r *Runner) Run(ctx context.Context, dev driver.Device, p Point) (*Result, error) {
	if p.Refused != "" {
		return nil, fmt.Errorf("%w: %s", ErrRefused, p.Refused)
	}
	res, raw, err := (*Result)(nil), any(nil), error(nil)
	switch p.Input.Kind {
	case Fidelity:
		res, raw, err = r.fidelity(ctx, dev, p)
	case Model:
		res, raw, err = r.model(ctx, dev, p)
	default:
		return nil, fmt.Errorf("%w: kind is %q, want %s or %s", ErrRefused, p.Input.Kind, Fidelity, Model)
	}
	if err != nil {
		return nil, err
	}
	res.Device = dev.Info()
	res.Raw, err = json.Marshal(raw)
	return res, err
}

func (r *Runner) fidelity(ctx context.Context, dev driver.Device, p Point) (*Result, any, error) {
	open := trace.Sample
	if p.Input.Trace != nil {
		open = func() (*trace.Trace, error) { return trace.Open(p.Input.Trace.Path) }
	}
	t, err := open()
	if err != nil {
		return nil, nil, err
	}
	defer t.Close()
	res, err := compress.Run(ctx, dev, t, p.Policy, compress.Options{Prefix: p.Input.Prefix})
	if err != nil {
		return nil, nil, err
	}
	if res.Fidelity == nil {
		return nil, nil, fmt.Errorf("no fidelity was measured: %s", res.FidelityNote)
	}
	n := float64(p.Input.Prefix)
	q := res.Fidelity
	per := res.Cycles.PerCommand
	out := &Result{
		Tokens: res.TokensIn, Kept: res.TokensKept, BytesPerToken: float64(res.BytesOut) / n, Share: 1 / res.Ratio,
		CyclesPerToken: float64(res.Cycles.Total) / n, SelectCycles: float64(per["select"]) / n, QuantizeCycles: float64(per["quantize"]) / n, DequantizeCycles: float64(per["dequantize"]) / n,
		Loss: q.OutputL2.Median, OutputL2: &q.OutputL2.Median, OutputL2P95: &q.OutputL2.P95, KL: &q.KL.Median, LostMass: &q.LostMass.Median, Recall: &q.Recall.Median,
	}
	if p.Policy.Compresses() {
		err = controls(ctx, dev, t, p.Input.Prefix, res.BytesOut, out)
	}
	return out, res, err
}

// controls measures whole rows at the bytes of a policy.
func controls(ctx context.Context, dev driver.Device, t *trace.Trace, prefix int, bytes int64, out *Result) error {
	each := int64(t.Layers*t.Hkv) * int64(4*t.D+2)
	out.ControlRows = int(max(1, min(int64(prefix), (bytes+each/2)/each)))
	for kind, dst := range out.controls() {
		res, err := compress.Run(ctx, dev, t, eval.Control(kind, out.ControlRows).Policy, compress.Options{Prefix: prefix})
		if err != nil {
			return fmt.Errorf("control %s: %w", kind, err)
		}
		*dst = &res.Fidelity.OutputL2.Median
	}
	return nil
}

func (res *Result) controls() map[string]**float64 {
	return map[string]**float64{"random": &res.ControlRandom, "recent": &res.ControlRecent, "streaming": &res.ControlStreaming}
}

// lent is a device that is not the borrower's to close.
type lent struct{ driver.Device }

func (lent) Close() error { return nil }

func (r *Runner) model(ctx context.Context, dev driver.Device, p Point) (*Result, any, error) {
	m, err := r.load(ctx, p.Input)
	if err != nil {
		return nil, nil, err
	}
	text, err := m.ReadTokens(p.Input.Text.Path)
	if err != nil {
		return nil, nil, err
	}
	in := p.Input
	run := eval.Run{Name: p.Policy.Name, Policy: p.Policy}
	if !p.Policy.Compresses() {
		run = eval.Run{Name: eval.FullName, Policy: policy.Full()}
	}
	res, err := eval.Evaluate(ctx, m, eval.Options{
		Text: text, TextName: in.Text.Name, Runs: []eval.Run{run},
		Window: in.Window, Prefix: in.Prefix, Chunk: in.Chunk, Limit: in.Windows, Block: in.Block, Trials: in.Needles, Seed: in.Seed,
		Workers: 1, Open: func(context.Context) (driver.Device, error) { return lent{dev}, nil },
	})
	if err != nil {
		return nil, nil, err
	}
	row := res.Rows[len(res.Rows)-1]
	out := &Result{
		Tokens: in.Prefix, Kept: row.Kept, BytesPerToken: row.BytesPerToken, Share: row.Share,
		CyclesPerToken: row.CyclesPerToken, SelectCycles: row.SelectCycles, QuantizeCycles: row.QuantizeCycles, DequantizeCycles: row.RestoreCycles,
		Loss: row.Delta.Mean, Nats: &row.Nats, DeltaNats: &row.Delta.Mean, DeltaLow: &row.Delta.Low, DeltaHigh: &row.Delta.High, KLPerTok: &row.KL, SameTop: &row.SameTop,
		ControlRows: row.ControlRows,
	}
	if f := row.Fidelity; f != nil {
		out.OutputL2, out.KL, out.LostMass, out.Recall = &f.OutputL2, &f.KL, &f.LostMass, &f.Recall
	}
	if row.Needle != nil {
		out.Needle = &row.Needle.Nats
	}
	for kind, dst := range out.controls() {
		if c := res.Control(row, kind); c != nil {
			*dst = &c.Delta.Mean
		}
	}
	return out, res, nil
}

// load gives a model, loaded once for all points.
func (r *Runner) load(ctx context.Context, in Input) (*llm.Model, error) {
	dir, err := modelDir(in)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	if r.models == nil {
		r.models = map[string]*modelSlot{}
	}
	s, ok := r.models[dir]
	if !ok {
		s = &modelSlot{}
		r.models[dir] = s
	}
	r.mu.Unlock()
	s.once.Do(func() { s.m, s.err = llm.Open(ctx, dir) })
	if s.err != nil && ctx.Err() == nil && errors.Is(s.err, context.Canceled) {
		r.mu.Lock() // whoever loaded it was stopped, not this point
		delete(r.models, dir)
		r.mu.Unlock()
		return r.load(ctx, in)
	}
	return s.m, s.err
}

// modelDir is the directory that has a model's files under their names.
func modelDir(in Input) (string, error) {
	dir := ""
	for _, b := range in.Model {
		if dir != "" && filepath.Dir(b.Path) != dir || filepath.Base(b.Path) != b.Name {
			return "", fmt.Errorf("%s: the files of a model are not together: %w", b.Path, os.ErrNotExist)
		}
		dir = filepath.Dir(b.Path)
	}
	return dir, nil
}
