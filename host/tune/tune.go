// Package tune chooses bits and budgets for every key-value head of a trace, within
// what an engine can do, and judges the choice on positions it has not seen.
//
// Heads do not influence each other on a recorded trace, so one run of a candidate
// setting measures what it costs and what it spoils in every head at once. What is
// left is to pick one candidate for each head: the total error is to be least within
// a number of bytes, or the bytes least within an error. That is the multiple-choice
// knapsack problem; [Pick] solves it by its Lagrangian relaxation (Everett 1963;
// Shoham and Gersho 1988 for bit allocation), which is optimal at the byte counts it
// can reach and otherwise less than one step of one head away.
//
// The error is the mean, over later queries, of the relative L2 error of the attention
// output. It is fidelity to the trace, not accuracy of a model.
package tune

import (
	"context"
	"errors"
	"fmt"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/host/compress"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/session"
	"github.com/kvaccel/kvaccel/host/trace"
)

// ErrGoal says that no choice of the candidates meets the goal.
var ErrGoal = errors.New("the goal is out of reach")

// Goal is what to reach: one of the two is set.
type Goal struct {
	Bytes    int64   // at most so many, of the judged prefix
	MaxError float64 // mean error over heads of at most this
}

// Options of a tuning.
type Options struct {
	Goal       Goal
	Prefix     int                                // positions compressed when the choice is judged; 0 is compress.DefaultPrefix
	Candidates []Candidate                        // nil is Candidates()
	Progress   func(done, total int, what string) // may be nil
}

// Tried is a candidate that was measured, by layer and head.
type Tried struct {
	Candidate Candidate   `json:"candidate"`
	Bytes     [][]int64   `json:"bytes"`
	Error     [][]float64 `json:"error"`             // mean relative L2 error of the attention output
	Skipped   string      `json:"skipped,omitempty"` // why it was not measured
}

// Result is what a tuning found.
type Result struct {
	TunedOn  int      `json:"tuned_on"`  // positions of the trace that the choice is made on
	JudgedOn int      `json:"judged_on"` // later positions that judge it
	Prefix   int      `json:"prefix"`
	Tried    []Tried  `json:"tried"`
	Choice   [][]int  `json:"choice"`   // index into Tried by layer and head
	Expected Outcome  `json:"expected"` // on the positions tuned on
	Tuned    Outcome  `json:"tuned"`    // on those held out
	Presets  []Preset `json:"presets"`  // likewise, at no more bytes

	Policy policy.Policy `json:"-"`
	File   []byte        `json:"-"` // the policy file
}

// Outcome is what a policy came to.
type Outcome struct {
	Bytes int64   `json:"bytes"`
	Ratio float64 `json:"ratio"`
	Error float64 `json:"error"`
}

// Preset is a named policy at no more bytes than the tuned one, where it can be
// brought there.
type Preset struct {
	Name string `json:"name"`
	Outcome
	Over bool `json:"over,omitempty"` // it takes more bytes, and has no budget to cut
}

// DefaultPrefix is how much of a trace is tuned on if nothing else is said.
func DefaultPrefix(t *trace.Trace) int { return compress.DefaultPrefix(t.T) }

// Run tunes on the first positions of t, those that a run with the same prefix would
// compress, and judges on the rest.
func Run(ctx context.Context, dev driver.Device, t *trace.Trace, o Options) (*Result, error) {
	prefix := o.Prefix
	if prefix == 0 {
		prefix = compress.DefaultPrefix(t.T)
	}
	if prefix < 32 || prefix >= t.T {
		return nil, fmt.Errorf("%w: %d of the %d positions of %s; tuning takes 32 at least and needs later ones to judge on", compress.ErrPrefix, prefix, t.T, t.Name)
	}
	seen, err := t.Until(prefix)
	if err != nil {
		return nil, err
	}
	if !t.HasQ(0) {
		return nil, t.MissingQ(0, "errors of the attention output")
	}
	candidates := o.Candidates
	if candidates == nil {
		candidates = Candidates()
	}
	u := &tuner{ctx: ctx, dev: dev, options: o, seen: seen, whole: t, prefix: prefix, total: len(candidates) + 1 + len(rivals)}
	r := &Result{TunedOn: prefix, JudgedOn: t.T - prefix, Prefix: prefix}
	if err := u.measure(r, candidates); err != nil {
		return nil, err
	}
	if err := u.choose(r); err != nil {
		return nil, err
	}
	if err := u.judge(r); err != nil {
		return nil, err
	}
	return r, u.compare(r)
}

