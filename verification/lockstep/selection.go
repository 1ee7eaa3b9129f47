package lockstep

import (
	"slices"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// selection draws n up to limit, and the budgets and options of a SELECT, their
// edges often.
func (g *program) selection(q *packet.Request, limit int) {
	p := g.cfg.Params
	n := g.upTo(limit)
	switch g.IntN(4) {
	case 0:
		n = min(limit, max(1, p.Lanes*g.upTo(max(1, limit/p.Lanes))+g.IntN(3)-1))
	case 1:
		n = 1 + g.IntN(min(limit, 6*p.Lanes))
	}
	if g.chance(1, 20) {
		n = limit
	}
	q.Dims = n
	q.Sinks, q.Recent, q.TopK = g.part(n), g.part(n), g.part(n)
	switch g.IntN(3) {
	case 0: // as policies ask: a few sinks, some recent ones
		q.Sinks, q.Recent = min(n, g.IntN(6)), min(n, g.IntN(n/4+1))
	case 1: // k near the number of the unprotected
		u := max(0, n-q.Sinks-q.Recent)
		q.TopK = min(n, max(0, u+g.IntN(3)-1))
	}
	q.Sinks, q.Recent = min(q.Sinks, 1<<16-1), min(q.Recent, 1<<16-1)
	q.Result = uint32(g.IntN(3))
	if q.Result == regmap.ResultTiers {
		g.tiers(q)
	}
	g.scoring(q)
}

// part draws a number from 0 to n.
func (g *program) part(n int) int {
	switch g.IntN(6) {
	case 0:
		return 0
	case 1:
		return g.IntN(n + 1)
	case 2:
		return n
	}
	return min(n, g.upTo(n)-g.IntN(2))
}

// tiers draws rising ranks, empty tiers and equal boundaries often.
func (g *program) tiers(q *packet.Request) {
	for i := range q.Rank {
		q.Rank[i] = min(g.IntN(q.TopK+1), 1<<16-1)
		if g.chance(1, 4) {
			q.Rank[i] = pickOne(g.random, 0, min(q.TopK, 1<<16-1), q.Rank[0])
		}
	}
	slices.Sort(q.Rank[:])
	q.ProtTier = g.IntN(4)
}

// scoring draws where the scores come from and what happens to them.
func (g *program) scoring(q *packet.Request) {
	if g.chance(1, 8) {
		q.KeyNorm, q.RowDims = true, g.rowDims(16)
	} else {
		q.ScoresIn = g.chance(1, 3)
		if g.chance(1, 3) {
			q.StepRows = g.upTo(pickOne(g.random, 1, 3, 8, 4095))
			q.Lambda = pickOne(g.random, 0, 1, 0xFFFF, 0x8000, uint16(g.Uint32()))
		}
	}
	if g.chance(1, 3) {
		q.PoolHalf, q.PoolMax = g.upTo(7), g.chance(1, 2)
		return
	}
	q.ScoresOut = g.chance(1, 3)
}

// rowDims draws the elements of a key or value row, a multiple of a group size.
func (g *program) rowDims(multiple int) int {
	return multiple * g.upTo(g.cfg.Params.MaxDim/multiple)
}

// compression draws a COMPRESS of about so many beats.
func (g *program) compression(q *packet.Request, budget int) {
	p := g.cfg.Params
	values := pickOne(g.random, groupsUpTo(p.MaxDim, 0)...)
	q.RowDims, q.ValueGroup = g.rowDims(values), values
	if g.chance(1, 6) {
		q.RowDims, q.ValueGroup = g.rowDims(16), 0
	}
	q.Scheme, q.Axis = uint32(g.IntN(2)), uint32(g.IntN(2))
	if q.Axis == regmap.AxisChannel {
		q.Bits = pickOne(g.random, 2, 3, 4, 5, 6, 8)
		q.Group = pickOne(g.random, groupsUpTo(p.TileTokens, 0)...)
	} else {
		q.Group = pickOne(g.random, append(groupsUpTo(q.RowDims, q.RowDims), 0)...)
	}
	g.selection(q, min(p.MaxTokens, max(2, budget*p.Lanes/(2*q.RowDims))))
	q.Result = 0
	rowDims := q.RowDims
	q.RowDims = rowDims
	q.Rank, q.ProtTier = [3]int{}, 0
	g.tiers(q)
	if !q.KeyNorm && g.chance(1, 3) {
		q.Format = regmap.FormatBF16
	}
}

// scores fills b with 64-bit scores: attention-like sums, ties, and such that are
// near or beyond the largest.
func (r random) scores(b []byte) {
	high := uint(1 + r.IntN(42))
	few := r.chance(1, 3)
	for i := 0; i+8 <= len(b); i += 8 {
		v := r.Uint64() >> (64 - high)
		switch {
		case few:
			v = v >> (high - 1) << (high - 1)
		case r.chance(1, 200):
			v = r.Uint64()
		case r.chance(1, 50):
			v = 1<<40 - 2 + uint64(r.IntN(4))
		}
		put64(b[i:], v)
	}
}

// stream fills b with the PRBS-31 stream of a seed and, sometimes, spoils it.
func (r random) stream(b []byte, seed uint32) {
	state := uint64(seed) // bit k is b_(i-31+k)
	for i := range b {
		b[i] = 0
		for j := range 8 {
			next := (state ^ state>>3) & 1
			state = state>>1 | next<<30
			b[i] |= byte(next) << j
		}
	}
	if len(b) > 0 && r.chance(1, 2) {
		for range r.upTo(3) {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
	}
}
