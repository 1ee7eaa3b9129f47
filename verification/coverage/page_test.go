package coverage

import (
	"strings"
	"testing"
)

func TestSections(t *testing.T) {
	page := withSection("", "RTL", "one\n")
	page = withSection(page, "Go", "two")
	page = withSection(page, "RTL", "three\n\n### part\n")
	if want := Title + "\n## RTL\n\nthree\n\n### part\n\n## Go\n\ntwo\n"; page != want {
		t.Errorf("%q, want %q", page, want)
	}
}

func TestTable(t *testing.T) {
	c := Counts{}
	if err := c.Read(strings.NewReader(sample)); err != nil {
		t.Fatal(err)
	}
	if got := c.Table(); !strings.Contains(got, "| `kv_skid` | 0 of 0 | 1 of 2 | 0 of 1 |\n| all | 0 of 0 | 1 of 2 | 0 of 1 |\n") {
		t.Errorf("%s", got)
	}
}

func TestStatements(t *testing.T) {
	got, err := Statements(strings.NewReader("ok  \tx.org/a\t0.1s\tcoverage: 81.5% of statements\n" +
		"ok  \tx.org/c\t0.1s\tcoverage: [no statements]\n\tx.org/b\t\tcoverage: 0.0% of statements\n?   \tx.org/d\t[no test files]\n"))
	if err != nil || len(got) != 2 || got[0] != (Package{"x.org/a", 81.5, false}) || got[1] != (Package{"x.org/b", 0, true}) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := Statements(strings.NewReader("FAIL\tx.org/a\t0.1s\n")); err == nil {
		t.Error("a failed package is taken")
	}
}
