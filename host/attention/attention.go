// Package attention computes attention in float64, in an order of operations
// that does not depend on the machine: products are rounded before they are
// added, and sums run in a fixed order.
package attention

import (
	"math"

	"github.com/kvaccel/kvaccel/internal/fp16"
)

// Floats converts binary16 bits as the engine takes its inputs: NaN as 0, an
// infinity as +-65504.
func Floats(bits []uint16) []float64 {
	out := make([]float64, len(bits))
	for i, h := range bits {
		out[i] = clean(fp16.ToFloat64(h))
	}
	return out
}

// FloatsBF16 converts bfloat16 bits likewise; an infinity counts as the largest
// bfloat16.
func FloatsBF16(bits []uint16) []float64 {
	const largest = 0x7f7f
	out := make([]float64, len(bits))
	for i, b := range bits {
		if f := fp16.BFloatToFloat64(b); f == f {
			out[i] = max(-fp16.BFloatToFloat64(largest), min(fp16.BFloatToFloat64(largest), f))
		}
	}
	return out
}

func clean(f float64) float64 {
	if math.IsNaN(f) {
		return 0
	}
	return max(-fp16.MaxFinite, min(fp16.MaxFinite, f))
}

// Logits puts scale * q . k_j into dst[j] for the first len(dst) rows of k,
// each as long as q.
func Logits(dst, q, k []float64, scale float64) {
	d := len(q)
	for j := range dst {
		dst[j] = scale * dot(q, k[j*d:(j+1)*d])
	}
}

// dot adds the products in four interleaved sums.
func dot(a, b []float64) float64 {
	var s [4]float64
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s[0] += float64(a[i] * b[i])
		s[1] += float64(a[i+1] * b[i+1])
		s[2] += float64(a[i+2] * b[i+2])
		s[3] += float64(a[i+3] * b[i+3])
	}
	for ; i < len(a); i++ {
		s[0] += float64(a[i] * b[i])
	}
	return (s[0] + s[1]) + (s[2] + s[3])
}

// LogSumExp is ln(sum of exp x_j), without overflow; -Inf for no x.
func LogSumExp(x []float64) float64 {
	if len(x) == 0 {
		return math.Inf(-1)
	}
	most := x[0]
	for _, v := range x {
		most = max(most, v)
	}
	sum := 0.0
	for _, v := range x {
		sum += math.Exp(v - most)
	}
	return most + math.Log(sum)
}

// Softmax replaces logits by weights that add up to 1.
func Softmax(x []float64) {
	if len(x) == 0 {
		return
	}
	most := x[0]
	for _, v := range x {
		most = max(most, v)
	}
	sum := 0.0
	for j, v := range x {
		x[j] = math.Exp(v - most)
		sum += x[j]
	}
	for j := range x {
		x[j] /= sum
	}
}

// Weights puts the causal attention weights of the query at position t into
// dst as binary16, each rounded once: softmax(scale q k) over positions 0 to t,
// and 0 for those after t. buf has room for t+1 values.
func Weights(dst []uint16, q, k []float64, t int, scale float64, buf []float64) {
	n := min(t+1, len(dst))
	x := buf[:t+1]
	Logits(x, q, k, scale)
	Softmax(x)
	for j := range n {
		dst[j] = fp16.FromFloat64(x[j])
	}
	clear(dst[n:])
}

// AddScaled adds w times row to dst.
func AddScaled(dst []float64, w float64, row []float64) {
	row = row[:len(dst)]
	for i := range dst {
		dst[i] += float64(w * row[i])
	}
}
