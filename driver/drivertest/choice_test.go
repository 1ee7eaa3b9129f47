package drivertest_test

import (
	"encoding/binary"
	"math/big"
	"slices"
	"sort"

	"github.com/kvaccel/kvaccel/driver/regmap"
)

const scoreTop = 1<<40 - 1

// units is the value of a pattern as it counts, in units of 2^-24.
func (k kernels) units(h uint16) (int64, bool) {
	v, bad := k.number(h)
	return int64(v * 0x1p24), bad
}

// bad counts NaN and infinite elements.
func (k kernels) bad(format uint32, row []byte) (n int) {
	for i := 0; i < len(row); i += 2 {
		if _, bad := k.numberOf(format, binary.LittleEndian.Uint16(row[i:])); bad {
			n++
		}
	}
	return n
}

// cleaned is a row without NaN, infinities and negative zeros.
func (k kernels) cleaned(row []byte) (b []byte) {
	for i := 0; i < len(row); i += 2 {
		v, _ := k.number(binary.LittleEndian.Uint16(row[i:]))
		h, _ := k.round16(v)
		b = binary.LittleEndian.AppendUint16(b, h)
	}
	return b
}

// score makes the scores of a payload, with zeros where it was cut, and counts.
func (k kernels) score(w *work, c chooser, b []byte, p regmap.Params) []int64 {
	if c.norm {
		return k.norms(w, c, b)
	}
	scores := make([]int64, c.n)
	if c.in {
		k.start(w, scores, b[:4*c.stride(p)], 8*p.Lanes)
		b = b[4*c.stride(p):]
	}
	for i := range c.rows {
		row := b[i*c.stride(p):]
		for j := range scores {
			if c.step > 0 && i%c.step == 0 && !k.is("decay at the end of a step") {
				scores[j] = k.decay(scores[j], c.lambda)
			}
			k.add(w, &scores[j], binary.LittleEndian.Uint16(row[2*j:]))
		}
		if end := row[c.stride(p)-1]; k.is("weights beyond the row counted") && c.stride(p) > 2*c.n && end != 0 {
			w.nonFinite++
		}
		if k.is("decay at the end of a step") && c.step > 0 && i%c.step == c.step-1 {
			for j := range scores {
				scores[j] = k.decay(scores[j], c.lambda)
			}
		}
	}
	return scores
}

// start reads the scores so far, of words of so many bytes.
func (k kernels) start(w *work, scores []int64, b []byte, word int) {
	for j := range scores {
		if whole := w.bytesIn / word * word; 8*j >= whole && whole < len(b) {
			continue // it was cut
		}
		v := binary.LittleEndian.Uint64(b[8*j:])
		if v > scoreTop {
			w.saturated++
			if v = scoreTop; k.is("scores so far wrap") {
				v = binary.LittleEndian.Uint64(b[8*j:]) & scoreTop
			}
		}
		scores[j] = int64(v)
	}
	if k.is("scores so far ignored") {
		clear(scores)
	}
}

func (k kernels) decay(s int64, lambda uint64) int64 {
	v := new(big.Int).Mul(big.NewInt(s), new(big.Int).SetUint64(lambda))
	if k.is("decay rounds") {
		v.Add(v, big.NewInt(1<<15))
	}
	if k.is("lambda 0 is none") && lambda == 0 {
		return s
	}
	if k.is("decay by 32 bits") {
		return int64(uint32(s>>8)) * int64(lambda) >> 8
	}
	return v.Rsh(v, 16).Int64()
}

// add adds a weight.
func (k kernels) add(w *work, score *int64, h uint16) {
	v, bad := k.units(h)
	if v < 0 {
		v, bad = 0, !k.is("negative weight not counted")
	}
	if bad {
		w.nonFinite++
	}
	if *score += v; *score > scoreTop {
		w.saturated++
		*score = scoreTop
		if k.is("scores wrap") {
			*score = 0
		}
	}
	if k.is("scores summed in binary16") {
		h, _ := k.round16(float64(*score) * 0x1p-24)
		*score, _ = k.units(h)
	}
}

