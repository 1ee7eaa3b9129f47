package oracle

import (
	"encoding/binary"
	"fmt"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// Engine answers what an engine must answer. Its methods take well-formed
// commands only and panic on others: what an engine says to a malformed packet
// is no matter of arithmetic.
type Engine struct{}

// QuantizeTile gives the payload of a QUANTIZE response, without padding, for
// rows x dims little-endian elements, row-major; the number of elements that were
// NaN or infinite; and the number of those that the rotation clamped.
func (Engine) QuantizeTile(l packet.Layout, rows, dims int, values []byte) (tile []byte, nonFinite, saturated int) {
	f, x := format(l), elements(values, rows*dims)
	for i, h := range x {
		var bad bool
		if x[i], bad = f.Sanitise(h); bad {
			nonFinite++
		}
	}
	saturated = rotateRows(x, l.Rotate, exponentIn)
	var w bitWriter
	for _, block := range blocks(l, rows, dims) {
		coded := make([]Group, len(block))
		for i, members := range block {
			group := make([]uint16, len(members))
			for j, at := range members {
				group[j] = x[at]
			}
			coded[i] = f.Quantize(scheme(l), l.Bits, group)
		}
		for _, g := range coded {
			w.put(uint(g.Scale), 16)
		}
		if scheme(l) == Asym {
			for _, g := range coded {
				w.put(uint(g.Min), 16)
			}
		}
		for _, j := range order(l, len(block[0])) { // a per-channel block has many groups, coded row by row
			for _, g := range coded {
				w.put(uint(g.Codes[j]), l.Bits)
			}
		}
	}
	return w.bytes(), nonFinite, saturated
}

// DequantizeTile gives the payload of a DEQUANTIZE response for a quantized
// tile, which may be padded; the number of scales and minima that were NaN or
// infinite; and the number of times that a restored or a rotated value was clamped.
func (Engine) DequantizeTile(l packet.Layout, rows, dims int, tile []byte) (values []byte, nonFinite, saturated int) {
	f, r := format(l), bitReader{data: tile}
	out := make([]uint16, rows*dims)
	stat := func() uint16 {
		h, bad := f.Sanitise(uint16(r.take(16)))
		if bad {
			nonFinite++
		}
		return h
	}
	for _, block := range blocks(l, rows, dims) {
		scales, minima := make([]uint16, len(block)), make([]uint16, len(block))
		for i := range scales {
			scales[i] = stat()
		}
		if scheme(l) == Asym {
			for i := range minima {
				minima[i] = stat()
			}
		}
		for _, j := range order(l, len(block[0])) {
			for i, members := range block {
				code := int(r.take(l.Bits))
				if scheme(l) == Sym && code >= 1<<(l.Bits-1) {
					code -= 1 << l.Bits
				}
				if scheme(l) == Offset {
					code -= 8
				}
				h, clamped := f.Restore(scales[i], minima[i], code)
				if clamped {
					saturated++
				}
				out[members[j]] = h
			}
		}
	}
	saturated += rotateRows(out, l.Rotate, exponentOut)
	values = make([]byte, 0, 2*len(out))
	for _, h := range out {
		values = binary.LittleEndian.AppendUint16(values, h)
	}
	return values, nonFinite, saturated
}

// format is that of a layout's elements, scales and minima.
func format(l packet.Layout) Format {
	if l.Format == regmap.FormatBF16 {
		return BF16
	}
	return FP16
}

func scheme(l packet.Layout) Scheme {
	switch l.Scheme {
	case regmap.SchemeAsym:
		return Asym
	case regmap.SchemeSym:
		return Sym
	case regmap.SchemeOffset:
		return Offset
	}
	panic(fmt.Sprintf("oracle: no scheme %d", l.Scheme))
}

// order is the order in which the codes of a group of n stand: in blocks of
// 4 bits, byte i holds q_i and q_(i+n/2).
func order(l packet.Layout, n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
		if l.Block && l.Bits == 4 {
			list[i] = i/2 + i%2*(n/2)
		}
	}
	return list
}

// blocks lists a tile's groups as they are stored: a block is the groups whose
// scales stand together (one group per token, one of each channel per channel),
// and a group is the indices of its elements in the row-major tile.
func blocks(l packet.Layout, rows, dims int) [][][]int {
	g := l.Group
	if g == 0 {
		g = dims
	}
	var list [][][]int
	switch {
	case l.Axis == regmap.AxisToken && dims%g == 0:
		for start := 0; start < rows*dims; start += g {
			group := make([]int, g)
			for j := range group {
				group[j] = start + j
			}
			list = append(list, [][]int{group})
		}
	case l.Axis == regmap.AxisChannel && l.Group != 0 && rows%g == 0:
		for first := 0; first < rows; first += g {
			block := make([][]int, dims)
			for d := range block {
				for row := first; row < first+g; row++ {
					block[d] = append(block[d], row*dims+d)
				}
			}
			list = append(list, block)
		}
	default:
		panic(fmt.Sprintf("oracle: no tile of %d x %d has layout %+v", rows, dims, l))
	}
	return list
}

// elements reads n little-endian values.
func elements(b []byte, n int) []uint16 {
	x := make([]uint16, n)
	for i := range x {
		x[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return x
}

// bitWriter appends fields, least significant bit first.
type bitWriter struct {
	data []byte
	n    int // bits written
}

func (w *bitWriter) put(v uint, width int) {
	for i := range width {
		if w.n%8 == 0 {
			w.data = append(w.data, 0)
		}
		w.data[w.n/8] |= byte(v>>i&1) << (w.n % 8)
		w.n++
	}
}

func (w *bitWriter) bytes() []byte {
	if w.n%8 != 0 {
		panic("oracle: a tile is a whole number of bytes")
	}
	return w.data
}

// bitReader takes fields, least significant bit first.
type bitReader struct {
	data []byte
	n    int // bits read
}

func (r *bitReader) take(width int) (v uint) {
	for i := range width {
		v |= uint(r.data[r.n/8]>>(r.n%8)&1) << i
		r.n++
	}
	return v
}
