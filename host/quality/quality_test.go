package quality

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/kvaccel/kvaccel/internal/fp16"
)

func random(r *rand.Rand, n int) []uint16 {
	out := make([]uint16, n)
	for i := range out {
		out[i] = fp16.FromFloat64(r.NormFloat64())
	}
	return out
}

func rows(m []uint16, d int, positions []int) []uint16 {
	var out []uint16
	for _, j := range positions {
		out = append(out, m[j*d:(j+1)*d]...)
	}
	return out
}

func upTo(n int) []int {
	var l []int
	for i := range n {
		l = append(l, i)
	}
	return l
}

func head(r *rand.Rand, prefix, t, d, queries int, positions []int) Head {
	h := Head{Scale: 1 / math.Sqrt(float64(d)), Prefix: prefix, T: t, D: d, K: random(r, t*d), V: random(r, t*d), Positions: positions}
	for range queries {
		h.Q = append(h.Q, random(r, t*d))
	}
	h.KeptK, h.KeptV = rows(h.K, d, positions), rows(h.V, d, positions)
	return h
}

func measure(t *testing.T, h Head) Samples {
	t.Helper()
	s, err := h.Measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// An unchanged cache is perfect, to the last bit.
func TestFullCacheIsPerfect(t *testing.T) {
	s := measure(t, head(rand.New(rand.NewPCG(1, 2)), 40, 50, 16, 3, upTo(40)))
	if len(s.KL) != 30 {
		t.Fatalf("%d samples, want 3 heads x 10 queries", len(s.KL))
	}
	for i := range s.KL {
		if s.KL[i] != 0 || s.OutputL2[i] != 0 || s.LostMass[i] != 0 || s.Recall[i] != 1 {
			t.Fatalf("sample %d: L2 %g, KL %g, lost %g, recall %g", i, s.OutputL2[i], s.KL[i], s.LostMass[i], s.Recall[i])
		}
	}
}

// naive follows the package comment word by word, with probabilities instead
// of logarithms.
func naive(h Head, q []uint16, t int) (l2, kl, lost, recall float64) {
	f := fp16.ToFloat64
	logit := func(k []uint16, j int) float64 {
		s := 0.0
		for i := range h.D {
			s += f(q[t*h.D+i]) * f(k[j*h.D+i])
		}
		return s * h.Scale
	}
	p, p2 := map[int]float64{}, map[int]float64{}
	kept := map[int]int{}
	for i, j := range h.Positions {
		kept[j] = i
	}
	var z, z2 float64
	for j := 0; j <= t; j++ {
		p[j] = math.Exp(logit(h.K, j))
		z += p[j]
		if i, ok := kept[j]; ok {
			p2[j] = math.Exp(logit(h.KeptK, i))
		} else if j >= h.Prefix {
			p2[j] = p[j]
		}
		z2 += p2[j]
	}
	onS := 0.0
	for j := range p {
		p[j] /= z
		if _, ok := p2[j]; ok && p2[j] > 0 {
			p2[j] /= z2
			onS += p[j]
		} else {
			lost += p[j]
		}
	}
	var diff, norm float64
	for i := range h.D {
		var o, o2 float64
		for j := 0; j <= t; j++ {
			o += p[j] * f(h.V[j*h.D+i])
			if k, ok := kept[j]; ok {
				o2 += p2[j] * f(h.KeptV[k*h.D+i])
			} else if j >= h.Prefix {
				o2 += p2[j] * f(h.V[j*h.D+i])
			}
		}
		diff += (o - o2) * (o - o2)
		norm += o * o
	}
	for j, w := range p2 {
		if w > 0 {
			kl += p[j] / onS * math.Log(p[j]/onS/w)
		}
	}
	// Rank by counting those that go before.
	k := min(TopK, h.Prefix)
	inTop := func(w map[int]float64, among func(int) bool, j int) bool {
		before := 0
		for i := range h.Prefix {
			if among(i) && (w[i] > w[j] || w[i] == w[j] && i < j) {
				before++
			}
		}
		return among(j) && before < k
	}
	isKept := func(j int) bool { _, ok := kept[j]; return ok }
	for j := range h.Prefix {
		if inTop(p, func(int) bool { return true }, j) && inTop(p2, isKept, j) {
			recall += 1 / float64(k)
		}
	}
	return math.Sqrt(diff / norm), kl, lost, recall
}

func TestAgainstDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for name, c := range map[string]struct {
		prefix    int
		positions []int
		noise     float64
	}{
		"quantized": {60, upTo(60), .1}, "evicted": {60, []int{0, 1, 5, 9, 30, 31, 32, 58, 59}, 0},
		"both": {60, upTo(50)[10:], .1}, "short prefix": {5, []int{0, 3}, .3}, "one position": {1, []int{0}, .5},
	} {
		h := head(r, c.prefix, c.prefix+6, 16, 2, c.positions)
		for _, m := range [][]uint16{h.KeptK, h.KeptV} {
			for i := range m {
				m[i] = fp16.FromFloat64(fp16.ToFloat64(m[i]) + c.noise*r.NormFloat64())
			}
		}
		s := measure(t, h)
		for i := range s.KL {
			l2, kl, lost, recall := naive(h, h.Q[i/6], c.prefix+i%6)
			for _, x := range [][2]float64{{s.OutputL2[i], l2}, {s.KL[i], kl}, {s.LostMass[i], lost}, {s.Recall[i], recall}} {
				if math.Abs(x[0]-x[1]) > 1e-9 {
					t.Fatalf("%s, sample %d: L2 %g KL %g lost %g recall %g, want %g %g %g %g", name, i, s.OutputL2[i], s.KL[i], s.LostMass[i], s.Recall[i], l2, kl, lost, recall)
				}
			}
			if c.noise == 0 && s.KL[i] > 1e-12 {
				t.Errorf("%s: KL of pure eviction is %g", name, s.KL[i])
			}
		}
	}
}

