package sweep

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kvaccel/kvaccel/host/policy"
)

// File is a sweep as it is written: everything in it is combined with
// everything else.
type File struct {
	Name     string // also the name of the sweep in the results
	About    string // for the report: what was asked
	Inputs   []Source
	Policies []Choice
	Budgets  []Budget // empty: as the policies have them
	Device   string   // URI of the engine; empty: as the caller says
	Engine   []Setting
	Text     string // the file itself
	path     string
}

// Source is a trace, or a model and a text.
type Source struct {
	Name                   string
	Trace, Model, Text     string // paths; a trace may be "sample"
	Prefixes               []int  // empty: the default
	Window, Chunk, Windows int
	Block, Needles         int // Needles < 0: none
	Seed                   int
	line                   int
	given                  []string
}

// Choice is a policy and settings that take the place of its own.
type Choice struct {
	Policy   string // a name, or a policy file relative to the sweep's
	Settings []Setting
	Budgets  []Budget // empty: those of the file
	base     policy.Policy
	line     int
}

// Setting is one thing that is varied and the values it takes.
type Setting struct {
	Key    string
	Values []string
	line   int
}

// Budget is how many positions a policy keeps that evicts.
type Budget struct {
	Text    string
	n       int
	percent float64
}

// Of is the budget for a prefix of n positions.
func (b Budget) Of(n int) int {
	if b.percent > 0 {
		return int(b.percent * float64(n) / 100)
	}
	return b.n
}

// ParseBudget reads a number of positions, or a share of the prefix such as
// 12.5%.
func ParseBudget(s string) (Budget, error) {
	if share, ok := strings.CutSuffix(s, "%"); ok {
		f, err := strconv.ParseFloat(share, 64)
		if err == nil && f > 0 && f <= 100 {
			return Budget{Text: s, percent: f}, nil
		}
	} else if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return Budget{Text: s, n: n}, nil
	}
	return Budget{}, fmt.Errorf("budget is %q, want a number of positions, or a share of the prefix such as 10%%", s)
}

// maxFile is more than any sweep that a person wrote.
const maxFile = 1 << 20

// nameRule keeps names usable as file names and as subjects of a queue.
var nameRule = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// Read reads the sweep file at path. It fails with ErrFile, naming the line.
func Read(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	return Parse(path, text)
}

// Parse reads the text of a sweep file; paths in it are relative to path.
func Parse(path string, text []byte) (*File, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("%w: %s: more than %d bytes", ErrFile, path, maxFile)
	}
	root, err := parse(path, text)
	if err != nil {
		return nil, err
	}
	f := &File{Text: string(text), path: path}
	err = root.fields("a sweep", map[string]func(node) error{
		"name": textInto("name", &f.Name), "about": textInto("about", &f.About),
		"inputs": f.readInputs, "policies": f.readPolicies, "engine": f.readEngine,
		"budgets": func(n node) (err error) { f.Budgets, err = budgets(n); return err },
	})
	if err != nil {
		return nil, err
	}
	switch {
	case !nameRule.MatchString(f.Name):
		return nil, root.fail("name is %q, want letters, digits, - and _, at most 64", f.Name)
	case len(f.Inputs) == 0:
		return nil, root.fail("there are no inputs: traces, or models with texts")
	case len(f.Policies) == 0:
		return nil, root.fail("there are no policies")
	}
	return f, nil
}

func (f *File) readInputs(n node) error {
	for _, e := range n.list() {
		s := Source{line: e.Line}
		read := map[string]func(node) error{
			"name": textInto("name", &s.Name), "trace": textInto("trace", &s.Trace), "model": textInto("model", &s.Model), "text": textInto("text", &s.Text),
			"prefix": func(n node) error {
				for _, p := range n.list() {
					v, err := p.number("prefix", 1)
					if err != nil {
						return err
					}
					s.Prefixes = append(s.Prefixes, v)
				}
				return nil
			},
			"window": numberInto("window", 4, &s.Window), "chunk": numberInto("chunk", 1, &s.Chunk), "windows": numberInto("windows", 1, &s.Windows),
			"block": numberInto("block", 1, &s.Block), "needles": numberInto("needles", 0, &s.Needles), "seed": numberInto("seed", 0, &s.Seed),
		}
		for key, inner := range read {
			read[key] = func(n node) error { s.given = append(s.given, key); return inner(n) }
		}
		if err := e.fields("an input", read); err != nil {
			return err
		}
		if err := s.check(e); err != nil {
			return err
		}
		f.Inputs = append(f.Inputs, s)
	}
	return nil
}

