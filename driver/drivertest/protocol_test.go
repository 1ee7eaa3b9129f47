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
	op, rows, dims := word(0)&0xff, int(word(2)), int(word(3)&0xfffff)
	if len(wire) < regmap.HeaderBytes {
		return refuse(regmap.StTruncated)
	}
	if word(0)>>8&0xff != regmap.MagicRequest && !r.is("magic unchecked") {
		return refuse(regmap.StBadMagic)
	}
	if op < regmap.OpEcho || op > regmap.OpSink {
		return refuse(regmap.StBadOpcode)
	}
	if r.info.Features>>min(op-1, regmap.FeatLink)&1 == 0 {
		if r.is("unsupported is a bad opcode") {
			return refuse(regmap.StBadOpcode)
		}
		return refuse(regmap.StUnsupported)
	}
	p := r.info.Params
	l := packet.Layout{Scheme: word(1) & 3, Axis: word(1) >> 2 & 1, Bits: int(word(1) >> 8 & 15), Block: word(1)>>12&1 == 1}
	l.Format = word(1) >> 3 & 1
	if rotation := word(1) >> 27 & 3; rotation > 0 && op != regmap.OpCompress {
		l.Rotate = 16 << rotation
	}
	code := word(1) >> 4 & 7
	if code < 4 {
		l.Group = 16 << code
	}
	if op == regmap.OpSelect || op == regmap.OpCompress {
		c := readChooser(h)
		if status := c.check(r); status != regmap.StOK {
			return refuse(status)
		}
		return r.compute(op, l, rows, dims, c.size(p), h, body)
	}
	if op == regmap.OpQuantize || op == regmap.OpDequantize {
		if built := r.info.Features; l.Rotate > 0 && built>>10&1 == 0 || l.Format > 0 && built>>11&1 == 0 && !r.is("missing options ignored") {
			return refuse(regmap.StUnsupported)
		}
	}
	var stray uint32
	size := rows
	fits := rows <= regmap.MaxEchoBytes
	switch op {
	case regmap.OpEcho:
		stray |= word(1) | word(3) | word(4) | word(5) | word(6) | word(7)
	case regmap.OpSource, regmap.OpSink:
		stray |= word(1) | word(3) | word(4) | word(5) | word(6) | word(7)>>31
		if word(7) == 0 && !r.is("seed 0 taken") {
			stray = 1
		}
		fits = rows <= regmap.MaxLinkBytes
		if op == regmap.OpSource {
			return r.giveStream(refuse, stray, fits, rows, word(7), body)
		}
	default:
		stray |= word(1)&^0x18001f7f | word(3)>>20 | word(4) | word(5) | word(6) | word(7)
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
		if l.Format == 1 && (l.Block && !r.is("blocks of bfloat16 taken") || l.Rotate > 0 && !r.is("bfloat16 rotated")) {
			stray = 1
		}
		fits = rows >= 1 && rows <= p.TileTokens && dims >= 16 && dims <= p.MaxDim && dims%16 == 0
		if g := l.Group; g != 0 && (l.Axis == 0 && dims%g != 0 || l.Axis == 1 && rows%g != 0) {
			fits = fits && r.is("rows that fill no group taken") && l.Axis == 0
		}
		if l.Rotate > 0 && dims%l.Rotate != 0 && !(r.is("rows that fill no block rotated") && dims%32 == 0) {
			fits = false
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
	case regmap.OpSelect, regmap.OpCompress:
		return r.choose(w, readChooser(h), full)
	case regmap.OpSink:
		return r.checkStream(w, full[:size], regmap.ReqSeed.Get(h))
	case regmap.OpQuantize:
		w.payload, w.nonFinite, w.saturated = r.kernels.QuantizeTile(l, rows, dims, full)
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
