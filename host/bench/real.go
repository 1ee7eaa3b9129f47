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

// mostQueries bounds the queries whose weights are added, and so the memory that
// a long trace takes.
const mostQueries = 1024

// selectReal measures the search of the attention weights of a trace: for each
// key-value head the rows of the query heads that share it, as `kvaccel run`
// sends them. Judged is the median over heads, layers and settings for each n.
func selectReal(b *bench) error {
	for _, t := range b.opt.Traces {
		sizes := b.prefixes(t)
		samples := make([][]Point, len(sizes)) // by size
		for l := range t.Layers {
			a, err := openAttention(t, l)
			if err != nil {
				return err
			}
			for kv := range t.Hkv {
				for i, n := range sizes {
					s, err := b.real(a, kv, n)
					if err != nil {
						return fmt.Errorf("%s: layer %d head %d: %w", t.Name, l, kv, err)
					}
					samples[i] = append(samples[i], s...)
				}
			}
		}
		for i, n := range sizes {
			b.median(samples[i], t, n)
		}
	}
	return nil
}

// prefixes lists the prefixes of a trace to choose among: quarter, half, what a
// run compresses, and all of it, as far as the engine takes them.
func (b *bench) prefixes(t *trace.Trace) (all []int) {
	whole := min(t.T, b.p.MaxTokens)
	sizes := []int{whole / 4, whole / 2, whole - (whole+7)/8, whole}
	if b.opt.Quick {
		sizes = sizes[1:3]
	}
	for _, n := range sizes {
		if n >= 1 && !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

// settings are those of the set that is measured.
func (b *bench) settings() []keep {
	if b.opt.Quick {
		return keeps[:3]
	}
	return keeps
}

// real measures the searches of one head with a prefix of n positions.
func (b *bench) real(a *attentionOf, kv, n int) (samples []Point, err error) {
	group := a.t.Hq / a.t.Hkv
	var rows [][]uint16 // of the last queries, group each
	for g := range group {
		of, err := a.rows(b, kv*group+g, n)
		if err != nil {
			return nil, err
		}
		if rows == nil {
			rows = make([][]uint16, len(of)*group)
		}
		for i, row := range of {
			rows[i*group+g] = row
		}
	}
	if len(rows) == 0 {
		return nil, nil
	}
	for _, set := range b.settings() {
		p, err := b.sample(a.t, set, rows, group, n)
		if err != nil {
			return nil, err
		}
		p.Settings = append(p.Settings, Setting{"layer", a.layer}, Setting{"head", kv})
		samples = append(samples, p)
	}
	return samples, nil
}

// sample measures one search of the last of some rows, group of them a query.
func (b *bench) sample(t *trace.Trace, set keep, rows [][]uint16, group, n int) (Point, error) {
	count := len(rows)
	if set.observe > 0 {
		count = min(count, set.observe*group)
	}
	sinks, recent, k := min(n, set.sinks), n*set.recentPercent/100, n*set.percent/100
	spent, err := b.search(rows[len(rows)-count:], n, sinks, recent, k)
	return Point{Measured: float64(spent), Promised: b.into.Limit.at(b.words(n)), Settings: Settings{
		{"trace", t.Name}, {"n", n}, {"k", k}, {"sinks", sinks}, {"recent", recent}, {"rows", count},
	}}, err
}

// median puts samples down, and their median as a point.
func (b *bench) median(samples []Point, t *trace.Trace, n int) {
	if len(samples) == 0 {
		return
	}
	v := make([]float64, len(samples))
	for i, p := range samples {
		v[i] = p.Measured
	}
	b.into.Samples = append(b.into.Samples, samples...)
	b.into.Points = append(b.into.Points, Point{Settings: Settings{{"trace", t.Name}, {"n", n}}, Measured: median(v),
		Promised: b.into.Limit.at(b.words(n)), Of: len(v), Min: slices.Min(v), Max: slices.Max(v)})
}

// attentionOf is one layer of a trace: recorded weights if it has any, else
// those that its queries give.
type attentionOf struct {
	t     *trace.Trace
	layer int
	data  trace.Layer
}

func openAttention(t *trace.Trace, l int) (*attentionOf, error) {
	if t.AttnRows(l) > 0 {
		return &attentionOf{t: t, layer: l}, nil
	}
	if !t.HasQ(l) {
		return nil, t.MissingQ(l, "attention weights")
	}
	data, _, err := t.Layer(l, true)
	return &attentionOf{t, l, data}, err
}

// rows gives the weights of a query head, one row of n for each of the last
// queries of the first n positions: all of them, up to mostQueries, as far as
// they were recorded.
func (a *attentionOf) rows(b *bench, head, n int) ([][]uint16, error) {
	t := a.t
	first := max(0, n-mostQueries)
	if recorded := t.AttnRows(a.layer); recorded > 0 {
		first = max(first, t.T-recorded)
		if first >= n {
			return nil, nil
		}
		w, _, err := t.Attn(a.layer, head, first, n-first)
		if err != nil {
			return nil, err
		}
		rows := make([][]uint16, n-first)
		for i := range rows {
			rows[i] = w[i*t.T:][:n]
		}
		return rows, nil
	}
	q := attention.Floats(a.data.Q[head][first*t.D : n*t.D])
	k := attention.Floats(a.data.K[head/(t.Hq/t.Hkv)][:n*t.D])
	rows := make([][]uint16, n-first)
	err := parallel.Each(b.ctx, len(rows), func(i int) error {
		rows[i] = make([]uint16, n)
		attention.Weights(rows[i], q[i*t.D:][:t.D], k, first+i, t.Scale, make([]float64, n))
		return nil
	})
	return rows, err
}
