package oracle

import (
	"cmp"
	"math/big"
	"slices"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// scoreMax is the largest score: 40 bits, in units of 2^-24.
const scoreMax = 1<<40 - 1

// Scores sums attention rows, each of one weight per position, in units of
// 2^-24. It starts from given scores, of which those beyond the top count as the
// top, or from zeros if start is nil; with stepRows > 0 they are multiplied by
// lambda/65536, rounded down, before the first row of each step. A NaN or negative
// weight adds nothing, an infinity 65504; both are counted in nonFinite, a negative
// infinity or NaN once. -0 is a zero. A sum beyond the range of a score stays at
// its top; every addition that meets it counts in saturated, as does a start
// beyond it.
func Scores(start []uint64, rows [][]uint16, stepRows int, lambda uint16) (scores []int64, nonFinite, saturated int) {
	if start == nil {
		start = make([]uint64, len(rows[0]))
	}
	scores = make([]int64, len(start))
	for j, v := range start {
		if v > scoreMax {
			v = scoreMax
			saturated++
		}
		scores[j] = int64(v)
	}
	for i, row := range rows {
		for j, h := range row {
			if stepRows > 0 && i%stepRows == 0 {
				scores[j] = scores[j] * int64(lambda) / 65536
			}
			clean, bad := Sanitise(h)
			a := units(clean)
			if a < 0 {
				a, bad = 0, true
			}
			if bad {
				nonFinite++
			}
			scores[j] += a
			if scores[j] > scoreMax {
				scores[j] = scoreMax
				saturated++
			}
		}
	}
	return scores, nonFinite, saturated
}

// KeyNorms gives the scores of key rows: 2^40-1 less the squared norm in units of
// 2^-24, rounded down, but not below 0. It counts NaN and infinite elements.
func KeyNorms(rows [][]uint16) (scores []int64, nonFinite int) {
	for _, row := range rows {
		x, bad := clean(row)
		nonFinite += bad
		sum := new(big.Int) // in units of 2^-48
		for _, v := range x {
			sum.Add(sum, new(big.Int).Mul(big.NewInt(v), big.NewInt(v)))
		}
		score := int64(0)
		if sum.Rsh(sum, 24); sum.BitLen() <= 40 {
			score = scoreMax - sum.Int64()
		}
		scores = append(scores, score)
	}
	return scores, nonFinite
}

// Pool gives for each position the sum, or the maximum, of the scores of those at
// most half away. A sum stays at the top of a score, and counts in saturated if it
// is beyond.
func Pool(scores []int64, half int, maximum bool) (pooled []int64, saturated int) {
	for j := range scores {
		window := scores[max(0, j-half):min(len(scores), j+half+1)]
		if maximum {
			pooled = append(pooled, slices.Max(window))
			continue
		}
		sum := int64(0)
		for _, v := range window {
			sum += v
		}
		if sum > scoreMax {
			sum = scoreMax
			saturated++
		}
		pooled = append(pooled, sum)
	}
	return pooled, saturated
}

// ranked gives the protected positions, and the others from the highest score
// down, the lower position before the higher where scores are equal.
func ranked(scores []int64, sinks, recent int) (protected, rest []int) {
	n := len(scores)
	for j := range n {
		if j < sinks || j >= n-recent {
			protected = append(protected, j)
		} else {
			rest = append(rest, j)
		}
	}
	slices.SortStableFunc(rest, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	return protected, rest
}

// Keep lists, ascending, the positions that stay: the first sinks, the last
// recent, and of the rest the topK highest scores, the lower position before the
// higher where scores are equal.
func Keep(scores []int64, sinks, recent, topK int) []int {
	kept, rest := ranked(scores, sinks, recent)
	kept = append(kept, rest[:min(topK, len(rest))]...)
	slices.Sort(kept)
	return kept
}

// Tiers gives the tier of each position, or TierDropped: that of the protected is
// given, any other is in the first one whose highest scores it is among.
func Tiers(scores []int64, s packet.Selection) []uint8 {
	tiers := make([]uint8, len(scores))
	protected, rest := ranked(scores, s.Sinks, s.Recent)
	for _, j := range protected {
		tiers[j] = uint8(s.ProtTier)
	}
	for i, j := range rest {
		switch {
		case i < s.Rank[0]:
			tiers[j] = 0
		case i < s.Rank[1]:
			tiers[j] = 1
		case i < s.Rank[2]:
			tiers[j] = 2
		case i < s.TopK:
			tiers[j] = 3
		default:
			tiers[j] = regmap.TierDropped
		}
	}
	return tiers
}

// Scores gives what a SELECT or COMPRESS sums up, and its counts of bad weights
// and of clamped scores; see [Scores].
func (Engine) Scores(start []uint64, rows [][]uint16, stepRows int, lambda uint16) (scores []uint64, nonFinite, saturated int) {
	s, nonFinite, saturated := Scores(start, rows, stepRows, lambda)
	return convert[uint64](s), nonFinite, saturated
}

// KeyNorms gives the scores of key rows; see [KeyNorms].
func (Engine) KeyNorms(rows [][]uint16) (scores []uint64, nonFinite int) {
	s, nonFinite := KeyNorms(rows)
	return convert[uint64](s), nonFinite
}

// Pool pools scores; see [Pool].
func (Engine) Pool(scores []uint64, half int, maximum bool) (pooled []uint64, saturated int) {
	s, saturated := Pool(convert[int64](scores), half, maximum)
	return convert[uint64](s), saturated
}

// Tiers says which positions are kept, and in which tier; see [Tiers].
func (Engine) Tiers(scores []uint64, s packet.Selection) []uint8 {
	return Tiers(convert[int64](scores), s)
}

func convert[To, From int64 | uint64](list []From) []To {
	out := make([]To, len(list))
	for i, v := range list {
		out[i] = To(v)
	}
	return out
}
