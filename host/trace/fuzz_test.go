package trace

import (
	"bytes"
	"testing"

	"github.com/kvaccel/kvaccel/host/safetensors"
)

// FuzzNew: a trace that is accepted can be read to its last layer and row.
func FuzzNew(f *testing.F) {
	for _, entries := range [][]safetensors.Entry{
		{half("layers.0.k", 2, 5, 16), half("layers.0.v", 1, 2, 5, 16)},
		{half("layers.0.k", 1, 3, 4), half("layers.0.v", 1, 3, 4), half("layers.0.q", 2, 3, 4), half("layers.0.attn", 2, 2, 3), half("layers.1.k", 1, 3, 4), half("layers.1.v", 1, 3, 4)},
	} {
		var b bytes.Buffer
		if err := safetensors.Write(&b, map[string]string{"attention_scale": "0.5", "model": "x"}, entries); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := safetensors.New("fuzz", bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		tr, err := New(file)
		if err != nil {
			return
		}
		for l := range tr.Layers {
			x, _, err := tr.Layer(l, true)
			if err != nil || len(x.K) != tr.Hkv || len(x.V) != tr.Hkv || len(x.V[0]) != tr.T*tr.D || x.Q != nil && len(x.Q) != tr.Hq {
				t.Fatalf("layer %d of %+v: %v", l, tr, err)
			}
			if n := tr.AttnRows(l); n > 0 {
				if w, _, err := tr.Attn(l, tr.Hq-1, tr.T-n, n); err != nil || len(w) != n*tr.T {
					t.Fatalf("weights of layer %d: %d, %v", l, len(w), err)
				}
			}
		}
	})
}
