package llm

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// AttendHead is the attention of one query head over rows keys and values, the
// last n of which are those of the n queries' own positions. q and out hold a
// row each stride elements, of which the first d are this head's; k and v are
// rows x d. weights, n x rows, gets the softmax weights, 0 for positions after a
// query's own.
func AttendHead(weights, out, q []float32, stride int, k, v []float32, n, rows, d int, scale float32) {
	w := matrix{Rows: n, Cols: rows, Stride: rows, Data: weights}
	queries := matrix{Rows: n, Cols: d, Stride: stride, Data: q}
	keys := matrix{Rows: rows, Cols: d, Stride: d, Data: k}
	values := matrix{Rows: rows, Cols: d, Stride: d, Data: v}
	blas32.Gemm(blas.NoTrans, blas.Trans, scale, queries, keys, 0, w)
	for i := range n {
		row := weights[i*rows:][:rows]
		own := rows - n + i + 1
		softmax(row[:own])
		clear(row[own:])
	}
	blas32.Gemm(blas.NoTrans, blas.NoTrans, 1, w, values, 0, matrix{Rows: n, Cols: d, Stride: stride, Data: out})
}

func softmax(x []float32) {
	most := x[0]
	for _, v := range x {
		most = max(most, v)
	}
	sum := 0.0
	for j, v := range x {
		e := math.Exp(float64(v - most))
		sum += e
		x[j] = float32(e)
	}
	r := float32(1 / sum)
	for j := range x {
		x[j] *= r
	}
}

// Cache is a KV that keeps every row in float32.
type Cache struct {
	heads, kvHeads, dim int
	scale               float32
	k, v                [][][]float32 // by layer and KV head: rows x dim
	weights             []float32
}

// NewCache makes an empty cache for a model.
func (m *Model) NewCache() *Cache {
	c := &Cache{heads: m.Heads, kvHeads: m.KVHeads, dim: m.HeadDim, scale: float32(m.Scale()), k: make([][][]float32, m.Layers), v: make([][][]float32, m.Layers)}
	for l := range c.k {
		c.k[l], c.v[l] = make([][]float32, m.KVHeads), make([][]float32, m.KVHeads)
	}
	return c
}

// Attend implements KV.
func (c *Cache) Attend(_ context.Context, s Step) error { return c.AttendWith(s, nil) }

// AttendWith is Attend and shows the weights of each query head h and position
// First + i, over the positions up to it; the slice is good during the call.
func (c *Cache) AttendWith(s Step, show func(h, i int, weights []float32)) error {
	k, v := c.k[s.Layer], c.v[s.Layer]
	if have := len(k[0]) / c.dim; have != s.First {
		return fmt.Errorf("position %d comes after %d kept ones", s.First, have)
	}
	for i := range s.N {
		for h := range k {
			at := (i*c.kvHeads + h) * c.dim
			k[h] = append(k[h], s.K[at:][:c.dim]...)
			v[h] = append(v[h], s.V[at:][:c.dim]...)
		}
	}
	rows := s.First + s.N
	if len(c.weights) < s.N*rows {
		c.weights = make([]float32, s.N*rows)
	}
	for h := range c.heads {
		kv := h / (c.heads / c.kvHeads)
		AttendHead(c.weights[:s.N*rows], s.Out[h*c.dim:], s.Q[h*c.dim:], c.heads*c.dim, k[kv], v[kv], s.N, rows, c.dim, c.scale)
		for i := range s.N {
			if show != nil {
				show(h, i, c.weights[i*rows:][:s.First+i+1])
			}
		}
	}
	return nil
}
