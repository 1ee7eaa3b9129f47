package llm

import (
	"context"
	"math"
	"path/filepath"
	"testing"

	"github.com/kvaccel/kvaccel/host/safetensors"
)

const golm = "testdata/golm"

func open(t testing.TB, dir string) *Model {
	t.Helper()
	m, err := Open(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// reference gives the tokens and logits that another implementation computed
// from the same weights in float32.
func reference(t testing.TB) (tokens []int, logits []float32) {
	t.Helper()
	f, err := safetensors.Open(filepath.Join(golm, "reference.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	x, err := f.Tensor("tokens")
	if err != nil {
		t.Fatal(err)
	}
	list, err := x.ReadInt64()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range list {
		tokens = append(tokens, int(v))
	}
	if x, err = f.Tensor("logits"); err != nil {
		t.Fatal(err)
	}
	if logits, err = x.ReadFloat32(); err != nil {
		t.Fatal(err)
	}
	return tokens, logits
}

// tolerance of a logit: the reference's logits reach 20 in magnitude, where a
// float32 step is 2e-6; the difference is a few steps piled up over the layers.
const tolerance = 1e-4

// The largest difference seen is logged; -v shows it.
func TestReferenceLogits(t *testing.T) {
	m := open(t, golm)
	tokens, want := reference(t)
	for _, chunk := range []int{len(tokens), 100, 1} {
		kv := m.NewCache()
		worst, at := 0.0, 0
		for first := 0; first < len(tokens); first += chunk {
			got, err := m.Forward(context.Background(), tokens[first:min(first+chunk, len(tokens))], first, kv)
			if err != nil {
				t.Fatal(err)
			}
			for i, g := range got {
				if d := math.Abs(float64(g) - float64(want[first*m.Vocab+i])); d > worst {
					worst, at = d, first*m.Vocab+i
				}
			}
		}
		t.Logf("%d positions at a time: largest difference %.3g, where the reference is %g", chunk, worst, want[at])
		if worst > tolerance {
			t.Errorf("%d positions at a time: a logit differs by %g, want at most %g", chunk, worst, tolerance)
		}
	}
}

// The loss on the sample is what was measured when the model was made: 0.878
// nats a byte over windows of 1,024.
func TestSampleLoss(t *testing.T) {
	m := open(t, golm)
	tokens, err := m.ReadTokens(filepath.Join(golm, "sample.txt"))
	if err != nil {
		t.Fatal(err)
	}
	sum, count := 0.0, 0
	for at := 0; at+m.Context <= len(tokens); at += m.Context {
		w := tokens[at : at+m.Context]
		logits, err := m.Forward(context.Background(), w, 0, m.NewCache())
		if err != nil {
			t.Fatal(err)
		}
		for i, next := range w[1:] {
			sum -= LogSoftmax(logits[i*m.Vocab:][:m.Vocab])[next]
			count++
		}
	}
	if loss := sum / float64(count); math.Abs(loss-0.878) > 0.0015 {
		t.Errorf("%.4f nats a byte over %d predictions, want 0.878", loss, count)
	}
}

func BenchmarkForward(b *testing.B) {
	m := open(b, golm)
	tokens, _ := reference(b)
	for b.Loop() {
		if _, err := m.Forward(context.Background(), tokens, 0, m.NewCache()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(tokens))/b.Elapsed().Seconds(), "tokens/s")
}

// BenchmarkProducts sets the matrix products of a forward pass beside the same
// ones by plain loops, over as many tokens as the reference has.
func BenchmarkProducts(b *testing.B) {
	m := open(b, golm)
	const n = 256
	var weights []matrix
	for _, l := range m.layers {
		weights = append(weights, l.q, l.k, l.v, l.o, l.gate, l.up, l.down)
	}
	weights = append(weights, m.head)
	flop := 0.0
	for _, w := range weights {
		flop += 2 * n * float64(w.Rows) * float64(w.Cols)
	}
	for _, c := range []struct {
		name string
		do   func(dst, x, w matrix)
	}{
		{"blas", func(dst, x, w matrix) { multiply(dst, x, w, nil, 0) }},
		{"loops", loops},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				for _, w := range weights {
					x := newMatrix(n, w.Cols)
					copy(x.Data, m.embed.Data)
					c.do(newMatrix(n, w.Rows), x, w)
				}
			}
			b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "tokens/s")
			b.ReportMetric(float64(b.N)*flop/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}

func loops(dst, x, w matrix) {
	for i := range x.Rows {
		for j := range w.Rows {
			sum := float32(0)
			for k := range x.Cols {
				sum += x.Data[i*x.Stride+k] * w.Data[j*w.Stride+k]
			}
			dst.Data[i*dst.Stride+j] = sum
		}
	}
}
