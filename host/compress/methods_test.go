package compress

import (
	"math/big"
	"reflect"
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/host/cache"
	"github.com/kvaccel/kvaccel/host/hosttest"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/trace"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// methods are policies that take pooling, decay, key norms, tiers, scores handed
// back and settings of their own per layer and head.
func methods(t *testing.T) map[string]policy.Policy {
	m := map[string]policy.Policy{}
	for _, name := range []string{
		"snapkv", "pyramidkv", "adakv", "knorm", "zipcache", "tiers", "h2o+tiers", "tova+tiers", "knorm+tiers", "random+tiers", "streaming+tiers", "adakv+tiers", "snapkv+kivi-2",
	} {
		m[name] = hosttest.Policy(t, name)
	}
	for name, c := range map[string]struct {
		base string
		o    policy.Override
	}{
		"decay":          {"h2o", policy.Override{Lambda: hosttest.Ptr(.9), Pool: hosttest.Ptr(3), PoolMax: hosttest.Ptr(true)}},
		"shared decay":   {"tova", policy.Override{Lambda: hosttest.Ptr(.5), Observe: hosttest.Ptr(9), Pool: hosttest.Ptr(15)}},
		"forgets":        {"h2o", policy.Override{Lambda: hosttest.Ptr(0.)}},
		"adaptive decay": {"adakv", policy.Override{Lambda: hosttest.Ptr(.75), Budget: hosttest.Ptr(60), Pool: hosttest.Ptr(7), PoolMax: hosttest.Ptr(true)}},
		"normalised":     {"h2o", policy.Override{Normalise: hosttest.Ptr(true), Probe: hosttest.Ptr(20), Observe: hosttest.Ptr(10)}},
		"channel tiers":  {"h2o+kivi-2", policy.Override{Tiers: &policy.Tiers{10, 30, 30, 30}, Protected: hosttest.Ptr(4), Recent: hosttest.Ptr(20), TopK: hosttest.Ptr(90), Scheme: hosttest.Ptr(policy.Sym)}},
		"pooled tiers":   {"tiers", policy.Override{Sinks: hosttest.Ptr(4), Pool: hosttest.Ptr(5), Group: hosttest.Ptr(16), Tiers: &policy.Tiers{0, 40, 60, 0}, Scheme: hosttest.Ptr(policy.Sym), Protected: hosttest.Ptr(2)}},
		"norms per row":  {"knorm+tiers", policy.Override{Sinks: hosttest.Ptr(2), Recent: hosttest.Ptr(3), TopK: hosttest.Ptr(50), Group: hosttest.Ptr(policy.GroupRow)}},
	} {
		m[name] = hosttest.Policy(t, c.base).With(c.o)
	}
	p := hosttest.Policy(t, "h2o+kivi-4")
	p.Rules = []policy.Rule{
		{Layers: policy.Ranges{{First: 0, Last: 0}}, Heads: policy.Ranges{{First: 1, Last: 1}}, Set: policy.Override{TopK: hosttest.Ptr(30), KBits: hosttest.Ptr(8), KAxis: hosttest.Ptr(policy.Token)}},
		{Layers: policy.Ranges{{First: 1, Last: 1}}, Set: policy.Override{Tiers: &policy.Tiers{20, 20, 60}, Pool: hosttest.Ptr(3), PoolMax: hosttest.Ptr(true)}},
		{Layers: policy.Ranges{{First: 1, Last: 1}}, Heads: policy.Ranges{{First: 0, Last: 0}}, Set: policy.Override{Scorer: hosttest.Ptr(policy.KeyNorm)}},
	}
	m["rules"] = p
	return m
}

// slow does what a policy says with rational numbers and sorting, from the
// formulas.
type slow struct {
	t  *testing.T
	tr *trace.Trace
	n  int
}

// scores gives the unpooled scores of a head, exact but for the floors of decay
// and division, in units of 2^-24.
func (s slow) scores(l, h int, layer trace.Layer, p policy.Policy) []*big.Int {
	out := make([]*big.Int, s.n)
	for j := range out {
		out[j] = new(big.Int)
	}
	unit := func(f float64) *big.Int {
		v, _ := new(big.Float).SetMantExp(big.NewFloat(f), 24).Int(nil)
		return v
	}
	switch p.Scorer {
	case policy.Random:
		rows := randomRows(l, h, s.n)
		for i, w := range rows {
			out[i%s.n].Add(out[i%s.n], unit(fp16.ToFloat64(w)))
		}
		return out
	case policy.KeyNorm:
		for j := range out {
			norm := new(big.Float).SetPrec(200)
			for _, x := range layer.K[h][j*testD:][:testD] {
				f := big.NewFloat(fp16.ToFloat64(x)).SetPrec(200)
				norm.Add(norm, f.Mul(f, f))
			}
			v, _ := norm.SetMantExp(norm, 24).Int(nil)
			out[j].Sub(big.NewInt(maxScore), v)
		}
		return out
	}
	qs := queries(s.tr, l, s.n, p)
	heads := queryHeads(s.tr, h, p.Shared)
	w, _, err := weights(s.t.Context(), s.tr, l, layer, heads, s.n, qs)
	if err != nil {
		s.t.Fatal(err)
	}
	for range qs {
		for j := range out {
			if p.Lambda != nil && *p.Lambda < 1 {
				out[j].Mul(out[j], big.NewInt(int64(*p.Lambda*65536+.5))).Rsh(out[j], 16)
			}
			for g := range heads {
				out[j].Add(out[j], unit(fp16.ToFloat64(w[g*s.n+j])))
			}
		}
		w = w[len(heads)*s.n:]
	}
	for j := range out {
		seen := 0
		for _, q := range qs {
			if q >= j {
				seen++
			}
		}
		if p.Normalise && seen > 0 {
			out[j].Quo(out[j], big.NewInt(int64(seen)))
		}
	}
	return out
}

func (s slow) pooled(x []*big.Int, p policy.Policy) []*big.Int {
	if p.Pool <= 1 {
		return x
	}
	out := make([]*big.Int, len(x))
	for j := range x {
		out[j] = new(big.Int)
		for i := max(0, j-p.Pool/2); i < min(len(x), j+p.Pool/2+1); i++ {
			switch {
			case !p.PoolMax:
				out[j].Add(out[j], x[i])
			case x[i].Cmp(out[j]) > 0:
				out[j] = x[i]
			}
		}
	}
	return out
}

// ranking lists the unprotected positions, best first.
func (s slow) ranking(x []*big.Int, p policy.Policy) []int {
	var rest []int
	for j := range s.n {
		if j >= p.Sinks && j < s.n-p.Recent {
			rest = append(rest, j)
		}
	}
	slices.SortStableFunc(rest, func(a, b int) int { return x[b].Cmp(x[a]) })
	return rest
}

func TestMethods(t *testing.T) {
	dev, tr := hosttest.Device(t, "emu:"), testTrace(t)
	s := slow{t, tr, DefaultPrefix(testT)}
	for name, pol := range methods(t) {
		res, err := Run(t.Context(), dev, tr, pol, Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rest, err := Restore(t.Context(), dev, res.Cache, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want, err := pol.Heads(s.n, testLayers, testHkv)
		if err != nil {
			t.Fatal(err)
		}
		for l := range testLayers {
			layer, _, err := tr.Layer(l, true)
			if err != nil {
				t.Fatal(err)
			}
			total := 0
			for h, p := range want[l] {
				got := res.Policy.At(l, h)
				if p.Adaptive != nil {
					total += *got.TopK
					p.TopK, p.Adaptive = got.TopK, nil
				}
				if !reflect.DeepEqual(got, p) {
					t.Errorf("%s: layer %d head %d follows %+v, want %+v", name, l, h, got, p)
				}
				s.check(name, p, l, h, layer, res.Cache.Layers[l][h], rest.Layers[l][h])
			}
			if first := want[l][0]; first.Adaptive != nil && total != testHkv**first.TopK {
				t.Errorf("%s: the heads of layer %d keep %d for their scores, want %d", name, l, total, testHkv**first.TopK)
			}
		}
	}
}

// check holds one head against the slow way.
func (s slow) check(name string, p policy.Policy, l, h int, layer trace.Layer, c cache.Head, r RestoredHead) {
	s.t.Helper()
	best := s.ranking(s.pooled(s.scores(l, h, layer, p), p), p)
	ranks, topK := [3]int{}, len(best)
	if p.Tiers != nil {
		ranks, topK = p.Ranks(s.n)
	} else if p.Evicts() {
		topK = *p.TopK
	}
	tier := map[int]uint8{}
	for j := range s.n {
		if j < p.Sinks || j >= s.n-p.Recent {
			tier[j] = uint8(p.ProtectedTier())
		}
	}
	for i, j := range best[:topK] {
		tier[j] = 3
		for t := 2; t >= 0; t-- {
			if i < ranks[t] {
				tier[j] = uint8(t)
			}
		}
	}
	positions, tiers := []int{}, []uint8{}
	for j := range s.n {
		if t, ok := tier[j]; ok {
			positions, tiers = append(positions, j), append(tiers, t)
		}
	}
	if !reflect.DeepEqual(r.Positions, positions) {
		s.t.Fatalf("%s: layer %d head %d kept %d, want %d", name, l, h, r.Positions, positions)
	}
	if p.Tiers == nil {
		return // TestKeepsTheRightRows looks at the rows
	}
	if !reflect.DeepEqual(c.Tiers, tiers) {
		s.t.Fatalf("%s: layer %d head %d is in tiers %d, want %d", name, l, h, c.Tiers, tiers)
	}
	s.checkTiers(name+" values", p, policy.Token, tiers, gather(layer.V[h], positions, testD), r.V)
	s.checkTiers(name+" keys", p, p.KAxis, tiers, gather(layer.K[h], positions, testD), r.K)
}

// checkTiers holds restored rows against the originals, tier by tier; keys per
// channel as those of QUANTIZE.
func (s slow) checkTiers(name string, p policy.Policy, axis policy.Axis, tiers []uint8, orig, got []uint16) {
	s.t.Helper()
	if axis == policy.Channel {
		p.Tiers = nil
		checkRows(s.t, name, p, p.KBits, p.KAxis, orig, got)
		return
	}
	for i, t := range tiers {
		a, b := orig[i*testD:][:testD], got[i*testD:][:testD]
		q := p
		q.Tiers, q.Residual = nil, 0
		checkRows(s.t, name, q, policy.TierBits[t], policy.Token, a, b)
	}
}
