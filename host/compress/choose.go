package compress

import (
	"context"
	"slices"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/cache"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/session"
	"github.com/kvaccel/kvaccel/host/trace"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// maxScore is where the engine's scores saturate.
const maxScore = 1<<regmap.ScoreBits - 1

// choose fills in what each head of layer l keeps; heads with tiers come out
// whole.
func (r *run) choose(ctx context.Context, l int, layer trace.Layer, heads []cache.Head) error {
	scores, err := r.scored(ctx, l, layer)
	if err != nil {
		return err
	}
	r.adapt(l, scores)
	var chosen, tiered []int // heads that go to SELECT and to COMPRESS
	for h, p := range r.plan[l] {
		switch {
		case p.Tiers != nil:
			tiered = append(tiered, h)
		case !p.Evicts():
			heads[h].Positions = cache.All(r.n)
		case p.Shared && len(chosen) > 0: // the choice of the first is that of all
		default:
			chosen = append(chosen, h)
		}
	}
	if len(chosen) > 0 {
		answers, err := r.s.Select(ctx, len(chosen), func(i int) (session.Selection, error) {
			return r.selection(ctx, l, chosen[i], layer, scores[chosen[i]])
		})
		if err != nil {
			return err
		}
		for i, h := range chosen {
			heads[h].Positions = answers[i].Positions
		}
		for h, p := range r.plan[l] {
			if heads[h].Positions == nil && p.Shared && p.Tiers == nil {
				heads[h].Positions = slices.Clone(answers[0].Positions)
			}
		}
	}
	return r.compress(ctx, l, layer, tiered, scores, heads)
}

// scored gives the scores of the heads whose budget or division needs them
// before the choice, summed by the engine; nil for the others.
func (r *run) scored(ctx context.Context, l int, layer trace.Layer) ([][]uint64, error) {
	out := make([][]uint64, r.t.Hkv)
	var heads []int
	for h, p := range r.plan[l] {
		if p.NeedsAttention(r.n) && (p.Adaptive != nil || p.Normalise) {
			heads = append(heads, h)
		}
	}
	if len(heads) == 0 {
		return out, nil
	}
	answers, err := r.s.Select(ctx, len(heads), func(i int) (session.Selection, error) {
		sel, err := r.selection(ctx, l, heads[i], layer, nil)
		sel.Sinks, sel.Recent, sel.TopK, sel.Pool, sel.PoolMax, sel.ScoresOut = 0, 0, 0, 0, false, true
		return sel, err
	})
	if err != nil {
		return nil, err
	}
	for i, h := range heads {
		out[h] = answers[i].Scores
		if p := r.plan[l][h]; p.Normalise {
			normalise(out[h], queries(r.t, l, r.n, p))
		}
	}
	return out, nil
}

// normalise divides each score by how many of the queries, ascending, could see
// the position.
func normalise(scores []uint64, queries []int) {
	at := 0
	for j := range scores {
		for at < len(queries) && queries[at] < j {
			at++
		}
		if seen := len(queries) - at; seen > 0 {
			scores[j] /= uint64(seen)
		}
	}
}

// adapt gives the heads of an adaptive layer budgets of their own.
func (r *run) adapt(l int, scores [][]uint64) {
	plan := r.plan[l]
	first := plan[0]
	if first.Adaptive == nil {
		return
	}
	budgets := make([]int, len(plan))
	if first.NeedsAttention(r.n) && first.Evicts() {
		others := make([][]uint64, len(plan))
		for h, p := range plan {
			others[h] = p.Pooled(scores[h], maxScore)[p.Sinks : r.n-p.Recent]
		}
		budgets = policy.Share(*first.TopK, *first.Adaptive, others)
	}
	for h := range plan {
		if plan[h].Adaptive = nil; plan[h].Evicts() {
			k := budgets[h]
			plan[h].TopK = &k
		}
	}
}

// selection gives what ranks the positions of head h: the scores, if they are
// known already, or keys or rows of weights.
func (r *run) selection(ctx context.Context, l, h int, layer trace.Layer, scores []uint64) (session.Selection, error) {
	p := r.plan[l][h]
	sel := session.Selection{N: r.n, Sinks: p.Sinks, Recent: p.Recent}
	if p.Evicts() {
		sel.TopK = *p.TopK
	}
	if !p.NeedsScores(r.n) {
		return sel, nil
	}
	sel.Pool, sel.PoolMax = p.Pool, p.PoolMax
	switch {
	case scores != nil:
		sel.ScoresIn = scores
	case p.Scorer == policy.KeyNorm:
		sel.KeyRows, sel.RowDims = halves(layer, layer.K[h][:r.n*r.t.D]), r.t.D
	case p.Scorer == policy.Random:
		sel.Weights = randomRows(l, h, r.n)
	default:
		heads := queryHeads(r.t, h, p.Shared)
		w, c, err := weights(ctx, r.t, l, layer, heads, r.n, queries(r.t, l, r.n, p))
		if err != nil {
			return sel, err
		}
		r.converted(c)
		sel.Weights = w
		if p.Decays() {
			sel.StepRows, sel.Lambda = len(heads), p.LambdaUnits()
		}
	}
	return sel, nil
}

// halves gives rows as binary16, which key norms are taken of.
func halves(layer trace.Layer, rows []uint16) []uint16 {
	if !layer.BF16 {
		return rows
	}
	out := make([]uint16, len(rows))
	for i, f := range layer.Floats(rows) {
		out[i] = fp16.FromFloat64(max(-fp16.MaxFinite, min(fp16.MaxFinite, f)))
	}
	return out
}

// tierLayout is how a policy with tiers has keys and values coded.
func tierLayout(p policy.Policy, dims int) (keys packet.Layout, valueGroup int) {
	keys, _ = p.KLayout(dims)
	if p.KAxis == policy.Token {
		keys.Bits = 0
	}
	return keys, p.Group
}

// compress sends the heads with tiers through COMPRESS, a packet each.
func (r *run) compress(ctx context.Context, l int, layer trace.Layer, tiered []int, scores [][]uint64, heads []cache.Head) error {
	if len(tiered) == 0 {
		return nil
	}
	answers, err := r.s.Compress(ctx, len(tiered), func(i int) (session.Compression, error) {
		h := tiered[i]
		p := r.plan[l][h]
		sel, err := r.selection(ctx, l, h, layer, scores[h])
		c := session.Compression{Selection: sel, Dims: r.t.D, K: layer.K[h][:r.n*r.t.D], V: layer.V[h][:r.n*r.t.D]}
		c.Rank, c.TopK = p.Ranks(r.n)
		c.ProtTier = p.ProtectedTier()
		c.Keys, c.ValueGroup = tierLayout(p, r.t.D)
		return c, err
	})
	if err != nil {
		return err
	}
	for i, h := range tiered {
		heads[h] = cache.FromCompressed(r.plan[l][h], r.n, r.t.D, answers[i])
	}
	return nil
}
