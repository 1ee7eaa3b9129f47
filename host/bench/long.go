package bench

import (
	"fmt"

	"github.com/kvaccel/kvaccel/host/trace"
)

// selectLong measures searches longer than a trace: the weights of its query
// heads laid end to end, so that each row holds those of the same query in one
// head after another. The numbers are real ones, their sequence is not; it stands
// in for traces that long. Judged is the median over settings and over the head
// that comes first, for each n.
func selectLong(b *bench) error {
	for _, t := range b.opt.Traces {
		weights, err := attentionOf(b, t)
		if err != nil {
			return err
		}
		heads := queryHeads(weights)
		for _, n := range b.lengths(t, len(heads)) {
			if err := b.long(t, heads, n); err != nil {
				return fmt.Errorf("%s: %w", t.Name, err)
			}
		}
	}
	return nil
}

// queryHeads takes the rows of the query heads apart, over all layers.
func queryHeads(weights [][]headRows) (all []headRows) {
	for _, layer := range weights {
		for _, h := range layer {
			for g := range h.group {
				one := headRows{first: h.first, group: 1}
				for i := g; i < len(h.rows); i += h.group {
					one.rows = append(one.rows, h.rows[i])
				}
				all = append(all, one)
			}
		}
	}
	return all
}

// lengths lists the powers of two beyond a trace that its heads can fill and the
// engine takes.
func (b *bench) lengths(t *trace.Trace, heads int) (all []int) {
	for n := 256; n <= min(b.p.MaxTokens, heads*t.T); n *= 2 {
		if n > t.T {
			all = append(all, n)
		}
	}
	if b.opt.Quick && len(all) > 1 {
		all = all[len(all)-1:]
	}
	return all
}

// long measures choices among n positions, of which each head gives up to T.
func (b *bench) long(t *trace.Trace, heads []headRows, n int) error {
	from := len(b.into.Samples)
	settings, starts := keeps, min(4, len(heads))
	if b.opt.Quick {
		settings, starts = settings[:3], min(2, len(heads))
	}
	for s := range starts {
		first := s * len(heads) / starts
		rows := joined(heads, first, t.T, n)
		for _, set := range settings {
			count := len(rows)
			if set.observe > 0 {
				count = min(count, set.observe)
			}
			recent, k := n*set.recentPercent/100, n*set.percent/100
			spent, err := b.search(rows[len(rows)-count:], n, set.sinks, recent, k)
			if err != nil {
				return err
			}
			b.into.Samples = append(b.into.Samples, Point{Measured: float64(spent), Promised: b.into.Limit.at(b.words(n)), Settings: Settings{
				{"trace", t.Name}, {"n", n}, {"k", k}, {"sinks", set.sinks}, {"recent", recent}, {"rows", count}, {"first", first},
			}})
		}
	}
	b.medianOf(b.into.Samples[from:], n, Settings{{"trace", t.Name}, {"n", n}})
	return nil
}

// joined lays the rows of each query end to end, from head first on, wrapping
// around, to n weights. Queries that one of the layers lacks are left out.
func joined(heads []headRows, first, t, n int) [][]uint16 {
	from := 0
	for _, h := range heads {
		from = max(from, h.first)
	}
	rows := make([][]uint16, t-from)
	for i := range rows {
		row := make([]uint16, 0, n)
		for s := 0; len(row) < n; s++ {
			h := heads[(first+s)%len(heads)]
			row = append(row, h.rows[from+i-h.first][:min(t, n-len(row))]...)
		}
		rows[i] = row
	}
	return rows
}
