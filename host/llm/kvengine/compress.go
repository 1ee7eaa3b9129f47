package kvengine

import (
	"context"
	"math/rand/v2"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/cache"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/session"
	"github.com/kvaccel/kvaccel/internal/fp16"
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
		sel := session.Selection{N: n, Sinks: c.pol.Sinks, Recent: c.pol.Recent, TopK: *c.pol.TopK}
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
			c.layers[l].heads[h].keep(kept[i], c.cfg.HeadDim)
		}
	}
	return nil
}

// weights gives the rows that rank the positions of some heads, which hold the
// same ones.
func (c *Cache) weights(l, h int, heads []head) []uint16 {
	pos := heads[0].pos
	if c.pol.Scorer == policy.Random {
		return randomRows(c.seed, l, h, pos)
	}
	var out []uint16
	for i := range heads {
		out = appendSums(out, heads[i].sums, len(pos))
		for _, rows := range heads[i].rows {
			for _, r := range rows {
				out = append(out, r...)
				out = append(out, make([]uint16, len(pos)-len(r))...)
			}
		}
	}
	return out
}

// digitBits is how many bits of a sum one binary16 weight carries exactly.
const digitBits = 11

// appendSums appends scores of the past as rows whose sum they are, exactly:
// each row has 11 bits of every score.
func appendSums(out []uint16, sums []uint64, n int) []uint16 {
	most := uint64(0)
	for _, s := range sums {
		most |= s
	}
	for shift := 0; most>>shift != 0; shift += digitBits {
		at := len(out)
		out = append(out, make([]uint16, n)...)
		for j, s := range sums {
			digit := s >> shift & (1<<digitBits - 1)
			out[at+j] = fp16.FromFloat64(float64(digit<<shift) * 0x1p-24)
		}
	}
	return out
}

// randomRows gives two rows whose sum ranks positions at random: the upper ten
// bits of a uniform number in [0, 1) and the next ten. A position has the same
// number whenever it is ranked, so that what stays is a random sample.
func randomRows(seed uint64, l, h int, pos []int) []uint16 {
	rng := rand.New(rand.NewPCG(seed<<32+uint64(l), uint64(h)))
	n := len(pos)
	rows := make([]uint16, 2*n)
	for i, at := 0, 0; i < n; at++ {
		high, low := rng.IntN(1<<10), rng.IntN(1<<10)
		if pos[i] != at {
			continue
		}
		rows[i] = fp16.FromFloat64(float64(high) * 0x1p-10)
		rows[n+i] = fp16.FromFloat64(float64(low) * 0x1p-20)
		i++
	}
	return rows
}

// settleScores adds the recorded rows to the sums if the policy scores by all
// queries.
func (c *Cache) settleScores() {
	if c.record != RecordAll {
		return
	}
	for l := range c.layers {
		for h := range c.layers[l].heads {
			x := &c.layers[l].heads[h]
			x.sums = append(x.sums, make([]uint64, len(x.pos)-len(x.sums))...)
			for g, rows := range x.rows {
				for _, r := range rows {
					for j, w := range r {
						x.sums[j] += units(w)
					}
				}
				x.rows[g] = nil
			}
		}
	}
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

// Bytes counts what the cache takes as it stands: [cache.Bytes] and the state
// of the scores.
type Bytes struct {
	cache.Bytes
	Scores int64 `json:"scores"`
}

// Total is the sum.
func (b Bytes) Total() int64 { return b.Bytes.Total() + b.Scores }

// Add adds the counts of o.
func (b *Bytes) Add(o Bytes) {
	b.Bytes.Add(o.Bytes)
	b.Scores += o.Scores
}

// A kept position takes 2 bytes, a score of the past the engine's 40 bits.
const (
	positionBytes = 2
	scoreBytes    = regmap.ScoreBits / 8
)

// Bytes counts codes, scales and minima (those of dropped rows too, as long as
// rows they share scales with are held), fp16 rows, positions kept if the policy
// evicts, scores of the past, and attention rows that a Compress after next more positions
// will need again.
func (c *Cache) Bytes(next int) Bytes {
	var b Bytes
	k, _ := c.pol.KLayout()
	v, _ := c.pol.VLayout()
	for l := range c.layers {
		for i := range c.layers[l].heads {
			h := &c.layers[l].heads[i]
			h.k.bytes(k, c.cfg.HeadDim, &b.Bytes)
			h.v.bytes(v, c.cfg.HeadDim, &b.Bytes)
			if c.pol.Evicts() {
				b.Positions += positionBytes * int64(len(h.pos))
			}
			b.Scores += scoreBytes * int64(len(h.sums))
			for _, rows := range h.rows {
				for _, r := range rows[max(0, len(rows)-max(0, c.record-next)):] {
					b.Scores += 2 * int64(len(r))
				}
			}
		}
	}
	return b
}

// RowBytes is what a position takes until it is compressed, all layers and
// heads together.
func (c *Cache) RowBytes() Bytes {
	n := int64(len(c.layers) * c.cfg.KVHeads)
	b := Bytes{Bytes: cache.Bytes{Residual: n * 4 * int64(c.cfg.HeadDim)}}
	if c.pol.Evicts() {
		b.Positions = n * positionBytes
	}
	return b
}
