package model

// Coder says how elements are coded.
type Coder struct {
	Symmetric bool // scale only, codes in two's complement; else scale and minimum
	Offset    bool // scale only, codes 0 to 15 stand for -8 to 7: with 4 bits, per token
	Paired    bool // codes of the two halves of a group side by side: with 4 bits, per token
	Bits      uint // of a code: 2, 3, 4, 5, 6 or 8
	Format    Format
}

// Stats is how many numbers are stored of a group beside its codes: the scale,
// and the minimum where there is one.
func (c Coder) Stats() int {
	if c.Symmetric || c.Offset {
		return 1
	}
	return 2
}

// top is the largest code, in magnitude.
func (c Coder) top() int64 {
	if c.Symmetric {
		return 1<<(c.Bits-1) - 1
	}
	return 1<<c.Bits - 1
}

// divisor divides by a scale with one multiplication. With scale = m << e,
// m < 2048, and half ways rounded up, the quotient of d is floor(n/m),
// n = (2d + scale) >> (e+1); and floor(n/m) is n*recip >> recipShift as long as
// n*m < 2^recipShift. Half ways rounded down give the same of 2d + scale - 1,
// which is therefore what an odd first quotient is replaced by.
type divisor struct {
	origin int64 // the minimum: to be subtracted from the element
	scale  int64 // units
	recip  uint64
	shift  uint
}

// Quotients stay below 512 (a subnormal scale may be rounded down by a third),
// so n < 2^20 and n*m < 2^31.
const recipShift = 33

var recips = func() (t [2048]uint64) {
	for m := 1; m < len(t); m++ {
		t[m] = (1<<recipShift + uint64(m) - 1) / uint64(m)
	}
	return t
}()

// newDivisor prepares division by a scale; one of 0 gives quotients of 0.
func newDivisor(scale uint16, origin int64) divisor {
	e := uint(scale>>10) & 31
	m := uint64(scale & 0x3ff)
	if e > 0 {
		m |= 1 << 10
		e--
	}
	return divisor{origin: origin, scale: int64(m << e), recip: recips[m], shift: e + 1}
}

// quotient is RNE(d/scale) for d >= 0.
func (v *divisor) quotient(d int64) uint64 {
	n := uint64(2*d + v.scale)
	odd := n >> (v.shift & 63) * v.recip >> recipShift & 1
	return (n - odd) >> (v.shift & 63) * v.recip >> recipShift
}

// signed gives a symmetric code the sign of its element.
func signed(q uint64, h uint16, mask uint64) uint64 {
	s := uint64(int64(int16(h)) >> 63)
	return ((q ^ s) - s) & mask
}

// key maps a finite element to an integer of the same order.
func key(h uint16) int32 {
	v := int32(int16(h))
	return v ^ v>>31&0x7fff
}

func unkey(k int32) uint16 { return uint16(k ^ k>>31&0x7fff) }

// extent is the range of some elements, as keys.
type extent struct{ low, high int32 }

var noExtent = extent{1<<15 - 1, -1 << 15}

func (x *extent) add(h uint16) {
	k := key(h)
	x.low = min(x.low, k)
	x.high = max(x.high, k)
}

// stats gives scale and minimum of a group and the divisor that codes it.
func (c Coder) stats(x extent) (scale, minimum uint16, v divisor) {
	if c.Format == BF16 {
		return c.wideStats(x)
	}
	low, high := Units(unkey(x.low)), Units(unkey(x.high))
	if c.Symmetric {
		scale = roundRatio(uint64(max(-low, high)), uint64(c.top()))
		return scale, 0, newDivisor(scale, 0)
	}
	scale = roundRatio(uint64(high-low), uint64(c.top()))
	minimum, _ = Clean(unkey(x.low)) // a minimum of -0 is +0
	return scale, minimum, newDivisor(scale, low)
}

// QuantizeToken codes one per-token group of cleaned elements, four a word,
// and appends scale, minimum and codes to w. Elements of BF16 are used up.
func (c Coder) QuantizeToken(x []uint64, w *Bits) {
	if c.vectored() {
		c.quantizeBatch(x, len(x), w)
		return
	}
	c.quantizeToken(x, w)
}

// quantizeToken is QuantizeToken in plain Go.
func (c Coder) quantizeToken(x []uint64, w *Bits) {
	if c.Offset {
		scale, v := offsetStats(x)
		w.Put(uint64(scale), 16)
		c.codePaired(x, scale, &v, w)
		return
	}
	low, high := noExtent.low, noExtent.high
	for _, e := range x {
		k0, k1, k2, k3 := key(uint16(e)), key(uint16(e>>16)), key(uint16(e>>32)), key(uint16(e>>48))
		low = min(low, k0, k1, k2, k3)
		high = max(high, k0, k1, k2, k3)
	}
	scale, minimum, v := c.stats(extent{low, high})
	if c.Format == BF16 {
		top := extent{low, high}.binade()
		for i, e := range x {
			x[i] = narrowWord(e, top, top, top, top)
		}
	}
	if c.Symmetric {
		w.Put(uint64(scale), 16)
	} else {
		w.Put(uint64(scale)|uint64(minimum)<<16, 32)
	}
	switch {
	case c.Paired:
		c.codePaired(x, scale, &v, w)
	case c.Symmetric:
		c.codeSym(x, &v, w)
	default:
		c.codeAsym(x, &v, w)
	}
}

// codeAsym appends the codes of a per-token group.
func (c Coder) codeAsym(x []uint64, v *divisor, w *Bits) {
	d, top, b := *v, uint64(c.top()), c.Bits
	for _, e := range x {
		q := min(top, d.quotient(Units(uint16(e))-d.origin))
		q |= min(top, d.quotient(Units(uint16(e>>16))-d.origin)) << (b & 63)
		q |= min(top, d.quotient(Units(uint16(e>>32))-d.origin)) << (2 * b & 63)
		q |= min(top, d.quotient(Units(uint16(e>>48))-d.origin)) << (3 * b & 63)
		w.Put(q, 4*b)
	}
}

