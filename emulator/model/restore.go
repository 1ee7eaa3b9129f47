package model

// Stat is the scale and minimum of one group, cleaned, in units: those of 2^-24,
// or with BF16 those of a binade that suits both.
type Stat struct {
	Scale, Min int64
	top        int32  // BF16: the binade
	minimum    uint16 // BF16: as it is stored
}

// stat is the Stat of a cleaned scale and minimum.
func (f Format) stat(scale, minimum uint16) Stat {
	if f == BF16 {
		return wideStat(scale, minimum)
	}
	return Stat{Scale: Units(scale), Min: Units(minimum)}
}

// ReadStat cleans a stored scale and minimum and counts the non-finite ones.
// For a group without minimum it is 0.
func (f Format) ReadStat(scale, minimum uint16) (Stat, int) {
	n := 0
	scale, bad := f.Clean(scale)
	if bad {
		n++
	}
	minimum, bad = f.Clean(minimum)
	if bad {
		n++
	}
	return f.stat(scale, minimum), n
}

// LoadStats reads scales and behind them minima, four a word, into stats, and
// cleans the words. Of groups without a minimum x holds the scales alone.
func (f Format) LoadStats(stats []Stat, x []uint64) {
	f.CleanWords(x)
	minima := x[len(stats)/4:]
	for i := range stats {
		var minimum uint16
		if len(minima) > 0 {
			minimum = uint16(minima[i/4] >> (i % 4 * 16))
		}
		stats[i] = f.stat(uint16(x[i/4]>>(i%4*16)), minimum)
	}
}

// RestoreToken restores n elements of one group from the codes at the low end
// of src into dst, four a word, and counts the clamped ones. n is 2, 4, 8 or 16.
func (c Coder) RestoreToken(dst, src *[4]uint64, n int, s Stat) (saturated int) {
	if c.Format == BF16 {
		return c.restoreWide(dst, src, n, []Stat{s}, 0)
	}
	if n == 2 {
		return c.restorePair(dst, src[0], s, s)
	}
	var sat uint64
	*dst = [4]uint64{}
	b, mask, flip := c.Bits&15, uint64(1)<<c.Bits-1, c.flip()
	base := s.Min - c.origin()*s.Scale
	for i := range n / 4 {
		q := bitsAt(src, 4*uint(i)*b)
		h0, over0 := round(base + int64(q&mask^flip)*s.Scale)
		h1, over1 := round(base + int64(q>>b&mask^flip)*s.Scale)
		h2, over2 := round(base + int64(q>>(2*b)&mask^flip)*s.Scale)
		h3, over3 := round(base + int64(q>>(3*b)&mask^flip)*s.Scale)
		sat += over0 + over1 + over2 + over3
		dst[i&3] = h0 | h1<<16 | h2<<32 | h3<<48
	}
	return int(sat)
}

// RestoreChannel is RestoreToken with a stat for each element.
func (c Coder) RestoreChannel(dst, src *[4]uint64, stats []Stat) (saturated int) {
	if c.Format == BF16 {
		return c.restoreWide(dst, src, len(stats), stats, 1)
	}
	if len(stats) == 2 {
		return c.restorePair(dst, src[0], stats[0], stats[1])
	}
	var sat uint64
	*dst = [4]uint64{}
	b, mask, flip := c.Bits&15, uint64(1)<<c.Bits-1, c.flip()
	off := c.origin()
	for i := range len(stats) / 4 {
		q, s := bitsAt(src, 4*uint(i)*b), stats[4*i:4*i+4:4*i+4]
		h0, over0 := round(s[0].Min + (int64(q&mask^flip)-off)*s[0].Scale)
		h1, over1 := round(s[1].Min + (int64(q>>b&mask^flip)-off)*s[1].Scale)
		h2, over2 := round(s[2].Min + (int64(q>>(2*b)&mask^flip)-off)*s[2].Scale)
		h3, over3 := round(s[3].Min + (int64(q>>(3*b)&mask^flip)-off)*s[3].Scale)
		sat += over0 + over1 + over2 + over3
		dst[i&3] = h0 | h1<<16 | h2<<32 | h3<<48
	}
	return int(sat)
}

// restorePair restores two elements.
func (c Coder) restorePair(dst *[4]uint64, q uint64, s0, s1 Stat) (saturated int) {
	mask, flip, off := uint64(1)<<c.Bits-1, c.flip(), c.origin()
	h0, over0 := round(s0.Min + (int64(q&mask^flip)-off)*s0.Scale)
	h1, over1 := round(s1.Min + (int64(q>>c.Bits&mask^flip)-off)*s1.Scale)
	*dst = [4]uint64{h0 | h1<<16}
	return int(over0 + over1)
}

// AppendTable appends what each code of a group restores to, 2^Bits entries:
// worth while where a group has more elements than there are codes. Bit 16 of
// an entry says that it was clamped.
func (c Coder) AppendTable(table []uint32, s Stat) []uint32 {
	flip, off := c.flip(), c.origin()
	for code := range uint64(1) << c.Bits {
		h, over := c.Format.value(&s, int64(code^flip)-off)
		table = append(table, uint32(h|over<<16))
	}
	return table
}

// value is Min + q Scale, rounded.
func (f Format) value(s *Stat, q int64) (h, over uint64) {
	if f == BF16 {
		return s.wideValue(q)
	}
	return round(s.Min + q*s.Scale)
}

// LookUp restores as RestoreToken and RestoreChannel do, from tables that stand
// stride entries apart: 0 for one table for all elements.
func (c Coder) LookUp(dst, src *[4]uint64, n int, table []uint32, stride int) (saturated int) {
	*dst = [4]uint64{}
	b, mask := c.Bits&15, uint64(1)<<c.Bits-1
	if n == 2 {
		v0, v1 := uint64(table[src[0]&mask]), uint64(table[uint64(stride)+src[0]>>b&mask])
		dst[0] = v0&0xffff | v1&0xffff<<16
		return int(v0>>16 + v1>>16)
	}
	var sat uint64
	for i := range n / 4 {
		q, at := bitsAt(src, 4*uint(i)*b), uint64(4*i*stride)
		v0 := uint64(table[at+q&mask])
		v1 := uint64(table[at+uint64(stride)+q>>b&mask])
		v2 := uint64(table[at+uint64(2*stride)+q>>(2*b)&mask])
		v3 := uint64(table[at+uint64(3*stride)+q>>(3*b)&mask])
		sat += v0>>16 + v1>>16 + v2>>16 + v3>>16
		dst[i&3] = v0&0xffff | v1&0xffff<<16 | v2&0xffff<<32 | v3<<48
	}
	return int(sat)
}

// flip is the sign bit of a code: (code ^ flip) - origin is its value.
func (c Coder) flip() uint64 {
	if c.Symmetric {
		return 1 << (c.Bits - 1)
	}
	return 0
}

// origin is the code, its sign bit flipped, that stands for 0.
func (c Coder) origin() int64 {
	if c.Offset {
		return offsetZero
	}
	return int64(c.flip())
}

// bitsAt gives 64 bits from position pos on.
func bitsAt(src *[4]uint64, pos uint) uint64 {
	w, off := pos>>6&3, pos&63
	return src[w]>>off | src[(w+1)&3]<<1<<(63-off)
}
