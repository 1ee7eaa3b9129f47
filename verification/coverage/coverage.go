// Package coverage says which lines, branches and signal bits of the Verilog the
// lockstep has seen at work.
//
// Verilator counts them in an engine built with --coverage; each process leaves a
// file, and this package adds the files up. A point is the same in every instance and
// every parameter set of its module: once anywhere is enough. Points that cannot be
// hit are listed with the reason in holes.json; a line or a branch that is not listed is
// an error.
package coverage

import (
	"bufio"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Point is one thing that can be covered.
type Point struct {
	Kind   string // line, branch or toggle
	Module string
	File   string
	Line   int
	Column int
	What   string // the arm of a branch, or the bit of a signal
}

func (p Point) String() string {
	return fmt.Sprintf("%s:%d: %s %s", filepath.Base(p.File), p.Line, p.Kind, p.What)
}

// Counts is how often each point was hit.
type Counts map[Point]uint64

// startChanges bounds how often a module stands in an engine. What is never reset
// starts with a random value, and Verilator takes the step from there to the first
// real one for a change, in every instance: so many changes of a bit do not count.
const startChanges = 64

// Read adds a file as Verilator 5 writes it.
func (c Counts) Read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() || lines.Text() != "# SystemC::Coverage-3" {
		return fmt.Errorf("not a coverage file of Verilator 5: %q", lines.Text())
	}
	for lines.Scan() {
		p, n, err := parse(lines.Text())
		if err != nil {
			return err
		}
		if p.Kind == "toggle" {
			n -= min(n, startChanges)
		}
		if p.Kind != "" {
			c[p] += n
		}
	}
	return lines.Err()
}

// parse reads C '\x01key\x02value...' count. A line of another kind has no point.
func parse(line string) (p Point, n uint64, err error) {
	body, ok := strings.CutPrefix(line, "C '")
	end := strings.LastIndex(body, "' ")
	if !ok || end < 0 {
		return p, 0, fmt.Errorf("a line that is no count: %q", line)
	}
	if n, err = strconv.ParseUint(body[end+2:], 10, 64); err != nil {
		return p, 0, fmt.Errorf("a line that ends with no count: %q", line)
	}
	for _, field := range strings.Split(body[:end], "\x01") {
		key, value, _ := strings.Cut(field, "\x02")
		switch key {
		case "f":
			p.File = value
		case "l":
			p.Line, err = strconv.Atoi(value)
		case "n":
			p.Column, err = strconv.Atoi(value)
		case "o":
			p.What = value
		case "page":
			kind, module, _ := strings.Cut(strings.TrimPrefix(value, "v_"), "/")
			module, _, _ = strings.Cut(module, "__")
			p.Kind, p.Module = kind, module
		}
		if err != nil {
			return p, 0, fmt.Errorf("%s is no number in %q", key, line)
		}
	}
	return p, n, nil
}

// ReadDir adds all files of a directory.
func (c Counts) ReadDir(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.dat"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no coverage in %s (%v)", dir, err)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		err = c.Read(f)
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// Kinds are the kinds of points, in the order of the report.
var Kinds = []string{"line", "branch", "toggle"}

// Module is the coverage of one module: per kind, points hit and points in all.
type Module struct {
	Name     string
	Hit, All map[string]int
}

// Modules sums up by module, the harness left out.
func (c Counts) Modules() []Module {
	byName := map[string]*Module{}
	for p, n := range c {
		if p.Module == "kv_tap" {
			continue
		}
		m := byName[p.Module]
		if m == nil {
			m = &Module{p.Module, map[string]int{}, map[string]int{}}
			byName[p.Module] = m
		}
		m.All[p.Kind]++
		if n > 0 {
			m.Hit[p.Kind]++
		}
	}
	var out []Module
	for _, m := range byName {
		out = append(out, *m)
	}
	slices.SortFunc(out, func(a, b Module) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Holes are the lines and branches never hit, in the order of the sources. Bits that
// never changed are counted but no holes: most are bits of constants, of wide header
// words and of counters for which no run is long enough.
func (c Counts) Holes() []Point {
	var out []Point
	for p, n := range c {
		if n == 0 && p.Kind != "toggle" && p.Module != "kv_tap" {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b Point) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.What, b.What))
	})
	return out
}

//go:embed holes.json
var holesJSON []byte

// Reason explains holes.
type Reason struct {
	File  string `json:"file"`            // base name of the source; a pattern of filepath.Match
	Kind  string `json:"kind,omitempty"`  // line or branch; empty: any
	Match string `json:"match,omitempty"` // expression that the line's text, a tab and What must match
	Why   string `json:"why"`

	match *regexp.Regexp
}

// Reasons reads holes.json.
func Reasons() ([]Reason, error) {
	var rs []Reason
	if err := json.Unmarshal(holesJSON, &rs); err != nil {
		return nil, fmt.Errorf("holes.json: %w", err)
	}
	for i := range rs {
		var err error
		if rs[i].match, err = regexp.Compile(rs[i].Match); err != nil {
			return nil, fmt.Errorf("holes.json: %w", err)
		}
		if rs[i].Why == "" {
			return nil, fmt.Errorf("holes.json: %s %q gives no reason", rs[i].File, rs[i].Match)
		}
	}
	return rs, nil
}

// Explain is the index of the first reason that covers a hole, -1 if none does.
// line is the text of the hole's line.
func Explain(rs []Reason, p Point, line string) int {
	return slices.IndexFunc(rs, func(r Reason) bool {
		ok, _ := filepath.Match(r.File, filepath.Base(p.File))
		return ok && (r.Kind == "" || r.Kind == p.Kind) && r.match.MatchString(strings.TrimSpace(line)+"\t"+p.What)
	})
}