// tuner is the state of one Run.
type tuner struct {
	ctx         context.Context
	dev         driver.Device
	options     Options
	seen, whole *trace.Trace
	prefix      int
	done, total int
}

func (u *tuner) step(what string) {
	if u.options.Progress != nil {
		u.options.Progress(u.done, u.total, what)
	}
	u.done++
}

// tunedPrefix is how much of the seen positions is compressed while tuning: the rest
// of them are the queries.
func (u *tuner) tunedPrefix() int { return compress.DefaultPrefix(u.seen.T) }

// measure runs every candidate that the engine can do.
func (u *tuner) measure(r *Result, candidates []Candidate) error {
	n := u.tunedPrefix()
	for _, c := range candidates {
		u.step(c.String())
		t := Tried{Candidate: c}
		res, err := compress.Run(u.ctx, u.dev, u.seen, c.Policy(), compress.Options{Prefix: n})
		switch {
		case errors.Is(err, driver.ErrUnsupported), errors.Is(err, session.ErrGeometry), errors.Is(err, policy.ErrInvalid):
			t.Skipped = err.Error()
		case err != nil:
			return fmt.Errorf("candidate %s: %w", c, err)
		default:
			t.Bytes, t.Error = byHead(res, u.seen)
		}
		r.Tried = append(r.Tried, t)
	}
	return nil
}

// byHead sorts a result's bytes and errors by layer and head.
func byHead(res *compress.Result, t *trace.Trace) (bytes [][]int64, errs [][]float64) {
	bytes, errs = make([][]int64, t.Layers), make([][]float64, t.Layers)
	for l := range t.Layers {
		bytes[l], errs[l] = make([]int64, t.Hkv), make([]float64, t.Hkv)
	}
	for _, h := range res.Heads {
		bytes[h.Layer][h.Head] = h.Total
	}
	for _, h := range res.Fidelity.Heads {
		errs[h.Layer][h.Head] = h.OutputL2.Mean
	}
	return bytes, errs
}

// choose picks a candidate for each head. Budgets are shares of the prefix, so bytes
// are taken to grow with it.
func (u *tuner) choose(r *Result) error {
	heads := u.seen.Layers * u.seen.Hkv
	items := make([][]Item, heads)
	for i, t := range r.Tried {
		if t.Skipped != "" {
			continue
		}
		for h := range heads {
			l, k := h/u.seen.Hkv, h%u.seen.Hkv
			items[h] = append(items[h], Item{Index: i, Cost: float64(t.Bytes[l][k]), Loss: t.Error[l][k]})
		}
	}
	if len(items[0]) == 0 {
		return fmt.Errorf("%w: the engine can do none of the %d candidates (%s)", ErrGoal, len(r.Tried), r.Tried[0].Skipped)
	}
	scale := float64(u.tunedPrefix()) / float64(u.prefix)
	picked, err := Pick(items, float64(u.options.Goal.Bytes)*scale, u.options.Goal.MaxError*float64(heads))
	if err != nil {
		return err
	}
	r.Choice = make([][]int, u.seen.Layers)
	var cost, loss float64
	for h, it := range picked {
		r.Choice[h/u.seen.Hkv] = append(r.Choice[h/u.seen.Hkv], it.Index)
		cost, loss = cost+it.Cost, loss+it.Loss
	}
	full := float64(4 * u.tunedPrefix() * u.seen.D * heads)
	r.Expected = Outcome{Bytes: int64(cost / scale), Ratio: full / cost, Error: loss / float64(heads)}
	r.File = writeFile(r.Tried, r.Choice)
	r.Policy, err = policy.Parse("tuned.yaml", r.File)
	return err
}

// run gives the outcome of a policy on the held-out positions.
func (u *tuner) run(p policy.Policy) (Outcome, error) {
	res, err := compress.Run(u.ctx, u.dev, u.whole, p, compress.Options{Prefix: u.prefix})
	if err != nil {
		return Outcome{}, err
	}
	_, errs := byHead(res, u.whole)
	o := Outcome{Bytes: res.BytesOut, Ratio: res.Ratio}
	for _, layer := range errs {
		for _, e := range layer {
			o.Error += e / float64(u.whole.Layers*u.whole.Hkv)
		}
	}
	return o, nil
}

func (u *tuner) judge(r *Result) (err error) {
	u.step("held-out positions")
	r.Tuned, err = u.run(r.Policy)
	return err
}
