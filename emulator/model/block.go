package model

// The blocks of ggml: groups of 32 with codes of 4 bits, of which byte i holds
// those of elements i (low) and i + 16 (high), and the scheme that puts the
// element of largest magnitude at code 0.

const (
	offsetZero = 8 // the code that stands for 0
	offsetTop  = 15
)

// offsetStats gives the scale of an offset group of cleaned elements, and the
// divisor of its magnitude.
func offsetStats(x []uint64) (scale uint16, v divisor) {
	var m uint16 // the first element of largest magnitude
	for _, e := range x {
		for range 4 {
			if h := uint16(e); h&0x7fff > m&0x7fff {
				m = h
			}
			e >>= 16
		}
	}
	scale = roundRatio(uint64(magnitude(m)), offsetZero)
	v = newDivisor(scale, 0)
	if scale != 0 {
		scale |= ^m & 0x8000
	}
	return scale, v
}

// codePaired appends the codes of a group, those of its halves in turn.
func (c Coder) codePaired(x []uint64, scale uint16, v *divisor, w *Bits) {
	half := len(x) / 2
	for i, e := range x[:half] {
		far := x[half+i]
		var q uint64
		for k := uint(0); k < 32; k += 8 {
			q |= (c.nibble(uint16(e), scale, v) | c.nibble(uint16(far), scale, v)<<4) << k
			e, far = e>>16, far>>16
		}
		w.Put(q, 32)
	}
}

// nibble is the code of an element of a group with codes of 4 bits.
func (c Coder) nibble(h, scale uint16, v *divisor) uint64 {
	switch {
	case c.Offset:
		q := int64(v.quotient(magnitude(h)))
		if (h^scale)&0x8000 != 0 {
			q = -q
		}
		return uint64(min(offsetTop, max(0, q+offsetZero)))
	case c.Symmetric:
		return signed(min(uint64(c.top()), v.quotient(magnitude(h))), h, 15)
	}
	return min(uint64(c.top()), v.quotient(Units(h)-v.origin))
}

// SplitPairs parts n bytes, at most 16, at the low end of src into the codes in
// their low and in their high halves.
func SplitPairs(src *[4]uint64, n int) (low, high uint64) {
	for i := range n {
		b := src[i>>3&3] >> (i & 7 * 8)
		low |= b & 15 << (4 * i)
		high |= b >> 4 & 15 << (4 * i)
	}
	return low, high
}
