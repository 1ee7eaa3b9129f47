package kvengine

import (
	"context"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/host/session"
)

// Compress brings the cache to what the policy allows: select, quantize,
// restore, each for all heads of all layers in one stream of packets.
func (c *Cache) Compress(ctx context.Context) error {
	if c.pol.Evicts() {
		if err := c.evict(ctx); err != nil {
			return err
		}
	}
	if !c.pol.Quantizes() {
		return nil
	}
	if err := c.quantize(ctx); err != nil {
		return err
	}
	return c.restore(ctx)
}

// evict asks SELECT which positions stay and drops the others.
func (c *Cache) evict(ctx context.Context) error {
	sets := len(c.layers[0].heads)
	if c.pol.Shared {
		sets = 1
	}
	if n := len(c.layers[0].heads[0].pos); c.pol.Kept(n) >= n {
		c.settleScores()
		return nil
	}
	kept, err := c.s.Select(ctx, len(c.layers)*sets, func(i int) (session.Selection, error) {
		heads := c.layers[i/sets].heads
		if !c.pol.Shared {
			heads = heads[i%sets:][:1]
		}
		n := len(heads[0].pos)
		sel := session.Selection{N: n, Sinks: min(n, c.pol.Sinks), Recent: min(n, c.pol.Recent), TopK: min(n, *c.pol.TopK)}
		if c.pol.NeedsScores(n) {
			sel.Weights = c.weights(i/sets, i%sets, heads)
		}
		return sel, nil
	})
	if err != nil {
		return err
	}
	c.settleScores()
	for l := range c.layers {
		for h := range c.layers[l].heads {
			i := l * sets
			if !c.pol.Shared {
				i += h
			}
			c.layers[l].heads[h].keep(kept[i].Positions, c.cfg.HeadDim)
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

// side is the keys or the values of all heads.
type side struct {
	layout packet.Layout
	of     func(h *head) *part
}

// sides lists those that the policy quantizes, keys first.
func (c *Cache) sides() []side {
	var s []side
	if l, ok := c.pol.KLayout(); ok {
		s = append(s, side{l, func(h *head) *part { return &h.k }})
	}
	if l, ok := c.pol.VLayout(); ok {
		s = append(s, side{l, func(h *head) *part { return &h.v }})
	}
	return s
}

// each calls do for every part that is quantized, those of one layout together.
func (c *Cache) each(do func(s side, h *head, p *part)) {
	for _, s := range c.sides() {
		for l := range c.layers {
			for i := range c.layers[l].heads {
				h := &c.layers[l].heads[i]
				do(s, h, s.of(h))
			}
		}
	}
}

// quantize sends the rows that left the window through QUANTIZE.
func (c *Cache) quantize(ctx context.Context) error {
	d := c.cfg.HeadDim
	var jobs []session.Rows
	var put []func(session.Coded)
	c.each(func(s side, h *head, p *part) {
		n := p.leaving(s.layout, c.pol.Residual, d)
		if n == 0 {
			return
		}
		pos := h.pos[p.codedRows():][:n]
		jobs = append(jobs, session.Rows{Layout: s.layout, Dims: d, Data: p.fp16[:n*d]})
		put = append(put, func(coded session.Coded) { p.take(coded, pos) })
	})
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
	var parts []*part
	c.each(func(s side, _ *head, p *part) {
		jobs = append(jobs, p.job(s.layout, c.cfg.HeadDim))
		parts = append(parts, p)
	})
	rows, err := c.s.Dequantize(ctx, jobs)
	if err != nil {
		return err
	}
	for i, p := range parts {
		p.restore(rows[i], c.cfg.HeadDim)
	}
	return nil
}
