package model

import "math/bits"

// MaxRotate is the largest block of a rotation.
const MaxRotate = 128

// RotateIn is the exponent e of the factor 2^-e with which a block of size
// elements is rotated on its way into QUANTIZE; RotateOut that of DEQUANTIZE.
func RotateIn(size int) uint { return uint(bits.Len(uint(size))-1) / 2 }

// RotateOut is the rest of the block's size: both in a row give a block back.
func RotateOut(size int) uint { return uint(bits.Len(uint(size))-1) - RotateIn(size) }

// Rotate transforms a block of 32, 64 or 128 cleaned elements, four a word, in
// place (Walsh and Hadamard, natural order) and scales it by 2^-e. It adds the
// clamped ones to saturated, which has an entry for each n of them, n a power of
// two.
func Rotate(x []uint64, e uint, n int, saturated []uint8) {
	var sums [MaxRotate]int64
	size := 4 * len(x)
	for i, w := range x {
		a, b, c, d := Units(uint16(w)), Units(uint16(w>>16)), Units(uint16(w>>32)), Units(uint16(w>>48))
		a, b, c, d = a+b, a-b, c+d, c-d
		q := sums[4*i : 4*i+4 : 4*i+4]
		q[0], q[1], q[2], q[3] = a+c, b+d, a-c, b-d
	}
	for apart := 4; apart < size; apart *= 2 {
		for from := 0; from < size; from += 2 * apart {
			low, high := sums[from:from+apart], sums[from+apart:from+2*apart]
			for i, a := range low {
				b := high[i]
				low[i], high[i] = a+b, a-b
			}
		}
	}
	clear(x)
	perBeat := bits.Len(uint(n)) - 1
	for i, v := range sums[:size] {
		h, over := roundScaled(v, e)
		x[i>>2] |= h << (i & 3 * 16)
		saturated[i>>perBeat] += uint8(over)
	}
}

// roundScaled is RN16 of v 2^-e units, e > 0, |v| < 2^52; over is 1 for
// saturation.
func roundScaled(v int64, e uint) (h, over uint64) {
	s := uint64(v >> 63)
	m := (uint64(v) ^ s) - s
	if m < 1<<(11+e) {
		h = (m + 1<<(e-1) - 1 + m>>e&1) >> e
	} else {
		h = normal(m) - uint64(e)<<10
	}
	over = (maxFinite - h) >> 63
	h = min(h, maxFinite)
	if h == 0 {
		return 0, 0
	}
	return h | s&0x8000, over
}
