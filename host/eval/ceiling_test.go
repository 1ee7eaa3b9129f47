package eval

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/host/llm/kvengine"
	"github.com/kvaccel/kvaccel/host/policy"
)

// A model decodes under a ceiling, which holds with the rows of a chunk, at every step;
// and what grows under it loses less than what was small from the start.
func TestCeiling(t *testing.T) {
	m, text := model(t)
	o := small(t, text, "ladder", "recent", "q8_0")
	const ceiling = 120 << 10
	o.Trials, o.Chunk = -1, 8
	o.Runs[0].Policy.Ceiling = &policy.Ceiling{Bytes: ceiling}
	o.Runs[1].Policy = Control("recent", 40).Policy
	r, err := Evaluate(t.Context(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	ladder, recent := find(t, r, "ladder"), find(t, r, "recent")
	if ladder.PeakBytes > ceiling || ladder.PeakBytes < ceiling*3/4 || ladder.QuantizeCycles == 0 || ladder.SelectCycles == 0 || ladder.RestoreCycles == 0 {
		t.Errorf("%d bytes at most under %d, %+v", ladder.PeakBytes, ceiling, ladder)
	}
	if recent.PeakBytes > ceiling || ladder.Delta.Mean >= recent.Delta.Mean {
		t.Errorf("the ladder costs %.4f nats, the last 40 rows, %d bytes, %.4f", ladder.Delta.Mean, recent.PeakBytes, recent.Delta.Mean)
	}
	if ladder.Fidelity != nil || recent.Fidelity == nil || r.Fidelity == nil || ladder.ControlRows == 0 {
		t.Errorf("fidelity %v and %v", ladder.Fidelity, recent.Fidelity)
	}
	again, err := Evaluate(t.Context(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(asJSON(t, again), asJSON(t, r)) {
		t.Error("a second time it went otherwise")
	}
	if err := WriteCSV(t.Context(), filepath.Join(t.TempDir(), "x.csv"), r); err != nil {
		t.Error(err)
	}
}

// A ceiling that cannot be kept is told before anything runs, or left out if nobody
// asked for it.
func TestCeilingTooLow(t *testing.T) {
	m, text := model(t)
	o := small(t, text, "ladder", "q8_0")
	o.Trials, o.Chunk, o.Limit = -1, 32, 1
	o.Runs[0].Policy.Ceiling = &policy.Ceiling{Bytes: 60 << 10}
	if _, err := Evaluate(t.Context(), m, o); !errors.Is(err, kvengine.ErrCeiling) || !strings.Contains(err.Error(), "ladder") {
		t.Errorf("got %v", err)
	}
	o.Runs[0].Control, o.Alone = true, true
	r, err := Evaluate(t.Context(), m, o)
	if err != nil || len(r.LeftOut) != 1 || !strings.Contains(r.LeftOut[0], "ladder: the ceiling is too low") || len(r.Controls) != 0 || r.Fidelity != nil {
		t.Errorf("%v: %+v", err, r)
	}
}
