package core

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// Header bits of rotation and format: what is built, what goes together, what
// fits.
func TestFormatAndRotateChecks(t *testing.T) {
	quant := packet.Request{Opcode: regmap.OpQuantize, Layout: packet.Layout{Group: 16, Bits: 4}, Rows: 2, Dims: 64}
	dequant := quant
	dequant.Opcode = regmap.OpDequantize
	sel := packet.Request{Opcode: regmap.OpSelect, Rows: 1, Dims: 32, Selection: packet.Selection{TopK: 3}}
	compress := packet.Request{Opcode: regmap.OpCompress, Rows: 1, Dims: 16, RowDims: 32, Layout: packet.Layout{Group: 16}, ValueGroup: 16, Selection: packet.Selection{TopK: 3, Rank: [3]int{1, 1, 3}}}
	norm := compress
	norm.Rows, norm.KeyNorm = 0, true
	const noRotate, noBF16 = allFeatures &^ (1 << regmap.FeatRotate), allFeatures &^ (1 << regmap.FeatBF16)
	with := func(r packet.Request, edit func(*packet.Request)) packet.Request { edit(&r); return r }
	for _, c := range []struct {
		name           string
		r              packet.Request
		features       uint32
		format, rotate uint32
		want           packet.Status
	}{
		{"rotation", quant, allFeatures, 0, regmap.Rotate64, regmap.StOK},
		{"rotation back", dequant, allFeatures, 0, regmap.Rotate32, regmap.StOK},
		{"rotation not built", quant, noRotate, 0, regmap.Rotate64, regmap.StUnsupported},
		{"rotation back not built", dequant, noRotate, 0, regmap.Rotate128, regmap.StUnsupported},
		{"none, and not built", quant, noRotate &^ (1 << regmap.FeatBF16), 0, 0, regmap.StOK},
		{"block beyond dims", quant, allFeatures, 0, regmap.Rotate128, regmap.StBadGeometry},
		{"dims no multiple", with(quant, func(r *packet.Request) { r.Dims = 48 }), allFeatures, 0, regmap.Rotate32, regmap.StBadGeometry},
		{"dims a multiple", with(quant, func(r *packet.Request) { r.Dims = 96 }), allFeatures, 0, regmap.Rotate32, regmap.StOK},
		{"blocks rotated", with(quant, func(r *packet.Request) { r.Layout = q40 }), allFeatures, 0, regmap.Rotate32, regmap.StOK},
		{"bfloat16", quant, allFeatures, 1, 0, regmap.StOK},
		{"bfloat16 back", dequant, allFeatures, 1, 0, regmap.StOK},
		{"bfloat16 not built", quant, noBF16, 1, 0, regmap.StUnsupported},
		{"bfloat16 back not built", dequant, noBF16, 1, 0, regmap.StUnsupported},
		{"bfloat16 not built, rotated", quant, noBF16, 1, regmap.Rotate32, regmap.StUnsupported},
		{"bfloat16 rotated", quant, allFeatures, 1, regmap.Rotate32, regmap.StBadOption},
		{"bfloat16 blocks", with(quant, func(r *packet.Request) { r.Layout = q80 }), allFeatures, 1, 0, regmap.StBadOption},
		{"rotation before options", with(quant, func(r *packet.Request) { r.Bits = 7 }), noRotate, 0, regmap.Rotate32, regmap.StUnsupported},
		{"SELECT has no format", sel, allFeatures, 1, 0, regmap.StBadOption},
		{"SELECT has no format, built or not", sel, noBF16, 1, 0, regmap.StBadOption},
		{"SELECT has no rotation", sel, noRotate, 0, regmap.Rotate32, regmap.StBadOption},
		{"COMPRESS of bfloat16", compress, allFeatures, 1, 0, regmap.StOK},
		{"COMPRESS of bfloat16 not built", compress, noBF16, 1, 0, regmap.StUnsupported},
		{"COMPRESS has no rotation", compress, noRotate, 0, regmap.Rotate32, regmap.StBadOption},
		{"key norms", norm, allFeatures, 0, 0, regmap.StOK},
		{"key norms of bfloat16", norm, allFeatures, 1, 0, regmap.StBadOption},
		{"ECHO has neither", packet.Request{Opcode: regmap.OpEcho, Rows: 1}, allFeatures, 1, 0, regmap.StBadOption},
	} {
		p := regmap.Params{Lanes: 8, MaxDim: 128, TileTokens: 16, MaxTokens: 256}
		n := 2 * c.r.Rows * c.r.Dims
		switch {
		case c.r.Opcode == regmap.OpDequantize:
			n = c.r.QuantizedBytes(c.r.Rows, c.r.Dims)
		case c.r.Opcode == regmap.OpCompress:
			n += 4 * c.r.Dims * c.r.RowDims
			if c.r.KeyNorm {
				n += 2 * c.r.Dims * c.r.RowDims
			}
		case c.r.Opcode == regmap.OpEcho:
			n = 16
		}
		wire := request(t, p, c.r, make([]byte, n))
		regmap.ReqFormat.Put(wire, c.format)
		regmap.ReqRotate.Put(wire, c.rotate)
		if got := answerOf(t, p, c.features, wire); got.Status != c.want {
			t.Errorf("%s: status %d, want %d", c.name, got.Status, c.want)
		}
	}
}

