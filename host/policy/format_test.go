package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/driver/regmap"
)

func TestInFormat(t *testing.T) {
	const yes, no = true, false
	for _, c := range []struct {
		name        string
		asked       Format
		bf16, built bool
		want        Format
		why         string
	}{
		{"kivi-4", Auto, yes, yes, BF16, ""},
		{"kivi-4", Auto, no, yes, Auto, ""},
		{"kivi-4", Auto, yes, no, Auto, "without BF16"},
		{"h2o", Auto, yes, no, BF16, ""}, // nothing is coded
		{"h2o+tiers", Auto, yes, yes, BF16, ""},
		{"h2o+tiers", Auto, yes, no, Auto, "without BF16"},
		{"knorm+tiers", Auto, yes, yes, Auto, "key-norm"},
		{"knorm+kivi-4", Auto, yes, yes, BF16, ""},
		{"quarot-4", Auto, yes, yes, Auto, "rotate"},
		{"q4_0", Auto, yes, yes, Auto, "layout q4_0"},
		{"kivi-4", FP16, yes, yes, Auto, ""},
		{"kivi-4", FP16, no, no, Auto, ""},
		{"kivi-4", BF16, no, no, BF16, ""}, // for Validate and the engine to refuse
	} {
		p := lookup(t, c.name)
		p.Format = c.asked
		q, why := p.InFormat(c.bf16, c.built, 400, 2, 2)
		if q.Format != c.want || (why == "") != (c.why == "") || !strings.Contains(why, c.why) {
			t.Errorf("%s as %q, rows bf16 %v, built %v: %q, %q; want %q, %q", c.name, c.asked, c.bf16, c.built, q.Format, why, c.want, c.why)
		}
	}
	// A rule for one head decides for all.
	p := lookup(t, "kivi-4")
	l := Q80
	p.Rules = []Rule{{Heads: Ranges{{1, 1}}, Set: Override{Layout: &l, Residual: ptr(0)}}}
	if q, why := p.InFormat(true, true, 400, 2, 2); q.IsBF16() || !strings.Contains(why, "head 1") {
		t.Errorf("with blocks in one head: %q, %q", q.Format, why)
	}
	// What is wrong with a policy anyway is no matter of its format.
	p = lookup(t, "kivi-4")
	p.KBits = 7
	if _, why := p.InFormat(true, true, 400, 2, 2); why != "" {
		t.Errorf("of a policy that is wrong: %q", why)
	}
}

func TestBF16Policy(t *testing.T) {
	p := lookup(t, "h2o+kivi-4")
	p.Format = BF16
	if !slices.Contains(p.Features(), regmap.FeatBF16) || p.Validate() != nil {
		t.Errorf("features %v, %v", p.Features(), p.Validate())
	}
	if d := p.Describe(); !strings.Contains(d, "kept rows bf16; rows bf16") || strings.Contains(d, "fp16") {
		t.Errorf("described as %q", d)
	}
	k, _ := p.KLayout(64)
	if k.Format != regmap.FormatBF16 {
		t.Errorf("layout %+v", k)
	}
	for name, words := range map[string]string{"quarot-3": "rotate none", "q4_1": "layout native", "knorm+tiers": "another scorer"} {
		p := lookup(t, name)
		p.Format = BF16
		if err := p.Validate(); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p = lookup(t, "full")
	if p.Format = "bfloat"; !errors.Is(p.Validate(), ErrInvalid) {
		t.Error("format bfloat is valid")
	}
	_, err := Parse("p.yaml", []byte("version: 1\nrules: [{layers: 0, set: {format: bf16}}]"))
	if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "of all rows") {
		t.Errorf("in a rule: %v", err)
	}
	if f, err := ParseFormat("auto"); f != Auto || err != nil {
		t.Errorf("auto: %q, %v", f, err)
	}
}
