package model

import (
	"math/bits"

	"github.com/kvaccel/kvaccel/driver/regmap"
)

// MaxScore is where a score saturates.
const MaxScore = 1<<regmap.ScoreBits - 1

// Accumulate adds attention weights, four a word, to scores, whose number says
// how many of them count. It counts the non-finite or negative weights and the
// sums that were clamped.
func Accumulate(scores []uint64, x []uint64) (nonFinite, saturated int) {
	i := 0
	for ; len(scores) >= 4; scores = scores[4:] {
		w, s := x[i], scores[:4:4]
		i++
		if (w|(w&exponents+carries))&signs != 0 { // an exponent of all ones, or a sign
			bad, sat := accumulateSlow(s, w)
			nonFinite, saturated = nonFinite+bad, saturated+sat
			continue
		}
		s[0] += uint64(magnitude(uint16(w)))
		s[1] += uint64(magnitude(uint16(w >> 16)))
		s[2] += uint64(magnitude(uint16(w >> 32)))
		s[3] += uint64(magnitude(uint16(w >> 48)))
		if s[0]|s[1]|s[2]|s[3] > MaxScore {
			saturated += Clamp(s)
		}
	}
	if len(scores) > 0 {
		bad, sat := accumulateSlow(scores, x[i])
		nonFinite, saturated = nonFinite+bad, saturated+sat
	}
	return nonFinite, saturated
}

// accumulateSlow adds up to four weights of any kind.
func accumulateSlow(scores []uint64, w uint64) (nonFinite, saturated int) {
	for i := range scores {
		h, bad := weight(uint16(w >> (16 * i)))
		if bad {
			nonFinite++
		}
		scores[i] += uint64(magnitude(h))
	}
	return nonFinite, Clamp(scores)
}

// Clamp saturates scores of any 64 bits and counts those that it changed.
func Clamp(scores []uint64) (n int) {
	for i, v := range scores {
		if v > MaxScore {
			scores[i] = MaxScore
			n++
		}
	}
	return n
}

// Decay multiplies scores by lambda/65536, rounding down.
func Decay(scores []uint64, lambda uint64) {
	for i, v := range scores {
		scores[i] = v * lambda >> 16 // below 2^56
	}
}

// weight cleans an attention weight: negative ones are 0 and reported, -0 is 0.
func weight(h uint16) (uint16, bool) {
	switch c, bad := Clean(h); {
	case c&0x8000 != 0:
		return 0, true
	default:
		return c, bad
	}
}

const digitBits = 4

// UsualDigit is the top digit of weights below 1.
const UsualDigit = (regmap.ScoreFrac - 1) / digitBits

// Selector chooses the positions to keep. It owns its scratch memory.
type Selector struct {
	kept   []uint16
	cand   []uint64
	next   []uint64
	pooled []uint64
	full   []int
	tiers  []uint8
}

// Select lists the positions to keep of scores, ascending: the first sinks,
// the last recent, and of the rest the k highest scores, of equal ones the
// lowest positions; and tells how many radix passes finding them takes. The
// list is valid until the next call.
func (s *Selector) Select(scores []uint64, sinks, recent, k int) (kept []uint16, passes int) {
	n := len(scores)
	from, to := unprotected(n, sinks, recent)
	free := scores[from:to]
	s.kept = s.kept[:0]
	for j := range from {
		s.kept = append(s.kept, uint16(j))
	}
	switch {
	case k >= len(free):
		for j := from; j < to; j++ {
			s.kept = append(s.kept, uint16(j))
		}
	case k > 0:
		var t threshold
		t, passes = s.search(free, k)
		s.kept = t.appendKept(s.kept, free, from)
	}
	for j := to; j < n; j++ {
		s.kept = append(s.kept, uint16(j))
	}
	return s.kept, passes
}

// unprotected gives the range of positions that compete.
func unprotected(n, sinks, recent int) (from, to int) {
	from = min(sinks, n)
	return from, max(n-recent, from)
}

// TopDigit is the highest digit that is not 0 in any score that competes, the one
// at which a search starts.
func TopDigit(scores []uint64, sinks, recent int) int {
	from, to := unprotected(len(scores), sinks, recent)
	return topDigit(scores[from:to])
}

func topDigit(scores []uint64) int {
	var or uint64
	for _, v := range scores {
		or |= v
	}
	return max(bits.Len64(or)-1, 0) / digitBits
}

// threshold is what a search found: scores whose digits from shift up are
// above prefix are kept, and the first ties of those that equal it.
type threshold struct {
	prefix uint64
	shift  uint
	ties   int
}

// search runs radix passes over scores until the k highest are told apart, or
// no digit is left.
func (s *Selector) search(scores []uint64, k int) (t threshold, passes int) {
	digit := topDigit(scores)
	cand := scores
	t.ties = k
	for {
		passes++
		t.shift = uint(digit * digitBits)
		var count [1 << digitBits]int
		for _, v := range cand {
			count[v>>(t.shift&63)&(1<<digitBits-1)]++
		}
		chosen := len(count) - 1
		for count[chosen] < t.ties {
			t.ties -= count[chosen]
			chosen--
		}
		t.prefix = t.prefix<<digitBits | uint64(chosen)
		if count[chosen] == t.ties || digit == 0 {
			return t, passes
		}
		s.next = s.next[:0]
		for _, v := range cand {
			if v>>(t.shift&63)&(1<<digitBits-1) == uint64(chosen) {
				s.next = append(s.next, v)
			}
		}
		s.cand, s.next = s.next, s.cand
		cand = s.cand
		digit--
	}
}

func (t threshold) appendKept(kept []uint16, scores []uint64, base int) []uint16 {
	ties := t.ties
	for j, v := range scores {
		switch p := v >> (t.shift & 63); {
		case p > t.prefix:
			kept = append(kept, uint16(base+j))
		case p == t.prefix && ties > 0:
			ties--
			kept = append(kept, uint16(base+j))
		}
	}
	return kept
}
