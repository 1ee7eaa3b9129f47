package drivertest_test

import (
	"encoding/binary"
	"math"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// kernels compute what the reference device answers, in float64, which is wide
// enough for every formula of the contract: sums are exact, and no quotient
// comes so near a middle that rounding it first to 53 bits matters. The hooks
// make them wrong in one way.
type kernels struct {
	fault string
}

func (k kernels) is(fault string) bool { return k.fault == fault }

// number is the value a pattern counts as.
func (k kernels) number(h uint16) (v float64, bad bool) {
	v = fp16.ToFloat64(h)
	switch {
	case math.IsNaN(v):
		if k.is("NaN is infinite") {
			return fp16.MaxFinite, true
		}
		return 0, true
	case math.IsInf(v, 0):
		return math.Copysign(fp16.MaxFinite, v), !k.is("infinity not counted")
	case math.Abs(v) < 0x1p-14 && k.is("subnormals flushed"):
		return 0, false
	case v == 0:
		return 0, false
	}
	return v, false
}

func (k kernels) round16(v float64) (h uint16, saturated bool) {
	if math.Abs(v) >= 65520 {
		return fp16.FromFloat64(math.Copysign(fp16.MaxFinite, v)), true
	}
	h = fp16.FromFloat64(v)
	if h == 0x8000 {
		h = 0
	}
	return h, false
}

// roundTo rounds to a number of significant bits.
func roundTo(v float64, bits int) float64 {
	_, e := math.Frexp(v)
	return math.Ldexp(math.RoundToEven(math.Ldexp(v, bits-e)), e-bits)
}

func (k kernels) code(v float64) float64 {
	switch k.fault {
	case "codes half away from zero":
		return math.Round(v)
	case "codes half up":
		return math.Floor(v + 0.5)
	case "codes truncated":
		return math.Trunc(v)
	}
	return math.RoundToEven(v)
}

// coded is one group.
type coded struct {
	scale, low uint16
	codes      []int
}

func (k kernels) quantizeGroup(l packet.Layout, x []float64) (g coded) {
	if l.Format == regmap.FormatBF16 {
		return k.quantizeWide(l, x)
	}
	lo, hi, far := x[0], x[0], 0.0
	for _, v := range x {
		lo, hi, far = min(lo, v), max(hi, v), max(far, math.Abs(v))
	}
	if k.is("range of 20 bits") {
		hi = lo + roundTo(hi-lo, 20)
	}
	span, top, low := hi-lo, float64(int(1)<<l.Bits-1), 0.0
	if l.Scheme == regmap.SchemeSym {
		span, top, low, lo = far, float64(int(1)<<(l.Bits-1)-1), -float64(int(1)<<(l.Bits-1)-1), 0
	}
	bias := 0.0
	if l.Scheme == regmap.SchemeOffset {
		span, top, low, lo, bias = 0, -8, 0, 0, 8
		for _, v := range x {
			if math.Abs(v) > math.Abs(span) || math.Abs(v) == math.Abs(span) && k.is("last of the largest") {
				span = v
			}
		}
		if k.is("sign of the largest lost") {
			span = math.Abs(span)
		}
	}
	if k.is("range overflows") {
		span = min(span, fp16.MaxFinite)
	}
	g.scale, _ = k.round16(span / top)
	if k.is("constant of 24 bits for 1/(2^b-1)") {
		g.scale, _ = k.round16(span * roundTo(1/top, 24))
	}
	g.low, _ = k.round16(lo)
	step := fp16.ToFloat64(g.scale)
	if k.is("codes from the unrounded scale") && step != 0 {
		step = span / top
	}
	for _, v := range x {
		q := 0.0
		if step != 0 {
			q = k.code((v - lo) / step)
			if k.is("reciprocal of 24 bits") {
				q = math.Floor((v-lo)*roundTo(1/step, 24) + 0.5)
			}
			if k.is("reciprocal of 24 bits, ties to even") {
				q = k.code((v - lo) * roundTo(1/step, 24))
			}
			if k.is("difference of 24 bits") {
				q = k.code(roundTo(v-lo, 24) / step)
			}
			if !k.is("codes not clamped") {
				if q += bias; bias != 0 && !k.is("offset code 16 wraps") {
					q = min(max(q, 0), 15)
				} else if bias == 0 {
					q = min(max(q, low), top)
				}
				q -= bias
			}
		}
		g.codes = append(g.codes, int(q+bias))
	}
	return g
}

// QuantizeTile, like DequantizeTile, is as the oracle's.
func (k kernels) QuantizeTile(l packet.Layout, rows, dims int, values []byte) (tile []byte, nonFinite, saturated int) {
	b := bitstream{}
	size, channels := tileOrder(l, dims)
	all := make([]float64, rows*dims)
	for i := range all {
		var bad bool
		if all[i], bad = k.numberOf(l.Format, binary.LittleEndian.Uint16(values[2*i:])); bad {
			nonFinite++
		}
	}
	for at := 0; at < len(all) && l.Rotate > 0; at += dims {
		saturated += k.rotate(l, all[at:at+dims], false)
	}
	for block := 0; block < rows*dims/(size*channels); block++ {
		gs := make([]coded, channels)
		for c := range gs {
			x := make([]float64, size)
			for i := range x {
				x[i] = all[block*size*channels+i*channels+c]
			}
			gs[c] = k.quantizeGroup(l, x)
		}
		if k.is("scales copied per row") && channels > 1 {
			for range size - 1 {
				b.put(int(gs[0].scale), 16)
			}
		}
		for _, g := range gs {
			b.put(int(g.scale), 16)
		}
		for _, g := range gs {
			if l.Scheme == regmap.SchemeAsym {
				b.put(int(g.low), 16)
			}
		}
		for i := range size {
			i = k.place(l, i, size)
			for _, g := range gs {
				b.put(g.codes[i], l.Bits)
			}
		}
	}
	return b.data, nonFinite, saturated
}

func (k kernels) DequantizeTile(l packet.Layout, rows, dims int, tile []byte) (values []byte, nonFinite, saturated int) {
	b := bitstream{data: tile}
	size, channels := tileOrder(l, dims)
	stats := make([]float64, channels)
	lows := make([]float64, channels)
	take := func(list []float64) {
		for c := range list {
			v, bad := k.numberOf(l.Format, uint16(b.take(16)))
			if list[c] = v; bad {
				nonFinite++
			}
		}
	}
	for len(values) < 2*rows*dims {
		take(stats)
		if l.Scheme == regmap.SchemeAsym {
			take(lows)
		}
		group := len(values)
		values = append(values, make([]byte, 2*size*channels)...)
		for i := range size {
			i = k.place(l, i, size)
			for c := range channels {
				q := b.take(l.Bits)
				if l.Scheme == regmap.SchemeSym && q>>(l.Bits-1) != 0 && !k.is("codes unsigned") {
					q -= 1 << l.Bits
				}
				if l.Scheme == regmap.SchemeOffset {
					q -= 8
				}
				if k.is("lowest code clamped") {
					q = max(q, -(1<<(l.Bits-1) - 1))
				}
				s := stats[c]
				if k.is("negative scale taken as positive") {
					s = math.Abs(s)
				}
				product := float64(q) * s
				if k.is("product rounded before the sum") {
					product = fp16.ToFloat64(fp16.FromFloat64(min(max(product, -fp16.MaxFinite), fp16.MaxFinite)))
				}
				sum := lows[c] + product
				if k.is("sum of 26 bits") {
					sum = roundTo(sum, 26)
				}
				h, sat := k.round16(sum)
				if l.Format == regmap.FormatBF16 {
					h, sat = k.restoreWide(s, lows[c], q)
				}
				if sat {
					saturated++
				}
				if h == 0 && s < 0 && k.is("minus zero restored") {
					h = 0x8000
				}
				binary.LittleEndian.PutUint16(values[group+2*(i*channels+c):], h)
			}
		}
	}
	for at := 0; at < len(values) && l.Rotate > 0; at += 2 * dims {
		row := make([]float64, dims)
		for i := range row {
			row[i], _ = k.number(binary.LittleEndian.Uint16(values[at+2*i:]))
		}
		saturated += k.rotate(l, row, true)
		for i, v := range row {
			h, _ := k.round16(v)
			binary.LittleEndian.PutUint16(values[at+2*i:], h)
		}
	}
	return values, nonFinite, saturated
}

// place is the element whose code stands at i.
func (k kernels) place(l packet.Layout, i, size int) int {
	if !l.Block || l.Bits != 4 || k.is("nibbles of neighbours together") {
		return i
	}
	return i/2 + i%2*size/2
}

// tileOrder gives the elements of a group and how many groups lie side by side.
func tileOrder(l packet.Layout, dims int) (size, channels int) {
	switch {
	case l.Axis == regmap.AxisChannel:
		return l.Group, dims
	case l.Group == 0:
		return dims, 1
	}
	return l.Group, 1
}

type bitstream struct {
	data []byte
	at   int
}

func (b *bitstream) put(v, width int) {
	for i := range width {
		if b.at%8 == 0 {
			b.data = append(b.data, 0)
		}
		b.data[b.at/8] |= byte(v>>i&1) << (b.at % 8)
		b.at++
	}
}

func (b *bitstream) take(width int) (v int) {
	for i := range width {
		v |= int(b.data[b.at/8]>>(b.at%8)&1) << i
		b.at++
	}
	return v
}
