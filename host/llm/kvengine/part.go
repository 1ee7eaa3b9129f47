package kvengine

import (
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/attention"
	"github.com/kvaccel/kvaccel/host/cache"
	"github.com/kvaccel/kvaccel/host/session"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// part is the keys or the values of one head: first the quantized rows, then
// those that are binary16.
type part struct {
	groups []coded
	fp16   []uint16 // bfloat16 if bf16 is set
	bf16   bool
	// floats are the rows as the model sees them, of all positions held.
	floats []float32
}

// coded is what QUANTIZE gave for rows that share scales: a row, or a group of
// rows per channel.
type coded struct {
	data []byte
	pos  []int // of each row; dropped: -1
	live int   // rows not dropped
}

const dropped = -1

// fork copies rows that are binary16; as bfloat16, they are rounded again.
func (p *part) fork(bf16 bool) part {
	n, m := len(p.fp16), len(p.floats)
	if bf16 {
		f := part{bf16: true}
		f.append(p.floats)
		return f
	}
	return part{fp16: p.fp16[:n:n], floats: p.floats[:m:m]}
}

// append rounds a row to the format and takes it in. Beyond the range it
// saturates, as everything in the engine does.
func (p *part) append(row []float32) {
	n := len(p.fp16)
	for _, x := range row {
		p.fp16 = append(p.fp16, rounded(x, p.bf16))
	}
	p.floats = p.appendFloats(p.floats, p.fp16[n:])
}

// rounded gives a number as binary16 or bfloat16, which saturate.
func rounded(x float32, bf16 bool) uint16 {
	if !bf16 {
		return fp16.FromFloat64(max(-fp16.MaxFinite, min(fp16.MaxFinite, float64(x))))
	}
	b := fp16.BFloatFromFloat64(float64(x))
	if b&0x7fff == 0x7f80 { // infinite
		b--
	}
	return b
}

// codedRows is how many rows that are held are quantized.
func (p *part) codedRows() int {
	n := 0
	for _, g := range p.groups {
		n += g.live
	}
	return n
}

// keep drops every row whose position is not in keep. pos are the positions of
// all rows. Of a group per channel the bytes stay until its last row goes: its
// rows share their scales.
func (p *part) keep(pos []int, keep map[int]bool, dim int) {
	quantized := p.codedRows()
	groups := p.groups[:0:0]
	for _, g := range p.groups {
		at := append([]int(nil), g.pos...)
		g.live = 0
		for i, j := range at {
			if j != dropped && keep[j] {
				g.live++
			} else {
				at[i] = dropped
			}
		}
		g.pos = at
		if g.live > 0 {
			groups = append(groups, g)
		}
	}
	p.groups = groups
	rest := make([]uint16, 0, len(p.fp16))
	for i, j := range pos[quantized:] {
		if keep[j] {
			rest = append(rest, p.fp16[i*dim:][:dim]...)
		}
	}
	p.fp16 = rest
}

// leaving is how many of the fp16 rows have left the window of the last
// residual rows; per channel, in whole groups.
func (p *part) leaving(l packet.Layout, residual, dim int) int {
	n := max(0, len(p.fp16)/dim-residual)
	if l.Axis == regmap.AxisChannel {
		n -= n % l.Group
	}
	return n
}

// take moves the first rows of fp16, coded as c and of the given positions, to
// the quantized ones.
func (p *part) take(c session.Coded, pos []int) {
	step := 1
	if c.Axis == regmap.AxisChannel {
		step = c.Group
	}
	size := c.QuantizedBytes(step, c.Dims)
	for at := 0; at < c.Rows; at += step {
		p.groups = append(p.groups, coded{data: c.Data[at/step*size:][:size], pos: append([]int(nil), pos[at:at+step]...), live: step})
	}
	p.fp16 = p.fp16[c.Rows*c.Dims:]
}

// job is all the quantized rows as one matrix, dropped ones included.
func (p *part) job(l packet.Layout, dim int) session.Coded {
	c := session.Coded{Layout: l, Dims: dim}
	for _, g := range p.groups {
		c.Data = append(c.Data, g.data...)
		c.Rows += len(g.pos)
	}
	return c
}

// restore puts the rows as the model sees them together: what DEQUANTIZE gave
// for job, then the fp16 ones.
func (p *part) restore(rows []uint16, dim int) {
	p.floats = make([]float32, 0, p.codedRows()*dim+len(p.fp16))
	at := 0
	for _, g := range p.groups {
		for _, j := range g.pos {
			if j != dropped {
				p.floats = p.appendFloats(p.floats, rows[at*dim:][:dim])
			}
			at++
		}
	}
	p.floats = p.appendFloats(p.floats, p.fp16)
}

// appendFloats appends rows of the format as the engine takes them.
func (p *part) appendFloats(dst []float32, bits []uint16) []float32 {
	if p.bf16 {
		for _, f := range attention.FloatsBF16(bits) {
			dst = append(dst, float32(f))
		}
		return dst
	}
	for _, h := range bits {
		dst = append(dst, halves[h])
	}
	return dst
}

// bytes adds what the part takes.
func (p *part) bytes(l packet.Layout, dim int, b *cache.Bytes) {
	b.Residual += 2 * int64(len(p.fp16))
	for _, g := range p.groups {
		codes := int64(len(g.pos)) * int64(dim) * int64(l.Bits) / 8
		b.Codes += codes
		b.Scales += int64(len(g.data)) - codes
	}
}
