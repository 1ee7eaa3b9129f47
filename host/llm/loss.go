package llm

import "math"

// LogSoftmax gives the natural logarithms of the probabilities of one row of
// logits, in float64.
func LogSoftmax(logits []float32) []float64 {
	most := math.Inf(-1)
	for _, x := range logits {
		most = max(most, float64(x))
	}
	sum := 0.0
	for _, x := range logits {
		sum += math.Exp(float64(x) - most)
	}
	norm := most + math.Log(sum)
	out := make([]float64, len(logits))
	for i, x := range logits {
		out[i] = float64(x) - norm
	}
	return out
}

// Top is the index of the largest logit, the lowest one if several are equal.
func Top(logits []float32) int {
	best := 0
	for i, x := range logits {
		if x > logits[best] {
			best = i
		}
	}
	return best
}
