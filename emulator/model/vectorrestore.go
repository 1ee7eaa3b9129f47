package model

import (
	"math"
	"math/bits"
	"slices"
)

// Lines is how the codes of some groups restore: code q, its sign bit inverted, to
// base + q scale. Both, and all that comes of them, are whole numbers of units
// below 2^48, which float64 holds.
type Lines struct {
	bases, scales []float64
	wide          bool // there are results that float32 does not hold

	narrowBases, narrowScales []float32 // of Set
}

// Len is the number of groups.
func (l *Lines) Len() int { return len(l.bases) }

// Cut keeps the first n groups.
func (l *Lines) Cut(n int) {
	l.bases, l.scales = l.bases[:n], l.scales[:n]
	if n == 0 {
		l.wide = false
	}
}

// line works out the line of a group. ok says that none of its codes restores to
// a number beyond the range, wide that float32 may not hold one.
func (c Coder) line(s Stat) (base, scale float64, wide, ok bool) {
	first := s.Min - c.origin()*s.Scale
	last := first + (1<<c.Bits-1)*s.Scale
	most := uint64(max(first, last, -first, -last)) // what all codes give lies between the two
	// All results are multiples of the lowest bit of the two.
	wide = bits.Len64(most)-bits.TrailingZeros64(uint64(first|s.Scale)) > 24
	return float64(first) / (1 << 24), float64(s.Scale) / (1 << 24), wide, most < 65520<<24
}

// Straight reports that no code of a group is clamped.
func (c Coder) Straight(s Stat) bool {
	_, _, _, ok := c.line(s)
	return ok
}

// Add appends a group, unless one of its codes restores to a number beyond the
// range: then it reports false.
func (l *Lines) Add(c Coder, s Stat) bool {
	base, scale, wide, ok := c.line(s)
	if ok {
		l.bases, l.scales = append(l.bases, base), append(l.scales, scale)
		l.wide = l.wide || wide
	}
	return ok
}

// Set makes lines of groups that RestoreRows may take. It reports false, and they
// must not be used, where a code restores to a number beyond the range.
func (l *Lines) Set(c Coder, stats []Stat) bool {
	n := len(stats)
	l.bases, l.scales = slices.Grow(l.bases[:0], n)[:n], slices.Grow(l.scales[:0], n)[:n]
	l.narrowBases, l.narrowScales = slices.Grow(l.narrowBases[:0], n)[:n], slices.Grow(l.narrowScales[:0], n)[:n]
	l.wide = false
	for i, s := range stats {
		base, scale, wide, ok := c.line(s)
		if !ok {
			return false
		}
		l.bases[i], l.scales[i] = base, scale
		l.narrowBases[i], l.narrowScales[i] = float32(base), float32(scale)
		l.wide = l.wide || wide
	}
	return true
}

// Read appends the groups whose scale (low half) and minimum, where there is one,
// start at bit at of src and every stride bits from there, up to n of them: to the
// first which is not finite, or one of whose codes is clamped. It gives how many.
func (l *Lines) Read(c Coder, src []uint64, at, stride uint64, n int) int {
	mask := uint64(1)<<(16*c.Stats()) - 1
	done := 0
	if c.vectored() && at%8 == 0 && n >= 4 {
		if done = l.readFour(c, src, int(at/8), int(stride/8), n&^3, mask); done < n&^3 {
			return done
		}
		at += uint64(done) * stride
	}
	for i := done; i < n; i++ {
		w, off := at>>6, at&63
		stored := (src[w]>>off | src[w+1]<<1<<(63-off)) & mask
		if (stored&exponents+carries)&signs != 0 || !l.Add(c, Stat{Scale: Units(uint16(stored)), Min: Units(uint16(stored >> 16))}) {
			return i
		}
		at += stride
	}
	return n
}

// readFour is Read by the vector kernel, of groups a multiple of 4 in number, and
// bytes instead of bits.
func (l *Lines) readFour(c Coder, src []uint64, at, stride, n int, mask uint64) int {
	had := len(l.bases)
	l.bases, l.scales = slices.Grow(l.bases, n)[:had+n], slices.Grow(l.scales, n)[:had+n]
	top := math.Float64bits(float64(uint(1)<<c.Bits - 1))
	done, narrow := tokenLines(src, at, stride, l.bases[had:], l.scales[had:], mask*(1<<32+1), math.Float64bits(float64(c.origin())), top)
	l.bases, l.scales = l.bases[:had+done], l.scales[:had+done]
	l.wide = l.wide || !narrow
	return done
}

// flips is flip in every byte.
func (c Coder) flips() uint64 { return everyByte * c.flip() }

// RestoreTokens restores n groups of so many elements, a multiple of 8, from bit
// at of src on, each behind its scale and minimum: those of l from the first-th
// on. src has 8 bytes more. It gives the bit behind the last.
func (c Coder) RestoreTokens(dst []byte, src []uint64, at, group int, l *Lines, first, n int) int {
	head := 16 * c.Stats()
	bases, scales := l.bases[first:first+n], l.scales[first:first+n]
	if c.vectored() && at%8 == 0 {
		restore := tokenRestore
		if !l.wide {
			restore = tokenRestoreNarrow
		}
		restore(dst, src, at/8, head/8, group, bases, scales, int(c.Bits), c.mask(), c.flips())
		return at + n*(head+group*int(c.Bits))
	}
	for i := range bases {
		at = c.restoreLines(dst[2*i*group:2*(i+1)*group], src, at+head, bases[i:i+1], scales[i:i+1])
	}
	return at
}

// RestoreRows restores rows of as many elements as there are lines, a multiple of
// 8, until dst is full, likewise. The lines come of Set.
func (c Coder) RestoreRows(dst []byte, src []uint64, at int, l *Lines) int {
	if !c.vectored() || at%8 != 0 {
		return c.restoreLines(dst, src, at, l.bases, l.scales)
	}
	if l.wide {
		columnRestore(dst, src, at/8, l.bases, l.scales, int(c.Bits), c.mask(), c.flips())
	} else {
		columnRestoreNarrow(dst, src, at/8, l.narrowBases, l.narrowScales, int(c.Bits), c.mask(), c.flips())
	}
	return at + len(dst)/2*int(c.Bits)
}

// restoreLines restores elements by lines that repeat, until dst is full, in plain
// Go.
func (c Coder) restoreLines(dst []byte, src []uint64, at int, bases, scales []float64) int {
	mask, flip := uint64(1)<<c.Bits-1, c.flip()
	for i := range len(dst) / 2 {
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
