// Package decode replays a KV trace token by token with its cache kept through an
// engine, as a server does: the first positions are taken in and compressed, and
// then at every step a position is appended, its query attends to what the cache
// holds, the positions are scored by that attention and one is dropped for the
// one that came.
//
// The scores stay on the host between steps: each SELECT gets those so far with the
// new attention rows, and gives them back. Weights are those over the compressed
// cache, not the trace's own.
package decode

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/attention"
	"github.com/kvaccel/kvaccel/host/compress"
	"github.com/kvaccel/kvaccel/host/llm"
	"github.com/kvaccel/kvaccel/host/llm/kvengine"
	"github.com/kvaccel/kvaccel/host/parallel"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/quality"
	"github.com/kvaccel/kvaccel/host/session"
	"github.com/kvaccel/kvaccel/host/trace"
)

// ErrSteps says that a trace has no such steps.
var ErrSteps = errors.New("no such steps")

// Options of a replay. The zero value is ready to use.
type Options struct {
	Prefill  int                   // positions taken in before the first step; 0 is all but the last eighth
	Steps    int                   // 0: all that the trace has
	Progress func(done, total int) // may be nil
}

// prefillChunk is how many positions of the prefill are taken in at a time.
const prefillChunk = 128

// Run replays a trace on dev under a policy, whose budgets are resolved for the prefill
// and then stay. It needs the queries of every layer. What cannot be done is an error
// before anything is sent: trace.ErrMissing, session.ErrGeometry,
// driver.ErrUnsupported, policy.ErrInvalid, kvengine.ErrOnce, ErrSteps.
func Run(ctx context.Context, dev driver.Device, t *trace.Trace, pol policy.Policy, opt Options) (*Result, error) {
	r := &replay{t: t, s: session.New(dev), n: opt.Prefill, cfg: llm.Config{Layers: t.Layers, Heads: t.Hq, KVHeads: t.Hkv, HeadDim: t.D}}
	if r.n == 0 {
		r.n = compress.DefaultPrefix(t.T)
	}
	steps := opt.Steps
	if steps == 0 {
		steps = t.T - r.n
	}
	if r.n < 1 || steps < 1 || r.n+steps > t.T {
		return nil, fmt.Errorf("%w: %s has %d positions: %d of prefill and %d steps were asked for", ErrSteps, t.Name, t.T, r.n, steps)
	}
	for l := range t.Layers {
		if !t.HasQ(l) {
			return nil, t.MissingQ(l, "the steps of a decode")
		}
	}
	info := dev.Info()
	pol, why := pol.InFormat(t.BF16(), info.Has(1<<regmap.FeatBF16), r.n, t.Layers, t.Hkv)
	heads, err := pol.Heads(r.n, t.Layers, t.Hkv)
	if err != nil {
		return nil, err
	}
	warnings := pol.Warnings()
	if why != "" {
		warnings = append(warnings, "the trace is bf16, its rows are converted to fp16: "+why)
	}
	r.bf16 = pol.IsBF16()
	pol = policy.Merge(pol.Resolve(r.n), heads)
	if r.cache, err = kvengine.New(r.cfg, kvengine.RecordAll).Fork(r.s, pol, 0); err != nil {
		return nil, fmt.Errorf("%s: %w", t.Name, err)
	}
	if err := r.checkSelect(pol, steps); err != nil {
		return nil, fmt.Errorf("%s: %w", t.Name, err)
	}
	res := &Result{
		SchemaVersion: SchemaVersion, Source: dev.Info().Source, Device: dev.Info(), Policy: pol,
		Trace: t.Name, Model: t.Model, Layers: t.Layers, Heads: t.Hq, KVHeads: t.Hkv, Dims: t.D, Prefill: r.n, Warnings: warnings,
	}
	if err := r.run(ctx, res, steps, opt.Progress); err != nil {
		return nil, err
	}
	return res, nil
}

// replay is the state of one Run.
type replay struct {
	t       *trace.Trace
	s       *session.Session
	n       int // prefill
	bf16    bool
	cfg     llm.Config
	cache   *kvengine.Cache
	layers  []trace.Layer
	samples []quality.Samples // by layer and head
}

