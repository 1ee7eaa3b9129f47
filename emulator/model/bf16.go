package model

import "math/bits"

// Bfloat16 has numbers from 2^-133 to 2^128, too far apart for integers of 64
// bits. But a group's scale and codes, and a restored value, are each settled by
// the leading bits of the larger numbers and by whether anything is left below.
// So the numbers that meet are brought into binary16 together, by the power of
// two that puts the largest of them into its highest binade, where eight bits
// always fit; and what is too small for a whole number of units of 2^-24 is cut
// to an odd one. Being less than 2^-24 of the largest, it stays on its side of
// every half way and tells nothing more. From there on all is as with binary16,
// but for the bits of a rounded number.
const (
	wideInfinity  = 0x7f80
	wideExponents = 0x7f80_7f80_7f80_7f80
	wideCarries   = 0x0080_0080_0080_0080

	wideDigits = 8  // significant bits
	wideUnit   = 33 // with the largest in binade t, a unit is 2^(t-33) of the smallest bfloat16
)

// binade is the exponent field of a bfloat16, that of subnormals being 1.
func binade(h uint16) int { return max(int(h>>7&0xff), 1) }

// narrow brings a finite bfloat16 into binary16, the largest beside it being in
// binade top.
func narrow(h uint16, top int) uint16 {
	digits, field := uint(h&0x7f)<<3, 30+binade(h)-top
	if h&0x7f80 != 0 {
		digits |= 1 << 10
	}
	if field < 1 {
		cut := uint(1 - field)
		lost := digits & (1<<cut - 1)
		if digits >>= cut; lost != 0 {
			digits |= 1
		}
		field = 1
	}
	for digits < 1<<10 && field > 1 {
		digits <<= 1
		field--
	}
	return h&0x8000 | uint16(uint(field-1)<<10+digits)
}

// narrowWord brings four elements into binary16.
func narrowWord(w uint64, t0, t1, t2, t3 int) uint64 {
	return uint64(narrow(uint16(w), t0)) | uint64(narrow(uint16(w>>16), t1))<<16 |
		uint64(narrow(uint16(w>>32), t2))<<32 | uint64(narrow(uint16(w>>48), t3))<<48
}

// binade is that of the largest magnitude.
func (x extent) binade() int { return max(binade(unkey(x.low)), binade(unkey(x.high))) }

// wideLeast is the place of the last bit that a rounded number has, counted in
// units, where it is a subnormal one or next to it.
func wideLeast(top int) int { return max(wideUnit-top, 0) }

// wideStats is stats for bfloat16: the divisor is one of narrow elements.
func (c Coder) wideStats(x extent) (scale, minimum uint16, v divisor) {
	top := x.binade()
	low, high := Units(narrow(unkey(x.low), top)), Units(narrow(unkey(x.high), top))
	span, origin := uint64(high-low), low
	if c.Symmetric {
		span, origin = uint64(max(-low, high)), 0
	} else {
		minimum, _ = BF16.Clean(unkey(x.low)) // a minimum of -0 is +0
	}
	m, e := ratio(span, uint64(c.top()), wideDigits, wideLeast(top))
	scale = wideBits(m, e, top)
	return scale, minimum, newDivisor(narrow(scale, top), origin)
}

// wideBits is the bfloat16 of m << e units, where e is the place of its last bit.
func wideBits(m uint64, e, top int) uint16 {
	if m == 0 {
		return 0
	}
	return uint16((e+top-wideUnit)<<7) + uint16(m) // a carry out of m is the next exponent
}

// wideStat is the Stat of a cleaned scale and minimum.
func wideStat(scale, minimum uint16) Stat {
	top := max(binade(scale), binade(minimum))
	if minimum == 0x8000 { // words are cleaned but for that
		minimum = 0
	}
	return Stat{Units(narrow(scale, top)), Units(narrow(minimum, top)), int32(top), minimum}
}

// wideValue is Min + q Scale of a wideStat, rounded; over is 1 for saturation. A
// minimum that narrow had to cut is by itself the result for q = 0 alone.
func (s *Stat) wideValue(q int64) (h, over uint64) {
	if q == 0 {
		return uint64(s.minimum), 0
	}
	v := s.Min + q*s.Scale
	sign := uint64(v >> 63)
	m := (uint64(v) ^ sign) - sign
	e := max(bits.Len64(m)-wideDigits, wideLeast(int(s.top)), 1)
	m = (m + 1<<(e-1) - 1 + m>>e&1) >> e
	h = uint64(wideBits(m, e, int(s.top)))
	if h >= wideInfinity {
		h, over = wideInfinity-1, 1
	}
	if h == 0 {
		return 0, 0
	}
	return h | sign&0x8000, over
}

// restoreWide restores n elements with stats that stand stride apart: 0 for one
// stat for all.
func (c Coder) restoreWide(dst, src *[4]uint64, n int, stats []Stat, stride int) (saturated int) {
	*dst = [4]uint64{}
	mask, flip, off := uint64(1)<<c.Bits-1, c.flip(), c.origin()
	for i := range n {
		h, over := stats[i*stride].wideValue(int64(bitsAt(src, uint(i)*c.Bits)&mask^flip) - off)
		dst[i>>2&3] |= h << (i & 3 * 16)
		saturated += int(over)
	}
	return saturated
}
