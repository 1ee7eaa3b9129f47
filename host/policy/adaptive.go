package policy

import "slices"

// Share shares out k positions a head among the heads of a layer, as AdaKV
// does: of their best scores together, the best k times as many as there are heads
// count for the heads they are of; a head gets floor percent of k and of the
// rest the part that it has of those. All in all it is k a head. scores are those of the
// positions that are not kept anyway; equal ones count for the lower head first.
func Share(k, floor int, scores [][]uint64) []int {
	heads := len(scores)
	type entry struct {
		score uint64
		head  int
	}
	var all []entry
	for h, s := range scores {
		best := slices.Sorted(slices.Values(s))
		slices.Reverse(best)
		for _, v := range best {
			all = append(all, entry{v, h})
		}
	}
	slices.SortStableFunc(all, func(a, b entry) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return 0
	})
	count := make([]int, heads)
	for _, e := range all[:min(len(all), k*heads)] {
		count[e.head]++
	}
	// In hundredths of a position; what is left over after rounding down goes
	// to the largest rests, lower heads first.
	out, rest, order := make([]int, heads), 0, make([]int, heads)
	part := make([]int, heads)
	for h := range out {
		part[h] = floor*min(k, len(scores[h])) + (100-floor)*count[h]
		out[h], order[h] = part[h]/100, h
		rest += part[h] % 100
	}
	slices.SortStableFunc(order, func(a, b int) int { return part[b]%100 - part[a]%100 })
	for _, h := range order[:(rest+50)/100] {
		out[h]++
	}
	return out
}

// Pooled gives scores as the engine compares them: summed, or their maximum
// taken, over a window, saturating at most.
func (p Policy) Pooled(scores []uint64, most uint64) []uint64 {
	if p.Pool <= 1 {
		return scores
	}
	out := make([]uint64, len(scores))
	for j := range scores {
		for i := max(0, j-p.Pool/2); i <= min(len(scores)-1, j+p.Pool/2); i++ {
			if p.PoolMax {
				out[j] = max(out[j], scores[i])
			} else {
				out[j] = min(most, out[j]+scores[i])
			}
		}
	}
	return out
}
