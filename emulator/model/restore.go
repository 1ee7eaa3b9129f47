package model

// Stat is the scale and minimum of one group, cleaned, in units of 2^-24.
type Stat struct{ Scale, Min int64 }

// ReadStat cleans a stored scale and minimum and counts the non-finite ones.
// For a symmetric group the minimum is 0.
func ReadStat(scale, minimum uint16) (Stat, int) {
	n := 0
	scale, bad := Clean(scale)
	if bad {
		n++
	}
	minimum, bad = Clean(minimum)
	if bad {
		n++
	}
	return Stat{Units(scale), Units(minimum)}, n
}

// CountNonFinite counts the NaN and infinite elements of some words.
func CountNonFinite(x []uint64) int {
	n := 0
	for _, w := range x {
		_, k := CleanWord(w)
		n += k
	}
	return n
}

// LoadScales reads scales, four a word, into stats. Symmetric groups have no
// minimum, so LoadScales zeroes it; LoadMinima then fills it in for others.
func LoadScales(stats []Stat, x []uint64) {
	for i := range stats {
		h, _ := Clean(uint16(x[i/4] >> (i % 4 * 16)))
		stats[i] = Stat{Scale: Units(h)}
	}
}

// LoadMinima reads minima, four a word, into stats.
func LoadMinima(stats []Stat, x []uint64) {
	for i := range stats {
		h, _ := Clean(uint16(x[i/4] >> (i % 4 * 16)))
		stats[i].Min = Units(h)
	}
}

// value gives a code its value.
func (c Coder) value(code uint64) int64 {
	if c.Symmetric {
		s := 64 - c.Bits
		return int64(code<<(s&63)) >> (s & 63)
	}
	return int64(code)
}

// RestoreToken restores n elements of one group from the codes at the low end
// of src into dst, four a word, and counts the clamped ones. n is 2, 4, 8 or 16.
func (c Coder) RestoreToken(dst, src *[4]uint64, n int, s Stat) (saturated int) {
	*dst = [4]uint64{}
	mask := uint64(1)<<c.Bits - 1
	pos := uint(0)
	for i := range n {
		code := bitsAt(src, pos) & mask
		h, sat := Round(s.Min + c.value(code)*s.Scale)
		if sat {
			saturated++
		}
		dst[i>>2&3] |= uint64(h) << (i & 3 * 16)
		pos += c.Bits
	}
	return saturated
}

// RestoreChannel is RestoreToken with a stat for each element.
func (c Coder) RestoreChannel(dst, src *[4]uint64, stats []Stat) (saturated int) {
	*dst = [4]uint64{}
	mask := uint64(1)<<c.Bits - 1
	pos := uint(0)
	for i := range stats {
		code := bitsAt(src, pos) & mask
		h, sat := Round(stats[i].Min + c.value(code)*stats[i].Scale)
		if sat {
			saturated++
		}
		dst[i>>2&3] |= uint64(h) << (i & 3 * 16)
		pos += c.Bits
	}
	return saturated
}

// bitsAt gives at least 8 bits from position pos below 248.
func bitsAt(src *[4]uint64, pos uint) uint64 {
	w, off := pos>>6&3, pos&63
	return src[w]>>off | src[(w+1)&3]<<1<<(63-off)
}
