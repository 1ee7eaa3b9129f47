package policy

import (
	"errors"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/driver/regmap"
)

func TestCeiling(t *testing.T) {
	for s, want := range map[string]Ceiling{
		"20%": {Percent: 20}, "64": {Positions: 64}, "180KiB": {Bytes: 180 << 10}, "3 MiB": {Bytes: 3 << 20}, "777B": {Bytes: 777},
	} {
		c, err := ParseCeiling(s)
		if err != nil || c != want {
			t.Errorf("%s: %+v, %v", s, c, err)
		}
		if again, err := ParseCeiling(c.String()); err != nil || again != c {
			t.Errorf("%s is written %s", s, c)
		}
	}
	for _, s := range []string{"", "0", "0%", "101%", "-3", "2KB", "9999999999999MiB", "1.5MiB", "KiB"} {
		if c, err := ParseCeiling(s); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "180KiB") {
			t.Errorf("%q: %+v, %v", s, c, err)
		}
	}
	p := lookup(t, "ladder")
	if r := p.Resolve(448); p.Resolved() || !r.Resolved() || *r.Ceiling != (Ceiling{Positions: 89}) || r.Ceiling.Limit(2048) != 89*2048 || p.Ceiling.Percent != 20 {
		t.Errorf("%+v of %+v", r.Ceiling, p.Ceiling)
	}
	if c := p.Resolve(3).Ceiling; c.Positions != 1 {
		t.Errorf("of 3 positions: %+v", c)
	}
	if c := (Ceiling{Bytes: 5000}); c.Limit(2048) != 5000 {
		t.Errorf("%d bytes", c.Limit(2048))
	}
	need := p.Features()
	for _, f := range []int{regmap.FeatSelect, regmap.FeatQuantize, regmap.FeatDequantize, regmap.FeatTiers, regmap.FeatDecay} {
		found := false
		for _, n := range need {
			found = found || n == f
		}
		if !found {
			t.Errorf("needs %v, not %d", need, f)
		}
	}
	if !p.Compresses() || lookup(t, "full").Compresses() || len(p.Warnings()) > 0 || !strings.Contains(p.Describe(), "20 % of the prefix") {
		t.Errorf("%s, %v", p.Describe(), p.Warnings())
	}
}

// What a ceiling decides by itself cannot be asked for beside it.
func TestCeilingConflicts(t *testing.T) {
	yes, layout, axis, random := true, Q80, Channel, Random
	for name, o := range map[string]Override{
		"topk or budget": {TopK: ptr(3)}, "budget": {BudgetPercent: ptr(10)}, "k-bits": {KBits: ptr(4)}, "tiers": {Tiers: &Tiers{100}}, "layout": {Layout: &layout, KBits: ptr(16), VBits: ptr(16)},
		"residual": {Residual: ptr(3)}, "axis": {KAxis: &axis}, "pool": {Pool: ptr(3)}, "normalise": {Normalise: &yes, Lambda: ptr(1.)}, "probe": {Probe: ptr(3)}, "scorer": {Scorer: &random, Lambda: ptr(1.)},
		"observe": {Observe: ptr(3)}, "shared": {Shared: &yes}, "pyramid": {Pyramid: ptr(4)}, "adaptive": {Adaptive: ptr(4)}, "recent": {Recent: ptr(0)},
		"ceiling is": {Ceiling: &Ceiling{}}, "one of": {Ceiling: &Ceiling{Bytes: 3, Percent: 4}}, "want more than 0": {Ceiling: &Ceiling{Bytes: -3}},
	} {
		if err := lookup(t, "ladder").With(o).Validate(); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := Parse("p.yaml", []byte("version: 1\npolicy: h2o\nrules:\n- layers: 1\n  set: {ceiling: 20%}\n"))
	if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "p.yaml:4: rules[0]") {
		t.Errorf("in a rule: %v", err)
	}
	if _, err := Lookup("h2o+ladder"); !errors.Is(err, ErrConflict) {
		t.Errorf("joined: %v", err)
	}
	if err := lookup(t, "ladder").With(Override{Sinks: ptr(4), Lambda: ptr(.5), Group: ptr(16)}).Validate(); err != nil {
		t.Error(err)
	}
}
