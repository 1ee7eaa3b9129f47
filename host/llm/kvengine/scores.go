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
	sel := session.Selection{N: n, Sinks: min(n, p.Sinks), Recent: min(n, p.Recent), TopK: min(n, *p.TopK)}
	if !p.NeedsScores(n) {
		return sel
	}
	sel.Pool, sel.PoolMax = p.Pool, p.PoolMax
	switch p.Scorer {
	case policy.Random:
		sel.Weights = randomRows(c.seed, x.l, x.h, x.heads[0].pos)
	case policy.KeyNorm:
		for _, f := range x.heads[0].k.floats {
			sel.KeyRows = append(sel.KeyRows, fp16.FromFloat64(float64(f)))
		}
		sel.RowDims = c.cfg.HeadDim
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

// settleScores adds the recorded rows to the sums where a policy scores by all
// queries, as the engine does.
func (c *Cache) settleScores() {
	for _, x := range c.sets() {
		first := &x.heads[0]
		if first.record != RecordAll {
			continue
		}
		p := c.plan[x.l][x.h]
		first.sums = append(first.sums, make([]uint64, len(first.pos)-len(first.sums))...)
		for i := range first.rows[0] {
			if p.Decays() {
				for j, s := range first.sums {
					first.sums[j] = s * uint64(p.LambdaUnits()) >> 16
				}
			}
			for h := range x.heads {
				for _, rows := range x.heads[h].rows {
					for j, w := range rows[i] {
						first.sums[j] = min(maxScore, first.sums[j]+units(w))
					}
				}
			}
		}
		for h := range x.heads {
			clear(x.heads[h].rows)
		}
	}
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
		sel := c.selection(sets[i])
		sel.Sinks, sel.Recent, sel.TopK, sel.Pool, sel.PoolMax, sel.ScoresOut = 0, 0, 0, 0, false, true
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
