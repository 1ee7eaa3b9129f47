package policy

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/driver/regmap"
)

func TestNewPresets(t *testing.T) {
	for _, c := range []struct {
		name          string
		n, kept, topK int
		features      []int
	}{
		{"snapkv", 448, 89, 57, []int{regmap.FeatSelect, regmap.FeatPool}},
		{"snapkv", 100, 32, 0, []int{regmap.FeatSelect, regmap.FeatPool}},
		{"knorm", 448, 89, 89, []int{regmap.FeatSelect, regmap.FeatKeyNorm}},
		{"tiers", 448, 448, 0, []int{regmap.FeatDequantize, regmap.FeatCompress, regmap.FeatTiers}},
		{"h2o+tiers", 448, 88, 44, []int{regmap.FeatDequantize, regmap.FeatCompress, regmap.FeatTiers}},
		{"zipcache", 448, 448, 0, []int{regmap.FeatDequantize, regmap.FeatSelect, regmap.FeatCompress, regmap.FeatTiers}},
		{"full", 448, 448, 0, nil},
	} {
		p := lookup(t, c.name)
		if got := p.Features(); !slices.Equal(got, c.features) {
			t.Errorf("%s needs %v, want %v", c.name, got, c.features)
		}
		if r := p.Resolve(c.n); r.Kept(c.n) != c.kept || r.topK() != c.topK {
			t.Errorf("%s of %d keeps %d, topk %d", c.name, c.n, r.Kept(c.n), r.topK())
		}
	}
	z := lookup(t, "zipcache").Resolve(200)
	if z.Observe != 10 || z.Probe != 10 || !z.NeedsAttention(200) || z.NeedsAttention(0) {
		t.Errorf("zipcache: %+v", z)
	}
	if k := lookup(t, "knorm").Resolve(50); !k.NeedsScores(50) || k.NeedsAttention(50) {
		t.Errorf("knorm: %+v", k)
	}
	if r, k := z.Ranks(201); r != [3]int{0, 0, 120} || k != 201 {
		t.Errorf("zipcache has ranks %d of %d", r, k)
	}
	p := lookup(t, "h2o+tiers").With(Override{Protected: ptr(8)}).Resolve(448)
	if r, k := p.Ranks(448); r != [3]int{4, 13, 30} || k != 44 || p.ProtectedTier() != 1 {
		t.Errorf("h2o+tiers has ranks %d of %d, protected in tier %d", r, k, p.ProtectedTier())
	}
}

