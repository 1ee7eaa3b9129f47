package model

import "encoding/binary"

// CopyFinite copies elements, 16 at a time, up to the first 16 of which one is
// not finite, and gives the words copied. dst is a multiple of 4 long; src has
// that many at least.
func CopyFinite(dst []uint64, src []byte) int {
	if vector {
		return copyFinite(dst, src[:8*len(dst)])
	}
	for i := 0; i < len(dst); i += 4 {
		for k := range 4 {
			w := binary.LittleEndian.Uint64(src[8*(i+k):])
			if (w&exponents+carries)&signs != 0 {
				return i
			}
			dst[i+k] = w
		}
	}
	return len(dst)
}

// AccumulateFinite adds attention weights to scores, lanes a beat, up to the
// first beat with one that is negative or not finite, or with a sum that is
// clamped, and perhaps not so far. It gives the beats added.
func AccumulateFinite(scores []uint64, x []byte, lanes int) int {
	if vector {
		n := accumulate(scores[:len(scores)&^7], x[:2*len(scores)])
		for i := n &^ (lanes - 1); i < n; i++ { // half a beat was added
			scores[i] -= uint64(magnitude(binary.LittleEndian.Uint16(x[2*i:])))
		}
		return n / lanes
	}
	step := max(lanes, 4)
	for i := 0; i+step <= len(scores); i += step {
		if !accumulateSome(scores[i:i+step], x[2*i:]) {
			return i / lanes
		}
	}
	return len(scores) / step * step / lanes
}

// accumulateSome adds a few weights, or none.
func accumulateSome(scores []uint64, x []byte) bool {
	for i, s := range scores {
		h := binary.LittleEndian.Uint16(x[2*i:])
		if h >= infinity || s+uint64(magnitude(h)) > MaxScore {
			return false
		}
	}
	for i := range scores {
		scores[i] += uint64(magnitude(binary.LittleEndian.Uint16(x[2*i:])))
	}
	return true
}
