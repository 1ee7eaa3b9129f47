package kvengine

import (
	"cmp"
	"math"
	"slices"
)

// Tiers of a row under a ceiling: the engine's, and gone.
const (
	tierCount = 4
	tierGone  = tierCount
	protFloor = 2 // the lowest tier of the positions that are always kept
)

// damage is what a tier adds to the square of the relative error, for a row that has all
// of the attention: the mean square of rounding in groups of 32 normal numbers, which
// spread over 4.1 deviations, of keys and of values; and 1 for a row that is gone.
var damage = [tierCount + 1]float64{0, 4.3e-5, .0125, .31, 1}

// standing is what a plan has to know of a head.
type standing struct {
	scores    []uint64 // of all positions held
	tiers     []uint8  // in which they are
	sinks     int      // first and last ones that are always kept
	recent    int
	protected int // tier of those so far
}

// cut is where the tiers of a head end: of the positions that are not protected the
// best rank[0] may stay fp16, those up to rank[1] have 8 bits, up to rank[2] 4,
// up to topK 2.
type cut struct {
	rank      [3]int
	topK      int
	protected int
}

// move is one position, or all protected ones of a head, going down from a tier.
type move struct {
	price float64 // damage for a byte saved
	head  int
	order int // worst first: n - rank; the protected ones last
	tier  uint8
	saves int64
}

// plan finds the cuts that bring heads down to limit bytes at the least damage, by what it
// costs for a byte over all heads: a head with its attention in few places gives up rows
// that one with even attention keeps. Rows never go up again. size has the bytes of
// a row in each tier.
func plan(heads []standing, size [tierCount + 1]int64, limit int64) []cut {
	total := int64(0)
	var steps []move
	cuts := make([]cut, len(heads))
	for h, x := range heads {
		for i := range x.tiers {
			total += size[x.tier(i)]
		}
		own, first := x.moves(h, size)
		steps = append(steps, own...)
		cuts[h] = first
	}
	slices.SortFunc(steps, func(a, b move) int {
		return cmp.Or(cmp.Compare(a.price, b.price), cmp.Compare(a.order, b.order), cmp.Compare(a.tier, b.tier), cmp.Compare(a.head, b.head))
	})
	for _, s := range steps {
		if total <= limit {
			break
		}
		total -= s.saves
		c := &cuts[s.head]
		switch {
		case s.order == math.MaxInt:
			c.protected = int(s.tier) + 1
		case s.tier == tierCount-1:
			c.topK--
		default:
			c.rank[s.tier]--
		}
	}
	return cuts
}

// tier is that of a position, which the choice takes down with the protected ones.
func (x standing) tier(i int) uint8 {
	if i < x.sinks || i >= len(x.tiers)-x.recent {
		return max(x.tiers[i], uint8(x.protected))
	}
	return x.tiers[i]
}

// moves lists all steps down of a head, and the cut before any of them.
func (x standing) moves(head int, size [tierCount + 1]int64) ([]move, cut) {
	n := len(x.tiers)
	low, high := min(x.sinks, n), max(min(x.sinks, n), n-x.recent)
	places := make([]int, 0, high-low)
	for i := low; i < high; i++ {
		places = append(places, i)
	}
	slices.SortStableFunc(places, func(a, b int) int { return cmp.Compare(x.scores[b], x.scores[a]) })
	norm := x.norm()
	m := len(places)
	out := make([]move, 0, m*tierCount+protFloor)
	for rank, i := range places {
		w := weight(x.scores[i]) / norm
		for t := range uint8(tierCount) {
			s := move{price: price(w, t, size), head: head, order: m - rank, tier: t}
			if x.tiers[i] <= t {
				s.saves = size[t] - size[t+1]
			}
			out = append(out, s)
		}
	}
	best := 0.
	if m > 0 {
		best = weight(x.scores[places[0]]) / norm
	}
	for t := uint8(x.protected); t < protFloor; t++ { // they count as much as the best of the others
		s := move{price: price(best, t, size), head: head, order: math.MaxInt, tier: t}
		for i := range x.tiers {
			if (i < low || i >= high) && x.tier(i) <= t {
				s.saves += size[t] - size[t+1]
			}
		}
		out = append(out, s)
	}
	return out, cut{[3]int{m, m, m}, m, x.protected}
}

// price is the damage for a byte saved by going down from tier t.
func price(w float64, t uint8, size [tierCount + 1]int64) float64 {
	return w * (damage[t+1] - damage[t]) / float64(size[t]-size[t+1])
}

// weight is what a score stands for in the square of the error: rows whose errors
// have nothing to do with each other add up as squares.
func weight(score uint64) float64 { return float64(score) * float64(score) }

// norm is the weight of all positions of a head: the square of what its output comes
// to, if values have nothing to do with each other.
func (x standing) norm() float64 {
	sum := 0.
	for _, s := range x.scores {
		sum += weight(s)
	}
	if sum == 0 {
		return 1
	}
	return sum
}
