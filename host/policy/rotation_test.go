package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/driver/regmap"
)

func TestRotationOfRows(t *testing.T) {
	for _, c := range []struct{ rotate, dims, want int }{
		{0, 64, 0}, {32, 64, 32}, {64, 80, 64}, // that 64 does not divide 80 is the engine's to say
		{RotateRow, 32, 32}, {RotateRow, 64, 64}, {RotateRow, 96, 32}, {RotateRow, 128, 128}, {RotateRow, 192, 64}, {RotateRow, 256, 128}, {RotateRow, 80, misfit},
	} {
		p := lookup(t, "kivi-4").With(Override{Rotate: &c.rotate})
		k, _ := p.KLayout(c.dims)
		v, _ := p.VLayout(c.dims)
		if k.Rotate != c.want || v.Rotate != c.want {
			t.Errorf("rotate %d, rows of %d: keys %d, values %d, want %d", c.rotate, c.dims, k.Rotate, v.Rotate, c.want)
		}
	}
}

// quarot-4 is qserve-4 rotated.
func TestQuarot(t *testing.T) {
	p, q := lookup(t, "h2o+quarot-4"), lookup(t, "h2o+qserve-4")
	if !slices.Contains(p.Features(), regmap.FeatRotate) || slices.Contains(q.Features(), regmap.FeatRotate) {
		t.Errorf("features %v and %v", p.Features(), q.Features())
	}
	if !strings.Contains(p.Describe(), "rotated over the row") {
		t.Errorf("described as %q", p.Describe())
	}
	p.Rotate, p.Name = 0, q.Name
	if p.Describe() != q.Describe() {
		t.Errorf("%q, want %q", p.Describe(), q.Describe())
	}
	if p := lookup(t, "quarot-3"); p.KBits != 3 || p.VBits != 3 || p.Rotate != RotateRow {
		t.Errorf("%+v", p)
	}
}

func TestRotationRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(p *Policy)
		words  string
	}{
		"16":    {func(p *Policy) { p.Rotate = 16 }, "32, 64 or 128"},
		"-2":    {func(p *Policy) { p.Rotate = -2 }, "32, 64 or 128"},
		"tiers": {func(p *Policy) { *p = tiered(); p.Rotate = 64 }, "COMPRESS"},
	} {
		p := qserve4()
		c.change(&p)
		if err := p.Validate(); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, s := range []string{"", "16", "head", "-1", "0", "256"} {
		if _, err := ParseRotate(s); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "32, 64 or 128") {
			t.Errorf("%q: %v", s, err)
		}
	}
	p := lookup(t, "h2o")
	if p.Rotate = 64; len(p.Warnings()) != 1 || !strings.Contains(p.Warnings()[0], "rotate has no effect") || slices.Contains(p.Features(), regmap.FeatRotate) {
		t.Errorf("of fp16 rows: %v, features %v", p.Warnings(), p.Features())
	}
}