// check refuses an input that is neither a trace nor a model with a text.
func (s *Source) check(n node) error {
	switch {
	case (s.Trace != "") == (s.Model != "" || s.Text != ""):
		return n.fail("an input is either trace, or model and text")
	case s.Trace == "" && (s.Model == "" || s.Text == ""):
		return n.fail("model and text go together")
	}
	if s.Trace == "" {
		return nil
	}
	for _, key := range []string{"window", "chunk", "windows", "block", "needles", "seed"} {
		if slices.Contains(s.given, key) {
			return n.fail("%s is for a model; an input that is a trace has name, prefix and trace", key)
		}
	}
	return nil
}

func budgets(n node) (out []Budget, err error) {
	for _, e := range n.list() {
		text, err := e.text("budget")
		if err != nil {
			return nil, err
		}
		b, err := ParseBudget(text)
		if err != nil {
			return nil, e.fail("%v", err)
		}
		out = append(out, b)
	}
	return out, nil
}

func (f *File) readPolicies(n node) error {
	for _, e := range n.list() {
		c := Choice{line: e.Line}
		if e.Value != "" {
			c.Policy = e.Value
		} else if err := c.read(e); err != nil {
			return err
		}
		if err := f.load(&c, e); err != nil {
			return err
		}
		f.Policies = append(f.Policies, c)
	}
	return nil
}

// load gets the policy of a choice. What a file says, and not where it lies, is part
// of a point's key.
func (f *File) load(c *Choice, n node) (err error) {
	name := c.Policy
	if policy.IsFile(name) {
		name = f.file(name)
	}
	if c.base, err = policy.Load(name); err != nil {
		return n.failWith(err)
	}
	if len(c.base.Rules) > 0 && len(c.Settings)+len(c.Budgets) > 0 {
		return n.fail("%s has rules for layers and heads: it takes no settings and budgets here, which could not say what they change", c.Policy)
	}
	return nil
}

// failWith reports a mistake that another package found.
func (n node) failWith(err error) error {
	if errors.Is(err, ErrFile) {
		return err
	}
	return fmt.Errorf("%w: %s:%d: %w", ErrFile, n.file, n.Line, err)
}

// read reads a policy that has settings of its own.
func (c *Choice) read(n node) error {
	keys := map[string]func(node) error{
		"policy":  textInto("policy", &c.Policy),
		"budgets": func(n node) (err error) { c.Budgets, err = budgets(n); return err },
	}
	for key := range overrides {
		keys[key] = func(n node) error {
			s, err := setting(key, n)
			if err != nil {
				return err
			}
			for i, v := range s.Values {
				var o policy.Override
				if err := overrides[key](v, &o); err != nil {
					return n.list()[i].fail("%s: %v", key, err)
				}
			}
			c.Settings = append(c.Settings, s)
			return nil
		}
	}
	if err := n.fields("a policy", keys); err != nil {
		return err
	}
	if c.Policy == "" {
		return n.fail("a policy with settings needs the key policy: a name such as kivi-4, or full, or a policy file")
	}
	return nil
}

func (f *File) readEngine(n node) error {
	keys := map[string]func(node) error{"device": textInto("device", &f.Device)}
	for _, key := range engineKeys() {
		keys[key] = func(n node) error {
			s, err := setting(key, n)
			f.Engine = append(f.Engine, s)
			return err
		}
	}
	return n.fields("an engine", keys)
}

// setting reads one value, or a list of them.
func setting(key string, n node) (Setting, error) {
	s := Setting{Key: key, line: n.Line}
	for _, e := range n.list() {
		v, err := e.text(key)
		if err != nil {
			return s, err
		}
		if slices.Contains(s.Values, v) {
			return s, e.fail("%s has the value %s twice", key, v)
		}
		s.Values = append(s.Values, v)
	}
	if len(s.Values) == 0 {
		return s, n.fail("%s has no values", key)
	}
	return s, nil
}
