package kvengine

import (
	"context"
	"errors"
	"fmt"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/llm"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/session"
)

// ErrCeiling says that what is always kept takes more than the ceiling.
var ErrCeiling = errors.New("the ceiling is too low")

// ladder keeps a cache under a ceiling of bytes: after every Compress it and the rows
// that come before the next one fit. Between two descents nothing changes but scores.
//
// The engine gives the scores (SELECT, scores out), [plan] says how many rows of each
// head each tier can have, the engine which (SELECT, tiers), and rows that go
// down are sent through QUANTIZE again as they were.
type ladder struct {
	limit  int64 // bytes
	ahead  int   // positions that come between two Compress
	layout packet.Layout
	done   Descent
}

// slack is the part of the ceiling that a descent leaves free beyond what is asked
// for, so that not every step has one.
const slack = 64

// Descent is what a Compress under a ceiling decided.
type Descent struct {
	Before int64         `json:"bytes_before"` // held, with room for the rows to come
	After  int64         `json:"bytes_after"`
	Heads  []HeadDescent `json:"heads"` // by layer and head, all of them
}

// HeadDescent is one head after a descent.
type HeadDescent struct {
	Layer     int    `json:"layer"`
	Head      int    `json:"head"`
	Rows      [4]int `json:"rows"`           // held with fp16, 8, 4 and 2 bits
	Lowered   [4]int `json:"lowered"`        // that went to 8, 4, 2 bits, and out
	Protected int    `json:"protected_bits"` // of the positions always kept
}

// newLadder prepares a ceiling for a cache.
func newLadder(p policy.Policy, cfg llm.Config) *ladder {
	p.KBits = session.TierBits[1]
	l, _ := p.KLayout(cfg.HeadDim)
	return &ladder{limit: p.Ceiling.Limit(4 * int64(cfg.Layers*cfg.KVHeads*cfg.HeadDim)), ahead: 1, layout: l}
}

// at is the layout of a tier.
func (x *ladder) at(tier uint8) packet.Layout {
	l := x.layout
	l.Bits = session.TierBits[tier]
	return l
}

// sizes gives the bytes of a row of one head in each tier, keys and values, with its
// position, tier and score.
func (x *ladder) sizes(dim int) (size [tierCount + 1]int64) {
	for t := range uint8(tierCount) {
		size[t] = 2*int64(session.RowBytes(x.layout, dim, t)) + positionBytes + tierBytes + scoreBytes
	}
	return size
}

// Ahead says how many positions will come between two calls of Compress; under a
// ceiling there is room left for them. It fails with ErrCeiling if that cannot be.
func (c *Cache) Ahead(n int) error {
	if c.ladder == nil {
		return nil
	}
	c.ladder.ahead = n
	return CheckAhead(c.plan[0][0], c.cfg, n)
}

// CheckAhead reports with ErrCeiling whether a resolved policy has a ceiling that what is always
// kept, and n positions between two calls of Compress, do not fit under.
func CheckAhead(p policy.Policy, cfg llm.Config, n int) error {
	if p.Ceiling == nil {
		return nil
	}
	x := newLadder(p, cfg)
	size := x.sizes(cfg.HeadDim)
	least := int64(cfg.Layers*cfg.KVHeads) * (int64(p.Sinks+p.Recent)*size[protFloor] + int64(n)*size[0])
	if least > x.limit {
		return fmt.Errorf("%w: it is %d bytes; the %d first and %d last positions that are always kept, at %d bits, and %d more as fp16 take %d", ErrCeiling,
			x.limit, p.Sinks, p.Recent, session.TierBits[protFloor], n, least)
	}
	return nil
}

// Ceiling is how many bytes the cache may take; 0 is any number.
func (c *Cache) Ceiling() int64 {
	if c.ladder == nil {
		return 0
	}
	return c.ladder.limit
}

// Descent is what the last Compress decided under a ceiling; nil if it let
// everything be.
func (c *Cache) Descent() *Descent {
	if c.ladder == nil || c.ladder.done.Heads == nil {
		return nil
	}
	d := c.ladder.done
	return &d
}

// descend is Compress under a ceiling.
func (c *Cache) descend(ctx context.Context) error {
	x := c.ladder
	x.done = Descent{}
	if err := c.Score(ctx); err != nil {
		return err
	}
	for _, s := range c.sets() {
		h := &s.heads[0]
		h.tiers = append(h.tiers, make([]uint8, len(h.pos)-len(h.tiers))...)
		for kind := range h.codes {
			h.codes[kind] = append(h.codes[kind], make([][]byte, len(h.pos)-len(h.codes[kind]))...)
		}
	}
	size := x.sizes(c.cfg.HeadDim)
	room := int64(x.ahead) * size[0] * int64(c.cfg.Layers*c.cfg.KVHeads)
	before := c.Bytes(0).Total() + room
	if before > x.limit {
		x.done.Before = before
		if err := c.lower(ctx, size, x.limit-room); err != nil {
			return err
		}
		x.done.After = c.Bytes(0).Total() + room
		if x.done.After > x.limit {
			return fmt.Errorf("%w: %d bytes are held, %d is the ceiling", ErrCeiling, x.done.After, x.limit)
		}
	}
	return c.restoreTiers(ctx)
}

// lower brings all heads down to limit bytes together.
func (c *Cache) lower(ctx context.Context, size [tierCount + 1]int64, limit int64) error {
	sets := c.sets()
	standings := make([]standing, len(sets))
	for i, s := range sets {
		p, h := c.plan[s.l][s.h], &s.heads[0]
		standings[i] = standing{h.sums, h.tiers, p.Sinks, p.Recent, h.protected}
	}
	cuts := plan(standings, size, limit-c.ladder.limit/slack)
	chosen, err := c.s.Select(ctx, len(sets), func(i int) (session.Selection, error) {
		p, n := c.plan[sets[i].l][sets[i].h], len(sets[i].heads[0].pos)
		return session.Selection{
			N: n, Sinks: min(n, p.Sinks), Recent: min(n, p.Recent), TopK: cuts[i].topK, ScoresIn: sets[i].heads[0].sums,
			Form: regmap.ResultTiers, Rank: cuts[i].rank, ProtTier: cuts[i].protected,
		}, nil
	})
	if err != nil {
		return err
	}
	lowered := make([][]int, len(sets))
	for i, s := range sets {
		h := &s.heads[0]
		d := HeadDescent{Layer: s.l, Head: s.h, Protected: session.TierBits[cuts[i].protected]}
		h.protected = cuts[i].protected
		var places []int
		for j, tier := range chosen[i].Tiers {
			if tier == regmap.TierDropped {
				d.Lowered[tierCount-1]++
				continue
			}
			if tier > h.tiers[j] {
				h.tiers[j] = tier
				d.Lowered[tier-1]++
				lowered[i] = append(lowered[i], len(places))
			}
			places = append(places, j)
		}
		if len(places) < len(h.pos) {
			h.keep(places, c.cfg.HeadDim)
		}
		for _, tier := range h.tiers {
			d.Rows[tier]++
		}
		c.ladder.done.Heads = append(c.ladder.done.Heads, d)
	}
	return c.recode(ctx, sets, lowered)
}