// checkSelect finds out beforehand whether the engine can choose among the
// positions that there will be.
func (r *replay) checkSelect(pol policy.Policy, steps int) error {
	for l := range r.cfg.Layers {
		for h := range r.cfg.KVHeads {
			p, most := pol.At(l, h), 0
			switch {
			case p.Evicts():
				most = max(r.n, p.Kept(r.n)+1)
			case p.Ceiling != nil:
				most = r.n + steps
			}
			if most > 0 {
				if err := r.s.CheckSelect(most); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// run does the prefill and the steps.
func (r *replay) run(ctx context.Context, res *Result, steps int, progress func(done, total int)) error {
	if progress == nil {
		progress = func(int, int) {}
	}
	for l := range r.t.Layers {
		read := r.t.Layer
		if r.t.BF16() {
			read = r.t.LayerBF16
		}
		layer, _, err := read(l, true)
		if err != nil {
			return err
		}
		r.layers = append(r.layers, layer)
	}
	r.samples = make([]quality.Samples, r.cfg.Layers*r.cfg.KVHeads)
	for at := 0; at < r.n; at += prefillChunk {
		if err := r.append(ctx, at, min(prefillChunk, r.n-at)); err != nil {
			return err
		}
		if err := r.cache.Score(ctx); err != nil {
			return err
		}
	}
	if err := r.cache.Compress(ctx); err != nil {
		return err
	}
	res.Ceiling, res.PrefillDescent = r.cache.Ceiling(), r.cache.Descent()
	before := spent(r.s)
	res.PrefillCycles = before
	res.FullBytes = 4 * int64(r.cfg.Layers*r.cfg.KVHeads) * int64(r.n+steps) * int64(r.t.D)
	for i := range steps {
		progress(i, steps)
		at := r.n + i
		if err := r.measure(ctx, at); err != nil {
			return err
		}
		if err := r.append(ctx, at, 1); err != nil {
			return err
		}
		if err := r.cache.Compress(ctx); err != nil {
			return fmt.Errorf("position %d: %w", at, err)
		}
		now := spent(r.s)
		res.Steps = append(res.Steps, Step{Position: at, Cycles: now.since(before), Bytes: r.cache.Bytes(1).Total(), Kept: r.kept(), Descent: r.cache.Descent()})
		before = now
	}
	progress(steps, steps)
	res.Bytes = r.cache.Bytes(1)
	r.sum(res)
	return nil
}

// append takes in n positions from at on, in every layer.
func (r *replay) append(ctx context.Context, at, n int) error {
	// Attend scales logits by 1/sqrt(D); a trace may have another scale.
	factor := r.t.Scale * math.Sqrt(float64(r.t.D))
	for l, layer := range r.layers {
		err := r.cache.Attend(ctx, llm.Step{
			Layer: l, First: at, N: n,
			Q: rows(attention.Floats, layer.Q, at, n, r.t.D, factor), K: rows(layer.Floats, layer.K, at, n, r.t.D, 1), V: rows(layer.Floats, layer.V, at, n, r.t.D, 1),
			Out: make([]float32, n*r.cfg.Heads*r.t.D),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// rows gives n rows of all heads from row at on: n x heads x d.
func rows(floats func([]uint16) []float64, heads [][]uint16, at, n, d int, factor float64) []float32 {
	out := make([]float32, n*len(heads)*d)
	for h, head := range heads {
		for i, f := range floats(head[at*d:][:n*d]) {
			out[(i/d*len(heads)+h)*d+i%d] = float32(f * factor)
		}
	}
	return out
}

// measure compares the attention of the query at a position, over the cache and
// its own row, with that over the whole trace.
func (r *replay) measure(ctx context.Context, at int) error {
	group := r.cfg.Heads / r.cfg.KVHeads
	end := (at + 1) * r.t.D
	return parallel.Each(ctx, len(r.samples), func(i int) error {
		l, h := i/r.cfg.KVHeads, i%r.cfg.KVHeads
		layer := r.layers[l]
		m := quality.Head{Scale: r.t.Scale, Prefix: at, T: at + 1, D: r.t.D, K: layer.K[h][:end], V: layer.V[h][:end], BF16: layer.BF16, KeptBF16: r.bf16}
		for _, q := range layer.Q[h*group:][:group] {
			m.Q = append(m.Q, q[:end])
		}
		m.Positions, m.KeptK, m.KeptV = r.cache.Rows(l, h)
		s, err := m.Measure(ctx)
		if err != nil {
			return err
		}
		all := &r.samples[i]
		all.OutputL2, all.KL = append(all.OutputL2, s.OutputL2...), append(all.KL, s.KL...)
		all.LostMass, all.Recall = append(all.LostMass, s.LostMass...), append(all.Recall, s.Recall...)
		return nil
	})
}

// kept is how many positions a head holds; the rounded mean, if heads differ.
func (r *replay) kept() int {
	sum := 0
	for i := range r.samples {
		sum += len(r.cache.Kept(i/r.cfg.KVHeads, i%r.cfg.KVHeads))
	}
	return (sum + len(r.samples)/2) / len(r.samples)
}
