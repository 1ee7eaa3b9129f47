package root

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
)

func TestReport(t *testing.T) {
	file := sweepFile(t, "")
	dir := filepath.Dir(file)
	db := filepath.Join(dir, "quick.db")
	mustRun(t, "sweep", file)
	page := filepath.Join(dir, "page.html")
	out := mustRun(t, "report", db, "-o", page)
	for _, want := range []string{"quick: 2 points finished, 0 failed", "sample:golm-512", "On the front", page} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if b, err := os.ReadFile(page); err != nil || !strings.Contains(string(b), "qserve-4") {
		t.Errorf("page of %d bytes, %v", len(b), err)
	}
	var r struct {
		Sweeps []struct {
			Name   string
			Inputs []struct{ Front []string }
		}
	}
	if err := json.Unmarshal([]byte(mustRun(t, "report", db, "-o", filepath.Join(dir, "pages"), "--json")), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Sweeps) != 1 || len(r.Sweeps[0].Inputs) != 1 || len(r.Sweeps[0].Inputs[0].Front) == 0 {
		t.Errorf("%+v", r)
	}
	if list, err := filepath.Glob(filepath.Join(dir, "pages", "*")); err != nil || len(list) != 3 {
		t.Errorf("%v, %v; want the page and one figure in two formats", list, err)
	}
	for _, c := range []struct {
		args []string
		code int
		word string
	}{
		{[]string{"report", db}, cli.ExitUsage, "-o is missing"},
		{[]string{"report", filepath.Join(dir, "none.db"), "-o", page}, cli.ExitNotFound, "none.db"},
		{[]string{"report", file, "-o", page}, cli.ExitOther, "not a usable file of sweep results"},
		{[]string{"report", db, "-o", page, "--sweep", "other"}, cli.ExitUsage, `no sweep is called "other"; there are quick`},
		{[]string{"report", db, "-o", filepath.Join(dir, "no", "page.html")}, cli.ExitNotFound, "page.html"},
	} {
		_, errs, code := kvaccel(c.args...)
		if code != c.code || !strings.Contains(errs, c.word) {
			t.Errorf("kvaccel %s: exit %d, %q; want %d with %q", strings.Join(c.args, " "), code, errs, c.code, c.word)
		}
	}
}
