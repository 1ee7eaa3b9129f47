package packet

import (
	"errors"
	"testing"

	"github.com/kvaccel/kvaccel/driver/regmap"
)

// Every layout comes back from the header it is put into.
func TestLayoutOf(t *testing.T) {
	for _, op := range []uint32{regmap.OpQuantize, regmap.OpDequantize, regmap.OpCompress} {
		for size := range groupCodes {
			for rotate := range rotateCodes {
				for i := range 8 {
					l := Layout{Scheme: uint32(i % 3), Axis: uint32(i & 1), Group: size, Bits: 2 + i%7, Block: i&2 != 0, Format: uint32(i >> 2), Rotate: rotate}
					if op == regmap.OpCompress {
						l.Block, l.Rotate = false, 0
					}
					h, err := Request{Opcode: op, Layout: l, Rows: 1, Dims: 16, ValueGroup: 16}.Header()
					if err != nil {
						t.Fatal(err)
					}
					if got, err := LayoutOf(h[:]); got != l || err != nil {
						t.Errorf("opcode %d: %+v reads back as %+v, %v", op, l, got, err)
					}
				}
			}
		}
	}
}

func TestFormatAndRotateFields(t *testing.T) {
	h, err := Request{Opcode: regmap.OpQuantize, Layout: Layout{Group: 16, Bits: 4, Rotate: 128}, Rows: 1, Dims: 128}.Header()
	if err != nil || regmap.ReqRotate.Get(h[:]) != regmap.Rotate128 || regmap.ReqFormat.Get(h[:]) != regmap.FormatFP16 {
		t.Errorf("header % x, %v", h, err)
	}
	h, err = Request{Opcode: regmap.OpCompress, Layout: Layout{Group: 16, Format: regmap.FormatBF16}, Rows: 1, Dims: 16, RowDims: 16, ValueGroup: 16}.Header()
	if err != nil || regmap.ReqFormat.Get(h[:]) != regmap.FormatBF16 {
		t.Errorf("header % x, %v", h, err)
	}
}

func TestRotationRefused(t *testing.T) {
	for _, c := range []struct {
		op   uint32
		size int
		want string
	}{
		{regmap.OpQuantize, 16, "request cannot be encoded: rotation of 16 elements, want 32, 64 or 128, or 0 for none"},
		{regmap.OpDequantize, -32, "request cannot be encoded: rotation of -32 elements, want 32, 64 or 128, or 0 for none"},
		{regmap.OpCompress, 32, "request cannot be encoded: rotation of 32 elements, but COMPRESS has none"},
	} {
		_, err := Request{Opcode: c.op, Layout: Layout{Group: 16, Rotate: c.size}, Rows: 1, Dims: 32, ValueGroup: 16}.Header()
		if !errors.Is(err, ErrRequest) || err.Error() != c.want {
			t.Errorf("opcode %d: %v, want %q", c.op, err, c.want)
		}
	}
}

// What can be read from a header goes back into one as the same bits.
func FuzzLayoutOf(f *testing.F) {
	for _, l := range []Layout{
		{Group: 32, Bits: 4},
		{Scheme: regmap.SchemeOffset, Group: 32, Bits: 4, Block: true, Rotate: 32},
		{Scheme: regmap.SchemeSym, Axis: regmap.AxisChannel, Group: 128, Bits: 2, Format: regmap.FormatBF16},
		{Bits: 8, Rotate: 128},
	} {
		h, err := Request{Opcode: regmap.OpQuantize, Layout: l, Rows: 3, Dims: 128}.Header()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(h[:])
	}
	f.Fuzz(func(t *testing.T, h []byte) {
		if len(h) != regmap.HeaderBytes {
			return
		}
		regmap.ReqOpcode.Put(h, regmap.OpQuantize)
		l, err := LayoutOf(h)
		if err != nil {
			if !errors.Is(err, ErrRequest) || regmap.ReqGroup.Get(h) <= regmap.GroupRow {
				t.Fatalf("% x: %v", h, err)
			}
			return
		}
		back, err := Request{Opcode: regmap.OpQuantize, Layout: l}.Header()
		if err != nil {
			t.Fatalf("%+v: %v", l, err)
		}
		for _, field := range []regmap.Field{regmap.ReqScheme, regmap.ReqAxis, regmap.ReqFormat, regmap.ReqGroup, regmap.ReqBits, regmap.ReqLayout, regmap.ReqRotate} {
			if field.Get(back[:]) != field.Get(h) {
				t.Fatalf("% x: field %+v goes back as % x", h, field, back)
			}
		}
	})
}
