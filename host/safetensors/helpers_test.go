package safetensors

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// build makes a file from a header's text and its data.
func build(header string, data []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

func openBytes(b []byte) (*File, error) {
	return New("test", bytes.NewReader(b), int64(len(b)))
}

func mustOpen(t *testing.T, b []byte) *File {
	t.Helper()
	f, err := openBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func mustTensor(t *testing.T, f *File, name string) Tensor {
	t.Helper()
	x, err := f.Tensor(name)
	if err != nil {
		t.Fatal(err)
	}
	return x
}