// codeSym appends the codes of a per-token group.
func (c Coder) codeSym(x []uint64, v *divisor, w *Bits) {
	d, top, b, mask := *v, uint64(c.top()), c.Bits, uint64(1)<<c.Bits-1
	for _, e := range x {
		q := signed(min(top, d.quotient(magnitude(uint16(e)))), uint16(e), mask)
		q |= signed(min(top, d.quotient(magnitude(uint16(e>>16)))), uint16(e>>16), mask) << (b & 63)
		q |= signed(min(top, d.quotient(magnitude(uint16(e>>32)))), uint16(e>>32), mask) << (2 * b & 63)
		q |= signed(min(top, d.quotient(magnitude(uint16(e>>48)))), uint16(e>>48), mask) << (3 * b & 63)
		w.Put(q, 4*b)
	}
}

// Columns is the scratch memory of QuantizeChannel.
type Columns struct {
	ext  []extent
	div  []divisor
	tops []int // binades, for BF16

	low, high, minima []uint64 // four a word, for the vector kernels
	mins, recips      []float64
}

// NewColumns makes scratch memory for rows of up to maxDim elements.
func NewColumns(maxDim int) *Columns {
	return &Columns{
		make([]extent, maxDim), make([]divisor, maxDim), make([]int, maxDim),
		make([]uint64, maxDim/4), make([]uint64, maxDim/4), make([]uint64, maxDim/4), make([]float64, maxDim), make([]float64, maxDim),
	}
}

// QuantizeChannel codes one block of per-channel groups: x holds rows of dims
// cleaned elements, all rows of the group. It puts the scales, then the minima
// (asymmetric only), four a word, into stats, which has room for them, and
// appends the codes to w row by row. Elements of BF16 are used up.
func (c Coder) QuantizeChannel(t *Columns, x []uint64, dims int, stats []uint64, w *Bits) {
	if c.vectored() {
		c.quantizeChannel(t, x, dims, stats, w)
		return
	}
	c.plainChannel(t, x, dims, stats, w)
}

// plainChannel is QuantizeChannel in plain Go.
func (c Coder) plainChannel(t *Columns, x []uint64, dims int, stats []uint64, w *Bits) {
	ext, div, words := t.ext[:dims], t.div[:dims], dims/4
	for i := range ext {
		ext[i] = noExtent
	}
	for row := x; len(row) > 0; row = row[words:] {
		for i, e := range row[:words] {
			q := ext[4*i : 4*i+4 : 4*i+4]
			q[0].add(uint16(e))
			q[1].add(uint16(e >> 16))
			q[2].add(uint16(e >> 32))
			q[3].add(uint16(e >> 48))
		}
	}
	clear(stats)
	for i := range ext {
		scale, minimum, v := c.stats(ext[i])
		div[i] = v
		stats[i/4] |= uint64(scale) << (i % 4 * 16)
		if !c.Symmetric {
			stats[words+i/4] |= uint64(minimum) << (i % 4 * 16)
		}
	}
	if c.Format == BF16 {
		t.narrow(x, words)
	}
	for row := x; len(row) > 0; row = row[words:] {
		if c.Symmetric {
			c.codeRowSym(row[:words], div, w)
		} else {
			c.codeRowAsym(row[:words], div, w)
		}
	}
}

// narrow brings elements into binary16, each beside those of its column.
func (t *Columns) narrow(x []uint64, words int) {
	for i := range 4 * words {
		t.tops[i] = t.ext[i].binade()
	}
	for row := x; len(row) > 0; row = row[words:] {
		for i, e := range row[:words] {
			row[i] = narrowWord(e, t.tops[4*i], t.tops[4*i+1], t.tops[4*i+2], t.tops[4*i+3])
		}
	}
}

// codeRowAsym appends the codes of a row of per-channel groups.
func (c Coder) codeRowAsym(row []uint64, div []divisor, w *Bits) {
	top, b := uint64(c.top()), c.Bits
	for i, e := range row {
		d := div[4*i : 4*i+4 : 4*i+4]
		q := min(top, d[0].quotient(Units(uint16(e))-d[0].origin))
		q |= min(top, d[1].quotient(Units(uint16(e>>16))-d[1].origin)) << (b & 63)
		q |= min(top, d[2].quotient(Units(uint16(e>>32))-d[2].origin)) << (2 * b & 63)
		q |= min(top, d[3].quotient(Units(uint16(e>>48))-d[3].origin)) << (3 * b & 63)
		w.Put(q, 4*b)
	}
}

// codeRowSym appends the codes of a row of per-channel groups.
func (c Coder) codeRowSym(row []uint64, div []divisor, w *Bits) {
	top, b, mask := uint64(c.top()), c.Bits, uint64(1)<<c.Bits-1
	for i, e := range row {
		d := div[4*i : 4*i+4 : 4*i+4]
		q := signed(min(top, d[0].quotient(magnitude(uint16(e)))), uint16(e), mask)
		q |= signed(min(top, d[1].quotient(magnitude(uint16(e>>16)))), uint16(e>>16), mask) << (b & 63)
		q |= signed(min(top, d[2].quotient(magnitude(uint16(e>>32)))), uint16(e>>32), mask) << (2 * b & 63)
		q |= signed(min(top, d[3].quotient(magnitude(uint16(e>>48)))), uint16(e>>48), mask) << (3 * b & 63)
		w.Put(q, 4*b)
	}
}
