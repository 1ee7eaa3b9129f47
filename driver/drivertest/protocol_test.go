package drivertest_test

import (
	"encoding/binary"
	"fmt"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// do carries out a request of a header and body; wire is both.
func (r *reference) do(h, wire, body []byte) work {
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(h[4*i:]) }
	refuse := func(s packet.Status) work { return work{refused: true, status: s} }
	op, rows, dims := word(0)&0xff, int(word(2)), int(word(3))
	if len(wire) < regmap.HeaderBytes {
		return refuse(regmap.StTruncated)
	}
	if word(0)>>8&0xff != regmap.MagicRequest && !r.is("magic unchecked") {
		return refuse(regmap.StBadMagic)
	}
	if op < regmap.OpEcho || op > regmap.OpSelect {
		return refuse(regmap.StBadOpcode)
	}
	if r.info.Features>>(op-1)&1 == 0 {
		if r.is("unsupported is a bad opcode") {
			return refuse(regmap.StBadOpcode)
		}
		return refuse(regmap.StUnsupported)
	}
	p := r.info.Params
	l := packet.Layout{Scheme: word(1) & 3, Axis: word(1) >> 2 & 1, Bits: int(word(1) >> 8 & 15), Block: word(1)>>12&1 == 1}
	code := word(1) >> 4 & 7
	if code < 4 {
		l.Group = 16 << code
	}
	var stray uint32
	stray |= word(7)
	size := rows
	fits := rows <= regmap.MaxEchoBytes
	switch op {
	case regmap.OpEcho:
		stray |= word(1) | word(3) | word(4) | word(5) | word(6)
	case regmap.OpSelect:
		stray |= word(1)
		fits = rows >= 1 && rows < 1<<24 && dims >= 1 && dims <= p.MaxTokens && int(word(4)) <= dims && int(word(5)) <= dims && int(word(6)) <= dims
		size = (dims + p.Lanes - 1) / p.Lanes * p.BeatBytes() * rows
	default:
		stray |= word(1)&^0x1f77 | word(4) | word(5) | word(6)
		if l.Scheme > 2 || code > 4 || code == 4 && l.Axis == 1 || l.Bits < 2 || l.Bits == 7 || l.Bits > 8 {
			stray = 1
		}
		name := [4]string{"4 32", "8 32", "4 32"}[l.Scheme]
		switch legal := l.Axis == 0 && name == fmt.Sprint(l.Bits, l.Group); {
		case l.Block && !legal && !r.is("blocks of any settings taken"):
			stray = 1
		case !l.Block && l.Scheme == 2 && !r.is("offset codes taken outside blocks"):
			stray = 1
		}
		fits = rows >= 1 && rows <= p.TileTokens && dims >= 16 && dims <= p.MaxDim && dims%16 == 0
		if g := l.Group; g != 0 && (l.Axis == 0 && dims%g != 0 || l.Axis == 1 && rows%g != 0) {
			fits = fits && r.is("rows that fill no group taken") && l.Axis == 0
		}
		size = 2 * rows * dims
		if op == regmap.OpDequantize && fits {
			size = l.QuantizedBytes(rows, dims)
		}
	}
	if stray != 0 && !r.is("reserved bits ignored") {
		return refuse(regmap.StBadOption)
	}
	if !fits {
		return refuse(regmap.StBadGeometry)
	}
	return r.compute(op, l, rows, dims, size, h, body)
}

func (r *reference) compute(op uint32, l packet.Layout, rows, dims, size int, h, body []byte) (w work) {
	beat := r.info.Params.BeatBytes()
	padded := (size + beat - 1) / beat * beat
	switch {
	case padded == 0 && len(body) > 0:
		return work{refused: true, status: regmap.StOverlong}
	case padded > 0 && len(body) == 0:
		return work{refused: true, status: regmap.StTruncated}
	case len(body) < padded:
		w.status, w.bytesIn = regmap.StTruncated, len(body)
	case len(body) > padded:
		w.status, w.bytesIn = regmap.StOverlong, padded
		if r.is("overlong unnoticed") {
			w.status = regmap.StOK
		}
		if r.is("dropped bytes counted") {
			w.bytesIn = len(body)
		}
	default:
		w.bytesIn = padded
	}
	full := make([]byte, padded)
	copy(full, body)
	switch op {
	case regmap.OpEcho:
		w.payload = full[:size]
		return w
	case regmap.OpSelect:
		return r.choose(w, rows, dims, full, h)
	case regmap.OpQuantize:
		w.payload, w.nonFinite = r.kernels.QuantizeTile(l, rows, dims, full)
	case regmap.OpDequantize:
		w.payload, w.nonFinite, w.saturated = r.kernels.DequantizeTile(l, rows, dims, full)
	}
	size, channels := tileOrder(l, dims)
	w.rows, w.groups = rows, rows*dims/size
	if r.is("group of channels counted as one") {
		w.groups /= channels
	}
	return w
}

func (r *reference) choose(w work, rows, dims int, full, h []byte) work {
	stride := len(full) / rows
	weights := make([][]uint16, rows)
	for i := range weights {
		weights[i] = make([]uint16, dims)
		for j := range weights[i] {
			weights[i][j] = binary.LittleEndian.Uint16(full[i*stride+2*j:])
		}
		if r.is("weights beyond the row counted") && stride > 2*dims && full[(i+1)*stride-1] != 0 {
			w.nonFinite++
		}
	}
	keep, bad, sat := r.kernels.Select(weights, int(regmap.ReqSinks.Get(h)), int(regmap.ReqRecent.Get(h)), int(regmap.ReqTopK.Get(h)))
	w.nonFinite, w.saturated = w.nonFinite+bad, sat
	if w.status == regmap.StTruncated && !r.is("keep list of a cut SELECT") {
		return w
	}
	for _, j := range keep {
		w.payload = binary.LittleEndian.AppendUint16(w.payload, uint16(j))
	}
	return w
}
