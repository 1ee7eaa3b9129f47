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
