package attncomp

import (
	"context"
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/kvaccel/kvaccel/host/attention"
	"github.com/kvaccel/kvaccel/host/parallel"
)

// Alike says how near two neighbouring layers are: the mean cosine, over heads and
// positions, of what the same head has in both. Outputs are those of the later queries.
type Alike struct {
	Layers  [2]int  `json:"layers"`
	Keys    float64 `json:"keys"`
	Values  float64 `json:"values"`
	Outputs float64 `json:"outputs"`
}

// alike compares the layers of a block with the ones before them.
func (r *run) alike(ctx context.Context, b *block) error {
	for i, x := range b.layers {
		out, err := r.outputs(ctx, x)
		if err != nil {
			return err
		}
		if r.last != nil {
			l := b.first + i
			a := Alike{Layers: [2]int{l - 1, l}, Keys: cosines(r.last.x[keys], x.x[keys]), Values: cosines(r.last.x[values], x.x[values])}
			for h := range out {
				a.Outputs += meanCosine(r.lastOutput[h], out[h], r.t.D) / float64(len(out))
			}
			r.similar = append(r.similar, a)
		}
		r.last, r.lastOutput = x, out
	}
	return nil
}

// cosines is the mean over heads.
func cosines(a, b []*mat.Dense) (sum float64) {
	for h := range a {
		_, d := a[h].Dims()
		sum += meanCosine(a[h].RawMatrix().Data, b[h].RawMatrix().Data, d)
	}
	return sum / float64(len(a))
}

// meanCosine is the mean over rows; a row of zeros counts 0.
func meanCosine(a, b []float64, dims int) (sum float64) {
	for i := 0; i < len(a); i += dims {
		x, y := a[i:i+dims], b[i:i+dims]
		if n := floats.Norm(x, 2) * floats.Norm(y, 2); n > 0 && !math.IsInf(n, 0) {
			sum += floats.Dot(x, y) / n
		}
	}
	return sum / float64(len(a)/dims)
}

// outputs gives the attention outputs of the later queries by query head.
func (r *run) outputs(ctx context.Context, x *layer) ([][]float64, error) {
	t, d := r.t.T, r.t.D
	out := make([][]float64, r.t.Hq)
	err := parallel.Each(ctx, len(out), func(i int) error {
		h := i / (r.t.Hq / r.t.Hkv)
		q, k, v := attention.Floats(x.Q[i]), attention.Floats(x.K[h]), attention.Floats(x.V[h])
		out[i] = make([]float64, (t-r.n)*d)
		for p := r.n; p < t; p++ {
			w := make([]float64, p+1)
			attention.Logits(w, q[p*d:][:d], k, r.t.Scale)
			attention.Softmax(w)
			for j := range w {
				attention.AddScaled(out[i][(p-r.n)*d:][:d], w[j], v[j*d:])
			}
		}
		return nil
	})
	return out, err
}
