package bench

import "github.com/kvaccel/kvaccel/emulator/model"

// modelQuantizer quantizes tiles with the emulator's kernels and nothing of its
// clockwork: the same bytes as the engine.
type modelQuantizer struct {
	coder   model.Coder
	layout  plainLayout
	columns *model.Columns
	words   []uint64 // of a group, cleaned
	stats   []uint64
	bits    model.Bits
	out     []uint64 // the tile, a bit string in words
}

func newModelQuantizer(l plainLayout) *modelQuantizer {
	q := &modelQuantizer{coder: model.Coder{Symmetric: l.symmetric, Bits: uint(l.bits)}, layout: l, columns: model.NewColumns(plainDims)}
	elements, scales := plainGroup, 0
	if l.perChannel {
		elements *= plainDims
		if scales = plainDims; !l.symmetric {
			scales *= 2
		}
	}
	q.words, q.stats = make([]uint64, elements/4), make([]uint64, scales/4)
	return q
}

// quantize codes a tile of elements, four a word.
func (q *modelQuantizer) quantize(tile []uint64) []uint64 {
	q.out = q.out[:0]
	for ; len(tile) > 0; tile = tile[len(q.words):] {
		for i, w := range tile[:len(q.words)] {
			q.words[i], _ = model.CleanWord(w)
		}
		if !q.layout.perChannel {
			q.coder.QuantizeToken(q.words, &q.bits)
			continue
		}
		q.coder.QuantizeChannel(q.columns, q.words, plainDims, q.stats, &q.bits)
		q.out = append(q.out, q.stats...)
		q.flush()
	}
	q.flush()
	return q.out
}

func (q *modelQuantizer) flush() {
	var w [4]uint64
	for n := q.bits.Len(); n > 0; n = q.bits.Len() {
		n = min(n, 256)
		q.bits.Take(&w, n)
		q.out = append(q.out, w[:(n+63)/64]...)
	}
}
