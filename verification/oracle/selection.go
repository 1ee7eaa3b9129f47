package oracle

import "slices"

// scoreMax is the largest score: 40 bits, in units of 2^-24.
const scoreMax = 1<<40 - 1

// Scores sums attention rows, each of one weight per position, in units of
// 2^-24. A NaN or negative weight adds nothing, an infinity 65504; both are
// counted in nonFinite, a negative infinity or NaN once. -0 is a zero. A sum beyond
// the range of a score stays at its top; every addition that meets it counts in
// saturated.
func Scores(rows [][]uint16) (scores []int64, nonFinite, saturated int) {
	scores = make([]int64, len(rows[0]))
	for _, row := range rows {
		for j, h := range row {
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

// Keep lists, ascending, the positions that stay: the first sinks, the last
// recent, and of the rest the topK highest scores, the lower position before the
// higher where scores are equal.
func Keep(scores []int64, sinks, recent, topK int) []int {
	n := len(scores)
	var kept, rest []int
	for j := range n {
		if j < sinks || j >= n-recent {
			kept = append(kept, j)
		} else {
			rest = append(rest, j)
		}
	}
	slices.SortStableFunc(rest, func(a, b int) int {
		switch {
		case scores[a] > scores[b]:
			return -1
		case scores[a] < scores[b]:
			return 1
		}
		return 0
	})
	kept = append(kept, rest[:min(topK, len(rest))]...)
	slices.Sort(kept)
	return kept
}

// Select gives the positions a SELECT response must list, ascending, and its
// counts of bad weights and of clamped sums.
func (Engine) Select(rows [][]uint16, sinks, recent, topK int) (keep []int, nonFinite, saturated int) {
	scores, nonFinite, saturated := Scores(rows)
	return Keep(scores, sinks, recent, topK), nonFinite, saturated
}
