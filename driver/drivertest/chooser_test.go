package drivertest_test

import (
	"encoding/binary"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// chooser is the header of a SELECT or COMPRESS, bit by bit.
type chooser struct {
	word              [8]uint32
	rows, n, rowDims  int
	sinks, recent     int
	ranks             [4]int // the last is TopK
	half              int
	maximum, in, out  bool
	norm, compress    bool
	form, prot        int
	step              int
	lambda            uint64
	scheme, axis      uint32
	bf16              uint32
	group, valueGroup int // codes
	bits              int
}

func readChooser(h []byte) (c chooser) {
	for i := range c.word {
		c.word[i] = binary.LittleEndian.Uint32(h[4*i:])
	}
	w := &c.word
	flag := func(bit int) bool { return w[1]>>bit&1 == 1 }
	c.compress = w[0]&0xff == regmap.OpCompress
	c.scheme, c.axis, c.bf16, c.group, c.bits = w[1]&3, w[1]>>2&1, w[1]>>3&1, int(w[1]>>4&7), int(w[1]>>8&15)
	c.valueGroup = int(w[1] >> 13 & 7)
	c.half, c.maximum, c.in, c.out = int(w[1]>>16&7), flag(19), flag(20), flag(21)
	c.form, c.prot, c.norm = int(w[1]>>22&3), int(w[1]>>24&3), flag(26)
	c.rows, c.n, c.rowDims = int(w[2]), int(w[3]&0xfffff), int(w[3]>>20)
	c.sinks, c.recent = int(w[4]&0xffff), int(w[4]>>16)
	c.ranks = [4]int{int(w[5] & 0xffff), int(w[5] >> 16), int(w[7] >> 16), int(w[6] & 0xfffff)}
	c.step, c.lambda = int(w[6]>>20), uint64(w[7]&0xffff)
	return c
}

// check gives the status of the header, but for the magic, opcode and TLAST.
func (c chooser) check(r *reference) packet.Status {
	p, built := r.info.Params, func(bit int) bool { return r.info.Features>>bit&1 == 1 }
	ranks := c.ranks[0]|c.ranks[1]|c.ranks[2]|c.prot != 0
	tiers := c.form == 2 && !c.compress
	if (c.half > 0 || c.maximum) && !built(6) || (c.lambda > 0 || c.step > 0) && !built(7) || c.norm && !built(8) || (ranks || tiers) && !built(9) || c.compress && c.bf16 == 1 && !built(11) {
		if !r.is("missing options ignored") {
			return regmap.StUnsupported
		}
	}
	mask := uint32(0xf800ffff)
	bad := c.form == 3 || !tiers && ranks && !r.is("ranks taken without tiers") || c.rowDims > 0 && !c.norm
	if c.compress {
		mask = 0xf8c01080
		bad = c.scheme > 1 || c.group > 4 || c.valueGroup > 4 || c.bf16 == 1 && c.norm && !r.is("norms of bfloat16 keys taken")
		if c.axis == 0 {
			bad = bad || c.bits != 0 && !r.is("bits taken per token")
		} else {
			bad = bad || c.group == 4 || c.bits < 2 || c.bits == 7 || c.bits > 8
		}
	}
	bad = bad || c.maximum && c.half == 0 || c.out && c.half > 0 || c.lambda > 0 && c.step == 0 || c.norm && (c.in || c.step > 0)
	if bad || c.word[1]&mask != 0 && !r.is("reserved bits ignored") {
		return regmap.StBadOption
	}
	fits := c.rows < 1<<24 && c.n > 0 && c.n <= p.MaxTokens && c.sinks <= c.n && c.recent <= c.n && c.ranks[3] <= c.n
	if tiers || c.compress {
		fits = fits && (c.ranks[0] <= c.ranks[1] && c.ranks[1] <= c.ranks[2] && c.ranks[2] <= c.ranks[3] || r.is("ranks in any order taken"))
	}
	if c.rows == 0 {
		fits = fits && (c.in || c.norm) && c.step == 0
	}
	fits = fits && (c.rows == 0 || !c.norm)
	if c.norm || c.compress {
		fits = fits && c.rowDims > 0 && c.rowDims <= p.MaxDim && c.rowDims%16 == 0
	}
	if c.compress && fits {
		if c.axis == 1 {
			fits = 16<<c.group <= p.TileTokens
		} else {
			fits = c.rowDims%c.size16(c.group) == 0
		}
		fits = fits && (c.rowDims%c.size16(c.valueGroup) == 0 || r.is("values that fill no group taken"))
	}
	if !fits {
		return regmap.StBadGeometry
	}
	return regmap.StOK
}

// size16 is the elements of a group in a row.
func (c chooser) size16(code int) int {
	if code == 4 {
		return c.rowDims
	}
	return 16 << code
}

// stride is the bytes of an attention row.
func (c chooser) stride(p regmap.Params) int { return (c.n + p.Lanes - 1) / p.Lanes * 2 * p.Lanes }

// scored is the bytes that make the scores, size those of the whole payload.
func (c chooser) scored(p regmap.Params) int {
	switch {
	case c.norm:
		return c.n * c.rowDims * 2
	case c.in:
		return (c.rows + 4) * c.stride(p)
	}
	return c.rows * c.stride(p)
}

func (c chooser) size(p regmap.Params) int {
	if c.compress {
		return c.scored(p) + 4*c.n*c.rowDims
	}
	return c.scored(p)
}

// choose is SELECT and COMPRESS.
func (r *reference) choose(w work, c chooser, full []byte) work {
	p := r.info.Params
	size := c.scored(p)
	scores := r.kernels.score(&w, c, full[:size], p)
	if w.status == regmap.StTruncated && w.bytesIn <= size && !r.is("keep list of a cut SELECT") {
		return w
	}
	pooled := r.kernels.pool(&w, c, scores)
	tiers := r.kernels.tiers(c, pooled)
	w.payload = r.kernels.write(c, tiers)
	beat := p.BeatBytes()
	fill := func() {
		for len(w.payload)%beat != 0 && !r.is("parts not padded") {
			w.payload = append(w.payload, 0)
		}
	}
	if c.out {
		fill()
		w.payload = append(w.payload, r.kernels.writeScores(scores, 4*c.stride(p))...)
	}
	if c.compress {
		half := (len(full) - size) / 2
		fill()
		r.compress(&w, c, tiers, full[size:size+half], true)
		fill()
		r.compress(&w, c, tiers, full[size+half:], false)
	}
	return w
}

// compress adds a section, of values or keys.
func (r *reference) compress(w *work, c chooser, tiers []int, rows []byte, values bool) {
	k, bytes := r.kernels, 2*c.rowDims
	l := packet.Layout{Scheme: c.scheme, Format: c.bf16, Axis: c.axis, Bits: c.bits, Group: c.size16(c.group) % c.rowDims}
	if c.axis == 1 {
		l.Group = 16 << c.group
	}
	if values {
		l = packet.Layout{Scheme: c.scheme, Format: c.bf16, Group: c.size16(c.valueGroup) % c.rowDims}
	}
	if k.is("COMPRESS takes rows for binary16") {
		l.Format = regmap.FormatFP16
	}
	var waiting []byte
	for j, tier := range tiers {
		row := rows[j*bytes : (j+1)*bytes]
		if tier == regmap.TierDropped {
			if k.is("dropped rows counted") {
				w.nonFinite += k.bad(c.bf16, row)
			}
			if !k.is("dropped rows fill groups") || l.Axis == 0 {
				continue
			}
			row = make([]byte, bytes)
		}
		w.nonFinite += k.bad(c.bf16, row)
		w.rows++
		if l.Axis == 1 {
			if waiting = append(waiting, row...); len(waiting) == l.Group*bytes {
				tile, _, _ := k.QuantizeTile(l, l.Group, c.rowDims, waiting)
				w.payload, waiting = append(w.payload, tile...), nil
				w.groups += c.rowDims
			}
			continue
		}
		if tier == 0 {
			if k.is("rows of tier 0 cleaned") {
				row = k.cleaned(row)
			}
			w.payload = append(w.payload, row...)
			continue
		}
		l.Bits = []int{0, 8, 4, 2}[tier]
		if k.is("tier 2 in 3 bits") && tier == 2 {
			l.Bits = 3
		}
		if k.is("keys all in one tier") && !values {
			l.Bits = 4
		}
		tile, _, _ := k.QuantizeTile(l, 1, c.rowDims, row)
		w.payload = append(w.payload, tile...)
		size, _ := tileOrder(l, c.rowDims)
		w.groups += c.rowDims / size
	}
	if !k.is("rows left over lost") {
		w.payload = append(w.payload, waiting...)
	}
}
