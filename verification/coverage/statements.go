package coverage

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Package is how much of a Go package its own tests run.
type Package struct {
	Path       string
	Statements float64 // in percent
	NoTests    bool    // it has none of its own
}

var covered = regexp.MustCompile(`^(ok)?\s*(\S+)\s.*coverage: ([\d.]+)% of statements`)

// Statements reads what `go test -cover` prints, the least covered package first and
// those without tests at the end. Packages without statements are left out; one that
// failed is an error.
func Statements(r io.Reader) ([]Package, error) {
	var out []Package
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "FAIL") || strings.HasPrefix(line, "---") {
			return nil, fmt.Errorf("a test failed: %s", line)
		}
		m := covered.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		share, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			return nil, fmt.Errorf("no share of statements: %q", line)
		}
		out = append(out, Package{m[2], share, m[1] == ""})
	}
	slices.SortFunc(out, func(a, b Package) int {
		if a.NoTests != b.NoTests {
			return map[bool]int{false: -1, true: 1}[a.NoTests]
		}
		return cmp.Or(cmp.Compare(a.Statements, b.Statements), cmp.Compare(a.Path, b.Path))
	})
	return out, lines.Err()
}