// wide gives elements of binary16 as bfloat16, cut.
func wide(b []byte) []byte {
	w := make([]byte, len(b))
	for i := 0; i < len(b); i += 2 {
		v := float32(fp16.ToFloat64(binary.LittleEndian.Uint16(b[i:])))
		binary.LittleEndian.PutUint16(w[i:], uint16(math.Float32bits(v)>>16))
	}
	return w
}

// A format is not a matter of time.
func TestFormatTiming(t *testing.T) {
	for _, lanes := range []int{2, 16} {
		p := regmap.Params{Lanes: lanes, MaxDim: 64, TileTokens: 32, MaxTokens: 256}
		x := normal(32 * 64)
		for _, l := range []packet.Layout{{Group: 16, Bits: 5}, {Scheme: regmap.SchemeSym, Axis: regmap.AxisChannel, Group: 16, Bits: 8}} {
			r := packet.Request{Opcode: regmap.OpQuantize, Layout: l, Rows: 32, Dims: 64}
			narrow := answer(t, p, request(t, p, r, x))
			r.Format = regmap.FormatBF16
			other := answer(t, p, request(t, p, r, wide(x)))
			if narrow.Cycles != other.Cycles || len(narrow.Payload) != len(other.Payload) || slices.Equal(narrow.Payload, other.Payload) {
				t.Errorf("%+v: %d cycles, with bfloat16 %d", l, narrow.Cycles, other.Cycles)
			}
			// What comes back is within a step and a rounding of what went in.
			r.Opcode = regmap.OpDequantize
			back := answer(t, p, request(t, p, r, other.Payload)).Payload
			for i, in := 0, wide(x); i < len(in); i += 2 {
				a, b := fp16.BFloatToFloat64(binary.LittleEndian.Uint16(in[i:])), fp16.BFloatToFloat64(binary.LittleEndian.Uint16(back[i:]))
				if math.Abs(a-b) > 0.14 {
					t.Fatalf("%+v: element %d is %g, restored as %g", l, i/2, a, b)
				}
			}
		}
	}
}

// COMPRESS codes rows of bfloat16 as QUANTIZE does, and gives those of tier 0 as
// they came.
func TestCompressBF16(t *testing.T) {
	p := regmap.DefaultParams()
	x := wide(normal(6 * 16))
	copy(x[4:], []byte{0x81, 0x7f}) // a NaN, but not in binary16
	r := packet.Request{
		Opcode: regmap.OpCompress, Rows: 1, Dims: 3, RowDims: 16, ValueGroup: 16, Layout: packet.Layout{Format: regmap.FormatBF16},
		Selection: packet.Selection{TopK: 2, Rank: [3]int{1, 1, 1}},
	}
	got := answer(t, p, request(t, p, r, append(row(3, 1, 2), x...)))
	if got.Status != regmap.StOK || !got.NonFinite {
		t.Fatalf("status %d, non-finite %v", got.Status, got.NonFinite)
	}
	coded := func(x []byte) []byte {
		l := packet.Layout{Group: 16, Bits: 2, Format: regmap.FormatBF16}
		return answer(t, p, request(t, p, packet.Request{Opcode: regmap.OpQuantize, Layout: l, Rows: 1, Dims: 16}, x)).Payload
	}
	want := slices.Concat(x[:32], coded(x[64:96]), make([]byte, 8), x[96:128], coded(x[160:]))
	if !slices.Equal(got.Payload[16:], want) {
		t.Errorf("sections %x, want %x", got.Payload[16:], want)
	}
}
