package record

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"testing"

	"github.com/kvaccel/kvaccel/host/attention"
	"github.com/kvaccel/kvaccel/host/llm"
	"github.com/kvaccel/kvaccel/host/trace"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

const golm = "../llm/testdata/golm"

func model(t *testing.T) (*llm.Model, []int) {
	t.Helper()
	m, err := llm.Open(context.Background(), golm)
	if err != nil {
		t.Fatal(err)
	}
	text, err := m.ReadTokens(filepath.Join(golm, "sample.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return m, text
}

// sampleAt is where in the text the sample begins.
const sampleAt = 1500

// The embedded sample trace was recorded from this model and text by another
// implementation; ours agrees but for the rounding to fp16 of sums that were added in
// another order.
func TestLikeSample(t *testing.T) {
	m, text := model(t)
	want, err := trace.Sample()
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(context.Background(), m, text[sampleAt:][:want.T], Options{Source: "sample"})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "trace.safetensors")
	if err := r.Write(context.Background(), path); err != nil {
		t.Fatal(err)
	}
	got, err := trace.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if got.Scale != want.Scale || got.Hq != want.Hq || got.Hkv != want.Hkv || got.D != want.D || got.Model != "golm" || r.Saturated() != 0 {
		t.Fatalf("%+v, want %+v", got, want)
	}
	for l := range want.Layers {
		a, _, err := got.Layer(l, true)
		if err != nil {
			t.Fatal(err)
		}
		b, _, err := want.Layer(l, true)
		if err != nil {
			t.Fatal(err)
		}
		for what, pair := range map[string][2][][]uint16{"k": {a.K, b.K}, "v": {a.V, b.V}, "q": {a.Q, b.Q}} {
			for h := range pair[0] {
				compare(t, what, l, h, pair[0][h], pair[1][h])
			}
		}
	}
}

// compare allows one step of fp16, or as much as float32 sums of terms of the
// size of the largest element differ by.
func compare(t *testing.T, what string, l, h int, got, want []uint16) {
	t.Helper()
	for i := range want {
		a, b := fp16.ToFloat64(got[i]), fp16.ToFloat64(want[i])
		if math.Abs(a-b) > math.Abs(b)*0x1p-10+2e-4 {
			t.Fatalf("layers.%d.%s head %d element %d is %g, want %g", l, what, h, i, a, b)
		}
	}
}

// Recorded weights are those of the recorded queries and keys.
func TestWeights(t *testing.T) {
	m, text := model(t)
	const n, rows = 150, 9
	r, err := Run(context.Background(), m, text[:n], Options{Attn: rows})
	if err != nil {
		t.Fatal(err)
	}
	tr, err := r.Trace("memory")
	if err != nil {
		t.Fatal(err)
	}
	for l := range tr.Layers {
		layer, _, err := tr.Layer(l, true)
		if err != nil {
			t.Fatal(err)
		}
		for h := range tr.Hq {
			w, _, err := tr.Attn(l, h, n-rows, rows)
			if err != nil {
				t.Fatal(err)
			}
			k, q := attention.Floats(layer.K[h/2]), attention.Floats(layer.Q[h])
			for i := range rows {
				want := make([]uint16, n)
				pos := n - rows + i
				attention.Weights(want, q[pos*tr.D:][:tr.D], k, pos, tr.Scale, make([]float64, n))
				for j := range want {
					if d := math.Abs(fp16.ToFloat64(want[j]) - fp16.ToFloat64(w[i*n+j])); d > 0.01 {
						t.Fatalf("layer %d head %d query %d position %d: off by %g", l, h, pos, j, d)
					}
				}
			}
		}
	}
}

func TestRefused(t *testing.T) {
	m, text := model(t)
	for name, f := range map[string]func() (*Recording, error){
		"nothing":  func() (*Recording, error) { return Run(context.Background(), m, nil, Options{}) },
		"too long": func() (*Recording, error) { return Run(context.Background(), m, text[:1025], Options{}) },
		"attn":     func() (*Recording, error) { return Run(context.Background(), m, text[:10], Options{Attn: 11}) },
	} {
		if _, err := f(); !errors.Is(err, llm.ErrText) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