// Extreme values leave every measure finite, as JSON needs it.
func TestStaysFinite(t *testing.T) {
	h := head(rand.New(rand.NewPCG(5, 6)), 8, 12, 16, 1, []int{7})
	for i := range h.K {
		switch i % 5 {
		case 0:
			h.K[i], h.Q[0][i] = 0x7c00, 0x7bff
		case 1:
			h.K[i], h.V[i] = 0x7e00, 0xfc00
		}
	}
	h.KeptK, h.KeptV = rows(h.K, 16, h.Positions), rows(h.V, 16, h.Positions)
	zero := Head{Scale: 1, Prefix: 2, T: 3, D: 16, K: make([]uint16, 48), V: make([]uint16, 48), Q: [][]uint16{make([]uint16, 48)}, Positions: []int{1},
		KeptK: make([]uint16, 16), KeptV: random(rand.New(rand.NewPCG(7, 8)), 16)}
	for _, h := range []Head{h, zero} {
		s := measure(t, h)
		for _, l := range [][]float64{s.OutputL2, s.KL, s.LostMass, s.Recall} {
			for _, x := range l {
				if math.IsNaN(x) || math.IsInf(x, 0) || x < 0 {
					t.Fatalf("%+v", s)
				}
			}
		}
	}
	if s := measure(t, zero); s.OutputL2[0] != 1 {
		t.Errorf("an output of 0 that became something: %g, want 1", s.OutputL2[0])
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := head(rand.New(rand.NewPCG(1, 2)), 4, 5, 16, 1, upTo(4)).Measure(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestReport(t *testing.T) {
	ramp := func(from float64) (x []float64) {
		for i := range 20 {
			x = append(x, from+float64(19-i))
		}
		return x
	}
	var c Collector
	if c.Report(0, 0) != nil {
		t.Error("a report of nothing")
	}
	c.Add(0, 0, Samples{ramp(0), ramp(0), ramp(0), ramp(0)})
	c.Add(3, 1, Samples{ramp(100), ramp(100), ramp(100), ramp(100)})
	r := c.Report(5, 1000)
	if want := (Measure{Mean: 59.5, Median: (19 + 100) / 2., P95: 117, Worst: Worst{3, 1, 109.5}}); r.KL != want || r.OutputL2 != want || r.LostMass != want {
		t.Errorf("KL %+v, want %+v", r.KL, want)
	}
	if want := (Measure{Mean: 59.5, Median: 59.5, P95: 2, Worst: Worst{0, 0, 9.5}}); r.Recall != want {
		t.Errorf("recall %+v, want %+v", r.Recall, want)
	}
	if want := (HeadReport{3, 1, HeadMeasure{109.5, 109.5, 118}, HeadMeasure{109.5, 109.5, 118}, HeadMeasure{109.5, 109.5, 118}, HeadMeasure{109.5, 109.5, 101}}); !reflect.DeepEqual(r.Heads[1], want) {
		t.Errorf("head %+v, want %+v", r.Heads[1], want)
	}
	if r.Queries != 5 || r.TopK != TopK {
		t.Errorf("%+v", r)
	}
}

func TestTopKTies(t *testing.T) {
	var top topK
	top.reset(3)
	for pos, x := range []float64{1, 2, 1, 2, 1, 0} {
		top.add(pos, x)
	}
	if want := []entry{{1, 2}, {3, 2}, {0, 1}}; !reflect.DeepEqual(top.list, want) {
		t.Errorf("got %v, want %v", top.list, want)
	}
}
