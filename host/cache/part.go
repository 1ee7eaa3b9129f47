package cache

import (
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/session"
)

// part is a Part with how to read it.
type part struct {
	name   string
	layout packet.Layout // of the quantized rows; with tiers that of a tier but for its bits
	kept   int           // rows
	rows   int           // of them quantized; unused with tiers
	tiers  []uint8       // of each row; nil: the first rows are quantized, the others fp16
	data   *Part
}

// parts gives the keys and the values of a head, of rows of dims elements, that
// follows pol.
func parts(pol policy.Policy, prefix, dims int, h *Head) [2]part {
	k, _ := pol.KLayout(dims)
	v, _ := pol.VLayout(dims)
	kept := pol.Kept(prefix)
	out := [2]part{
		{name: "k", layout: k, kept: kept, rows: pol.QuantizedRows(kept, pol.KBits, pol.KAxis), data: &h.K},
		{name: "v", layout: v, kept: kept, rows: pol.QuantizedRows(kept, pol.VBits, pol.VAxis), data: &h.V},
	}
	if pol.Tiers != nil {
		out[1].tiers = h.Tiers
		if pol.KAxis == policy.Token {
			out[0].tiers = h.Tiers
		}
	}
	return out
}

// inTier is the layout of a tier.
func (p part) inTier(t int) packet.Layout {
	l := p.layout
	l.Bits = session.TierBits[t]
	return l
}

// count is how many rows are in each tier.
func (p part) count() (n [4]int) {
	for _, t := range p.tiers {
		n[t]++
	}
	return n
}

// codeBytes is how many bytes of codes, scales and minima a part has.
func (p part) codeBytes(dims int) int {
	if p.tiers == nil {
		if p.rows == 0 {
			return 0
		}
		return p.layout.QuantizedBytes(p.rows, dims)
	}
	size := 0
	for t, n := range p.count() {
		if t > 0 {
			size += p.inTier(t).QuantizedBytes(n, dims)
		}
	}
	return size
}

// codeBits is how many bits of codes alone a part has.
func (p part) codeBits(dims int) int {
	if p.tiers == nil {
		return p.rows * dims * p.layout.Bits
	}
	bits := 0
	for t, n := range p.count() {
		if t > 0 {
			bits += n * dims * session.TierBits[t]
		}
	}
	return bits
}

// fp16Rows is how many rows stay fp16.
func (p part) fp16Rows() int {
	if p.tiers != nil {
		return p.count()[0]
	}
	return p.kept - p.rows
}

// jobs gives the quantized rows as DEQUANTIZE takes them: one job, or with
// tiers one for each tier from 1 on.
func (p part) jobs(dims int) []session.Coded {
	if p.tiers == nil {
		l := p.layout
		if p.rows == 0 { // a layout that any engine takes
			l = packet.Layout{Scheme: regmap.SchemeAsym, Axis: regmap.AxisToken, Bits: 8}
		}
		return []session.Coded{{Layout: l, Rows: p.rows, Dims: dims, Data: p.data.Codes}}
	}
	out := make([]session.Coded, 3)
	for i := range out {
		out[i] = session.Coded{Layout: p.inTier(i + 1), Dims: dims}
	}
	data := p.data.Codes
	for _, t := range p.tiers {
		if t == 0 {
			continue
		}
		job := &out[t-1]
		size := session.RowBytes(p.layout, dims, t)
		job.Data = append(job.Data, data[:size]...)
		job.Rows++
		data = data[size:]
	}
	return out
}

// restore puts what DEQUANTIZE gave for the jobs and the fp16 rows into order.
func (p part) restore(decoded [][]uint16, dims int) []uint16 {
	if p.tiers == nil {
		return append(decoded[0], p.data.FP16...)
	}
	from := [4][]uint16{p.data.FP16, decoded[0], decoded[1], decoded[2]}
	out := make([]uint16, 0, len(p.tiers)*dims)
	for _, t := range p.tiers {
		out = append(out, from[t][:dims]...)
		from[t] = from[t][dims:]
	}
	return out
}

// split takes a section of COMPRESS apart: coded rows and fp16 rows. Its size is
// that of its tiers.
func (p part) split(section []byte, dims int) {
	if p.tiers == nil {
		at := p.codeBytes(dims)
		p.data.Codes, p.data.FP16 = section[:at:at], halves(nil, section[at:])
		return
	}
	p.data.Codes = make([]byte, 0, p.codeBytes(dims))
	for _, t := range p.tiers {
		size := session.RowBytes(p.layout, dims, t)
		if t == 0 {
			p.data.FP16 = halves(p.data.FP16, section[:size])
		} else {
			p.data.Codes = append(p.data.Codes, section[:size]...)
		}
		section = section[size:]
	}
}

func halves(dst []uint16, b []byte) []uint16 {
	for ; len(b) >= 2; b = b[2:] {
		dst = append(dst, uint16(b[0])|uint16(b[1])<<8)
	}
	return dst
}

// FromCompressed gives the head that COMPRESS made of n positions under pol.
func FromCompressed(pol policy.Policy, n, dims int, c session.Compressed) Head {
	h := Head{Positions: c.Positions}
	for _, j := range c.Positions {
		h.Tiers = append(h.Tiers, c.Tiers[j])
	}
	p := parts(pol, n, dims, &h)
	p[0].split(c.K, dims)
	p[1].split(c.V, dims)
	return h
}

// Coded gives all that is quantized in layer l, first the keys of all heads,
// then the values of all, as DEQUANTIZE takes it.
func (c *Cache) Coded(l int) []session.Coded {
	var out []session.Coded
	for side := range 2 {
		for h := range c.Layers[l] {
			out = append(out, parts(c.Policy.At(l, h), c.Prefix, c.Dims, &c.Layers[l][h])[side].jobs(c.Dims)...)
		}
	}
	return out
}

// Rows puts what DEQUANTIZE gave for Coded together with the rows that stayed
// fp16: the keys and values of each head, kept rows x Dims.
func (c *Cache) Rows(l int, decoded [][]uint16) (k, v [][]uint16) {
	var out [2][][]uint16
	for side := range out {
		for h := range c.Layers[l] {
			p := parts(c.Policy.At(l, h), c.Prefix, c.Dims, &c.Layers[l][h])[side]
			n := len(p.jobs(c.Dims))
			out[side] = append(out[side], p.restore(decoded[:n], c.Dims))
			decoded = decoded[n:]
		}
	}
	return out[0], out[1]
}

// Quantized reports whether anything in layer l has to go through DEQUANTIZE.
func (c *Cache) Quantized(l int) bool {
	for _, j := range c.Coded(l) {
		if j.Rows > 0 {
			return true
		}
	}
	return false
}
