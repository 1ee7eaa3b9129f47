package model

// Pool replaces each score by the sum, or by the maximum, of those at most half
// positions away. It gives the positions whose sum was clamped, ascending. Both
// results are valid until the next call; scores are left as they are.
func (s *Selector) Pool(scores []uint64, half int, maximum bool) (pooled []uint64, saturated []int) {
	s.pooled, s.full = s.pooled[:0], s.full[:0]
	if maximum {
		for j := range scores {
			var v uint64
			for _, w := range scores[max(j-half, 0):min(j+half+1, len(scores))] {
				v = max(v, w)
			}
			s.pooled = append(s.pooled, v)
		}
		return s.pooled, nil
	}
	var sum uint64 // of the window around j, exact
	for _, v := range scores[:min(half, len(scores))] {
		sum += v
	}
	for j := range scores {
		if j+half < len(scores) {
			sum += scores[j+half]
		}
		if j-half > 0 {
			sum -= scores[j-half-1]
		}
		s.pooled = append(s.pooled, min(sum, MaxScore))
		if sum > MaxScore {
			s.full = append(s.full, j)
		}
	}
	return s.pooled, s.full
}
