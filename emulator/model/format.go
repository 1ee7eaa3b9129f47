package model

import "github.com/kvaccel/kvaccel/driver/regmap"

// Format is that of elements, scales and minima.
type Format uint8

// The formats.
const (
	FP16 Format = regmap.FormatFP16
	BF16 Format = regmap.FormatBF16
)

// infinity is the pattern of the positive infinity; the one below it is the
// largest finite number.
func (f Format) infinity() uint16 {
	if f == BF16 {
		return wideInfinity
	}
	return infinity
}

// Clean gives the finite element that h counts as: NaN is 0, an infinity the
// largest number of its sign, -0 is +0. It reports NaN and infinities.
func (f Format) Clean(h uint16) (uint16, bool) {
	switch m, top := h&0x7fff, f.infinity(); {
	case m == 0:
		return 0, false
	case m < top:
		return h, false
	case m == top:
		return h&0x8000 | (m - 1), true
	}
	return 0, true
}

// CleanWord cleans four elements and counts the non-finite ones. It leaves -0
// alone: its value is 0 like that of +0.
func (f Format) CleanWord(w uint64) (uint64, int) {
	if f == FP16 {
		return CleanWord(w)
	}
	if (w&wideExponents+wideCarries)&signs == 0 {
		return w, 0
	}
	return f.cleanSlow(w)
}

func (f Format) cleanSlow(w uint64) (clean uint64, nonFinite int) {
	for i := 0; i < 64; i += 16 {
		h, bad := f.Clean(uint16(w >> i))
		clean |= uint64(h) << i
		if bad {
			nonFinite++
		}
	}
	return clean, nonFinite
}

// CleanWords cleans elements in place, as CleanWord does.
func (f Format) CleanWords(x []uint64) {
	for i, w := range x {
		x[i], _ = f.CleanWord(w)
	}
}

// CountNonFinite counts the NaN and infinite elements of some words.
func (f Format) CountNonFinite(x []uint64) int {
	n := 0
	for _, w := range x {
		_, k := f.CleanWord(w)
		n += k
	}
	return n
}