func TestTiersText(t *testing.T) {
	for s, want := range map[string]Tiers{
		"fp16:10,8:20,4:70": {10, 20, 70, 0}, "2:100": {0, 0, 0, 100}, " 4 : 60% , 2 : 40% ": {0, 0, 60, 40}, "16:100": {100, 0, 0, 0},
	} {
		got, err := ParseTiers(s)
		if err != nil || got != want {
			t.Errorf("%q: %v %v", s, got, err)
		}
		if again, err := ParseTiers(got.String()); err != nil || again != got {
			t.Errorf("%q is written as %q", s, got)
		}
	}
	for _, s := range []string{"", "fp16", "8:101", "8:-1,4:101", "3:100", "8:50,8:50", "16:50,fp16:50", "8:50", "8:60,4:60", "8:x"} {
		if _, err := ParseTiers(s); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// PyramidKV's formula by hand: 10 layers, n = 1000, window 32, budget 200:
// k = 168, min = 8, max = 328, steps of 35.
func TestPyramid(t *testing.T) {
	heads, err := lookup(t, "pyramidkv").Heads(1000, 10, 2)
	if err != nil {
		t.Fatal(err)
	}
	for l, layer := range heads {
		if k := *layer[1].TopK; k != 328-35*l {
			t.Errorf("layer %d keeps %d, want %d", l, k, 328-35*l)
		}
	}
	// The first layer cannot keep more than there is.
	heads, err = lookup(t, "pyramidkv").With(Override{Budget: ptr(80)}).Heads(100, 3, 1)
	if err != nil || *heads[0][0].TopK != 68 || *heads[1][0].TopK != 48 || *heads[2][0].TopK != 28 {
		t.Errorf("%d %d %d, %v", *heads[0][0].TopK, *heads[1][0].TopK, *heads[2][0].TopK, err)
	}
	if heads, err = lookup(t, "pyramidkv").Heads(1000, 1, 1); err != nil || *heads[0][0].TopK != 168 {
		t.Errorf("one layer: %d, %v", *heads[0][0].TopK, err)
	}
}

func TestShare(t *testing.T) {
	for name, c := range map[string]struct {
		k, floor int
		scores   [][]uint64
		want     []int
	}{
		"equal":       {2, 20, [][]uint64{{5, 4, 3}, {5, 4, 3}}, []int{2, 2}},
		"all in one":  {5, 20, [][]uint64{{9, 9, 9, 9, 9, 9, 9, 9, 9, 9}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}}, []int{9, 1}},
		"no floor":    {2, 0, [][]uint64{{9, 9, 9, 9}, {1, 1, 1, 1}}, []int{4, 0}},
		"only floor":  {2, 100, [][]uint64{{9, 9, 9, 9}, {1, 1, 1, 1}}, []int{2, 2}},
		"ties":        {1, 0, [][]uint64{{1, 1}, {1, 1}, {1, 1}}, []int{2, 1, 0}},
		"rounding":    {1, 20, [][]uint64{{1, 1}, {1, 1}, {1, 1}}, []int{2, 1, 0}},
		"none":        {0, 20, [][]uint64{{1}, {1}}, []int{0, 0}},
		"more than n": {3, 20, [][]uint64{{1}, {2}}, []int{1, 1}},
	} {
		if got := Share(c.k, c.floor, c.scores); !slices.Equal(got, c.want) {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestPooled(t *testing.T) {
	s := []uint64{5, 1, 0, 9, 2}
	for _, c := range []struct {
		p    Policy
		want []uint64
	}{
		{Policy{}, s}, {Policy{Pool: 1}, s}, {Policy{Pool: 3}, []uint64{6, 6, 10, 10, 10}}, {Policy{Pool: 5, PoolMax: true}, []uint64{5, 9, 9, 9, 9}},
	} {
		if got := c.p.Pooled(s, 10); !slices.Equal(got, c.want) {
			t.Errorf("%d: %d, want %d", c.p.Pool, got, c.want)
		}
	}
}

// What Merge writes down, At gives back, also through JSON.
func TestRulesComeBack(t *testing.T) {
	for name, rules := range map[string][]Rule{
		"none":   nil,
		"layers": {{Layers: Ranges{{1, 2}}, Set: Override{KBits: ptr(8), TopKPercent: ptr(40)}}, {Layers: Ranges{{2, 2}}, Set: Override{Group: ptr(64)}}},
		"heads":  {{Heads: Ranges{{1, 1}}, Set: Override{Layout: ptr(Q40)}}, {Layers: Ranges{{0, 0}}, Heads: Ranges{{0, 0}}, Set: Override{Tiers: &Tiers{50, 50}, KAxis: ptr(Token), KBits: ptr(16)}}},
		"scores": {{Heads: Ranges{{0, 0}}, Set: Override{Pool: ptr(5), PoolMax: ptr(true), Lambda: ptr(.9), ObservePercent: ptr(10), Scorer: ptr(Attention)}}},
	} {
		p := lookup(t, "h2o+kivi-4")
		p.Rules = rules
		heads, err := p.Heads(400, 4, 2)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		m := Merge(p.Resolve(400), heads)
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var back Policy
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		if len(rules) == 0 && len(m.Rules) != 0 || len(m.Rules) > 8 {
			t.Errorf("%s: %d rules", name, len(m.Rules))
		}
		for l := range heads {
			for h := range heads[l] {
				if got := back.At(l, h); !reflect.DeepEqual(got, heads[l][h]) {
					t.Errorf("%s: layer %d head %d: %+v, want %+v", name, l, h, got, heads[l][h])
				}
			}
		}
	}
}

func TestHeadsRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		policy string
		rule   Rule
		word   string
	}{
		"layer":        {"h2o", Rule{Layers: Ranges{{0, 4}}, Set: Override{Recent: ptr(1)}}, "layers 0 to 3"},
		"head":         {"h2o", Rule{Heads: Ranges{{2, 2}}, Set: Override{Recent: ptr(1)}}, "heads 0 to 1"},
		"bits":         {"h2o", Rule{Layers: Ranges{{3, 3}}, Set: Override{KBits: ptr(7)}}, "layer 3 head 0: invalid policy: k-bits is 7"},
		"budget":       {"h2o", Rule{Layers: Ranges{{3, 3}}, Heads: Ranges{{1, 1}}, Set: Override{TopK: ptr(101)}}, "layer 3 head 1: invalid policy: topk is 101, want at most the 100"},
		"shared":       {"tova", Rule{Heads: Ranges{{1, 1}}, Set: Override{TopK: ptr(10)}}, "heads 0 and 1 differ"},
		"adaptive":     {"adakv", Rule{Heads: Ranges{{1, 1}}, Set: Override{Pool: ptr(7)}}, "heads 0 and 1 differ"},
		"back to rows": {"h2o", Rule{Layers: Ranges{{4, 3}}, Set: Override{Recent: ptr(1)}}, "4 to 3"},
	} {
		p := lookup(t, c.policy)
		p.Rules = []Rule{c.rule}
		if _, err := p.Heads(100, 4, 2); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: %v, want %q", name, err, c.word)
		}
	}
	// Bits may differ where the choice is one.
	p := lookup(t, "tova+kivi-4")
	p.Rules = []Rule{{Heads: Ranges{{1, 1}}, Set: Override{KBits: ptr(2)}}}
	if heads, err := p.Heads(100, 4, 2); err != nil || heads[2][1].KBits != 2 || heads[2][0].KBits != 4 {
		t.Errorf("%v", err)
	}
}

func TestRangesText(t *testing.T) {
	for s, want := range map[string]string{"all": "all", "3": "3", "0-3,7": "0-3,7", "1-1": "1", " 2 , 5-6": "2,5-6"} {
		r, err := ParseRanges(s)
		if err != nil || r.String() != want {
			t.Errorf("%q: %v, %v", s, r, err)
		}
	}
	for _, s := range []string{"", "-1", "3-1", "a", "1,,2", "1-", "99999999999999999999", "0-9999999"} {
		if _, err := ParseRanges(s); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// Every field of an override is that of a policy, with a JSON name of its own.
func TestOverrideFields(t *testing.T) {
	o, p := reflect.TypeFor[Override](), reflect.TypeFor[Policy]()
	for f := range o.Fields() {
		q, ok := p.FieldByName(f.Name)
		if !ok || f.Type.Kind() != reflect.Pointer || f.Type != q.Type && f.Type.Elem() != q.Type {
			t.Errorf("%s is a %v, in a policy a %v", f.Name, f.Type, q.Type)
		}
		a, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		b, _, _ := strings.Cut(q.Tag.Get("json"), ",")
		if a == "" || a != b {
			t.Errorf("%s is called %q in JSON, in a policy %q", f.Name, a, b)
		}
	}
}
