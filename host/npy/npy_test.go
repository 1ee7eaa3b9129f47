package npy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
)

// file makes a version 1 file.
func file(head string, data []byte) []byte {
	b := []byte("\x93NUMPY\x01\x00")
	b = binary.LittleEndian.AppendUint16(b, uint16(len(head)))
	return append(append(b, head...), data...)
}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		head string
		data []byte
		want []int64
	}{
		{"{'descr': '<i2', 'fortran_order': False, 'shape': (2, 1), }\n", []byte{0xff, 0xff, 2, 1}, []int64{-1, 258}},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (3,)}", []byte{0, 128, 255}, []int64{0, 128, 255}},
		{"{'descr': '<i8', 'fortran_order': False, 'shape': ()}", []byte{254, 255, 255, 255, 255, 255, 255, 255}, []int64{-2}},
		{"{'descr': '<u4', 'fortran_order': False, 'shape': (0, 5)}", nil, []int64{}},
	} {
		a, err := Read(bytes.NewReader(file(c.head, c.data)), 100)
		if err != nil {
			t.Errorf("%s: %v", c.head, err)
			continue
		}
		if got, err := a.Ints(); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, %v, want %v", c.head, got, err, c.want)
		}
	}
}

func TestRefuse(t *testing.T) {
	good := file("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", make([]byte, 8))
	for name, b := range map[string][]byte{
		"empty": {}, "magic": []byte("not an array"), "cut header": good[:20], "cut data": good[:len(good)-1], "rest": append(slices.Clone(good), 0),
		"objects":    file("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", make([]byte, 8)),
		"structs":    file("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", make([]byte, 4)),
		"big endian": file("{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}", make([]byte, 4)),
		"fortran":    file("{'descr': '<f4', 'fortran_order': True, 'shape': (1,)}", make([]byte, 4)),
		"huge":       file("{'descr': '<f4', 'fortran_order': False, 'shape': (2147483647, 2147483647, 2147483647)}", nil),
		"long":       file("{'descr': '<f4', 'fortran_order': False, 'shape': (1000,)}", make([]byte, 4000)),
		"negative":   file("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", nil),
		"version":    []byte("\x93NUMPY\x09\x00\x00\x00"),
	} {
		if _, err := Read(bytes.NewReader(b), 100); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	a, err := Read(bytes.NewReader(good), 8)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Ints(); !errors.Is(err, ErrFormat) {
		t.Errorf("floats as tokens: got %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(file("{'descr': '<i2', 'fortran_order': False, 'shape': (2, 1), }\n", []byte{1, 2, 3, 4}))
	f.Add(file("{'descr': '<u8', 'fortran_order': False, 'shape': ()}", make([]byte, 8)))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Read(bytes.NewReader(b), 1<<16)
		if err != nil {
			return
		}
		n := int64(a.Width)
		for _, d := range a.Shape {
			n *= d
		}
		if n != int64(len(a.Data)) {
			t.Errorf("shape %v, width %d, %d bytes", a.Shape, a.Width, len(a.Data))
		}
		if ints, err := a.Ints(); err == nil && len(ints) != a.Elements() {
			t.Errorf("%d whole numbers of %d elements", len(ints), a.Elements())
		}
	})
}
