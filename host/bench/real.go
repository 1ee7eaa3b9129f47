package bench

import (
	"fmt"
	"slices"

	"github.com/kvaccel/kvaccel/host/attention"
	"github.com/kvaccel/kvaccel/host/parallel"
	"github.com/kvaccel/kvaccel/host/trace"
)

// keep is how much of a prefix a SELECT keeps, by the rules that published
// methods use.
type keep struct {
	observe                int // last queries whose weights are added; 0: all
	sinks                  int
	recentPercent, percent int // of the prefix: kept at the end, and by score
}

// keeps are the settings of the real searches.
var keeps = []keep{
	{0, 0, 10, 10}, // H2O
	{1, 0, 0, 20},  // one query, as TOVA
	{32, 4, 5, 15}, // an observation window
	{0, 0, 0, 50},
	{32, 4, 5, 5},
	{0, 4, 25, 25},
	{1, 4, 0, 5},
	{32, 0, 0, 40},
}

// selectReal measures the search of the attention weights of a trace: for each
// key-value head the rows of the query heads that share it, as `kvaccel run`
// sends them. Judged is the median over heads, layers and settings for each n.
func selectReal(b *bench) error {
	for _, t := range b.opt.Traces {
		weights, err := attentionOf(b, t)
		if err != nil {
			return err
		}
		for _, n := range b.prefixes(t) {
			if err := b.real(t, weights, n); err != nil {
				return fmt.Errorf("%s: %w", t.Name, err)
			}
		}
	}
	return nil
}

// prefixes lists the prefixes of a trace to choose among: quarter, half, what a
// run compresses, and all of it, as far as the engine takes them.
func (b *bench) prefixes(t *trace.Trace) (all []int) {
	sizes := []int{t.T / 4, t.T / 2, t.T - (t.T+7)/8, t.T}
	if b.opt.Quick {
		sizes = sizes[1:3]
	}
	for _, n := range sizes {
		if n >= 1 && n <= b.p.MaxTokens && !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

// real measures all heads of a trace with a prefix of n positions.
func (b *bench) real(t *trace.Trace, weights [][]headRows, n int) error {
	from := len(b.into.Samples)
	settings := keeps
	if b.opt.Quick {
		settings = settings[:3]
	}
	for l, heads := range weights {
		for h, head := range heads {
			for _, set := range settings {
				rows := head.observe(n, set.observe)
				if len(rows) == 0 {
					continue
				}
				recent, k := n*set.recentPercent/100, n*set.percent/100
				spent, err := b.search(rows, n, set.sinks, recent, k)
				if err != nil {
					return fmt.Errorf("layer %d head %d: %w", l, h, err)
				}
				b.into.Samples = append(b.into.Samples, Point{Measured: float64(spent), Promised: b.into.Limit.at(b.words(n)), Settings: Settings{
					{"trace", t.Name}, {"n", n}, {"k", k}, {"sinks", set.sinks}, {"recent", recent}, {"rows", len(rows)}, {"layer", l}, {"head", h},
				}})
			}
		}
	}
	b.medianOf(b.into.Samples[from:], n, Settings{{"trace", t.Name}, {"n", n}})
	return nil
}

// medianOf puts the median of some samples down as a point.
func (b *bench) medianOf(samples []Point, n int, s Settings) {
	if len(samples) == 0 {
		return
	}
	v := make([]float64, len(samples))
	for i, p := range samples {
		v[i] = p.Measured
	}
	b.into.Points = append(b.into.Points, Point{Settings: s, Measured: median(v), Promised: b.into.Limit.at(b.words(n)),
		Of: len(v), Min: slices.Min(v), Max: slices.Max(v)})
}

// headRows are the attention rows of one key-value head: for each query from
// first on, one of T weights for each query head that shares it.
type headRows struct {
	first int
	group int
	rows  [][]uint16
}

// observe gives the rows of the last count queries of the first n positions, of
// all of them if count is 0.
func (h headRows) observe(n, count int) [][]uint16 {
	from := h.first
	if count > 0 {
		from = max(from, n-count)
	}
	if from >= n {
		return nil
	}
	return h.rows[(from-h.first)*h.group : (n-h.first)*h.group]
}

// attentionOf gives the attention rows of every layer and key-value head of a
// trace: recorded ones if it has any, else those that its queries give.
func attentionOf(b *bench, t *trace.Trace) ([][]headRows, error) {
	all := make([][]headRows, t.Layers)
	for l := range all {
		if t.AttnRows(l) == 0 && !t.HasQ(l) {
			return nil, t.MissingQ(l, "attention weights")
		}
		layer, _, err := t.Layer(l, t.AttnRows(l) == 0)
		if err != nil {
			return nil, err
		}
		for kv := range t.Hkv {
			var rows headRows
			if t.AttnRows(l) > 0 {
				rows, err = recordedRows(t, l, kv)
			} else {
				rows, err = computedRows(b, t, layer, kv)
			}
			if err != nil {
				return nil, err
			}
			all[l] = append(all[l], rows)
		}
	}
	return all, nil
}

func computedRows(b *bench, t *trace.Trace, layer trace.Layer, kv int) (headRows, error) {
	h := headRows{group: t.Hq / t.Hkv}
	h.rows = make([][]uint16, t.T*h.group)
	k := attention.Floats(layer.K[kv])
	q := make([][]float64, h.group)
	for g := range q {
		q[g] = attention.Floats(layer.Q[kv*h.group+g])
	}
	err := parallel.Each(b.ctx, t.T, func(query int) error {
		buf := make([]float64, t.T)
		for g := range q {
			row := make([]uint16, t.T)
			attention.Weights(row, q[g][query*t.D:][:t.D], k, query, t.Scale, buf)
			h.rows[query*h.group+g] = row
		}
		return nil
	})
	return h, err
}

func recordedRows(t *trace.Trace, l, kv int) (headRows, error) {
	count := t.AttnRows(l)
	h := headRows{first: t.T - count, group: t.Hq / t.Hkv}
	h.rows = make([][]uint16, count*h.group)
	for g := range h.group {
		w, _, err := t.Attn(l, kv*h.group+g, h.first, count)
		if err != nil {
			return h, err
		}
		for i := range count {
			h.rows[i*h.group+g] = w[i*t.T:][:t.T]
		}
	}
	return h, nil
}
