package model

// Coder says how elements are coded.
type Coder struct {
	Symmetric bool // scale only, codes in two's complement; else scale and minimum
	Bits      uint // of a code: 2, 3, 4, 5, 6 or 8
}

// top is the largest code, in magnitude.
func (c Coder) top() int64 {
	if c.Symmetric {
		return 1<<(c.Bits-1) - 1
	}
	return 1<<c.Bits - 1
}

// divisor divides by a scale with one multiplication. With scale = m << e,
// m < 2048, RNE(d/scale) is floor(n/m) but for ties, n = (2d + scale) >> (e+1);
// and floor(n/m) is n*recip >> recipShift as long as n * m < 2^recipShift.
type divisor struct {
	scale  int64  // units
	low    uint64 // mask of the bits that the shift drops
	m      uint64
	recip  uint64
	shift  uint
	origin int64 // the minimum: subtracted first
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
	return divisor{
		scale: int64(m << e), low: 1<<(e+1) - 1, m: m, recip: recips[m], shift: e + 1, origin: origin,
	}
}

// quotient is RNE(d/scale) for d >= 0.
func (v *divisor) quotient(d int64) int64 {
	num := uint64(2*d + v.scale)
	n := num >> (v.shift & 63)
	q := n * v.recip >> recipShift
	if q*v.m == n && num&v.low == 0 {
		q &^= 1 // a tie, rounded up so far
	}
	return int64(q)
}

// code is the b bits that stand for a cleaned element.
func (c Coder) code(v *divisor, top int64, h uint16) uint64 {
	if c.Symmetric {
		q := min(top, v.quotient(magnitude(h)))
		s := int64(int16(h)) >> 63
		return uint64((q^s)-s) & (1<<c.Bits - 1)
	}
	return uint64(min(top, v.quotient(Units(h)-v.origin)))
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
// and appends scale, minimum and codes to w.
func (c Coder) QuantizeToken(x []uint64, w *Bits) {
	ext := noExtent
	for _, e := range x {
		ext.add(uint16(e))
		ext.add(uint16(e >> 16))
		ext.add(uint16(e >> 32))
		ext.add(uint16(e >> 48))
	}
	scale, minimum, v := c.stats(ext)
	if c.Symmetric {
		w.Put(uint64(scale), 16)
	} else {
		w.Put(uint64(scale)|uint64(minimum)<<16, 32)
	}
	top, b := c.top(), c.Bits
	for _, e := range x {
		w.Put(c.code(&v, top, uint16(e))|
			c.code(&v, top, uint16(e>>16))<<b|
			c.code(&v, top, uint16(e>>32))<<(2*b)|
			c.code(&v, top, uint16(e>>48))<<(3*b), 4*b)
	}
}

// Columns is the scratch memory of QuantizeChannel.
type Columns struct {
	ext []extent
	div []divisor
}

// NewColumns makes scratch memory for rows of up to maxDim elements.
func NewColumns(maxDim int) *Columns {
	return &Columns{make([]extent, maxDim), make([]divisor, maxDim)}
}

// QuantizeChannel codes one block of per-channel groups: x holds rows of dims
// cleaned elements, all rows of the group. It puts the scales, then the minima
// (asymmetric only), four a word, into stats, which has room for them, and
// appends the codes to w row by row.
func (c Coder) QuantizeChannel(t *Columns, x []uint64, dims int, stats []uint64, w *Bits) {
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
	top, b := c.top(), c.Bits
	for row := x; len(row) > 0; row = row[words:] {
		for i, e := range row[:words] {
			v := div[4*i : 4*i+4 : 4*i+4]
			w.Put(c.code(&v[0], top, uint16(e))|
				c.code(&v[1], top, uint16(e>>16))<<b|
				c.code(&v[2], top, uint16(e>>32))<<(2*b)|
				c.code(&v[3], top, uint16(e>>48))<<(3*b), 4*b)
		}
	}
}
