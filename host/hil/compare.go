package hil

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/kvaccel/kvaccel/driver"
)

// ErrReport says that a file is no report of a bench.
var ErrReport = errors.New("not a report of kvaccel bench --json")

// Change is a figure in two reports.
type Change struct {
	Name string  `json:"name"`
	Unit string  `json:"unit"`
	Old  float64 `json:"old"`
	New  float64 `json:"new"`

	// Exact figures are counted by the engine: any difference is one. Others are
	// measured and scatter.
	Exact bool   `json:"exact"`
	Only  string `json:"only,omitempty"` // "old" or "new": the other report does not have it
}

// Share is the growth from old to new as a share of old.
func (c Change) Share() float64 {
	if c.Old == 0 {
		return math.Inf(1)
	}
	return (c.New - c.Old) / c.Old
}

// Comparison is what changed from one report to another.
type Comparison struct {
	SchemaVersion int      `json:"schema_version"`
	Kind          string   `json:"kind"` // of both: "link" or "promises"
	Old           string   `json:"old"`  // what was measured
	New           string   `json:"new"`
	Differences   []string `json:"differences"` // of the conditions
	Changes       []Change `json:"changes"`
}

// figures is what Compare reads of a report of either kind.
type figures struct {
	Report
	Rows []struct {
		ID    string
		Unit  string
		Worst *struct{ Measured float64 }
	} `json:"rows"`
}

// Compare reads two reports that bench --json wrote, both with --link or both
// without.
func Compare(before, after io.Reader) (*Comparison, error) {
	var f [2]figures
	for i, r := range []io.Reader{before, after} {
		which := []string{"first", "second"}[i]
		if err := json.NewDecoder(r).Decode(&f[i]); err != nil {
			return nil, fmt.Errorf("%w: the %s file: %w", ErrReport, which, err)
		}
		if f[i].SchemaVersion != SchemaVersion {
			return nil, fmt.Errorf("%w: the %s file has schema version %d, want %d", ErrReport, which, f[i].SchemaVersion, SchemaVersion)
		}
		if f[i].Kind == "" && len(f[i].Rows) > 0 {
			f[i].Kind = "promises"
		}
		if f[i].Kind == "" {
			return nil, fmt.Errorf("%w: the %s file has no figures", ErrReport, which)
		}
	}
	if f[0].Kind != f[1].Kind {
		return nil, fmt.Errorf("%w: one file is of kind %q, the other %q", ErrReport, f[0].Kind, f[1].Kind)
	}
	c := &Comparison{SchemaVersion: SchemaVersion, Kind: f[0].Kind, Old: f[0].name(), New: f[1].name(), Differences: conditions(f[0], f[1]), Changes: []Change{}}
	old, now := f[0].list(), f[1].list()
	for _, o := range old {
		i := slices.IndexFunc(now, func(n Change) bool { return n.Name == o.Name && n.Unit == o.Unit })
		if i < 0 {
			o.Only = "old"
			c.Changes = append(c.Changes, o)
			continue
		}
		o.New = now[i].New
		c.Changes = append(c.Changes, o)
		now = slices.Delete(now, i, i+1)
	}
	for _, n := range now {
		n.Old, n.Only = 0, "new"
		c.Changes = append(c.Changes, n)
	}
	return c, nil
}

func (f figures) name() string {
	return fmt.Sprintf("%s (%s, build %#08x, %s)", f.Device.URI, f.Source, f.Device.BuildHash, f.Tool.Revision)
}

// conditions lists what was not the same in two measurements.
func conditions(a, b figures) []string {
	list := []string{}
	add := func(what string, x, y any) {
		if x != y {
			list = append(list, fmt.Sprintf("%s: %v, then %v", what, x, y))
		}
	}
	add("source", a.Source, b.Source)
	add("device", a.Device.URI, b.Device.URI)
	add("parameters", a.Device.Params, b.Device.Params)
	add("engine build", fmt.Sprintf("%#08x", a.Device.BuildHash), fmt.Sprintf("%#08x", b.Device.BuildHash))
	add("stated clock", a.Device.ClockHz, b.Device.ClockHz)
	add("program", a.Tool, b.Tool)
	add("set", a.Set, b.Set)
	return list
}

// list is every figure of a report, in New and Old.
func (f figures) list() (all []Change) {
	add := func(name, unit string, v float64, exact bool) {
		all = append(all, Change{Name: name, Unit: unit, Old: v, New: v, Exact: exact})
	}
	for _, l := range f.Latency {
		add("latency of a "+l.What, "us mean", l.Mean, false)
		add("latency of a "+l.What, "us p99", l.P99, false)
	}
	for _, t := range slices.Concat(f.Loopback, f.Oneway) {
		add(fmt.Sprintf("%s of %d bytes, depth %d", t.What, t.Size, t.Depth), "B/s", t.BytesRate, false)
	}
	for _, e := range f.Engine {
		add(e.Name, "cycles", float64(e.Cycles), true)
	}
	for _, r := range f.Rows {
		if r.Worst != nil {
			add(r.ID, r.Unit, r.Worst.Measured, true)
		}
	}
	return all
}

// Err wraps driver.ErrVerify if a figure that the engine counts is another on the
// same parameters.
func (c *Comparison) Err() error {
	for _, d := range c.Differences {
		if strings.HasPrefix(d, "parameters") {
			return nil
		}
	}
	for _, x := range c.Changes {
		if x.Exact && x.Only == "" && x.Old != x.New {
			return fmt.Errorf("%w: %s took %g %s and now takes %g", driver.ErrVerify, x.Name, x.Old, x.Unit, x.New)
		}
	}
	return nil
}

// WriteTable writes the comparison for people.
func (c *Comparison) WriteTable(out io.Writer) error {
	fmt.Fprintf(out, "old  %s\nnew  %s\n", c.Old, c.New)
	for _, d := range c.Differences {
		fmt.Fprintf(out, "     other %s\n", d)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\nfigure\tunit\told\tnew\tchange\t\n")
	for _, x := range c.Changes {
		change := fmt.Sprintf("%+.1f%%", 100*x.Share())
		switch {
		case x.Only != "":
			change = "only " + x.Only
		case x.Old == x.New:
			change = "="
		case x.Exact:
			change += "  CHANGED"
		}
		fmt.Fprintf(w, "%s\t%s\t%.5g\t%.5g\t%s\t\n", x.Name, x.Unit, x.Old, x.New, change)
	}
	return w.Flush()
}
