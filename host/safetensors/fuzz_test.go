package safetensors

import (
	"bytes"
	"io"
	"os"
	"testing"
)

// FuzzOpen: whatever is accepted tiles the file exactly, can be read, and
// comes back the same when written again.
func FuzzOpen(f *testing.F) {
	official, err := os.ReadFile("testdata/official.safetensors")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(official)
	f.Add(official[:len(official)-1])
	meta, entries := sample()
	var own bytes.Buffer
	if err := Write(&own, meta, entries); err != nil {
		f.Fatal(err)
	}
	f.Add(own.Bytes())
	f.Add(build(`{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}`, make([]byte, 4)))
	f.Add(build(`{"a":{"dtype":"F4","shape":[2,3],"data_offsets":[0,3]}}`, make([]byte, 3)))
	f.Add(build(`{"a":{"dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,8]}}`, make([]byte, 8)))
	f.Add(build(`{}`, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := openBytes(b)
		if err != nil {
			return
		}
		total := file.dataFrom
		var again []Entry
		for _, x := range file.Tensors() {
			total += x.Bytes()
			raw, err := io.ReadAll(x.Reader())
			if err != nil || int64(len(raw)) != x.Bytes() {
				t.Fatalf("%q: %d bytes read of %d: %v", x.Name(), len(raw), x.Bytes(), err)
			}
			if _, _, err := x.ReadFP16(0, x.Elements()); err != nil && (x.DType() == F16 || x.DType() == BF16 || x.DType() == F32) {
				t.Fatalf("%q: %v", x.Name(), err)
			}
			if x.DType().Bits()%8 == 0 {
				again = append(again, Entry{x.Name(), x.DType(), x.Shape(), func(w io.Writer) error { _, err := w.Write(raw); return err }})
			}
		}
		if total != int64(len(b)) {
			t.Fatalf("header and tensors are %d bytes, the file %d", total, len(b))
		}
		var out bytes.Buffer
		if err := Write(&out, file.Metadata(), again); err != nil {
			t.Fatalf("cannot be written again: %v", err)
		}
		back := mustOpen(t, out.Bytes())
		for _, e := range again {
			x := mustTensor(t, back, e.Name)
			var want bytes.Buffer
			e.Write(&want)
			if raw, _ := io.ReadAll(x.Reader()); !bytes.Equal(raw, want.Bytes()) {
				t.Fatalf("%q changed on the way", e.Name)
			}
		}
	})
}
