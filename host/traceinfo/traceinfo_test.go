package traceinfo

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/host/safetensors"
	"github.com/kvaccel/kvaccel/host/trace"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// made is a trace with one layer, one head of 16 dims, in which everything is
// known: key channel 5 is ten times the others, and every query looks at
// position 2 alone.
func made(t *testing.T, tokens int, queries bool) *trace.Trace {
	t.Helper()
	const dims = 16
	k, v, q := make([]uint16, tokens*dims), make([]uint16, tokens*dims), make([]uint16, 2*tokens*dims)
	for i := range k {
		x := float64(i%3 - 1)
		if i%dims == 5 {
			x = 10
		}
		if i%dims == 0 {
			x = 0
			if i/dims == 2 {
				x = 1
			}
		}
		k[i], v[i] = fp16.FromFloat64(x), fp16.FromFloat64(-2)
	}
	for i := 0; i < len(q); i += dims {
		q[i] = fp16.FromFloat64(1000)
	}
	entries := []safetensors.Entry{safetensors.FP16("layers.0.k", k, 1, int64(tokens), dims), safetensors.FP16("layers.0.v", v, 1, int64(tokens), dims)}
	if queries {
		entries = append(entries, safetensors.FP16("layers.0.q", q, 2, int64(tokens), dims))
	}
	var b bytes.Buffer
	if err := safetensors.Write(&b, map[string]string{"model": "made"}, entries); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.New("made", bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	tr, err := trace.New(f)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestMeasure(t *testing.T) {
	in, err := Measure(context.Background(), made(t, 200, true), nil)
	if err != nil {
		t.Fatal(err)
	}
	h := in.HeadInfo[0]
	if h.K.Min != -1 || h.K.Max != 10 || h.V.Min != -2 || h.V.RMS != 2 || !slices.Equal(h.K.Outliers, []int{5}) || len(h.V.Outliers) != 0 || h.K.Worst != 10 {
		t.Errorf("ranges %+v, %+v", h.K, h.V)
	}
	a := h.Attention
	if in.Queries != LateQueries || math.Abs(a.Sinks-1) > 1e-9 || a.Recent > 1e-9 || math.Abs(a.TopShare-1) > 1e-9 || a.HeavyMost[0] != 2 {
		t.Errorf("attention %+v", a)
	}
	// One of about 168 positions, the mean of 1/137 to 1/200.
	if a.For90 < 1./200 || a.For90 > 1./137 || math.Abs(a.Cumulative[99]-1) > 1e-9 {
		t.Errorf("90 %% on %g, all have %g", a.For90, a.Cumulative[99])
	}
}

func TestPlot(t *testing.T) {
	for _, tokens := range []int{3, 200} {
		in, err := Measure(context.Background(), made(t, tokens, true), func(int, int) {})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "x.svg")
		if err := Plot(context.Background(), path, in); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); err != nil || !bytes.Contains(b, []byte("<svg")) || !bytes.Contains(b, []byte("layer 0")) {
			t.Errorf("%d bytes, %v", len(b), err)
		}
	}
	in, err := Measure(context.Background(), made(t, 20, false), nil)
	if err != nil || in.HeadInfo[0].Attention != nil || in.Queries != 0 {
		t.Fatalf("without queries: %+v, %v", in, err)
	}
	if err := Plot(context.Background(), filepath.Join(t.TempDir(), "x.svg"), in); !errors.Is(err, ErrNoQueries) {
		t.Errorf("without queries: got %v", err)
	}
}
