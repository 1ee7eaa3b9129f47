package kvengine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/cache"
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

// rung is what the heads of a cache under a ceiling have besides.
type rung struct {
	tiers     []uint8     // of the rows held at the last Compress
	codes     [2][][]byte // of keys and values, nil as fp16
	protected int         // tier of what is always kept
}

// own takes a copy of the rows.
func (h *head) own() {
	for _, p := range []*part{&h.k, &h.v} {
		p.fp16, p.floats = slices.Clone(p.fp16), slices.Clone(p.floats)
	}
}

// newLadder prepares a ceiling for a cache.
func newLadder(p policy.Policy, cfg llm.Config) *ladder {
	l, _ := policy.Policy{Scheme: p.Scheme, Group: p.Group, KBits: 8}.KLayout()
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
	size, least := c.ladder.sizes(c.cfg.HeadDim), int64(0)
	for _, heads := range c.plan {
		for _, p := range heads {
			least += int64(p.Sinks+p.Recent)*size[protFloor] + int64(n)*size[0]
		}
	}
	if least > c.ladder.limit {
		return fmt.Errorf("%w: it is %d bytes; the %d first and %d last positions that are always kept, at %d bits, and %d more as fp16 take %d", ErrCeiling,
			c.ladder.limit, c.plan[0][0].Sinks, c.plan[0][0].Recent, session.TierBits[protFloor], n, least)
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

// recode sends the lowered rows of each head, as they are, through QUANTIZE at the
// width of their tier.
func (c *Cache) recode(ctx context.Context, sets []set, lowered [][]int) error {
	d := c.cfg.HeadDim
	var jobs []session.Rows
	var put []func(session.Coded)
	for i, s := range sets {
		h := &s.heads[0]
		for t := uint8(1); t < tierCount; t++ {
			var rows []int
			for _, j := range lowered[i] {
				if h.tiers[j] == t {
					rows = append(rows, j)
				}
			}
			if len(rows) == 0 {
				continue
			}
			for kind, p := range []*part{&h.k, &h.v} {
				job := session.Rows{Layout: c.ladder.at(t), Dims: d}
				for _, j := range rows {
					job.Data = append(job.Data, p.fp16[j*d:][:d]...)
				}
				jobs = append(jobs, job)
				codes := h.codes[kind]
				put = append(put, func(coded session.Coded) {
					step := len(coded.Data) / len(rows)
					for i, j := range rows {
						codes[j] = coded.Data[i*step:][:step:step]
					}
				})
			}
		}
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

// restoreTiers sends every coded row through DEQUANTIZE, a head's tier at a time.
func (c *Cache) restoreTiers(ctx context.Context) error {
	d := c.cfg.HeadDim
	var jobs []session.Coded
	var put []func(rows []uint16)
	for _, s := range c.sets() {
		h := &s.heads[0]
		for t := uint8(1); t < tierCount; t++ {
			for kind, p := range []*part{&h.k, &h.v} {
				job := session.Coded{Layout: c.ladder.at(t), Dims: d}
				var at []int
				for j, tier := range h.tiers {
					if tier == t {
						at, job.Data = append(at, j), append(job.Data, h.codes[kind][j]...)
					}
				}
				if job.Rows = len(at); job.Rows == 0 {
					continue
				}
				jobs = append(jobs, job)
				put = append(put, func(rows []uint16) {
					for i, j := range at {
						copy(p.fp16[j*d:][:d], rows[i*d:][:d])
						copy(p.floats[j*d:][:d], appendFloats(nil, rows[i*d:][:d]))
					}
				})
			}
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	done, err := c.s.Dequantize(ctx, jobs)
	if err != nil {
		return err
	}
	for i := range done {
		put[i](done[i])
	}
	return nil
}

// bytes adds what the rows take.
func (x *ladder) bytes(h *head, dim int, b *cache.Bytes) {
	for j := range h.pos {
		t := uint8(0)
		if j < len(h.tiers) {
			t = h.tiers[j]
		}
		row := 2 * int64(session.RowBytes(x.layout, dim, t))
		if t == 0 {
			b.Residual += row
			continue
		}
		codes := 2 * int64(dim) * int64(session.TierBits[t]) / 8
		b.Codes += codes
		b.Scales += row - codes
	}
}

// keep drops all but the rows at places.
func (x *rung) keep(places []int) {
	if x.tiers == nil {
		return
	}
	old := *x
	x.tiers, x.codes = make([]uint8, len(places)), [2][][]byte{}
	for i, at := range places {
		x.tiers[i] = old.tiers[at]
	}
	for kind := range x.codes {
		for _, at := range places {
			x.codes[kind] = append(x.codes[kind], old.codes[kind][at])
		}
	}
}
