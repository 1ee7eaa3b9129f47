package model

import (
	"math"
	"math/bits"
)

// Squares is a sum of squares of elements in units of 2^-48, which stays at the
// top of 64 bits once there. All scores of sums from (2^40-1) * 2^24 on are the
// same, so nothing is lost.
type Squares uint64

// Add adds the squares of elements, four a word, and counts the non-finite ones.
func (s *Squares) Add(x []uint64) (nonFinite int) {
	for _, w := range x {
		c, bad := CleanWord(w)
		nonFinite += bad
		s.add(uint16(c))
		s.add(uint16(c >> 16))
		s.add(uint16(c >> 32))
		s.add(uint16(c >> 48))
	}
	return nonFinite
}

func (s *Squares) add(h uint16) {
	u := uint64(magnitude(h))
	high, low := bits.Mul64(u, u)
	sum, carry := bits.Add64(uint64(*s), low, 0)
	if high|carry != 0 {
		sum = math.MaxUint64
	}
	*s = Squares(sum)
}

// Score is that of a key row with this sum: the lower the norm the higher.
func (s Squares) Score() uint64 { return MaxScore - uint64(s)>>24 }
