package root

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
)

// sweepFile writes a sweep file of a few quick points and gives its path.
func sweepFile(t *testing.T, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "quick.yaml")
	text := "name: quick\ninputs: {trace: sample, prefix: 500}\npolicies: [full, qserve-4]\n" + more
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSweep(t *testing.T) {
	file := sweepFile(t, "engine: {lanes: [4, 8]}\n")
	dir := filepath.Dir(file)
	out := mustRun(t, "sweep", file, "--dry-run")
	for _, want := range []string{"qserve-4", "lanes=4", "lanes=8", "4 points, 4 different ones left"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "quick.db")); err == nil {
		t.Error("a dry run wrote results")
	}
	table := filepath.Join(dir, "quick.csv")
	out = mustRun(t, "sweep", file, "--program", "a", "--csv", table)
	for _, want := range []string{"qserve-4", "l4-d256", "2048.0", "4 points: 4 computed, 0 finished before, 0 failed", "quick.db"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if b, err := os.ReadFile(table); err != nil || strings.Count(string(b), "\n") != 5 {
		t.Errorf("CSV of %d bytes, %v", len(b), err)
	}
	var r struct {
		Summary map[string]int   `json:"summary"`
		Rows    []map[string]any `json:"rows"`
	}
	if err := json.Unmarshal([]byte(mustRun(t, "sweep", file, "--program", "a", "--json")), &r); err != nil {
		t.Fatal(err)
	}
	if r.Summary["finished_before"] != 4 || r.Summary["computed"] != 0 || len(r.Rows) != 4 || r.Rows[3]["control_recent"] == nil {
		t.Errorf("%v, %d rows", r.Summary, len(r.Rows))
	}
	if out := mustRun(t, "sweep", file, "--program", "b", "--dry-run"); !strings.Contains(out, "4 different ones left") {
		t.Errorf("another program takes over results:\n%s", out)
	}
}

func TestSweepMistakes(t *testing.T) {
	good := sweepFile(t, "")
	text := filepath.Join(t.TempDir(), "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database ", 200)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		word string
	}{
		{[]string{"sweep"}, cli.ExitUsage, "usage"},
		{[]string{"sweep", "none.yaml"}, cli.ExitNotFound, "none.yaml"},
		{[]string{"sweep", sweepFile(t, "budget: 3\n")}, cli.ExitUsage, `quick.yaml:4: a sweep has no key "budget"; there are about, budgets`},
		{[]string{"sweep", sweepFile(t, "engine: {lanes: 3}\n")}, cli.ExitUsage, "quick.yaml:4: engine"},
		{[]string{"sweep", good, "--workers", "-1"}, cli.ExitUsage, "--workers"},
		{[]string{"sweep", good, "-d", "none:", "-o", filepath.Join(t.TempDir(), "x.db")}, cli.ExitNotFound, `no driver for "none:"`},
		{[]string{"sweep", good, "-o", text}, cli.ExitOther, "not a usable file of sweep results"},
		{[]string{"sweep", good, "-o", filepath.Join(t.TempDir(), "no", "x.db")}, cli.ExitNotFound, "directory"},
		{[]string{"sweep", good, "--csv", filepath.Join(t.TempDir(), "no", "x.csv")}, cli.ExitNotFound, "x.csv"},
	} {
		_, errs, code := kvaccel(c.args...)
		if code != c.code || !strings.Contains(errs, c.word) {
			t.Errorf("kvaccel %s: exit %d, %q; want %d with %q", strings.Join(c.args, " "), code, errs, c.code, c.word)
		}
	}
}
