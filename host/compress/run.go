// Package compress runs a policy over a KV trace on an engine, and restores
// what came of it.
package compress

import (
	"context"
	"errors"
	"fmt"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/cache"
	"github.com/kvaccel/kvaccel/host/parallel"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/quality"
	"github.com/kvaccel/kvaccel/host/safetensors"
	"github.com/kvaccel/kvaccel/host/session"
	"github.com/kvaccel/kvaccel/host/trace"
)

// ErrPrefix says that a trace has no prefix of the length asked for.
var ErrPrefix = errors.New("no such prefix")

// ErrStepwise says that a policy goes from step to step, and not over a prompt at once.
var ErrStepwise = errors.New("goes step by step, not over a prompt at once; kvaccel run --decode and kvaccel eval --model follow it")

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
// trace.ErrMissing, session.ErrGeometry, driver.ErrUnsupported, policy.ErrInvalid, ErrPrefix,
// ErrStepwise.
func Run(ctx context.Context, dev driver.Device, t *trace.Trace, pol policy.Policy, opt Options) (*Result, error) {
	n := opt.Prefix
	if n == 0 {
		n = DefaultPrefix(t.T)
	}
	if n < 1 || n > t.T {
		return nil, fmt.Errorf("%w: %s has %d positions, a prefix of %d was asked for", ErrPrefix, t.Name, t.T, n)
	}
	if pol.Ceiling != nil {
		return nil, fmt.Errorf("%s has a ceiling, which %w", pol.Name, ErrStepwise)
	}
	info := dev.Info()
	pol, why := pol.InFormat(t.BF16(), info.Has(1<<regmap.FeatBF16), n, t.Layers, t.Hkv)
	plan, err := pol.Heads(n, t.Layers, t.Hkv)
	if err != nil {
		return nil, err
	}
	r := &run{
		s: session.New(dev), t: t, pol: pol.Resolve(n), plan: plan, n: n, progress: opt.Progress,
		cache: &cache.Cache{Model: t.Model, Prefix: n, Dims: t.D},
		bf16:  pol.IsBF16(),
		res:   &Result{SchemaVersion: SchemaVersion, Source: dev.Info().Source, Device: dev.Info(), Trace: traceInfo(t, n), Warnings: pol.Warnings()},
	}
	if err := r.s.Require("policy "+pol.Name, pol.Features()...); err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	if r.res.Trace.Rows = string(policy.FP16); r.bf16 {
		r.res.Trace.Rows = string(policy.BF16)
	}
	if why != "" {
		r.res.Warnings = append(r.res.Warnings, "the trace is bf16, its rows are converted to fp16: "+why)
	}
	for l := range t.Layers {
		if err := r.layer(ctx, l); err != nil {
			return nil, err
		}
	}
	r.step("done", t.Layers)
	r.res.Policy, r.res.Cache = r.cache.Policy, r.cache
	r.res.account()
	r.res.Costs = costs(r.s)
	r.res.Fidelity = r.quality.Report(t.T-n, n)
	return r.res, nil
}

