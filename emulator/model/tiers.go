package model

import "github.com/kvaccel/kvaccel/driver/regmap"

// NumTiers is the number of tiers a kept position can be in.
const NumTiers = 4

// NoSearch stands for the passes of a search that is left out.
const NoSearch = -1

// Tiers gives the tier of each position, or TierDropped: an unprotected one is in
// the first tier i whose ranks[i] highest scores it is among, a protected one in
// tier prot. ranks ascend. It tells how many radix passes each of the searches
// takes. The list is valid until the next call.
func (s *Selector) Tiers(scores []uint64, sinks, recent int, ranks [NumTiers]int, prot int) (tiers []uint8, passes [NumTiers]int) {
	n := len(scores)
	from, to := unprotected(n, sinks, recent)
	if cap(s.tiers) < n {
		s.tiers = make([]uint8, n)
	}
	tiers = s.tiers[:n]
	for j := range tiers {
		tiers[j] = uint8(prot)
	}
	free := tiers[from:to]
	for j := range free {
		free[j] = regmap.TierDropped
	}
	for i := NumTiers - 1; i >= 0; i-- { // what a lower tier finds, a higher one has found too
		below := 0
		if i > 0 {
			below = ranks[i-1]
		}
		if i < NumTiers-1 && ranks[i] == below && prot != i {
			passes[i] = NoSearch
			continue
		}
		passes[i] = s.mark(free, scores[from:to], ranks[i], uint8(i))
	}
	return tiers, passes
}

// mark puts the k highest scores into a tier and gives the passes of the search.
func (s *Selector) mark(tiers []uint8, scores []uint64, k int, tier uint8) (passes int) {
	switch {
	case k >= len(scores):
		for j := range tiers {
			tiers[j] = tier
		}
		return 0
	case k == 0:
		return 0
	}
	t, passes := s.search(scores, k)
	ties := t.ties
	for j, v := range scores {
		p := v >> (t.shift & 63)
		if p > t.prefix || p == t.prefix && ties > 0 {
			tiers[j] = tier
		}
		if p == t.prefix {
			ties--
		}
	}
	return passes
}
