package kvengine

import (
	"context"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/host/session"
)

// Compress brings the cache to what the policy allows: select, quantize,
// restore, each for all heads of all layers in one stream of packets.
func (c *Cache) Compress(ctx context.Context) error {
	if c.ladder != nil {
		return c.descend(ctx)
	}
	if err := c.evict(ctx); err != nil {
		return err
	}
	if len(c.coded()) == 0 {
		return nil
	}
	if err := c.quantize(ctx); err != nil {
		return err
	}
	return c.restore(ctx)
}

// evict asks SELECT which positions stay and drops the others.
func (c *Cache) evict(ctx context.Context) error {
	if err := c.adapt(ctx); err != nil {
		return err
	}
	// The scores come back from the choice; where there is none, or they are
	// pooled for it, they are added up on their own.
	var sets, add []set
	for _, x := range c.sets() {
		p, n := c.plan[x.l][x.h], len(x.heads[0].pos)
		chooses := p.Evicts() && p.Kept(n) < n
		if x.heads[0].record == RecordAll && len(x.heads[0].rows[0]) > 0 && (!chooses || p.Pool > 1) {
			add = append(add, x)
		}
		if chooses {
			sets = append(sets, x)
		}
	}
	if err := c.accumulate(ctx, add); err != nil || len(sets) == 0 {
		return err
	}
	kept, err := c.s.Select(ctx, len(sets), func(i int) (session.Selection, error) {
		sel := c.selection(sets[i])
		sel.ScoresOut = sets[i].heads[0].record == RecordAll && sel.Pool <= 1
		return sel, nil
	})
	if err != nil {
		return err
	}
	for i, x := range sets {
		if kept[i].Scores != nil {
			x.settle(kept[i].Scores)
		}
		for h := range x.heads {
			x.heads[h].keep(kept[i].Positions, c.cfg.HeadDim)
		}
	}
	return nil
}

// keep drops all rows but those at the given places of pos, in everything that
// goes by position.
func (h *head) keep(places []int, dim int) {
	pos := make([]int, len(places))
	set := make(map[int]bool, len(places))
	for i, at := range places {
		pos[i] = h.pos[at]
		set[pos[i]] = true
	}
	h.k.keep(h.pos, set, dim)
	h.v.keep(h.pos, set, dim)
	h.k.floats, h.v.floats = gather(h.k.floats, places, dim), gather(h.v.floats, places, dim)
	if h.sums != nil {
		sums := make([]uint64, len(places))
		for i, at := range places {
			sums[i] = h.sums[at]
		}
		h.sums = sums
	}
	h.rung.keep(places)
	for g, rows := range h.rows {
		for i, r := range rows {
			kept := make(row, 0, len(places))
			for _, at := range places {
				if at < len(r) {
					kept = append(kept, r[at])
				}
			}
			h.rows[g][i] = kept
		}
	}
	h.pos = pos
}

func gather(rows []float32, places []int, dim int) []float32 {
	out := make([]float32, 0, len(places)*dim)
	for _, at := range places {
		out = append(out, rows[at*dim:][:dim]...)
	}
	return out
}

// side is the keys or the values of a head whose policy quantizes them.
type side struct {
	layout   packet.Layout
	residual int
	h        *head
	*part
}

// coded lists them, all keys first.
func (c *Cache) coded() []side {
	var keys, values []side
	for l := range c.layers {
		for i := range c.layers[l].heads {
			h, p := &c.layers[l].heads[i], c.plan[l][i]
			if layout, ok := p.KLayout(c.cfg.HeadDim); ok {
				keys = append(keys, side{layout, p.Residual, h, &h.k})
			}
			if layout, ok := p.VLayout(c.cfg.HeadDim); ok {
				values = append(values, side{layout, p.Residual, h, &h.v})
			}
		}
	}
	return append(keys, values...)
}

// quantize sends the rows that left the window through QUANTIZE.
func (c *Cache) quantize(ctx context.Context) error {
	d := c.cfg.HeadDim
	var jobs []session.Rows
	var put []func(session.Coded)
	for _, s := range c.coded() {
		n := s.leaving(s.layout, s.residual, d)
		if n == 0 {
			continue
		}
		pos := s.h.pos[s.codedRows():][:n]
		jobs = append(jobs, session.Rows{Layout: s.layout, Dims: d, Data: s.fp16[:n*d]})
		put = append(put, func(coded session.Coded) { s.take(coded, pos) })
	}
	if len(jobs) == 0 {
		return nil
	}
	done, err := c.s.Quantize(ctx, jobs)
	if err != nil {
		return err
	}
	for i := range done {
		put[i](done[i])
	}
	return nil
}

// restore sends everything quantized through DEQUANTIZE.
func (c *Cache) restore(ctx context.Context) error {
	var jobs []session.Coded
	sides := c.coded()
	for _, s := range sides {
		jobs = append(jobs, s.job(s.layout, c.cfg.HeadDim))
	}
	rows, err := c.s.Dequantize(ctx, jobs)
	if err != nil {
		return err
	}
	for i, s := range sides {
		s.part.restore(rows[i], c.cfg.HeadDim)
	}
	return nil
}
