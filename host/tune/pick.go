package tune

import (
	"fmt"
	"math"
	"slices"
)

// Item is a choice for a head: what it costs and what it spoils.
type Item struct {
	Index int
	Cost  float64
	Loss  float64
}

// Pick chooses an item for each head. With a budget > 0 the sum of losses is made
// small within that cost; otherwise the cost is made small within a sum of losses of
// at most maxLoss. It is greedy along the lower convex hulls: from the cheapest items
// on, the step that saves most loss for its cost is taken next. Steps that no longer
// fit are passed over.
func Pick(heads [][]Item, budget, maxLoss float64) ([]Item, error) {
	hulls := make([][]Item, len(heads))
	at := make([]int, len(heads))
	var cost, loss float64
	for h, items := range heads {
		hulls[h] = hull(items)
		cost += hulls[h][0].Cost
		loss += hulls[h][0].Loss
	}
	if budget > 0 && cost > budget {
		return nil, fmt.Errorf("%w: %.0f bytes are the least that the candidates can do, %.0f were asked for", ErrGoal, cost, budget)
	}
	for _, s := range steps(hulls) {
		from, to := hulls[s.head][s.to-1], hulls[s.head][s.to]
		switch {
		case budget <= 0 && loss <= maxLoss:
			return taken(hulls, at), nil
		case at[s.head] != s.to-1: // an earlier step of this head did not fit
			continue
		case budget > 0 && cost+to.Cost-from.Cost > budget:
			continue
		}
		at[s.head] = s.to
		cost, loss = cost+to.Cost-from.Cost, loss+to.Loss-from.Loss
	}
	if budget <= 0 && loss > maxLoss {
		return nil, fmt.Errorf("%w: a mean error of %.3g is the least that the candidates can do, %.3g was asked for", ErrGoal, loss/float64(len(heads)), maxLoss/float64(len(heads)))
	}
	return taken(hulls, at), nil
}

func taken(hulls [][]Item, at []int) []Item {
	out := make([]Item, len(hulls))
	for h := range hulls {
		out[h] = hulls[h][at[h]]
	}
	return out
}

// step is the move of a head to the next item of its hull.
type step struct {
	head, to int
	gain     float64 // loss saved for its cost
}

// steps lists the moves, the best first; those of one head stay in their order, since
// gains fall along a hull.
func steps(hulls [][]Item) []step {
	var out []step
	for h, items := range hulls {
		for i := 1; i < len(items); i++ {
			a, b := items[i-1], items[i]
			out = append(out, step{h, i, (a.Loss - b.Loss) / (b.Cost - a.Cost)})
		}
	}
	slices.SortStableFunc(out, func(a, b step) int {
		switch {
		case a.gain > b.gain:
			return -1
		case a.gain < b.gain:
			return 1
		}
		return 0
	})
	return out
}

// hull is the lower convex hull of items: rising cost, falling loss, each step worth
// less than the one before.
func hull(items []Item) []Item {
	s := slices.Clone(items)
	slices.SortFunc(s, func(a, b Item) int {
		switch {
		case a.Cost < b.Cost || a.Cost == b.Cost && a.Loss < b.Loss:
			return -1
		case a.Cost == b.Cost && a.Loss == b.Loss:
			return 0
		}
		return 1
	})
	var out []Item
	best := math.Inf(1)
	for _, it := range s {
		if it.Loss >= best || len(out) > 0 && out[len(out)-1].Cost == it.Cost {
			continue
		}
		best = it.Loss
		for len(out) > 1 && !falls(out[len(out)-2], out[len(out)-1], it) {
			out = out[:len(out)-1]
		}
		out = append(out, it)
	}
	return out
}

// falls says whether the slope from a to b is steeper than that from b to c.
func falls(a, b, c Item) bool {
	return (a.Loss-b.Loss)*(c.Cost-b.Cost) > (b.Loss-c.Loss)*(b.Cost-a.Cost)
}
