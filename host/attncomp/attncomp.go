// Package attncomp makes a KV cache smaller by what its rows have in common, before
// or instead of coarser numbers: low-rank keys and values, key-value heads merged
// into one, rows shared by neighbouring layers. Each method is measured on queries
// later than the compressed prefix, with its rows as binary16 and quantized by an
// engine, beside the engine alone.
//
// Every method has the same form. The cache holds, for each position, rows of w
// numbers; a map, a matrix of w x D that is the same for all positions, gives a head's
// keys or values back. Maps are fitted on the first positions of the prefix and count
// 2 bytes a number, as the rows do.
//
//   - lowrank: K, V ~ (X B) Bᵀ, B the first r right singular vectors of one head
//   - lowrank-q: the same for V; keys are K ~ (K L B) Bᵀ L⁻¹ with L Lᵀ the second
//     moment of the prefix's queries, which makes the error of q kᵀ least, not of K
//   - joint, joint-2: one basis for all heads of a layer, or of two layers, side by side
//   - merge: the mean of a layer's key-value heads stands for each of them
//   - merge-fit: a map for each head brings it back from that mean, by least squares
//   - share: the odd layer takes the rows of the even one before it
//   - share-fit: it takes those of the head that fits best, by least squares
//
// The error is fidelity to the trace, not accuracy of a model: [host/quality].
package attncomp

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/host/compress"
	"github.com/kvaccel/kvaccel/host/quality"
	"github.com/kvaccel/kvaccel/host/session"
	"github.com/kvaccel/kvaccel/host/trace"
)

// SchemaVersion is that of Result as JSON.
const SchemaVersion = 1

// What can be wrong with what was asked for.
var (
	ErrOptions = errors.New("not possible")
	ErrNumeric = errors.New("the decomposition failed")
)

// FP16 is the width of rows that the engine leaves alone.
const FP16 = 16

// DefaultRidge keeps maps that were fitted on a few hundred positions from following
// them into the noise.
const DefaultRidge = 1e-2

// Options of a comparison. The zero value is ready to use.
type Options struct {
	Prefix    int      // positions to compress; 0 is compress.DefaultPrefix
	Calibrate int      // positions that maps are fitted on, the first ones; 0 is the prefix
	Ridge     float64  // of least squares and query moments: added to the diagonal, as a share of its mean; 0 is DefaultRidge
	Methods   []string // nil is all
	Ranks     []int    // of low-rank methods, per head; nil is 1/4, 1/2, 3/4 of the dims
	Bits      []int    // of the rows; nil is 16, 8, 4 and 2
	Progress  func(done, total int)
}

// Result is what a comparison found. Rows come method by method.
type Result struct {
	SchemaVersion int           `json:"schema_version"`
	Source        driver.Source `json:"source"`
	Device        driver.Info   `json:"device"`
	Trace         string        `json:"trace"`
	Layers        int           `json:"layers"`
	Heads         int           `json:"heads"`
	KVHeads       int           `json:"kv_heads"`
	Dims          int           `json:"dims"`
	Prefix        int           `json:"prefix"`
	Calibrated    int           `json:"calibrated_on"`
	Ridge         float64       `json:"ridge"`
	Queries       int           `json:"queries"`    // later positions
	FullBytes     int64         `json:"full_bytes"` // of the prefix as binary16
	Rows          []Row         `json:"rows"`
	Alike         []Alike       `json:"adjacent_layers"`
}

// Row is one method at one rank and width.
type Row struct {
	Method   string          `json:"method"`
	Rank     int             `json:"rank,omitempty"` // numbers of a row per head
	Bits     int             `json:"bits"`
	RowBytes int64           `json:"row_bytes"` // grows with the context
	MapBytes int64           `json:"map_bytes"` // does not
	Bytes    int64           `json:"bytes"`
	Ratio    float64         `json:"ratio"`      // FullBytes / Bytes
	Limit    float64         `json:"ratio_long"` // FullBytes / RowBytes: what a long context comes to
	Best     bool            `json:"best"`       // no other row has both fewer bytes and less error
	Skipped  string          `json:"skipped,omitempty"`
	OutputL2 quality.Measure `json:"output_l2"`
	KL       quality.Measure `json:"kl"`
}

// Run compares methods on a trace, two layers at a time. It fails with ErrOptions,
// compress.ErrPrefix, trace.ErrMissing or ErrNumeric, or as the device does. A width
// that the engine cannot give a method's rows is told in Row.Skipped.
func Run(ctx context.Context, dev driver.Device, t *trace.Trace, opt Options) (*Result, error) {
	r := &run{s: session.New(dev), t: t, opt: opt, similar: []Alike{}}
	if err := r.complete(); err != nil {
		return nil, err
	}
	for first := 0; first < t.Layers; first += span {
		b, err := r.load(first, min(span, t.Layers-first))
		if err != nil {
			return nil, err
		}
		if err := r.alike(ctx, b); err != nil {
			return nil, err
		}
		if err := r.block(ctx, b); err != nil {
			return nil, err
		}
	}
	return r.result(dev.Info()), nil
}

// span is how many layers are looked at together.
const span = 2

// run is the state of one Run.
type run struct {
	s          *session.Session
	t          *trace.Trace
	opt        Options
	n          int // prefix
	methods    []method
	variants   []variant
	done       int
	similar    []Alike
	last       *layer      // the one before the block
	lastOutput [][]float64 // its attention outputs
}

