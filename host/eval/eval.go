// Package eval measures what compressing the KV cache costs a model: a decoder
// runs with its keys and values kept through an engine, and its predictions are
// compared, token by token, with those of the same decoder with a full cache.
//
// A text is cut into windows. The first Prefix positions of each are read with
// nothing compressed, as a prompt is; then the cache is compressed, and the rest of the
// window is decoded with the true tokens given, Chunk positions at a time: the
// positions of a chunk see the compressed cache and, as binary16, each other; after
// it the cache is compressed again. What is scored are the predictions made in
// this second part. Chunk = 1 is a decoder that compresses at every step.
//
// Full is the same with a policy that does nothing, so that every difference is
// the policy's.
package eval

import (
	"context"
	"errors"
	"fmt"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/host/llm"
	"github.com/kvaccel/kvaccel/host/llm/kvengine"
	"github.com/kvaccel/kvaccel/host/policy"
)

// ErrOptions says that an evaluation cannot be done as asked.
var ErrOptions = errors.New("cannot be evaluated so")

// Options of an evaluation. Zero values stand for the defaults that the
// comments give.
type Options struct {
	Text     []int  // tokens
	TextName string // for reports and errors
	Runs     []Run

	Window int    // positions of a window: the model's context
	Prefix int    // of them read before compressing: half
	Chunk  int    // positions decoded between two compressions: 32
	Limit  int    // windows used, from the start of the text: all
	Block  int    // predictions of a block of the confidence interval: 64
	Seed   uint64 // of the random scorer, the needles
	Trials int    // needles per depth; negative: none: 4

	Alone bool // neither controls nor fidelity beside the runs

	Workers  int // devices used at once: one per processor
	Open     func(context.Context) (driver.Device, error)
	State    string                // file to resume from; empty: none
	Progress func(done, total int) // may be nil
}

// Run is one setting that is evaluated.
type Run struct {
	Name   string        `json:"name"`
	Policy policy.Policy `json:"policy"`

	// Control marks a run that nobody asked for by name: it is left out where the
	// engine or the model's shape does not allow it.
	Control bool `json:"-"`

	// Shape, if not nil, is what the cache holds in place of keys and values. Runs of
	// the same name are taken for the same.
	Shape Shape `json:"-"`
}

// Shape is another form of the rows of a cache, with which a decoder can run.
type Shape interface {
	Held() llm.Config // the geometry of what is held
	Recast(prompt *kvengine.Cache) *kvengine.Cache
	KV(held *kvengine.Cache) llm.KV
}

// held is the geometry of what a run's cache holds of a model.
func (r Run) held(c llm.Config) llm.Config {
	if r.Shape == nil {
		return c
	}
	return r.Shape.Held()
}

// The defaults.
const (
	DefaultChunk  = 32
	DefaultBlock  = 64
	DefaultTrials = 4
)

// Complete fills in defaults and refuses what cannot work, naming the flag.
func (o *Options) Complete(m *llm.Model) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrOptions, fmt.Sprintf(format, args...))
	}
	if o.Window == 0 {
		o.Window = min(m.Context, 4096)
	}
	if o.Window < 4 || o.Window > m.Context {
		return bad("--window is %d, want 4 to %d, the model's max_position_embeddings", o.Window, m.Context)
	}
	if o.Prefix == 0 {
		o.Prefix = o.Window / 2
	}
	if o.Prefix < 1 || o.Prefix > o.Window-2 {
		return bad("--prefix is %d, want 1 to %d, two less than the window", o.Prefix, o.Window-2)
	}
	if len(o.Text) < o.Window {
		return bad("%s has %d tokens, want at least the %d of one window; --window sets it", o.TextName, len(o.Text), o.Window)
	}
	if o.Chunk == 0 {
		o.Chunk = DefaultChunk
	}
	if o.Block == 0 {
		o.Block = DefaultBlock
	}
	if o.Trials == 0 {
		o.Trials = DefaultTrials
	}
	for _, f := range []struct {
		flag string
		v    int
	}{{"chunk", o.Chunk}, {"block", o.Block}} {
		if f.v < 1 {
			return bad("--%s is %d, want at least 1", f.flag, f.v)
		}
	}
	windows := len(o.Text) / o.Window
	if o.Limit == 0 {
		o.Limit = windows
	}
	if o.Limit < 1 || o.Limit > windows {
		return bad("--windows is %d, want 1 to %d, as many as %s has", o.Limit, windows, o.TextName)
	}
	return o.completeRuns(m)
}

// completeRuns resolves the policies for the prefix.
func (o *Options) completeRuns(m *llm.Model) error {
	seen := map[string]bool{}
	runs := make([]Run, len(o.Runs))
	for i, r := range o.Runs {
		cfg := r.held(m.Config)
		heads, err := r.Policy.Heads(o.Prefix, cfg.Layers, cfg.KVHeads)
		if err != nil {
			return fmt.Errorf("policy %s: %w", r.Name, err)
		}
		if seen[r.Name] {
			return fmt.Errorf("%w: --policy names %s twice", ErrOptions, r.Name)
		}
		seen[r.Name] = true
		r.Policy = policy.Merge(r.Policy.Resolve(o.Prefix), heads)
		runs[i] = r
	}
	o.Runs = runs
	return nil
}

// WithBudget gives a policy that keeps budget positions: the sinks as they are,
// the others shared between the most recent and the best as the policy has it for
// a prefix of n. A policy that evicts nothing stays as it is.
func WithBudget(p policy.Policy, budget, n int) (policy.Policy, error) {
	if !p.Evicts() {
		return p, nil
	}
	r := p.Resolve(n)
	top := 0
	if r.TopK != nil {
		top = *r.TopK
	}
	least := r.Sinks + min(1, r.Recent) + min(1, top)
	if budget < least || budget > n {
		return p, fmt.Errorf("%w: --budget is %d positions, %s takes %d to %d", ErrOptions, budget, p.Name, least, n)
	}
	rest := budget - r.Sinks
	recent := 0
	if r.Recent > 0 {
		recent = max(1, rest*r.Recent/(r.Recent+top))
	}
	if top > 0 {
		recent = min(recent, rest-1)
	}
	k := rest - recent
	p.Recent, p.RecentPercent, p.TopK, p.TopKPercent, p.Budget, p.BudgetPercent = recent, 0, &k, 0, nil, 0
	return p.Resolve(n), nil
}
