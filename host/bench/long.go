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
		for _, n := range b.lengths(t) {
			samples, err := b.long(t, n)
			if err != nil {
				return fmt.Errorf("%s: %w", t.Name, err)
			}
			b.median(samples, t, n)
		}
	}
	return nil
}

// lengths lists the powers of two beyond a trace that its heads can fill and the
// engine takes.
func (b *bench) lengths(t *trace.Trace) (all []int) {
	for n := 256; n <= min(b.p.MaxTokens, t.Layers*t.Hq*t.T); n *= 2 {
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
func (b *bench) long(t *trace.Trace, n int) (samples []Point, err error) {
	heads := t.Layers * t.Hq
	starts := min(4, heads)
	if b.opt.Quick {
		starts = min(2, heads)
	}
	for s := range starts {
		first := s * heads / starts
		rows, err := joined(b, t, first, n)
		if err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			continue
		}
		for _, set := range b.settings() {
			p, err := b.sample(t, set, rows, 1, n)
			if err != nil {
				return nil, err
			}
			p.Settings = append(p.Settings, Setting{"first", first})
			samples = append(samples, p)
		}
	}
	return samples, nil
}

// joined lays the rows of each of a trace's last queries end to end to n weights:
// those of query head first, counted through all layers, then of the next.
// Queries that one of the heads lacks are left out.
func joined(b *bench, t *trace.Trace, first, n int) ([][]uint16, error) {
	var rows [][]uint16
	var a *attentionOf
	for s := 0; s*t.T < n; s++ {
		head := (first + s) % (t.Layers * t.Hq)
		if l := head / t.Hq; a == nil || a.layer != l {
			var err error
			if a, err = openAttention(t, l); err != nil {
				return nil, err
			}
		}
		of, err := a.rows(b, head%t.Hq, t.T)
		if err != nil {
			return nil, err
		}
		if s == 0 {
			rows = make([][]uint16, len(of))
		}
		rows = rows[max(0, len(rows)-len(of)):] // the last queries are in both
		for i := range rows {
			row := of[len(of)-len(rows)+i]
			rows[i] = append(rows[i], row[:min(t.T, n-len(rows[i]))]...)
		}
	}
	return rows, nil
}