// run is the state of one Run.
type run struct {
	s        *session.Session
	t        *trace.Trace
	pol      policy.Policy     // resolved
	plan     [][]policy.Policy // by layer and head, resolved
	n        int
	cache    *cache.Cache
	quality  quality.Collector
	measure  bool // fidelity can be measured
	bf16     bool // the rows are bfloat16
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
	r.measure = r.n < r.t.T
	if !r.measure {
		r.res.FidelityNote = "the prefix is the whole trace: there are no later queries to measure on"
	}
	var recorded, computed bool
	for l, heads := range r.plan {
		scores := false
		for h, p := range heads {
			if err := checkHead(r.s, p, r.n, r.t.D); err != nil {
				return fmt.Errorf("%s: layer %d head %d: %w", r.t.Name, l, h, err)
			}
			scores = scores || p.NeedsAttention(r.n)
		}
		rows := r.t.AttnRows(l)
		recorded, computed = recorded || scores && rows > 0, computed || scores && rows == 0
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
	switch {
	case recorded && computed:
		r.res.Trace.Scores = "mixed"
	case recorded:
		r.res.Trace.Scores = "recorded"
	case computed:
		r.res.Trace.Scores = "computed"
	}
	return nil
}

// checkHead reports whether the engine can follow a resolved policy for n rows
// of dims elements.
func checkHead(s *session.Session, pol policy.Policy, n, dims int) error {
	if pol.Tiers != nil {
		keys, group := tierLayout(pol, dims)
		return s.CheckCompress(n, dims, keys, group)
	}
	if l, ok := pol.KLayout(dims); ok {
		if err := s.CheckTile(l, dims); err != nil {
			return fmt.Errorf("keys: %w", err)
		}
	}
	if l, ok := pol.VLayout(dims); ok {
		if err := s.CheckTile(l, dims); err != nil {
			return fmt.Errorf("values: %w", err)
		}
	}
	if pol.Evicts() {
		return s.CheckSelect(n)
	}
	return nil
}

// layer compresses one layer and measures it.
func (r *run) layer(ctx context.Context, l int) error {
	r.step("read", l)
	needQ := r.measure
	for _, p := range r.plan[l] {
		needQ = needQ || p.NeedsAttention(r.n) && r.t.AttnRows(l) == 0
	}
	layer, original, err := r.read(l, needQ)
	if err != nil {
		return err
	}
	heads := make([]cache.Head, r.t.Hkv)
	r.step("select", l)
	if err := r.choose(ctx, l, layer, heads); err != nil {
		return fmt.Errorf("layer %d: %w", l, err)
	}
	r.step("quantize", l)
	if err := r.quantize(ctx, l, layer, heads); err != nil {
		return fmt.Errorf("layer %d: %w", l, err)
	}
	r.cache.Layers = append(r.cache.Layers, heads)
	r.cache.Policy = policy.Merge(r.pol, r.plan)
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
	return r.compare(ctx, l, original, restored)
}

// read reads a layer in the format of the run, and as what the restored rows are
// compared with: a trace of bfloat16 as it stands, any other as binary16.
func (r *run) read(l int, withQ bool) (layer, original trace.Layer, err error) {
	as, own := r.t.Layer, r.t.Layer
	if r.bf16 {
		as = r.t.LayerBF16
	}
	if r.t.BF16() {
		own = r.t.LayerBF16
	}
	layer, c, err := as(l, withQ)
	r.converted(c)
	if original = layer; err == nil && r.measure && r.bf16 != r.t.BF16() {
		original, _, err = own(l, false)
		original.Q = layer.Q
	}
	return layer, original, err
}

// converted counts what the trace had to be changed in.
func (r *run) converted(c safetensors.Converted) {
	r.res.Trace.Saturated += c.Saturated
	r.res.Trace.NonFinite += c.NonFinite
}

// quantize compresses the kept rows of the heads without tiers: the keys of all
// heads, then the values, so that neighbouring packets are of one kind.
func (r *run) quantize(ctx context.Context, l int, layer trace.Layer, heads []cache.Head) error {
	var jobs []session.Rows
	var codes []*[]byte // where the answer to each job goes
	side := func(p policy.Policy, rows []uint16, positions []int, bits int, axis policy.Axis, layout packet.Layout, part *cache.Part) {
		kept := gather(rows, positions, r.t.D)
		n := p.QuantizedRows(len(positions), bits, axis) * r.t.D
		part.FP16 = kept[n:]
		if n > 0 {
			jobs = append(jobs, session.Rows{Layout: layout, Dims: r.t.D, Data: kept[:n]})
			codes = append(codes, &part.Codes)
		}
	}
	for _, keys := range []bool{true, false} {
		for h := range heads {
			p := r.plan[l][h]
			switch layout, _ := p.KLayout(r.t.D); {
			case p.Tiers != nil:
			case keys:
				side(p, layer.K[h], heads[h].Positions, p.KBits, p.KAxis, layout, &heads[h].K)
			default:
				layout, _ = p.VLayout(r.t.D)
				side(p, layer.V[h], heads[h].Positions, p.VBits, p.VAxis, layout, &heads[h].V)
			}
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	coded, err := r.s.Quantize(ctx, jobs)
	if err != nil {
		return err
	}
	for i, c := range coded {
		*codes[i] = c.Data
	}
	return nil
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
			Positions: restored[h].Positions, KeptK: restored[h].K, KeptV: restored[h].V, BF16: layer.BF16, KeptBF16: r.bf16,
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
