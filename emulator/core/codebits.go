package core

// codeBits is a ring of bits: the code beats that were taken and not yet used.
// Positions count bits since core reset.
type codeBits struct {
	ring        []uint64
	write, read uint64
}

// init makes room for n bits at least.
func (q *codeBits) init(n int) {
	size := 4
	for 64*size < n {
		size *= 2
	}
	q.ring = make([]uint64, size)
}

// put appends the low n bits of a beat, a multiple of 32.
func (q *codeBits) put(data *Beat, n int) {
	mask := uint64(len(q.ring) - 1)
	if n == 32 {
		w := &q.ring[q.write>>6&mask]
		if q.write&32 == 0 {
			*w = data[0]
		} else {
			*w |= data[0] << 32
		}
		q.write += 32
		return
	}
	for i := range n / 64 {
		q.ring[(q.write>>6+uint64(i))&mask] = data[i]
	}
	q.write += uint64(n)
}

// take removes the next n bits, at most 192, to the low end of dst; what lies
// above them is undefined.
func (q *codeBits) take(dst *[4]uint64, n int) {
	mask := uint64(len(q.ring) - 1)
	at, off := q.read>>6, q.read&63
	for i := range (n + 63) / 64 {
		lo, hi := q.ring[(at+uint64(i))&mask], q.ring[(at+uint64(i)+1)&mask]
		dst[i&3] = lo>>off | hi<<1<<(63-off)
	}
	q.read += uint64(n)
}
