package model

import "math"

// The vector kernels code an element x of a group with minimum mn and scale s in
// float64. All of them are whole numbers of units, s <= 2^40 units. d = x - mn is
// exact. r is 1/s rounded, so d*r is the quotient p = d/s < 2^9 but for 2^-44 at
// most. It is rounded to a multiple of 2^-41, by adding 1.5 * 2^11 in one
// operation, and then to a whole number, half to even, by adding 1.5 * 2^52 in
// all. That is RNE(p): a p half way between two whole numbers is a multiple of
// 2^-41, and so the first rounding gives it back; any other is at least
// 1/(2 s) >= 2^-41 away from half way, and stays on its side. Symmetric groups
// have mn = 0.
//
// A scale is RN16(w/top) of a range w < 2^42 units. The quotient is rounded to
// float64 first, which moves none to or across the middle of two binary16: it is
// there, or 1/(2 top) units and thus 2^-43 of itself away from there at least.

// vectored reports whether the vector kernels code and restore groups so. They
// know neither the pairs nor the offset of blocks.
func (c Coder) vectored() bool { return vector && c.Format == FP16 && !c.Offset && !c.Paired }

// mask has the bits of a code set in every byte.
func (c Coder) mask() uint64 { return everyByte * (1<<c.Bits - 1) }

const everyByte = 0x0101_0101_0101_0101

// limits are the least and the largest code, each twice as 32 bits, and all ones
// for symmetric coding.
func (c Coder) limits() (low, high, symmetric uint64) {
	high = uint64(c.top()) * (1<<32 + 1)
	if c.Symmetric {
		return uint64(uint32(-c.top())) * (1<<32 + 1), high, math.MaxUint64
	}
	return 0, high, 0
}

// batch is how many per-token groups are coded at once.
const batch = 64

// groups is what the vector kernels find out about groups: keys, scales and
// minima four a word.
type groups struct {
	low, high, scales, minima [batch / 4]uint64
	mins, recips              [batch]float64
}

// QuantizeTokens codes per-token groups of so many words each, as QuantizeToken
// does one.
func (c Coder) QuantizeTokens(x []uint64, group int, w *Bits) {
	if !c.vectored() {
		for ; len(x) > 0; x = x[group:] {
			c.quantizeToken(x[:group], w)
		}
		return
	}
	for ; len(x) > batch*group; x = x[batch*group:] {
		c.quantizeBatch(x[:batch*group], group, w)
	}
	c.quantizeBatch(x, group, w)
}

// quantizeBatch codes up to batch groups with the vector kernels.
func (c Coder) quantizeBatch(x []uint64, group int, w *Bits) {
	g, n := &w.groups, len(x)/group
	lowest, highest, symmetric := c.limits()
	tokenExtents(x, group, g.low[:], g.high[:])
	groupScales(g.low[:(n+3)/4], g.high[:], g.scales[:], g.minima[:], g.mins[:], g.recips[:], float64(c.top()), symmetric)
	head := 2 * c.Stats()
	bytes := n * (head + group*int(c.Bits)/2)
	dst, at := w.room(bytes)
	tokenCodes(dst, at, head, x, group, g.scales[:], g.minima[:], g.mins[:], g.recips[:], int(c.Bits), c.mask(), lowest, highest)
	w.filled(dst, at+bytes)
}

// quantizeChannel is QuantizeChannel by the vector kernels.
func (c Coder) quantizeChannel(t *Columns, x []uint64, dims int, stats []uint64, w *Bits) {
	words := dims / 4
	low, high, mins, recips := t.low[:words], t.high[:words], t.mins[:dims], t.recips[:dims]
	lowest, highest, symmetric := c.limits()
	columnExtents(x, low, high)
	minima := t.minima // of no use where they are all 0
	if !c.Symmetric {
		minima = stats[words:]
	}
	groupScales(low, high, stats, minima, mins, recips, float64(c.top()), symmetric)
	bytes := len(x) * int(c.Bits) / 2
	dst, at := w.room(bytes)
	columnCodes(dst, at, x, mins, recips, int(c.Bits), c.mask(), lowest, highest)
	w.filled(dst, at+bytes)
}

// room gives the queue's memory and the place in it, in bytes, behind what it
// holds, which is whole bytes: n may be written there, and up to 8 beyond.
func (b *Bits) room(n int) (words []uint64, at int) {
	at = 8*len(b.words) + int(b.n)/8
	if need := (at+n)/8 + 2; need > cap(b.words) {
		grown := make([]uint64, len(b.words), 2*need)
		copy(grown, b.words)
		b.words = grown
	}
	words = b.words[:cap(b.words)]
	words[len(b.words)] = b.acc
	return words, at
}

// filled takes what was written behind room, up to a place.
func (b *Bits) filled(words []uint64, at int) {
	b.words, b.n = words[:at/8], uint(at%8)*8
	b.acc = words[at/8] & (1<<b.n - 1)
}
