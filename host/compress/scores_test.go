package compress

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/emulator"
	"github.com/kvaccel/kvaccel/host/hosttest"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/safetensors"
	"github.com/kvaccel/kvaccel/host/trace"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// tensor is a random F16 tensor, or one of weights between 0 and 1.
func tensor(name string, weights bool, shape ...int64) safetensors.Entry {
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	r := rand.New(rand.NewPCG(uint64(len(name)), uint64(n)))
	data := make([]uint16, n)
	for i := range data {
		if weights {
			data[i] = fp16.FromFloat64(r.Float64())
		} else {
			data[i] = fp16.FromFloat64(r.NormFloat64())
		}
	}
	return safetensors.FP16(name, data, shape...)
}

// Recorded weights go in untouched, cut to the prefix: for each query position
// one row per query head of the group.
func TestRecordedWeights(t *testing.T) {
	const T, Tq, n = 20, 9, 16
	tr := hosttest.Trace(t, nil, tensor("layers.0.k", false, 2, T, 16), tensor("layers.0.v", false, 2, T, 16), tensor("layers.0.attn", true, 1, 6, Tq, T))
	for _, c := range []struct{ observe, first int }{{policy.ObserveAll, 11}, {100, 11}, {5, 11}, {3, 13}, {1, 15}} {
		w, _, err := weights(t.Context(), tr, 0, trace.Layer{}, queryHeads(tr, 1, false), n, queries(tr, 0, n, policy.Policy{Observe: c.observe}))
		if err != nil {
			t.Fatal(err)
		}
		var want []uint16
		for query := c.first; query < n; query++ {
			for head := 3; head < 6; head++ {
				row, _, err := tr.Attn(0, head, query, 1)
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, row[:n]...)
			}
		}
		if len(w) != len(want) {
			t.Errorf("observe %d: %d weights, want %d", c.observe, len(w), len(want))
			continue
		}
		for i := range want {
			if w[i] != want[i] {
				t.Errorf("observe %d: weight %d is %#04x, want %#04x", c.observe, i, w[i], want[i])
				break
			}
		}
	}
}

func TestComputedWeights(t *testing.T) {
	const T, n, D = 12, 10, 16
	tr := hosttest.Trace(t, nil, tensor("layers.0.k", false, 2, T, D), tensor("layers.0.v", false, 2, T, D), tensor("layers.0.q", false, 4, T, D))
	layer, _, err := tr.Layer(0, true)
	if err != nil {
		t.Fatal(err)
	}
	const observe = 4
	w, _, err := weights(t.Context(), tr, 0, layer, queryHeads(tr, 1, false), n, queries(tr, 0, n, policy.Policy{Observe: observe}))
	if err != nil {
		t.Fatal(err)
	}
	if len(w) != observe*2*n {
		t.Fatalf("%d weights, want %d", len(w), observe*2*n)
	}
	for i := range observe {
		for g := range 2 {
			query := n - observe + i
			e, sum := make([]float64, n), 0.0
			for j := 0; j <= query; j++ {
				s := 0.0
				for d := range D {
					s += fp16.ToFloat64(layer.Q[2+g][query*D+d]) * fp16.ToFloat64(layer.K[1][j*D+d])
				}
				e[j] = math.Exp(s / 4)
				sum += e[j]
			}
			for j := range n {
				if got := w[(i*2+g)*n+j]; got != fp16.FromFloat64(e[j]/sum) {
					t.Errorf("query %d, head %d, position %d: %g, want %g", query, g, j, fp16.ToFloat64(got), e[j]/sum)
				}
			}
		}
	}
}

func TestDefaultPrefix(t *testing.T) {
	for t0, want := range map[int]int{512: 448, 1024: 896, 9: 7, 8: 7, 2: 1, 1: 1} {
		if got := DefaultPrefix(t0); got != want {
			t.Errorf("%d positions: prefix %d, want %d", t0, got, want)
		}
	}
}

func TestRandomRowsRankEverything(t *testing.T) {
	const n = 300
	sums := func(l, h int) map[float64]bool {
		rows := randomRows(l, h, n)
		seen := map[float64]bool{}
		for j := range n {
			seen[fp16.ToFloat64(rows[j])+fp16.ToFloat64(rows[n+j])] = true
		}
		return seen
	}
	if got := sums(1, 0); len(got) < n-1 {
		t.Errorf("%d different scores of %d positions", len(got), n)
	}
	if !reflect.DeepEqual(randomRows(1, 0, n), randomRows(1, 0, n)) || reflect.DeepEqual(randomRows(1, 0, n), randomRows(0, 1, n)) {
		t.Error("the draw must depend on the layer and the head, and on nothing else")
	}
}

func TestSharedSelectionIsOneForAllHeads(t *testing.T) {
	tr, err := trace.Sample()
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	p, err := policy.Lookup("tova")
	if err != nil {
		t.Fatal(err)
	}
	dev, err := emulator.Open(t.Context(), driver.URI{Scheme: "emu"})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	res, err := Run(t.Context(), dev, tr, p, Options{Prefix: 128})
	if err != nil {
		t.Fatal(err)
	}
	for l, heads := range res.Cache.Layers {
		layer, _, err := tr.Layer(l, true)
		if err != nil {
			t.Fatal(err)
		}
		w, _, err := weights(t.Context(), tr, l, layer, queryHeads(tr, 0, true), 128, []int{127})
		if err != nil {
			t.Fatal(err)
		}
		if len(w) != tr.Hq*128 {
			t.Fatalf("%d weights, want a row for each of %d query heads", len(w), tr.Hq)
		}
		for h := range heads {
			if want := ranked(w, 128, res.Policy); !reflect.DeepEqual(heads[h].Positions, want) {
				t.Errorf("layer %d head %d keeps %v, want %v", l, h, heads[h].Positions, want)
			}
		}
	}
}
