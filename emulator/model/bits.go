package model

import "encoding/binary"

// Bits is a queue of bits, least significant first, kept in words.
// The zero value is empty.
type Bits struct {
	words []uint64
	acc   uint64 // bits that do not fill a word yet
	n     uint   // how many
	read  int    // bits taken

	groups groups // scratch memory of the vector kernels
}

// Len is the number of bits held.
func (b *Bits) Len() int { return 64*len(b.words) + int(b.n) - b.read }

// Reset empties the queue and keeps its memory.
func (b *Bits) Reset() { b.words, b.acc, b.n, b.read = b.words[:0], 0, 0, 0 }

// Put appends the low n bits of v, n from 1 to 64; higher bits of v are 0.
func (b *Bits) Put(v uint64, n uint) {
	b.acc |= v << (b.n & 63)
	if b.n+n < 64 {
		b.n += n
		return
	}
	b.words = append(b.words, b.acc)
	b.acc = v >> (64 - b.n) // 0 if b.n was 0: Go shifts by 64 give 0
	b.n += n - 64
}

// Take removes the next n bits, n from 1 to 256, into the words of dst, lowest
// first, and fills the rest of dst with zeros. Bits beyond the end are 0.
func (b *Bits) Take(dst *[4]uint64, n int) {
	at, off := b.read>>6, uint(b.read&63)
	if off == 0 && n == 128 && at+2 < len(b.words) {
		*dst = [4]uint64{b.words[at], b.words[at+1]}
		b.read += n
		return
	}
	*dst = [4]uint64{}
	for i := 0; 64*i < n; i++ {
		v := b.word(at+i) >> off
		if off != 0 {
			v |= b.word(at+i+1) << (64 - off)
		}
		if rest := n - 64*i; rest < 64 {
			v &= 1<<rest - 1
		}
		dst[i] = v
	}
	b.read += min(n, b.Len())
	if b.Len() == 0 {
		b.Reset()
	}
}

// Compact forgets the words that were taken.
func (b *Bits) Compact() {
	n := copy(b.words, b.words[min(b.read>>6, len(b.words)):])
	b.words, b.read = b.words[:n], b.read&63
}

func (b *Bits) word(i int) uint64 {
	switch {
	case i < len(b.words):
		return b.words[i]
	case i == len(b.words):
		return b.acc
	}
	return 0
}

// Append removes the next n bytes, which are there, and appends them to dst.
func (b *Bits) Append(dst []byte, n int) []byte {
	at, off := b.read>>6, uint(b.read&63)
	for left := n; left > 0; left -= 8 {
		v := b.word(at) >> off
		at++
		if off != 0 {
			v |= b.word(at) << (64 - off)
		}
		dst = binary.LittleEndian.AppendUint64(dst, v)
		if left < 8 {
			dst = dst[:len(dst)-8+left]
		}
	}
	b.read += 8 * n
	if b.Len() == 0 {
		b.Reset()
	}
	return dst
}
