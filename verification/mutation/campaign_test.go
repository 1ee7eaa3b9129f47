package mutation

import (
	"testing"

	"github.com/kvaccel/kvaccel/verification/rtltest"
)

// A small campaign on both sides. `make mutants` runs the large one, and wants every
// survivor explained; here seven in ten must be found, whatever the sources have
// become. (Of the emulator's faults some can only cost time: what it does in one go.)
func TestMostFaultsAreFound(t *testing.T) {
	rtltest.Verilator(t)
	o := Options{RTL: 40, Emulator: 40, Cycles: 150_000, Engines: 2, Seed: 2, Build: t.TempDir()}
	r, err := Run(t.Context(), o, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Sides {
		found := len(s.Verdicts) - len(s.Survivors())
		t.Logf("%s: %d of %d faults found", s.Name, found, len(s.Verdicts))
		if len(s.Verdicts) < 20 || found*10 < len(s.Verdicts)*7 {
			t.Errorf("%s: only %d of %d faults found", s.Name, found, len(s.Verdicts))
		}
	}
}
