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

// RestoreToken restores n elements of one group from the codes at the low end
// of src into dst, four a word, and counts the clamped ones. n is 2, 4, 8 or 16.
func (c Coder) RestoreToken(dst, src *[4]uint64, n int, s Stat) (saturated int) {
	*dst = [4]uint64{}
	mask, flip := uint64(1)<<c.Bits-1, c.flip()
	var sat, codes uint64
	for i := range n {
		if i&3 == 0 {
			codes = bitsAt(src, uint(i)*c.Bits)
		}
		h, over := round(s.Min + (int64(codes&mask^flip)-int64(flip))*s.Scale)
		sat += over
		dst[i>>2&3] |= h << (i & 3 * 16)
		codes >>= c.Bits & 63
	}
	return int(sat)
}

// RestoreChannel is RestoreToken with a stat for each element.
func (c Coder) RestoreChannel(dst, src *[4]uint64, stats []Stat) (saturated int) {
	*dst = [4]uint64{}
	mask, flip := uint64(1)<<c.Bits-1, c.flip()
	var sat, codes uint64
	for i := range stats {
		if i&3 == 0 {
			codes = bitsAt(src, uint(i)*c.Bits)
		}
		s := &stats[i]
		h, over := round(s.Min + (int64(codes&mask^flip)-int64(flip))*s.Scale)
		sat += over
		dst[i>>2&3] |= h << (i & 3 * 16)
		codes >>= c.Bits & 63
	}
	return int(sat)
}

// AppendTable appends what each code of a group restores to, 2^Bits entries:
// worth while where a group has more elements than there are codes. Bit 16 of
// an entry says that it was clamped.
func (c Coder) AppendTable(table []uint32, s Stat) []uint32 {
	flip := c.flip()
	for code := range uint64(1) << c.Bits {
		h, over := round(s.Min + (int64(code^flip)-int64(flip))*s.Scale)
		table = append(table, uint32(h|over<<16))
	}
	return table
}

// LookUp restores as RestoreToken and RestoreChannel do, from tables that stand
// stride entries apart: 0 for one table for all elements.
func (c Coder) LookUp(dst, src *[4]uint64, n int, table []uint32, stride int) (saturated int) {
	*dst = [4]uint64{}
	mask := uint64(1)<<c.Bits - 1
	var codes, sat uint64
	base := uint64(0)
	for i := range n {
		if i&3 == 0 {
			codes = bitsAt(src, uint(i)*c.Bits)
		}
		v := uint64(table[base+codes&mask])
		sat += v >> 16
		dst[i>>2&3] |= v & 0xffff << (i & 3 * 16)
		codes >>= c.Bits & 63
		base += uint64(stride)
	}
	return int(sat)
}

// flip is the sign bit of a code: (code ^ flip) - flip is its value.
func (c Coder) flip() uint64 {
	if c.Symmetric {
		return 1 << (c.Bits - 1)
	}
	return 0
}

// bitsAt gives 64 bits from position pos on.
func bitsAt(src *[4]uint64, pos uint) uint64 {
	w, off := pos>>6&3, pos&63
	return src[w]>>off | src[(w+1)&3]<<1<<(63-off)
}
