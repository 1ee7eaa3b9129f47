// Package model computes what the engine answers, to the bit and without any
// notion of time: cleaning, scales, codes, restored values, score sums and the
// choice of positions of docs/engine.md, section 4. Package core decides when.
//
// Elements are binary16 patterns packed four to a word, the first lowest, as a
// beat carries them. Numbers are integers in units of 2^-24, the smallest
// binary16: every finite element is a whole number of them below 2^40, so all
// arithmetic here is exact in 64 bits and rounds only where the contract says.
package model

import (
	"math"
	"math/bits"
)

const (
	infinity  = 0x7c00
	maxFinite = 0x7bff // 65504
	signs     = 0x8000_8000_8000_8000
	exponents = 0x7c00_7c00_7c00_7c00
	carries   = 0x0400_0400_0400_0400
)

// Clean is that of FP16.
func Clean(h uint16) (uint16, bool) { return FP16.Clean(h) }

// CleanWord is that of FP16.
func CleanWord(w uint64) (uint64, int) {
	if (w&exponents+carries)&signs == 0 {
		return w, 0
	}
	return FP16.cleanSlow(w)
}

// Units is the value of a finite element in units of 2^-24.
func Units(h uint16) int64 {
	u := magnitude(h)
	s := int64(int16(h)) >> 63
	return (u ^ s) - s
}

// magnitude is the absolute value of a finite element in units.
func magnitude(h uint16) int64 {
	e := uint(h>>10) & 31
	normal := (e + 31) >> 5 // 0 for subnormals
	return int64(uint64(h&0x3ff)|uint64(normal<<10)) << ((e - normal) & 63)
}

// Round is RN16 of a number of units below 2^52: one rounding, half to even,
// saturating at 65504. It reports saturation. A zero is +0.
func Round(v int64) (uint16, bool) {
	h, over := round(v)
	return uint16(h), over != 0
}

// round is Round; over is 1 for saturation. A float64 holds v exactly, and its
// bits are those of a binary16 with 42 more of fraction and another bias.
func round(v int64) (h, over uint64) {
	s := uint64(v >> 63)
	h = (uint64(v) ^ s) - s
	if h >= 1<<11 {
		h = normal(h)
	}
	over = (maxFinite - h) >> 63
	return min(h, maxFinite) | s&0x8000, over
}

// normal rounds a number of units from 2^11 to 2^52 to the 11 bits of a binary16,
// and gives its pattern, or one beyond the last.
func normal(m uint64) uint64 {
	b := math.Float64bits(float64(int64(m)))
	return (b+(1<<41-1)+b>>42&1)>>42 - (1023+9)<<10 // a carry out of the fraction is the next exponent
}

// roundRatio is RN16 of num/den units for 0 <= num < 2^50 and 0 < den < 2^10.
// The quotients of the contract stay in range.
func roundRatio(num, den uint64) uint16 {
	m, e := ratio(num, den, 11, 0)
	return uint16(min(uint64(e)<<10+m, maxFinite))
}

// ratio rounds num/den to so many digits, or to a multiple of 2^least where that
// is coarser: to m << e.
func ratio(num, den uint64, digits, least int) (m uint64, e int) {
	e = max(bits.Len64(num/den)-digits, least)
	d := den << e
	m, rest := num/d, num%d
	if 2*rest > d || 2*rest == d && m&1 == 1 {
		m++
	}
	return m, e
}
