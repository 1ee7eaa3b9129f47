package lockstep

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/verification/rtltest"
)

// cyclesEach is how many cycles of each engine the ordinary test compares.
const cyclesEach = 800_000

// buildDir is where `make rtl` builds.
func buildDir(t *testing.T) string {
	t.Helper()
	root, err := ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "build", "rtl")
}

// built lists the default engines that somebody has built, and brings them up to
// date; with none it builds a small one. `make test` builds all of them first.
func built(t *testing.T, dir string) []Set {
	t.Helper()
	rtltest.Verilator(t)
	var sets []Set
	for _, s := range Sets() {
		if _, err := os.Stat(filepath.Join(dir, s.Name(), "kv_rtl")); err == nil {
			sets = append(sets, s)
		}
	}
	if len(sets) == 0 {
		sets = Sets()[1:2]
	}
	if err := Build(t.Context(), sets, dir, false); err != nil {
		t.Fatal(err)
	}
	return sets
}

// The emulator and the RTL agree on every pin, register and counter.
func TestRTL(t *testing.T) {
	dir := buildDir(t)
	c := Campaign{Build: dir, Sets: built(t, dir), Seed: uint64(time.Now().Unix()), Cycles: cyclesEach, Span: cyclesEach / 2, Wave: filepath.Join(dir, "..", "lockstep")}
	t.Logf("seeds from %d", c.Seed)
	sum, err := c.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range sum.Differences {
		t.Error(d)
	}
	if t.Failed() {
		return
	}
	for _, s := range c.Sets {
		if n := sum.Cycles[s.Name()]; n != c.Cycles {
			t.Errorf("%s: %d cycles compared, want %d", s.Name(), n, c.Cycles)
		}
	}
	if len(c.Sets) == len(Sets()) {
		// With seeds of the day and so few cycles, refusals of the rarest commands may be missing; that the traffic
		// has them TestStimulusReachesEverything holds, and the long runs show.
		rare := func(k string) bool {
			return strings.HasPrefix(k, "status SOURCE/") && k != fmt.Sprintf("status SOURCE/%d", regmap.StOK) || strings.HasPrefix(k, "status SINK/") && k != fmt.Sprintf("status SINK/%d", regmap.StOK)
		}
		if m := slices.DeleteFunc(sum.Coverage.Missing(), rare); len(m) > 0 {
			t.Errorf("never seen: %s", strings.Join(m, "; "))
		}
	}
}

// A campaign ends when its context does, and leaves no process.
func TestCampaignIsCancelled(t *testing.T) {
	dir := buildDir(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	c := Campaign{Build: dir, Sets: built(t, dir)[:1], Seed: 1, Cycles: 1 << 40, Span: 1 << 30}
	if _, err := c.Run(ctx); err != context.DeadlineExceeded {
		t.Errorf("%v, want the context's error", err)
	}
}

func TestNotBuilt(t *testing.T) {
	c := Campaign{Build: t.TempDir(), Sets: Sets()[:1], Seed: 1, Cycles: 10, Span: 10}
	if _, err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "kv_rtl") {
		t.Errorf("%v, want an error that names the program", err)
	}
}

// What the lockstep once found, shortened, stays mended.
func TestRegressions(t *testing.T) {
	dir := buildDir(t)
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no sequences", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			at, text, err := (Campaign{Build: dir}).Replay(t.Context(), f)
			if err != nil || at >= 0 {
				t.Errorf("differs in clock %d (-1: not), %v\n%s", at, err, text)
			}
		})
	}
}
