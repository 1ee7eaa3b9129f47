package model

// Line is how the codes of a group restore: code q, its sign bit inverted, to
// Base + q Scale. Both are whole numbers of units, and so are exact.
type Line struct{ Base, Scale float64 }

// Line gives the line of a group, and whether any of its codes restores to a
// number beyond the range. The numbers of all lie between those of the first and
// the last.
func (c Coder) Line(s Stat) (l Line, clamps bool) {
	first := s.Min - c.origin()*s.Scale
	last := first + (1<<c.Bits-1)*s.Scale
	const beyond = 65520 << 24
	clamps = max(first, last) >= beyond || min(first, last) <= -beyond
	return Line{float64(first) / (1 << 24), float64(s.Scale) / (1 << 24)}, clamps
}

// ReadLine reads scale (low half) and minimum, where there is one, of a group. It
// reports whether they are finite and no code is clamped.
func (c Coder) ReadLine(stored uint32) (l Line, ok bool) {
	if c.Stats() == 1 {
		stored &= 0xffff
	}
	if _, bad := CleanWord(uint64(stored)); bad > 0 {
		return l, false
	}
	l, clamps := c.Line(Stat{Units(uint16(stored)), Units(uint16(stored >> 16))})
	return l, !clamps
}

// flips is flip in every byte.
func (c Coder) flips() uint64 { return everyByte * c.flip() }

// RestoreTokens restores groups of so many elements, whole of words, from bit at
// of src on: each behind its scale and minimum, which bases and scales have
// already. No element may be clamped. src has 8 bytes more. It gives the bit
// behind the last.
func (c Coder) RestoreTokens(dst []byte, src []uint64, at, group int, bases, scales []float64) int {
	head := 16 * c.Stats()
	end := at + len(bases)*(head+group*int(c.Bits))
	if c.vectored() && at%8 == 0 {
		tokenRestore(dst, src, at/8, head/8, group, bases, scales, int(c.Bits), c.mask(), c.flips())
		return end
	}
	for i := range bases {
		at += head
		at = c.restoreLine(dst[2*i*group:2*(i+1)*group], src, at, bases[i:i+1], scales[i:i+1])
	}
	return end
}

// RestoreRows restores rows of as many elements as there are bases, until dst is
// full, likewise.
func (c Coder) RestoreRows(dst []byte, src []uint64, at int, bases, scales []float64) int {
	end := at + len(dst)/2*int(c.Bits)
	if c.vectored() && at%8 == 0 {
		columnRestore(dst, src, at/8, bases, scales, int(c.Bits), c.mask(), c.flips())
		return end
	}
	return c.restoreLine(dst, src, at, bases, scales)
}

// restoreLine restores elements by lines that repeat, until dst is full.
func (c Coder) restoreLine(dst []byte, src []uint64, at int, bases, scales []float64) int {
	mask, flip := uint64(1)<<c.Bits-1, c.flip()
	for i := 0; i < len(dst)/2; i++ {
		w, off := at>>6, at&63
		q := src[w]>>off | src[w+1]<<1<<(63-off)
		k := i % len(bases)
		v := bases[k] + float64(q&mask^flip)*scales[k]
		h, _ := Round(int64(v * (1 << 24)))
		dst[2*i], dst[2*i+1] = byte(h), byte(h>>8)
		at += int(c.Bits)
	}
	return at
}
