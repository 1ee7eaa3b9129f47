package safetensors

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func sample() (map[string]string, []Entry) {
	return map[string]string{"b": "<2> & \"two\"", "a": "κ"}, []Entry{
		Bytes("z.codes", []byte{1, 2, 3}),
		FP16("k", []uint16{0x3c00, 0xbc00, 0, 1, 0x7bff, 0x7e00}, 2, 3),
		Int64("positions", []int64{0, -1, math.MaxInt64}),
		Bytes("a.codes", nil),
		FP16("scalar", []uint16{7}),
	}
}

func TestWriteRead(t *testing.T) {
	meta, entries := sample()
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := WriteFile(t.Context(), path, meta, entries); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.dataFrom%8 != 0 {
		t.Errorf("data starts at byte %d, want a multiple of 8", f.dataFrom)
	}
	if got := f.Metadata(); !reflect.DeepEqual(got, meta) {
		t.Errorf("metadata %q, want %q", got, meta)
	}
	if got, _, err := mustTensor(t, f, "k").ReadFP16(0, 6); err != nil || !reflect.DeepEqual(got, []uint16{0x3c00, 0xbc00, 0, 1, 0x7bff, 0x7e00}) {
		t.Errorf("k: %#04x %v", got, err)
	}
	if got, err := mustTensor(t, f, "positions").ReadInt64(); err != nil || !reflect.DeepEqual(got, []int64{0, -1, math.MaxInt64}) {
		t.Errorf("positions: %d %v", got, err)
	}
	if got, err := mustTensor(t, f, "z.codes").ReadBytes(); err != nil || !bytes.Equal(got, []byte{1, 2, 3}) {
		t.Errorf("z.codes: %v %v", got, err)
	}
	for _, x := range f.Tensors() {
		if w := int64(x.dtype.Bits() / 8); x.offset%w != 0 {
			t.Errorf("%s starts at %d, not at a multiple of its element size", x.name, x.offset)
		}
	}
}

// The bytes are a function of content: neither the order of the entries nor
// that of the map shows.
func TestDeterministic(t *testing.T) {
	var first []byte
	for i := range 20 {
		meta, entries := sample()
		for j := range entries { // another order each time
			k := (j*7 + i) % len(entries)
			entries[j], entries[k] = entries[k], entries[j]
		}
		var b bytes.Buffer
		if err := Write(&b, meta, entries); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = b.Bytes()
		} else if !bytes.Equal(first, b.Bytes()) {
			t.Fatalf("attempt %d differs from the first", i)
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		meta    map[string]string
		entries []Entry
	}{
		"name twice":     {nil, []Entry{Bytes("a", nil), Bytes("a", nil)}},
		"reserved name":  {nil, []Entry{Bytes("__metadata__", nil)}},
		"name not UTF-8": {nil, []Entry{Bytes("\xff", nil)}},
		"meta not UTF-8": {map[string]string{"a": "\xff"}, nil},
		"unknown dtype":  {nil, []Entry{{"a", "F17", nil, func(io.Writer) error { return nil }}}},
		"negative shape": {nil, []Entry{FP16("a", nil, -1)}},
		"huge shape":     {nil, []Entry{FP16("a", nil, 1<<40, 1<<40)}},
		"too few bytes":  {nil, []Entry{FP16("a", make([]uint16, 5), 6)}},
		"too many bytes": {nil, []Entry{FP16("a", make([]uint16, 7), 6)}},
	} {
		path := filepath.Join(t.TempDir(), "x")
		if err := WriteFile(t.Context(), path, c.meta, c.entries); !errors.Is(err, ErrWrite) {
			t.Errorf("%s: got %v, want ErrWrite", name, err)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: a file was left: %v", name, err)
		}
	}
}

func TestCancelledWriteLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	stop := Entry{"a", U8, []int64{3 << 20}, func(w io.Writer) error {
		for i := range 3 {
			if i == 1 {
				cancel()
			}
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return err
			}
		}
		return nil
	}}
	if err := WriteFile(ctx, filepath.Join(dir, "x"), nil, []Entry{stop}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
