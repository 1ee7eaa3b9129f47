package trace

import (
	"errors"
	"slices"
	"testing"
)

func TestUntil(t *testing.T) {
	whole, err := Sample()
	if err != nil {
		t.Fatal(err)
	}
	part, err := whole.Until(100)
	if err != nil || part.T != 100 || whole.T != 512 {
		t.Fatal(err, part.T, whole.T)
	}
	for l := range whole.Layers {
		a, _, err := whole.Layer(l, true)
		if err != nil {
			t.Fatal(err)
		}
		b, _, err := part.Layer(l, true)
		if err != nil {
			t.Fatal(err)
		}
		for h := range a.K {
			if !slices.Equal(a.K[h][:100*whole.D], b.K[h]) || !slices.Equal(a.V[h][:100*whole.D], b.V[h]) {
				t.Errorf("layer %d head %d: other rows", l, h)
			}
		}
		for h := range a.Q {
			if !slices.Equal(a.Q[h][:100*whole.D], b.Q[h]) {
				t.Errorf("layer %d query head %d: other rows", l, h)
			}
		}
	}
	for _, n := range []int{0, -1, 513} {
		if _, err := whole.Until(n); !errors.Is(err, ErrShape) {
			t.Errorf("the first %d of 512: %v", n, err)
		}
	}
}
