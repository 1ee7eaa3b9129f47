package model

// Stream is the PRBS-31 that SOURCE gives and SINK checks, a word of 64 bits at a
// time. With b_i = b_(i-31) + b_(i-28) modulo 2 so is b_i = b_(i-124) + b_(i-112),
// the fourth power of the same relation, which needs no bit of its own word.
type Stream struct{ next, after uint64 }

// NewStream starts the stream after the 31 bits of a seed.
func NewStream(seed uint32) Stream {
	var w [2]uint64
	past := uint64(seed) // bit k is b_(i-31+k)
	for i := range 128 {
		b := (past ^ past>>3) & 1
		past = past>>1 | b<<30
		w[i/64] |= b << (i % 64)
	}
	return Stream{w[0], w[1]}
}

// Next gives the next 64 bits, the first lowest.
func (s *Stream) Next() uint64 {
	w := s.next
	s.next = s.after
	s.after = (w>>4 | s.next<<60) ^ (w>>16 | s.next<<48)
	return w
}
