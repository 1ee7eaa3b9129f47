package safetensors

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"testing"
)

func TestReadFloat32(t *testing.T) {
	want := []float32{0, 1, -2.5, 65504, 0x1p-24, 0.5}
	var b bytes.Buffer
	err := Write(&b, nil, []Entry{
		FP16("half", []uint16{0, 0x3c00, 0xc100, 0x7bff, 1, 0x3800}, 2, 3),
		Float32("single", want, 6),
		{"int", I64, []int64{1}, func(w io.Writer) error { _, err := w.Write(make([]byte, 8)); return err }},
		{"brain", BF16, []int64{2}, func(w io.Writer) error { _, err := w.Write([]byte{0x80, 0x3f, 0x80, 0x7f}); return err }},
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := New("x", bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]float32{"half": want, "single": want, "brain": {1, float32(math.Inf(1))}} {
		x, err := f.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := x.ReadFloat32(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, want)
		}
	}
	x, err := f.Tensor("int")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.ReadFloat32(); !errors.Is(err, ErrConvert) {
		t.Errorf("I64: got %v", err)
	}
}

// BF16 comes as it stands; F16 and F32 are rounded once, half to even.
func TestReadBF16(t *testing.T) {
	var b bytes.Buffer
	err := Write(&b, nil, []Entry{
		BFloat16("brain", []uint16{0x3f80, 0x8001, 0x7f80, 0xffc1, 0x7f7f, 0x8000}, 6),
		FP16("half", []uint16{0x3c00, 0x3c04, 0x3c0c, 0x7c00, 0x0001, 0x7bff}, 6), // 1, and ties of 2^-8 above
		Float32("single", []float32{1, 1 + 0x1p-8 + 0x1p-20, math.MaxFloat32, -math.MaxFloat32, 0x1p-134, float32(math.NaN())}, 6),
		{"int", I64, []int64{1}, func(w io.Writer) error { _, err := w.Write(make([]byte, 8)); return err }},
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := New("x", bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		want  []uint16
		stats Converted
	}{
		"brain":  {[]uint16{0x3f80, 0x8001, 0x7f80, 0xffc1, 0x7f7f, 0x8000}, Converted{0, 2}},
		"half":   {[]uint16{0x3f80, 0x3f80, 0x3f82, 0x7f80, 0x3380, 0x4780}, Converted{0, 1}},
		"single": {[]uint16{0x3f80, 0x3f81, 0x7f7f, 0xff7f, 0, 0x7fc0}, Converted{2, 1}},
	} {
		got, stats, err := mustTensor(t, f, name).ReadBF16(0, 6)
		if err != nil || !slices.Equal(got, c.want) || stats != c.stats {
			t.Errorf("%s: %#04x, %+v, %v; want %#04x, %+v", name, got, stats, err, c.want, c.stats)
		}
		if got, _, err := mustTensor(t, f, name).ReadBF16(4, 1); err != nil || !slices.Equal(got, c.want[4:5]) {
			t.Errorf("%s from 4: %#04x, %v", name, got, err)
		}
		if _, _, err := mustTensor(t, f, name).ReadBF16(5, 2); !errors.Is(err, ErrShape) {
			t.Errorf("%s beyond its end: %v", name, err)
		}
	}
	if _, _, err := mustTensor(t, f, "int").ReadBF16(0, 1); !errors.Is(err, ErrConvert) {
		t.Errorf("I64: %v", err)
	}
}
