package llm

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// Step is one layer's attention over N consecutive positions from First on.
// Queries and keys carry their rotary position already.
type Step struct {
	Layer    int
	First, N int
	Q        []float32 // N x Heads x HeadDim
	K, V     []float32 // N x KVHeads x HeadDim
	Out      []float32 // N x Heads x HeadDim, to be filled
}

// KV holds the keys and values of one sequence.
type KV interface {
	// Attend takes the rows K and V of the step into its keeping and fills
	// Out: query head h of each position attends, causally, with KV head
	// h / (Heads / KVHeads), to what the KV has of the positions up to its own.
	// The slices are the caller's again afterwards.
	Attend(ctx context.Context, s Step) error
}

// Forward runs the tokens at consecutive positions from first on and gives the
// logits of each: len(tokens) x Vocab. Positions before first are what kv holds.
// It fails with ErrToken, with ErrNonFinite naming the layer and position where
// a NaN or an infinity first appears, or with kv's error.
func (m *Model) Forward(ctx context.Context, tokens []int, first int, kv KV) ([]float32, error) {
	if err := m.CheckTokens("tokens", tokens); err != nil {
		return nil, err
	}
	n := len(tokens)
	x := newMatrix(n, m.Hidden)
	for i, t := range tokens {
		copy(x.Data[i*m.Hidden:][:m.Hidden], m.embed.Data[t*m.Hidden:])
	}
	w := m.newWork(n)
	m.rope.fill(w, first, n)
	for l := range m.layers {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := m.layer(ctx, l, first, x, w, kv); err != nil {
			return nil, err
		}
		if err := finite(x, fmt.Sprintf("after layer %d", l), first); err != nil {
			return nil, err
		}
	}
	rmsNorm(w.normed, x, m.norm, m.Epsilon)
	logits := newMatrix(n, m.Vocab)
	multiply(logits, w.normed, m.head, nil, 0)
	if err := finite(logits, "in the logits", first); err != nil {
		return nil, err
	}
	return logits.Data, nil
}

// work is room for one Forward.
type work struct {
	normed, q, k, v, att, gate, up matrix
	cos, sin                       []float32 // n x HeadDim/2
}

func (m *Model) newWork(n int) *work {
	return &work{
		normed: newMatrix(n, m.Hidden), q: newMatrix(n, m.Heads*m.HeadDim), k: newMatrix(n, m.KVHeads*m.HeadDim), v: newMatrix(n, m.KVHeads*m.HeadDim),
		att: newMatrix(n, m.Heads*m.HeadDim), gate: newMatrix(n, m.Intermediate), up: newMatrix(n, m.Intermediate),
	}
}

func newMatrix(rows, cols int) matrix {
	return matrix{Rows: rows, Cols: cols, Stride: cols, Data: make([]float32, rows*cols)}
}

// layer adds what one layer does to x.
func (m *Model) layer(ctx context.Context, l, first int, x matrix, w *work, kv KV) error {
	p := &m.layers[l]
	rmsNorm(w.normed, x, p.normAttn, m.Epsilon)
	multiply(w.q, w.normed, p.q, p.bq, 0)
	multiply(w.k, w.normed, p.k, p.bk, 0)
	multiply(w.v, w.normed, p.v, p.bv, 0)
	rotate(w.q, m.HeadDim, w)
	rotate(w.k, m.HeadDim, w)
	clear(w.att.Data)
	err := kv.Attend(ctx, Step{Layer: l, First: first, N: x.Rows, Q: w.q.Data, K: w.k.Data, V: w.v.Data, Out: w.att.Data})
	if err != nil {
		return fmt.Errorf("layer %d: %w", l, err)
	}
	multiply(x, w.att, p.o, p.bo, 1)
	rmsNorm(w.normed, x, p.normFeed, m.Epsilon)
	multiply(w.gate, w.normed, p.gate, nil, 0)
	multiply(w.up, w.normed, p.up, nil, 0)
	for i, g := range w.gate.Data {
		w.gate.Data[i] = g / (1 + float32(math.Exp(-float64(g)))) * w.up.Data[i]
	}
	multiply(x, w.gate, p.down, nil, 1)
	return nil
}

// multiply puts beta dst + x w^T + bias into dst.
func multiply(dst, x, w matrix, bias []float32, beta float32) {
	blas32.Gemm(blas.NoTrans, blas.Trans, 1, x, w, beta, dst)
	if bias == nil {
		return
	}
	for i := range dst.Rows {
		row := dst.Data[i*dst.Stride:][:dst.Cols]
		for j, b := range bias {
			row[j] += b
		}
	}
}

// rmsNorm divides each row by its root mean square and multiplies by weight.
func rmsNorm(dst, x matrix, weight []float32, eps float64) {
	for i := range x.Rows {
		row, out := x.Data[i*x.Stride:][:x.Cols], dst.Data[i*dst.Stride:][:x.Cols]
		sum := 0.0
		for _, v := range row {
			sum += float64(v) * float64(v)
		}
		r := float32(1 / math.Sqrt(sum/float64(len(row))+eps))
		for j, v := range row {
			out[j] = weight[j] * (v * r)
		}
	}
}

// finite looks for the first NaN or infinity.
func finite(x matrix, where string, first int) error {
	for i := range x.Rows {
		for j, v := range x.Data[i*x.Stride:][:x.Cols] {
			if v-v != 0 {
				return fmt.Errorf("%w: %g %s, at position %d, element %d", ErrNonFinite, v, where, first+i, j)
			}
		}
	}
	return nil
}

// rope has the rotary frequencies: element j and j + HeadDim/2 of a head turn
// by position * freq[j]. Angles are computed in float32, as transformers does.
type rope struct{ freq []float32 }

func newRope(c Config) rope {
	f := make([]float32, c.HeadDim/2)
	for j := range f {
		f[j] = float32(math.Pow(c.Theta, -2*float64(j)/float64(c.HeadDim)))
	}
	return rope{f}
}

func (r rope) fill(w *work, first, n int) {
	w.cos, w.sin = make([]float32, 0, n*len(r.freq)), make([]float32, 0, n*len(r.freq))
	for i := range n {
		for _, f := range r.freq {
			angle := float64(float32(first+i) * f)
			w.cos, w.sin = append(w.cos, float32(math.Cos(angle))), append(w.sin, float32(math.Sin(angle)))
		}
	}
}

// rotate turns every head of every row.
func rotate(x matrix, dim int, w *work) {
	half := dim / 2
	for i := range x.Rows {
		cos, sin := w.cos[i*half:][:half], w.sin[i*half:][:half]
		for row := x.Data[i*x.Stride:][:x.Cols]; len(row) > 0; row = row[dim:] {
			a, b := row[:half], row[half:dim]
			for j := range a {
				u, v := a[j], b[j]
				a[j], b[j] = u*cos[j]-v*sin[j], v*cos[j]+u*sin[j]
			}
		}
	}
}
