// Package compress runs a policy over a KV trace on an engine, and restores
// what came of it.
package compress

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/host/cache"
	"github.com/kvaccel/kvaccel/host/parallel"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/quality"
	"github.com/kvaccel/kvaccel/host/session"
	"github.com/kvaccel/kvaccel/host/trace"
)

// ErrPrefix says that a trace has no prefix of the length asked for.
var ErrPrefix = errors.New("no such prefix")

// Options of a run. The zero value is ready to use.
type Options struct {
	Prefix   int            // positions to compress; 0 is all but the last eighth
	Progress func(Progress) // called now and then from the goroutine of the run; may be nil
}

// Progress says how far a run is.
type Progress struct {
	Done, Total int    // steps; a layer has the same number of them each
	Stage       string // "scores", "select", ...
	Layer       int
}

// DefaultPrefix is all of t positions but the last eighth, rounded up, and at
// least one.
func DefaultPrefix(t int) int { return max(1, t-(t+7)/8) }

// Run compresses the first positions of a trace as pol says, on dev, layer by
// layer, and measures the fidelity of what it restores. What pol asks of the
// trace or the engine and they cannot do is an error before anything is sent:
// trace.ErrMissing, session.ErrGeometry, policy.ErrInvalid, ErrPrefix.
func Run(ctx context.Context, dev driver.Device, t *trace.Trace, pol policy.Policy, opt Options) (*Result, error) {
	n := opt.Prefix
	if n == 0 {
		n = DefaultPrefix(t.T)
	}
	if n < 1 || n > t.T {
		return nil, fmt.Errorf("%w: %s has %d positions, a prefix of %d was asked for", ErrPrefix, t.Name, t.T, n)
	}
	if err := pol.Validate(); err != nil {
		return nil, err
	}
	warnings := pol.Warnings()
	pol = pol.Resolve(n)
	r := &run{
		s: session.New(dev), t: t, pol: pol, n: n, progress: opt.Progress,
		cache: &cache.Cache{Policy: pol, Model: t.Model, Prefix: n, Dims: t.D},
		res:   &Result{SchemaVersion: SchemaVersion, Source: dev.Info().Source, Device: dev.Info(), Policy: pol, Trace: traceInfo(t, n), Warnings: warnings},
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	for l := range t.Layers {
		if err := r.layer(ctx, l); err != nil {
			return nil, err
		}
	}
	r.step("done", t.Layers)
	r.res.Cache = r.cache
	r.res.account()
	r.res.Costs = costs(r.s)
	r.res.Fidelity = r.quality.Report(t.T-n, n)
	return r.res, nil
}

// run is the state of one Run.
type run struct {
	s        *session.Session
	t        *trace.Trace
	pol      policy.Policy
	n        int
	cache    *cache.Cache
	quality  quality.Collector
	measure  bool // fidelity can be measured
	res      *Result
	progress func(Progress)
	done     int
}

// stages is the number of steps a layer has.
const stages = 5

func (r *run) step(stage string, l int) {
	if r.progress != nil {
		r.progress(Progress{Done: r.done, Total: stages * r.t.Layers, Stage: stage, Layer: l})
	}
	r.done++
}

// check finds out beforehand what would go wrong later.
func (r *run) check() error {
	if err := checkTiles(r.s, r.pol, r.t.D); err != nil {
		return fmt.Errorf("%s: %w", r.t.Name, err)
	}
	if r.pol.Evicts() {
		if err := r.s.CheckSelect(r.n); err != nil {
			return fmt.Errorf("%s: %w", r.t.Name, err)
		}
	}
	r.measure = r.n < r.t.T
	if !r.measure {
		r.res.FidelityNote = "the prefix is the whole trace: there are no later queries to measure on"
	}
	scores := r.pol.NeedsAttention(r.n)
	var recorded, computed bool
	for l := range r.t.Layers {
		rows := r.t.AttnRows(l)
		recorded, computed = recorded || rows > 0, computed || rows == 0
		switch {
		case scores && rows == 0 && !r.t.HasQ(l):
			return r.t.MissingQ(l, "the scores of policy "+r.pol.Name)
		case scores && rows > 0 && r.t.T-rows >= r.n:
			return r.t.AttnOutside(l, r.n)
		}
		if r.measure && !r.t.HasQ(l) {
			r.measure = false
			r.res.FidelityNote = fmt.Sprintf("the trace has no queries (layers.%d.q): there is no attention to compare", l)
		}
	}
	if scores {
		switch {
		case recorded && computed:
			r.res.Trace.Scores = "mixed"
		case recorded:
			r.res.Trace.Scores = "recorded"
		default:
			r.res.Trace.Scores = "computed"
		}
	}
	return nil
}

func checkTiles(s *session.Session, pol policy.Policy, dims int) error {
	if l, ok := pol.KLayout(); ok {
		if err := s.CheckTile(l, dims); err != nil {
			return fmt.Errorf("keys: %w", err)
		}
	}
	if l, ok := pol.VLayout(); ok {
		if err := s.CheckTile(l, dims); err != nil {
			return fmt.Errorf("values: %w", err)
		}
	}
	return nil
}

// layer compresses one layer and measures it.
func (r *run) layer(ctx context.Context, l int) error {
	r.step("read", l)
	needScores := r.pol.NeedsAttention(r.n)
	layer, c, err := r.t.Layer(l, r.measure || needScores && r.t.AttnRows(l) == 0)
	if err != nil {
		return err
	}
	r.res.Trace.Saturated += c.Saturated
	r.res.Trace.NonFinite += c.NonFinite

	r.step("select", l)
	positions, err := r.choose(ctx, l, layer)
	if err != nil {
		return fmt.Errorf("layer %d: %w", l, err)
	}
	r.step("quantize", l)
	heads, err := r.quantize(ctx, layer, positions)
	if err != nil {
		return fmt.Errorf("layer %d: %w", l, err)
	}
	r.cache.Layers = append(r.cache.Layers, heads)
	r.step("restore", l)
	if !r.measure {
		r.step("measure", l)
		return nil
	}
	restored, err := restoreLayer(ctx, r.s, r.cache, l)
	if err != nil {
		return fmt.Errorf("layer %d: %w", l, err)
	}
	r.step("measure", l)
	return r.compare(ctx, l, layer, restored)
}

// choose gives the positions each head keeps.
func (r *run) choose(ctx context.Context, l int, layer trace.Layer) ([][]int, error) {
	if !r.pol.Evicts() {
		all := make([][]int, r.t.Hkv)
		for h := range all {
			all[h] = cache.All(r.n)
		}
		return all, nil
	}
	sets := r.t.Hkv
	if r.pol.Shared {
		sets = 1
	}
	answers, err := r.s.Select(ctx, sets, func(h int) (session.Selection, error) {
		sel := session.Selection{N: r.n, Sinks: min(r.n, r.pol.Sinks), Recent: min(r.n, r.pol.Recent), TopK: min(r.n, *r.pol.TopK)}
		rows, err := r.rows(ctx, l, h, layer)
		sel.Weights = rows
		return sel, err
	})
	if err != nil {
		return nil, err
	}
	kept := make([][]int, r.t.Hkv)
	for h := range kept {
		kept[h] = slices.Clone(answers[min(h, sets-1)].Positions)
	}
	return kept, nil
}

// rows gives the rows that rank the positions for head h, or for all heads.
func (r *run) rows(ctx context.Context, l, h int, layer trace.Layer) ([]uint16, error) {
	switch {
	case !r.pol.NeedsScores(r.n):
		return nil, nil
	case r.pol.Scorer == policy.Random:
		return randomRows(l, h, r.n), nil
	}
	heads := queryHeads(r.t, h, r.pol.Shared)
	w, c, err := weights(ctx, r.t, l, layer, heads, r.n, r.pol.Observe)
	r.res.Trace.Saturated += c.Saturated
	r.res.Trace.NonFinite += c.NonFinite
	return w, err
}

// quantize compresses the kept rows: the keys of all heads, then the values,
// so that neighbouring packets are of one kind.
func (r *run) quantize(ctx context.Context, layer trace.Layer, positions [][]int) ([]cache.Head, error) {
	heads := make([]cache.Head, r.t.Hkv)
	var jobs []session.Rows
	var codes []*[]byte // where the answer to each job goes
	side := func(rows [][]uint16, bits int, axis policy.Axis, layout packet.Layout, part func(h *cache.Head) *cache.Part) {
		for h := range heads {
			p := part(&heads[h])
			kept := gather(rows[h], positions[h], r.t.D)
			n := r.pol.QuantizedRows(len(positions[h]), bits, axis) * r.t.D
			p.FP16 = kept[n:]
			if n > 0 {
				jobs = append(jobs, session.Rows{Layout: layout, Dims: r.t.D, Data: kept[:n]})
				codes = append(codes, &p.Codes)
			}
		}
	}
	for h := range heads {
		heads[h].Positions = positions[h]
	}
	k, _ := r.pol.KLayout()
	v, _ := r.pol.VLayout()
	side(layer.K, r.pol.KBits, r.pol.KAxis, k, func(h *cache.Head) *cache.Part { return &h.K })
	side(layer.V, r.pol.VBits, r.pol.VAxis, v, func(h *cache.Head) *cache.Part { return &h.V })
	if len(jobs) == 0 {
		return heads, nil
	}
	coded, err := r.s.Quantize(ctx, jobs)
	if err != nil {
		return nil, err
	}
	for i, c := range coded {
		*codes[i] = c.Data
	}
	return heads, nil
}

// gather copies the rows at positions.
func gather(rows []uint16, positions []int, dims int) []uint16 {
	out := make([]uint16, 0, len(positions)*dims)
	for _, j := range positions {
		out = append(out, rows[j*dims:][:dims]...)
	}
	return out
}

// compare measures a layer's heads.
func (r *run) compare(ctx context.Context, l int, layer trace.Layer, restored []RestoredHead) error {
	group := r.t.Hq / r.t.Hkv
	samples := make([]quality.Samples, r.t.Hkv)
	err := parallel.Each(ctx, r.t.Hkv, func(h int) (err error) {
		samples[h], err = quality.Head{
			Scale: r.t.Scale, Prefix: r.n, T: r.t.T, D: r.t.D,
			K: layer.K[h], V: layer.V[h], Q: layer.Q[h*group : (h+1)*group],
			Positions: restored[h].Positions, KeptK: restored[h].K, KeptV: restored[h].V,
		}.Measure(ctx)
		return err
	})
	if err != nil {
		return err
	}
	for h, s := range samples {
		r.quality.Add(l, h, s)
	}
	return nil
}
