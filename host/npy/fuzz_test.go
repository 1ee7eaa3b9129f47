package npy

import (
	"archive/zip"
	"bytes"
	"errors"
	"testing"

	"github.com/kvaccel/kvaccel/internal/alloc"
)

// zipped makes an archive of one file.
func zipped(t testing.TB, name string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create(name)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// FuzzEachZipped: whatever the archive says of itself, no more is handed on than the
// limit, and a mistake is one of the format.
func FuzzEachZipped(f *testing.F) {
	f.Add(zipped(f, "a.npy", file("{'descr': '<f2', 'fortran_order': False, 'shape': (2, 3), }\n", make([]byte, 12))))
	f.Add(zipped(f, "a.txt", nil))
	f.Add(zipped(f, "a.npy", file("{'descr': '<f8', 'fortran_order': False, 'shape': (4096,), }\n", make([]byte, 1<<15))))
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 1 << 14
		total := 0
		err := EachZipped(bytes.NewReader(b), int64(len(b)), limit, func(_ string, a Array) error {
			total += len(a.Data)
			_, err := a.Float32s()
			if err == nil || errors.Is(err, ErrFormat) {
				return nil
			}
			return err
		})
		if total > limit {
			t.Fatalf("%d bytes of arrays, at most %d were allowed", total, limit)
		}
		if err != nil && !errors.Is(err, ErrFormat) {
			t.Fatalf("untyped error %v", err)
		}
	})
}

// Memory follows the bytes that are there, whatever sizes a header claims.
func TestMemoryFollowsTheFile(t *testing.T) {
	const most = 1 << 40
	for name, b := range map[string][]byte{
		"a header of 1 MiB claimed": []byte("\x93NUMPY\x02\x00\x00\x00\x10\x00{'descr'"),
		"1 TiB of data claimed":     file("{'descr': '<f8', 'fortran_order': False, 'shape': (137438953, 1000)}", make([]byte, 80)),
		"a million dimensions":      []byte("\x93NUMPY\x02\x00\x00\x00\x10\x00{'descr': '<f8', 'fortran_order': False, 'shape': (" + string(bytes.Repeat([]byte("1,"), 1<<19))),
	} {
		n := alloc.Bytes(func() {
			if _, err := Read(bytes.NewReader(b), most); !errors.Is(err, ErrFormat) {
				t.Errorf("%s: got %v", name, err)
			}
		})
		if limit := uint64(32*len(b) + 1<<16); n > limit {
			t.Errorf("%s: a file of %d bytes took %d of memory, at most %d are allowed", name, len(b), n, limit)
		}
	}
}

// What an archive unpacks to is bounded by the caller, however small the archive is.
func TestMemoryOfAnArchiveIsBounded(t *testing.T) {
	const limit = 1 << 20
	for name, shape := range map[string]string{"more than the limit claimed": "(16777216,)", "less claimed than there is": "(131072,)"} {
		b := zipped(t, "a.npy", file("{'descr': '<f8', 'fortran_order': False, 'shape': "+shape+"}", make([]byte, 1<<24)))
		n := alloc.Bytes(func() {
			err := EachZipped(bytes.NewReader(b), int64(len(b)), limit, func(string, Array) error { return nil })
			if !errors.Is(err, ErrFormat) {
				t.Errorf("%s: got %v", name, err)
			}
		})
		if n > 8*limit {
			t.Errorf("%s: an archive of %d bytes took %d of memory, the limit is %d", name, len(b), n, limit)
		}
	}
}
