package attention

import (
	"math"
	"testing"

	"github.com/kvaccel/kvaccel/internal/fp16"
)

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-12*math.Max(1, math.Abs(b)) }

func TestSoftmax(t *testing.T) {
	for _, c := range []struct{ x, want []float64 }{
		{[]float64{0, 0}, []float64{.5, .5}},
		{[]float64{1e6, 1e6 - math.Ln2}, []float64{2. / 3, 1. / 3}},
		{[]float64{-1e6}, []float64{1}},
		{[]float64{0, -1e9}, []float64{1, 0}},
	} {
		lse := LogSumExp(c.x)
		y := append([]float64(nil), c.x...)
		Softmax(y)
		for j := range y {
			if !(math.Abs(y[j]-c.want[j]) < 1e-9) || !(math.Abs(math.Exp(c.x[j]-lse)-c.want[j]) < 1e-9) {
				t.Errorf("softmax(%v) = %v, want %v", c.x, y, c.want)
			}
		}
	}
	if !math.IsInf(LogSumExp(nil), -1) {
		t.Error("an empty sum is not ln 0")
	}
}

func TestLogits(t *testing.T) {
	// Five elements: one beyond the four interleaved sums.
	q, k := []float64{1, 2, 3, 4, 5}, []float64{1, 1, 1, 1, 1, 5, 4, 3, 2, 1}
	dst := make([]float64, 2)
	Logits(dst, q, k, .5)
	if dst[0] != 7.5 || dst[1] != 17.5 {
		t.Errorf("got %v", dst)
	}
}

func TestWeightsAreCausal(t *testing.T) {
	k := []float64{0, math.Ln2, 9, 9}
	dst := []uint16{7, 7, 7, 7}
	Weights(dst, []float64{1}, k, 1, 1, make([]float64, 2))
	want := []uint16{fp16.FromFloat64(1. / 3), fp16.FromFloat64(2. / 3), 0, 0}
	for j := range want {
		if dst[j] != want[j] {
			t.Errorf("got %#04x, want %#04x", dst, want)
			break
		}
	}
}

func TestFloatsAreClean(t *testing.T) {
	got := Floats([]uint16{0x7e00, 0x7c00, 0xfc00, 0x3c00, 0x8000})
	for i, want := range []float64{0, 65504, -65504, 1, 0} {
		if got[i] != want {
			t.Errorf("%d: got %g, want %g", i, got[i], want)
		}
	}
}

func TestAddScaled(t *testing.T) {
	dst := []float64{1, 2}
	AddScaled(dst, 2, []float64{10, 20})
	if !near(dst[0], 21) || !near(dst[1], 42) {
		t.Errorf("got %v", dst)
	}
}
