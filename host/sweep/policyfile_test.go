package sweep_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/sweep"
	"github.com/kvaccel/kvaccel/host/sweep/sweeptest"
)

const usesFile = "name: x\ninputs: {trace: sample, prefix: 500}\npolicies: [own/mine.yaml, {policy: own/mine.yaml, group: [32, 64], budgets: [40]}]\nbudgets: [30]\n"

// planBeside makes a plan of a sweep with a policy file beside it.
func planBeside(t *testing.T, text, mine string) (*sweep.Plan, error) {
	t.Helper()
	f, err := sweep.Read(sweeptest.Write(t, text, map[string][]byte{"own/mine.yaml": []byte(mine)}))
	if err != nil {
		return nil, err
	}
	return f.Plan(t.Context(), "emu:", "test")
}

// A policy file is a policy like others; what it says decides the key, so that an
// edited file is a new point, and a file that lies elsewhere or has new comments is not.
func TestPolicyFiles(t *testing.T) {
	first, err := planBeside(t, usesFile, "version: 1\npolicy: h2o+kivi-4\ndefaults: {lambda: 0.9}\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Points) != 3 {
		t.Fatalf("%d points", len(first.Points))
	}
	p := first.Points[0]
	if p.Label != "own/mine.yaml @30" || p.Family != "own/mine.yaml" || p.Policy.Lambda == nil || *p.Policy.Lambda != .9 || p.Policy.Kept(500) != 30 || p.Refused != "" {
		t.Errorf("%+v", p)
	}
	if q := first.Points[2]; q.Label != "own/mine.yaml group=64 @40" || q.Policy.Group != 64 || q.Policy.Kept(500) != 40 {
		t.Errorf("%+v", q)
	}
	same, err := planBeside(t, "# elsewhere\n"+usesFile, "# the same\nversion: 1\nname: other\ndefaults: {lambda: 0.90}\npolicy: h2o+kivi-4\n")
	if err != nil {
		t.Fatal(err)
	}
	edited, err := planBeside(t, usesFile, "version: 1\npolicy: h2o+kivi-4\ndefaults: {lambda: 0.8}\n")
	if err != nil {
		t.Fatal(err)
	}
	for i := range first.Keys {
		if first.Keys[i] != same.Keys[i] || first.Keys[i] == edited.Keys[i] {
			t.Errorf("point %d: keys %s, %s of the same settings, %s of others", i, first.Keys[i], same.Keys[i], edited.Keys[i])
		}
	}
}

// Rules decide the key too, and leave the sweep nothing to vary.
func TestPolicyFilesWithRules(t *testing.T) {
	const sweepText = "name: x\ninputs: {trace: sample, prefix: 500}\npolicies: [own/mine.yaml]\nbudgets: [30]\n"
	const rules = "version: 1\npolicy: h2o\nrules:\n- {layers: 1, set: {budget: 20}}\n"
	a, err := planBeside(t, sweepText, rules)
	if err != nil {
		t.Fatal(err)
	}
	b, err := planBeside(t, sweepText, strings.Replace(rules, "20", "21", 1))
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Points) != 1 || a.Points[0].Label != "own/mine.yaml" || len(a.Points[0].Policy.Rules) != 1 || a.Keys[0] == b.Keys[0] {
		t.Errorf("%+v", a.Points)
	}
	st := sweeptest.Store(t)
	if _, err := sweep.Run(t.Context(), a, st, sweep.Options{Open: sweeptest.OpenEmu}); err != nil {
		t.Fatal(err)
	}
	if r := sweeptest.Rows(t, st, "x"); len(r) != 1 || r[0].State != "done" || r[0].Kept != 88 { // three layers keep 50 + 50, one its last 50 alone
		t.Errorf("%+v", r)
	}
}

func TestPolicyFileMistakes(t *testing.T) {
	const good = "version: 1\npolicy: h2o\n"
	const rules = good + "rules:\n- {layers: 1, set: {budget: 20}}\n"
	head := "name: x\ninputs: {trace: sample}\npolicies:\n"
	for _, c := range []struct {
		name, text, mine string
		is               error
		want             []string
	}{
		{"none", head + "- own/none.yaml\n", good, fs.ErrNotExist, []string{"x.yaml:4", "none.yaml"}},
		{"mistake", head + "- h2o\n- own/mine.yaml\n", "version: 1\npolicy: h2o\ndefaults:\n  k-bit: 3\n", policy.ErrInvalid, []string{"x.yaml:5", "mine.yaml:4", "k-bit", "k-bits, v-bits"}},
		{"settings of rules", head + "- {policy: own/mine.yaml, group: 64}\n", rules, sweep.ErrFile, []string{"x.yaml:4", "own/mine.yaml has rules"}},
		{"budgets of rules", head + "- {policy: own/mine.yaml, budgets: [64]}\n", rules, sweep.ErrFile, []string{"x.yaml:4", "own/mine.yaml has rules"}},
		{"below 0", head + "- {policy: own/mine.yaml, recent: -4}\n", good, sweep.ErrFile, []string{"x.yaml:4", "recent", `"-4"`}},
		{"ceiling", head + "- {policy: ladder, ceiling: 3x}\n", good, sweep.ErrFile, []string{"x.yaml:4", "ceiling", `"3x"`, "180KiB"}},
	} {
		_, err := planBeside(t, c.text, c.mine)
		if !errors.Is(err, sweep.ErrFile) || !errors.Is(err, c.is) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: no %q in %q", c.name, w, err)
			}
		}
	}
}