// variant gathers a row over the blocks.
type variant struct {
	Row
	quality quality.Collector
}

// complete fills in defaults and refuses what cannot be done.
func (r *run) complete() error {
	t, o := r.t, &r.opt
	r.n = o.Prefix
	if r.n == 0 {
		r.n = compress.DefaultPrefix(t.T)
	}
	if r.n < 1 || r.n >= t.T {
		return fmt.Errorf("%w: %s has %d positions; a prefix of %d leaves no later queries to judge by", compress.ErrPrefix, t.Name, t.T, r.n)
	}
	if o.Calibrate == 0 {
		o.Calibrate = r.n
	}
	if o.Calibrate < 1 || o.Calibrate > r.n {
		return fmt.Errorf("%w: maps fitted on %d positions, want 1 to the %d of the prefix", ErrOptions, o.Calibrate, r.n)
	}
	if o.Ridge == 0 {
		o.Ridge = DefaultRidge
	}
	if !(o.Ridge > 0 && o.Ridge <= 1e6) {
		return fmt.Errorf("%w: a ridge of %g, want more than 0, at most 1e6", ErrOptions, o.Ridge)
	}
	if o.Ranks == nil {
		o.Ranks = []int{max(1, t.D/4), max(1, t.D/2), max(1, t.D*3/4)}
	}
	for _, k := range o.Ranks {
		if k < 1 || k > t.D {
			return fmt.Errorf("%w: rank %d, want 1 to the %d dims of a head", ErrOptions, k, t.D)
		}
	}
	if o.Bits == nil {
		o.Bits = []int{FP16, 8, 4, 2}
	}
	for _, b := range o.Bits {
		if !slices.Contains([]int{2, 3, 4, 5, 6, 8, FP16}, b) {
			return fmt.Errorf("%w: %d bits, want 2, 3, 4, 5, 6, 8 or %d", ErrOptions, b, FP16)
		}
	}
	for l := range t.Layers {
		if !t.HasQ(l) {
			return t.MissingQ(l, "later queries to judge by")
		}
	}
	if err := r.choose(); err != nil {
		return err
	}
	for _, m := range r.methods {
		for _, k := range m.ranks(o.Ranks) {
			for _, b := range o.Bits {
				r.variants = append(r.variants, variant{Row: Row{Method: m.name, Rank: k, Bits: b}})
			}
		}
	}
	return nil
}

// choose looks the methods up; the engine alone always comes first.
func (r *run) choose() error {
	want := r.opt.Methods
	if len(want) == 0 {
		r.methods = methods
		return nil
	}
	for _, name := range want {
		if !slices.Contains(Methods(), name) {
			return fmt.Errorf("%w: no method %q; there are %v", ErrOptions, name, Methods())
		}
	}
	for i, m := range methods {
		if i == 0 || slices.Contains(want, m.name) {
			r.methods = append(r.methods, m)
		}
	}
	return nil
}

// block measures all variants on the layers of a block.
func (r *run) block(ctx context.Context, b *block) error {
	at := 0
	for _, m := range r.methods {
		build, err := m.prepare(b)
		if err != nil {
			return fmt.Errorf("layers %d to %d, %s: %w", b.first, b.first+len(b.layers)-1, m.name, err)
		}
		for _, k := range m.ranks(r.opt.Ranks) {
			parts := build(k)
			for range r.opt.Bits {
				if err := r.variant(ctx, b, parts, &r.variants[at]); err != nil {
					return fmt.Errorf("layers %d to %d, %s: %w", b.first, b.first+len(b.layers)-1, m.name, err)
				}
				at++
			}
			r.done += len(b.layers)
			if r.opt.Progress != nil {
				r.opt.Progress(r.done, r.t.Layers*len(r.variants)/len(r.opt.Bits))
			}
		}
	}
	return nil
}

// result sums up.
func (r *run) result(info driver.Info) *Result {
	t := r.t
	out := &Result{
		SchemaVersion: SchemaVersion, Source: info.Source, Device: info, Trace: t.Name, Layers: t.Layers, Heads: t.Hq, KVHeads: t.Hkv, Dims: t.D,
		Prefix: r.n, Calibrated: r.opt.Calibrate, Ridge: r.opt.Ridge, Queries: t.T - r.n, FullBytes: int64(t.Layers) * int64(t.Hkv) * 4 * int64(r.n) * int64(t.D), Alike: r.similar,
	}
	for i := range r.variants {
		v := &r.variants[i]
		if v.Skipped == "" {
			q := v.quality.Report(t.T-r.n, r.n)
			v.OutputL2, v.KL = q.OutputL2, q.KL
			v.Bytes = v.RowBytes + v.MapBytes
			v.Ratio, v.Limit = float64(out.FullBytes)/float64(v.Bytes), float64(out.FullBytes)/float64(v.RowBytes)
		}
		out.Rows = append(out.Rows, v.Row)
	}
	markBest(out.Rows)
	return out
}

// markBest marks the rows that no other one beats in bytes and mean error both.
func markBest(rows []Row) {
	for i := range rows {
		a := &rows[i]
		a.Best = a.Skipped == "" && !slices.ContainsFunc(rows, func(b Row) bool {
			return b.Skipped == "" && b.Bytes <= a.Bytes && b.OutputL2.Mean <= a.OutputL2.Mean && (b.Bytes < a.Bytes || b.OutputL2.Mean < a.OutputL2.Mean)
		})
	}
}
