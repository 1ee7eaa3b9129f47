package lockstep

import (
	"context"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/rtl/simulation"
)

// countdown is a twin whose irq pin is wrong once it has given so many packets.
func countdown(t *testing.T, s Set, packets uint32) *twin {
	return newTwin(t, s, func(_ int, out *simulation.PinsOut) {
		if out.Taps[(regmap.RegPackets-regmap.RegCycles)/4] >= packets {
			out.Flags ^= simulation.OutIRQ
		}
	})
}

func TestShrink(t *testing.T) {
	c := Config{Set: smallSet, Seed: 6, Cycles: 60000, Regime: "stuttering"}
	r, err := Run(t.Context(), c, 7, countdown(t, c.Set, 12))
	if err != nil || r.Difference == nil {
		t.Fatal("the fault does not show", err)
	}
	s, err := Record(c, 7, r.Difference.Cycle+1)
	if err != nil {
		t.Fatal(err)
	}
	tries := 0
	short, err := Shrink(t.Context(), s, 500, func() (Machine, func(), error) {
		tries++
		return countdown(t, c.Set, 12), func() {}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("from %d to %d clocks in %d tries", s.Clocks(), short.Clocks(), tries)
	if at, err := short.Differs(t.Context(), countdown(t, c.Set, 12)); err != nil || at != short.Clocks()-1 {
		t.Errorf("the shortened sequence differs in clock %d of %d, %v", at, short.Clocks(), err)
	}
	if short.Clocks() > s.Clocks()/8 {
		t.Errorf("%d clocks left of %d", short.Clocks(), s.Clocks())
	}
	text, err := short.Describe()
	if err != nil || strings.Count(text, "clock") < 12 {
		t.Errorf("described as %q, %v", text, err)
	}
}

func TestShrinkWantsADifference(t *testing.T) {
	c := Config{Set: smallSet, Seed: 5}
	s, err := Record(c, 7, 100)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Shrink(context.Background(), s, 10, func() (Machine, func(), error) { return newTwin(t, c.Set, nil), func() {}, nil })
	if err == nil {
		t.Error("a sequence without a difference is shortened")
	}
}
