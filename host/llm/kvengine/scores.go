package kvengine

import (
	"context"
	"math/rand/v2"

	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/session"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// set is heads that choose together: one, or all of a layer.
type set struct {
	l, h  int // layer, first head
	heads []head
}

// sets lists those that choose.
func (c *Cache) sets() []set {
	var list []set
	for l := range c.layers {
		heads := c.layers[l].heads
		if c.plan[l][0].Shared {
			list = append(list, set{l, 0, heads})
			continue
		}
		for h := range heads {
			list = append(list, set{l, h, heads[h:][:1]})
		}
	}
	return list
}

// selection asks which positions of a set stay.
func (c *Cache) selection(x set) session.Selection {
	p, n := c.plan[x.l][x.h], len(x.heads[0].pos)
	sel := session.Selection{N: n}
	if p.NeedsScores(n) {
		sel = c.scoring(x)
		sel.Pool, sel.PoolMax = p.Pool, p.PoolMax
	}
	sel.Sinks, sel.Recent, sel.TopK = min(n, p.Sinks), min(n, p.Recent), min(n, *p.TopK)
	return sel
}

// scoring gives what ranks the positions of a set.
func (c *Cache) scoring(x set) session.Selection {
	p, n := c.plan[x.l][x.h], len(x.heads[0].pos)
	sel := session.Selection{N: n}
	switch p.Scorer {
	case policy.Random:
		sel.Weights = randomRows(c.seed, x.l, x.h, x.heads[0].pos)
	case policy.KeyNorm:
		sel.KeyRows, sel.RowDims = bits(x.heads[0].k.floats, false), c.cfg.HeadDim // norms are of binary16 keys
	default:
		if sums := x.heads[0].sums; len(sums) > 0 {
			sel.ScoresIn = append(append([]uint64(nil), sums...), make([]uint64, n-len(sums))...)
		}
		sel.Weights = x.weights()
		if p.Decays() && len(sel.Weights) > 0 {
			sel.StepRows, sel.Lambda = len(x.heads)*len(x.heads[0].rows), p.LambdaUnits()
		}
	}
	return sel
}

// bits gives rows as the model sees them in a format: that which they have, or
// another, to which they are rounded.
func bits(rows []float32, bf16 bool) []uint16 {
	out := make([]uint16, len(rows))
	for i, f := range rows {
		out[i] = rounded(f, bf16)
	}
	return out
}

// weights gives the recorded rows of a set, those of one query together.
func (x set) weights() []uint16 {
	n := len(x.heads[0].pos)
	var out []uint16
	for i := range x.heads[0].rows[0] {
		for _, h := range x.heads {
			for _, rows := range h.rows {
				out = append(out, rows[i]...)
				out = append(out, make([]uint16, n-len(rows[i]))...)
			}
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

// accumulate has the engine add the recorded rows of sets to their sums.
func (c *Cache) accumulate(ctx context.Context, sets []set) error {
	if len(sets) == 0 {
		return nil
	}
	answers, err := c.s.Select(ctx, len(sets), func(i int) (session.Selection, error) {
		sel := c.scoring(sets[i])
		sel.ScoresOut = true
		return sel, nil
	})
	if err != nil {
		return err
	}
	for i, x := range sets {
		x.settle(answers[i].Scores)
	}
	return nil
}

// settle puts the scores of all recorded rows in their place.
func (x set) settle(scores []uint64) {
	x.heads[0].sums = scores
	for h := range x.heads {
		clear(x.heads[h].rows)
	}
}

// Score has the engine add up the attention rows recorded so far where a policy
// ranks by those of all queries, so that a long prompt's need not be held until
// Compress.
func (c *Cache) Score(ctx context.Context) error {
	var sets []set
	for _, x := range c.sets() {
		if x.heads[0].record == RecordAll && len(x.heads[0].rows[0]) > 0 {
			sets = append(sets, x)
		}
	}
	return c.accumulate(ctx, sets)
}

// maxScore is where the engine's scores saturate.
const maxScore = 1<<regmap.ScoreBits - 1

// adapt gives the heads of adaptive layers budgets of their own, once.
func (c *Cache) adapt(ctx context.Context) error {
	var sets []set
	for _, x := range c.sets() {
		p := c.plan[x.l][x.h]
		if n := len(x.heads[0].pos); p.Adaptive != nil && p.Evicts() && p.NeedsScores(n) && p.Kept(n) < n {
			sets = append(sets, x)
		}
	}
	if len(sets) == 0 {
		return nil
	}
	answers, err := c.s.Select(ctx, len(sets), func(i int) (session.Selection, error) {
		sel := c.scoring(sets[i])
		sel.ScoresOut = true
		return sel, nil
	})
	if err != nil {
		return err
	}
	for at := 0; at < len(sets); at += c.cfg.KVHeads { // a layer's heads agree, so all of them are there
		plan := c.plan[sets[at].l]
		others := make([][]uint64, len(plan))
		for h, p := range plan {
			scores := p.Pooled(answers[at+h].Scores, maxScore)
			others[h] = scores[min(len(scores), p.Sinks):max(p.Sinks, len(scores)-p.Recent)]
		}
		for h, k := range policy.Share(*plan[0].TopK, *plan[0].Adaptive, others) {
			plan[h].TopK, plan[h].Adaptive = &k, nil
		}
	}
	return nil
}