// norms makes scores of key rows.
func (k kernels) norms(w *work, c chooser, b []byte) (scores []int64) {
	w.nonFinite += k.bad(regmap.FormatFP16, b)
	for ; len(b) > 0; b = b[2*c.rowDims:] {
		sum, fraction := new(big.Int), int64(0)
		for i := range c.rowDims {
			v, _ := k.units(binary.LittleEndian.Uint16(b[2*i:]))
			square := new(big.Int).Mul(big.NewInt(v), big.NewInt(v))
			if k.is("squares cut to units") {
				square.Lsh(square.Rsh(square, 24), 24)
			}
			sum.Add(sum, square)
		}
		if k.is("norms rounded up") {
			fraction = 1<<24 - 1
		}
		sum.Rsh(sum.Add(sum, big.NewInt(fraction)), 24)
		if k.is("norms of 64 bits wrap") {
			sum.And(sum, big.NewInt(scoreTop))
		}
		v := int64(scoreTop)
		if sum.BitLen() <= 40 {
			v = sum.Int64()
		}
		if !k.is("highest norm wins") {
			v = scoreTop - v
		}
		scores = append(scores, v)
	}
	return scores
}

func (k kernels) pool(w *work, c chooser, scores []int64) []int64 {
	if c.half == 0 {
		return scores
	}
	pooled := make([]int64, len(scores))
	for j := range scores {
		for i := j - c.half; i <= j+c.half; i++ {
			at := i
			if k.is("pooling repeats the ends") {
				at = min(max(i, 0), len(scores)-1)
			}
			switch {
			case at < 0 || at >= len(scores), k.is("window without its last") && i == j+c.half:
			case c.maximum && !k.is("maximum is a sum"):
				pooled[j] = max(pooled[j], scores[at])
			default:
				pooled[j] += scores[at]
			}
		}
		if pooled[j] > scoreTop {
			if pooled[j] = min(pooled[j], scoreTop); !k.is("pooled saturation not counted") {
				w.saturated++
			}
		}
	}
	return pooled
}

// tiers gives the tier of each position.
func (k kernels) tiers(c chooser, scores []int64) []int {
	var free []int
	tiers := make([]int, c.n)
	for j := range tiers {
		tiers[j] = regmap.TierDropped
		switch {
		case j < c.sinks || j >= c.n-c.recent:
			if tiers[j] = c.prot; k.is("protected in tier 0") {
				tiers[j] = 0
			}
		case !k.is("saturated score is an empty place") || scores[j] != scoreTop:
			free = append(free, j)
		}
	}
	sort.SliceStable(free, func(a, b int) bool {
		x, y := free[a], free[b]
		if scores[x] == scores[y] && k.is("higher position wins") {
			return x > y
		}
		return scores[x] > scores[y]
	})
	ranks := c.ranks
	if k.is("ranks count each tier") {
		for i := 1; i < 3; i++ {
			ranks[i] = min(ranks[i]+ranks[i-1], ranks[3])
		}
	}
	for i, j := range free[:min(len(free), c.ranks[3])] {
		tiers[j] = slices.IndexFunc(ranks[:], func(k int) bool { return i < k })
	}
	return tiers
}

// write gives a selection in the form asked for.
func (k kernels) write(c chooser, tiers []int) []byte {
	var b bitstream
	for j, tier := range tiers {
		kept := tier != regmap.TierDropped
		switch {
		case c.form == 2 || c.compress:
			b.put(tier, 4)
		case c.form == 1 && kept:
			b.put(1, 1)
		case c.form == 1:
			b.put(0, 1)
		case kept:
			b.put(j, 16)
		}
	}
	if n := len(b.data); k.is("dropped beyond the end") && b.at%8 == 4 {
		b.data[n-1] |= regmap.TierDropped << 4
	}
	for i, v := range b.data {
		if k.is("first position highest") && c.form == 1 {
			b.data[i] = 0
			for bit := range 8 {
				b.data[i] |= v >> bit & 1 << (7 - bit)
			}
		}
		if k.is("even position in the high half") && (c.form == 2 || c.compress) {
			b.data[i] = v<<4 | v>>4
		}
	}
	return b.data
}

// writeScores gives scores in so many bytes.
func (k kernels) writeScores(scores []int64, size int) (b []byte) {
	for _, v := range scores {
		if k.is("scores out in 32 bits") {
			v &= 0xffffffff
		}
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	if k.is("scores out without padding") {
		return b
	}
	return append(b, make([]byte, size-len(b))...)
}
