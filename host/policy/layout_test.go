package policy

import (
	"errors"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

func TestBlockLayouts(t *testing.T) {
	for l, want := range map[Layout]packet.Layout{
		Q80: {Scheme: regmap.SchemeSym, Group: 32, Bits: 8, Block: true},
		Q40: {Scheme: regmap.SchemeOffset, Group: 32, Bits: 4, Block: true},
		Q41: {Scheme: regmap.SchemeAsym, Group: 32, Bits: 4, Block: true},
	} {
		p := lookup(t, string(l))
		for _, p := range []Policy{p, lookup(t, "h2o+"+string(l)), lookup(t, "kivi-2").With(Override{Layout: &l}), Full().With(Override{Layout: &l})} {
			k, kq := p.KLayout(64)
			v, vq := p.VLayout(64)
			if err := p.Validate(); err != nil || k != want || v != want || !kq || !vq {
				t.Errorf("%s, %s: %v, keys %+v, values %+v", l, p.Name, err, k, v)
			}
		}
		// One side can stay fp16, along whatever axis.
		if p := p.With(Override{KBits: ptr(FP16Bits), KAxis: ptr(Channel)}); p.Validate() != nil {
			t.Errorf("%s with fp16 keys: %v", l, p.Validate())
		}
		if got, err := ParseLayout(string(l)); got != l || err != nil {
			t.Errorf("%s is read as %q, %v", l, got, err)
		}
	}
	if k, _ := Full().KLayout(64); k.Block {
		t.Error("full has blocks")
	}
	if l, err := ParseLayout("native"); l != Native || err != nil {
		t.Errorf("native is read as %q, %v", l, err)
	}
	for _, s := range []string{"", "q4_K", "Q8_0"} {
		if _, err := ParseLayout(s); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "native, q8_0, q4_0 or q4_1") {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// A block layout and a setting that it does not have.
func TestLayoutContradictions(t *testing.T) {
	for name, c := range map[string]struct {
		preset string
		o      Override
		word   string // empty: valid
	}{
		"bits":            {"q4_0", Override{KBits: ptr(8)}, "layout q4_0 has 4 bits, so that k-bits cannot be 8"},
		"bits of values":  {"full", Override{Layout: ptr(Q80), VBits: ptr(4)}, "layout q8_0 has 8 bits, so that v-bits cannot be 4"},
		"axis":            {"full", Override{Layout: ptr(Q41), KAxis: ptr(Channel)}, "k-axis cannot be channel"},
		"scheme":          {"full", Override{Layout: ptr(Q41), Scheme: ptr(Sym)}, "layout q4_1 has scheme asym, not sym"},
		"group":           {"q8_0", Override{Group: ptr(64)}, "groups of 32, not 64"},
		"row":             {"q8_0", Override{Group: ptr(GroupRow)}, "groups of 32, not the row"},
		"offset, native":  {"full", Override{Scheme: ptr(Offset), KBits: ptr(4)}, "scheme offset is that of layout q4_0"},
		"no longer q4_0":  {"q4_0", Override{Layout: ptr(Native)}, "scheme offset"},
		"unknown":         {"full", Override{Layout: ptr(Layout("q5_0"))}, `layout is "q5_0"`},
		"native again":    {"q8_0", Override{Layout: ptr(Native), KBits: ptr(4), Group: ptr(64)}, ""},
		"said twice":      {"full", Override{Layout: ptr(Q40), KBits: ptr(4), VBits: ptr(4), Group: ptr(32), Scheme: ptr(Offset), VAxis: ptr(Token)}, ""},
		"others are free": {"h2o+q4_0", Override{Residual: ptr(16), TopK: ptr(9)}, ""},
	} {
		err := lookup(t, c.preset).With(c.o).Validate()
		if c.word == "" && err != nil || c.word != "" && (!errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.word)) {
			t.Errorf("%s: got %v, want %q", name, err, c.word)
		}
	}
}
