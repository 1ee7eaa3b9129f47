package decode

import (
	"testing"

	"github.com/kvaccel/kvaccel/host/hosttest"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/trace"
)

// At the same ceiling the ladder is nearer to the uncompressed trace than what is
// fixed beforehand, and takes no more at any step, the row to come included.
func TestBelowFixedSettings(t *testing.T) {
	tr, err := trace.Sample()
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	const prefill, steps, ceiling = 192, 60, 92 << 10
	row := int64(4 * tr.Layers * tr.Hkv * tr.D)
	run := func(pol policy.Policy) *Result {
		res, err := Run(t.Context(), hosttest.Device(t, "emu:"), tr, pol, Options{Prefill: prefill, Steps: steps})
		if err != nil {
			t.Fatal(err)
		}
		if res.PeakBytes+row > ceiling {
			t.Fatalf("%s takes %d bytes and a row of %d, over %d", pol.Name, res.PeakBytes, row, ceiling)
		}
		return res
	}
	ladder := run(hosttest.Policy(t, "ladder").With(policy.Override{Ceiling: &policy.Ceiling{Bytes: ceiling}}))
	descents := 0
	for _, s := range ladder.Steps {
		if s.Bytes+row > ceiling {
			t.Errorf("position %d: %d bytes", s.Position, s.Bytes)
		}
		if s.Descent != nil {
			descents++
		}
	}
	if ladder.Ceiling != ceiling || descents < 10 || ladder.PrefillDescent == nil {
		t.Errorf("%d descents under %d bytes", descents, ladder.Ceiling)
	}
	for name, o := range map[string]policy.Override{ // the largest that keep the ceiling
		"recent": {Recent: hosttest.Ptr(44)}, "h2o": {Budget: hosttest.Ptr(43), Recent: hosttest.Ptr(19)}, "snapkv": {Budget: hosttest.Ptr(35)},
		"h2o+kivi-4": {Budget: hosttest.Ptr(59), Recent: hosttest.Ptr(19)}, "recent+qserve-4": {Recent: hosttest.Ptr(146)}, "adakv+q4_1": {Budget: hosttest.Ptr(64)},
	} {
		fixed := run(hosttest.Policy(t, name).With(o))
		if ladder.Fidelity.OutputL2.Mean > fixed.Fidelity.OutputL2.Mean/2 {
			t.Errorf("%s: error %.4f at %d bytes; the ladder has %.4f", name, fixed.Fidelity.OutputL2.Mean, fixed.PeakBytes, ladder.Fidelity.OutputL2.Mean)
		}
	}
}
