package compress

import (
	"bytes"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/host/cache"
	"github.com/kvaccel/kvaccel/host/hosttest"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/trace"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

const (
	testT, testD, testLayers = 200, 32, 2
	testHq, testHkv          = 4, 2
)

// testTrace has random keys, values and queries.
func testTrace(t *testing.T) *trace.Trace {
	t.Helper()
	return hosttest.Trace(t, nil,
		tensor("layers.0.k", false, testHkv, testT, testD), tensor("layers.0.v", false, 1, testHkv, testT, testD), tensor("layers.0.q", false, testHq, testT, testD),
		tensor("layers.1.k", false, testHkv, testT, testD), tensor("layers.1.v", false, testHkv, testT, testD), tensor("layers.1.q", false, testHq, testT, testD))
}

// cases are policies of every kind that a run can be given.
func cases(t *testing.T) map[string]policy.Policy {
	m := map[string]policy.Policy{}
	for _, name := range []string{"full", "streaming", "h2o", "kivi-2", "kivi-4", "qserve-4", "h2o+kivi-4", "streaming+qserve-4", "q8_0", "q4_1", "h2o+q4_0"} {
		m[name] = hosttest.Policy(t, name)
	}
	for name, o := range map[string]policy.Override{
		"sym 8":         {KBits: hosttest.Ptr(8), VBits: hosttest.Ptr(8), Scheme: hosttest.Ptr(policy.Sym), Group: hosttest.Ptr(16)},
		"sym 3 channel": {KBits: hosttest.Ptr(3), VBits: hosttest.Ptr(3), Scheme: hosttest.Ptr(policy.Sym), Group: hosttest.Ptr(64), KAxis: hosttest.Ptr(policy.Channel), VAxis: hosttest.Ptr(policy.Channel), Residual: hosttest.Ptr(7)},
		"only values":   {VBits: hosttest.Ptr(5), Group: hosttest.Ptr(32)},
		"only keys":     {KBits: hosttest.Ptr(6), KAxis: hosttest.Ptr(policy.Channel), Group: hosttest.Ptr(16), Residual: hosttest.Ptr(1)},
		"sinks":         {TopK: hosttest.Ptr(20), Sinks: hosttest.Ptr(3), Recent: hosttest.Ptr(5), Observe: hosttest.Ptr(10), KBits: hosttest.Ptr(2), VBits: hosttest.Ptr(2), Group: hosttest.Ptr(policy.GroupRow)},
		"residual wins": {KBits: hosttest.Ptr(4), VBits: hosttest.Ptr(4), Residual: hosttest.Ptr(1000)},
		"all kept":      {TopK: hosttest.Ptr(150)},
		"q4_0 values":   {Layout: hosttest.Ptr(policy.Q40), KBits: hosttest.Ptr(policy.FP16Bits), Residual: hosttest.Ptr(3)},
	} {
		m[name] = policy.Full().With(o)
	}
	return m
}

// ranked is the selection done the slow way: exact sums, sorted.
func ranked(w []uint16, n int, p policy.Policy) []int {
	scores := make([]uint64, n)
	for i, h := range w {
		scores[i%n] += uint64(fp16.ToFloat64(h) * (1 << 24))
	}
	var kept, rest []int
	for j := range n {
		if j < p.Sinks || j >= n-p.Recent {
			kept = append(kept, j)
		} else {
			rest = append(rest, j)
		}
	}
	slices.SortStableFunc(rest, func(a, b int) int {
		switch {
		case scores[a] > scores[b]:
			return -1
		case scores[a] < scores[b]:
			return 1
		}
		return a - b
	})
	kept = append(kept, rest[:min(len(rest), *p.TopK)]...)
	slices.Sort(kept)
	return kept
}

func TestKeepsTheRightRows(t *testing.T) {
	dev := hosttest.Device(t, "emu:")
	tr := testTrace(t)
	for name, pol := range cases(t) {
		res, err := Run(t.Context(), dev, tr, pol, Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rest, err := Restore(t.Context(), dev, res.Cache, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		n := DefaultPrefix(testT)
		p := pol.Resolve(n)
		if res.TokensIn != n || res.TokensKept != p.Kept(n) || !reflect.DeepEqual(res.Policy, p) {
			t.Errorf("%s: %d of %d kept, policy %+v", name, res.TokensKept, res.TokensIn, res.Policy)
		}
		for l := range testLayers {
			layer, _, err := tr.Layer(l, true)
			if err != nil {
				t.Fatal(err)
			}
			for h := range testHkv {
				got := rest.Layers[l][h]
				want := cache.All(n)
				if p.Evicts() {
					w, _, err := weights(t.Context(), tr, l, layer, queryHeads(tr, h, false), n, queries(tr, l, n, p))
					if err != nil {
						t.Fatal(err)
					}
					want = ranked(w, n, p)
				}
				if !reflect.DeepEqual(got.Positions, want) {
					t.Fatalf("%s: layer %d head %d kept %d, want %d", name, l, h, got.Positions, want)
				}
				checkRows(t, name+" keys", p, p.KBits, p.KAxis, gather(layer.K[h], want, testD), got.K)
				checkRows(t, name+" values", p, p.VBits, p.VAxis, gather(layer.V[h], want, testD), got.V)
			}
		}
	}
}

// checkRows holds restored rows against the originals: those of the residual
// window bit for bit, the others within half a step of their group.
func checkRows(t *testing.T, name string, p policy.Policy, bits int, axis policy.Axis, orig, got []uint16) {
	t.Helper()
	if len(orig) != len(got) {
		t.Fatalf("%s: %d elements, want %d", name, len(got), len(orig))
	}
	rows := len(orig) / testD
	q := max(rows-p.Residual, 0)
	if bits == policy.FP16Bits {
		q = 0
	} else if axis == policy.Channel {
		q -= q % p.Group
	}
	if !slices.Equal(orig[q*testD:], got[q*testD:]) {
		t.Fatalf("%s: the residual window changed", name)
	}
	group := p.Group
	if group == policy.GroupRow {
		group = testD
	}
	groups := map[[2]int][]int{} // elements by group
	for i := range q * testD {
		row, col := i/testD, i%testD
		key := [2]int{row, col / group}
		if axis == policy.Channel {
			key = [2]int{row / group, col}
		}
		groups[key] = append(groups[key], i)
	}
	changed := 0
	for key, members := range groups {
		low, high, most := math.Inf(1), math.Inf(-1), 0.0
		for _, i := range members {
			x := fp16.ToFloat64(orig[i])
			low, high, most = min(low, x), max(high, x), max(most, math.Abs(x))
		}
		step := (high - low) / (math.Exp2(float64(bits)) - 1)
		if p.Scheme == policy.Sym {
			step = most / (math.Exp2(float64(bits-1)) - 1)
		}
		if p.Scheme == policy.Offset {
			step = 2 * most / math.Exp2(float64(bits-1)) // opposite the largest, the last code is up to a whole step off
		}
		for _, i := range members {
			// Half a step, and what rounding scale and result to fp16 adds.
			if d := math.Abs(fp16.ToFloat64(orig[i]) - fp16.ToFloat64(got[i])); d > step*.5+most*0x1p-9 {
				t.Fatalf("%s: group %v, element %d: %g became %g, the step is %g", name, key, i, fp16.ToFloat64(orig[i]), fp16.ToFloat64(got[i]), step)
			}
			if orig[i] != got[i] {
				changed++
			}
		}
	}
	if q > 0 && bits < 8 && changed == 0 {
		t.Errorf("%s: nothing was quantized", name)
	}
}

// The cache is the same whatever engine made it, and a file of it restores to
// the same rows.
func TestCacheDoesNotDependOnTheEngine(t *testing.T) {
	dir := t.TempDir()
	all := cases(t)
	maps.Copy(all, methods(t))
	for name, pol := range all {
		var first []byte
		var rows [][]RestoredHead
		for _, uri := range []string{"emu:", "emu:?lanes=2&tile-tokens=64", "emu:?lanes=16&max-dim=32&max-tokens=256&tile-tokens=256"} {
			res, err := Run(t.Context(), hosttest.Device(t, uri), testTrace(t), pol, Options{Prefix: 150})
			if err != nil {
				t.Fatalf("%s on %s: %v", name, uri, err)
			}
			path := filepath.Join(dir, "c")
			if err := res.Cache.Write(t.Context(), path); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			c, err := cache.Read(path)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			r, err := Restore(t.Context(), hosttest.Device(t, uri), c, nil)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if first == nil {
				first, rows = b, r.Layers
			}
			if !bytes.Equal(b, first) {
				t.Errorf("%s: the file made on %s differs from that made on emu:", name, uri)
			}
			if !reflect.DeepEqual(r.Layers, rows) {
				t.Errorf("%s: rows restored on %s differ from those restored on emu:", name, uri)
			}
		}
	}
}
