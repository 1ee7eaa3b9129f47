// Package report makes of a sweep's results what can be read by someone who was
// not there: fronts of quality, bytes, cycles and area, as one page that needs nothing beside
// itself, and as pictures.
package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/sweep"
)

// ErrNothing says that there are no results to report.
var ErrNothing = errors.New("nothing to report")

// Report is everything on the page.
type Report struct {
	Title    string
	Sections []Section
	Engines  []Engine
	Boards   string // the areas go by

	taken map[string]bool // names of figures
}

// unused gives a figure a name that no other one has.
func (r *Report) unused(name string) string {
	if r.taken == nil {
		r.taken = map[string]bool{}
	}
	free := name
	for n := 2; r.taken[free]; n++ {
		free = fmt.Sprintf("%s-%d", name, n)
	}
	r.taken[free] = true
	return free
}

// Section is one sweep.
type Section struct {
	sweep.Info
	Finished, Failed, Missing int
	Inputs                    []Input
	Failures                  []Failure
}

// Failure is a point that has an error instead of figures.
type Failure struct{ Input, Label, Engine, Error string }

// Input is what one trace, or one model on one text, came to.
type Input struct {
	sweep.Input
	Model   bool
	Files   []sweep.Blob
	Lines   []Line
	Short   []string // what stands out, as sentences
	Figures []Figure
}

// Line is one point.
type Line struct {
	sweep.Row
	Engine  string
	Class   Class
	Number  int  // on the front of bytes and loss, counted from the smallest; 0: not on it
	Front   bool // on the front of bytes, loss, cycles and area
	Area    Area
	Micros  float64 // microseconds a token at the engine's clock on the FPGA; 0: not known
	Limit   float64 // memory bandwidth in MB/s up to which restoring beats reading fp16 rows; 0: not known, or nothing to restore
	Best    float64 // loss of the best control
	HasBest bool
	Beats   bool // better than every control at equal bytes
}

// Class is what a policy does.
type Class string

// The classes.
const (
	Whole     Class = "full cache"
	Quantizes Class = "quantizes"
	Evicts    Class = "evicts"
	Both      Class = "evicts and quantizes"
)

func classOf(p sweep.Point) Class {
	under := p.Policy.Ceiling != nil
	switch e, q := p.Policy.Evicts() || under, p.Policy.Quantizes() || p.Policy.Tiers != nil || under; {
	case e && q:
		return Both
	case e:
		return Evicts
	case q:
		return Quantizes
	}
	return Whole
}

// Engine is one build that points were computed on.
type Engine struct {
	Name     string
	Params   regmap.Params
	Features uint32
	Area     Area
}

func engineName(p regmap.Params) string {
	return fmt.Sprintf("l%d-d%d-t%d-n%d", p.Lanes, p.MaxDim, p.TileTokens, p.MaxTokens)
}

// Build reads the sweeps of a store: those named, or all.
func Build(ctx context.Context, st *sweep.Store, table *Table, names []string) (*Report, error) {
	infos, err := st.Sweeps(ctx)
	if err != nil {
		return nil, err
	}
	r := &Report{Boards: table.Boards()}
	var have []string
	for _, info := range infos {
		have = append(have, info.Name)
		if len(names) > 0 && !slices.Contains(names, info.Name) {
			continue
		}
		s, err := r.section(ctx, st, table, info)
		if err != nil {
			return nil, err
		}
		r.Sections = append(r.Sections, s)
	}
	for _, n := range names {
		if !slices.Contains(have, n) {
			return nil, fmt.Errorf("%w: no sweep is called %q; there are %s", ErrNothing, n, strings.Join(have, ", "))
		}
	}
	if len(r.Sections) == 0 {
		return nil, fmt.Errorf("%w: there are no sweeps", ErrNothing)
	}
	r.Title = r.Sections[0].Name
	if len(r.Sections) > 1 {
		r.Title = fmt.Sprintf("%d sweeps", len(r.Sections))
	}
	return r, nil
}

func (r *Report) section(ctx context.Context, st *sweep.Store, table *Table, info sweep.Info) (Section, error) {
	s := Section{Info: info}
	points, err := st.Points(ctx, info.Name)
	if err != nil {
		return s, err
	}
	rows, err := st.Rows(ctx, info.Name)
	if err != nil {
		return s, err
	}
	s.Missing = len(points) - len(rows)
	byInput := map[string]*Input{}
	var order []string
	for _, row := range rows {
		if row.Place >= len(points) {
			return s, fmt.Errorf("%w: sweep %s has no point %d", sweep.ErrStore, info.Name, row.Place)
		}
		p := points[row.Place]
		if row.Failed() {
			s.Failed++
			s.Failures = append(s.Failures, Failure{row.Input, row.Label, p.Device, row.Error})
			continue
		}
		s.Finished++
		in, ok := byInput[row.Input]
		if !ok {
			in = &Input{Input: p.Input, Model: p.Input.Kind == sweep.Model, Files: p.Input.Blobs()}
			byInput[row.Input] = in
			order = append(order, row.Input)
		}
		in.Lines = append(in.Lines, r.line(table, row, p))
	}
	if s.Finished == 0 {
		return s, fmt.Errorf("%w: no point of sweep %s is finished", ErrNothing, info.Name)
	}
	for _, name := range order {
		in := byInput[name]
		in.mark()
		in.Short = in.sentences()
		if in.Figures, err = in.draw(); err != nil {
			return s, fmt.Errorf("figures of %s: %w", name, err)
		}
		for i := range in.Figures {
			in.Figures[i].Name = r.unused(slug(info.Name) + "-" + in.Figures[i].Name)
		}
		s.Inputs = append(s.Inputs, *in)
	}
	return s, nil
}

// line puts a row, its engine and its controls together.
func (r *Report) line(table *Table, row sweep.Row, p sweep.Point) Line {
	params, features := row.Device.Params, row.Device.Features
	l := Line{Row: row, Engine: engineName(params), Class: classOf(p)}
	i := slices.IndexFunc(r.Engines, func(e Engine) bool { return e.Params == params && e.Features == features })
	if i < 0 {
		i = len(r.Engines)
		r.Engines = append(r.Engines, Engine{engineName(params), params, features, table.Of(params, features)})
	}
	l.Area = r.Engines[i].Area
	if l.Area.MHz > 0 {
		l.Micros = row.CyclesPerToken / l.Area.MHz
		if t := l.restore(); t > 0 {
			l.Limit = l.fullBytes() / t
		}
	}
	for _, c := range []*float64{row.ControlRandom, row.ControlRecent, row.ControlStreaming} {
		if c != nil && (!l.HasBest || *c < l.Best) {
			l.Best, l.HasBest = *c, true
		}
	}
	l.Beats = l.HasBest && row.Loss < l.Best
	return l
}

// restore is how long the engine takes to restore the cache of a trace once, in
// microseconds for each of its positions.
func (l Line) restore() float64 {
	if l.Kind != sweep.Fidelity || l.Area.MHz == 0 {
		return 0
	}
	return l.DequantizeCycles / l.Area.MHz
}

// fullBytes is what a position takes as fp16.
func (l Line) fullBytes() float64 { return l.BytesPerToken / l.Share }

// mark finds the fronts: of bytes and loss, where the engine does not matter, and
// of everything.
func (in *Input) mark() {
	var flat, deep [][]float64
	for _, l := range in.Lines {
		flat = append(flat, []float64{l.BytesPerToken, l.Loss})
		deep = append(deep, []float64{l.BytesPerToken, l.Loss, l.CyclesPerToken, l.Area.LUT})
	}
	onFlat, onDeep := front(flat), front(deep)
	labels := []string{}
	byBytes := make([]int, len(in.Lines))
	for i := range byBytes {
		byBytes[i] = i
		in.Lines[i].Front = onDeep[i]
	}
	slices.SortStableFunc(byBytes, func(a, b int) int { return compare(flat[a], flat[b]) })
	for _, i := range byBytes {
		if !onFlat[i] {
			continue
		}
		n := slices.Index(labels, in.Lines[i].Label)
		if n < 0 {
			n = len(labels)
			labels = append(labels, in.Lines[i].Label)
		}
		in.Lines[i].Number = n + 1
	}
}

func compare(a, b []float64) int { return slices.Compare(a, b) }

// Distinct lists one line for each policy: those of the first engine.
func (in *Input) Distinct() (out []Line) {
	seen := map[string]bool{}
	for _, l := range in.Lines {
		if !seen[l.Label] {
			seen[l.Label] = true
			out = append(out, l)
		}
	}
	return out
}

// OnFront lists the front of bytes and loss, smallest first.
func (in *Input) OnFront() (out []Line) {
	for _, l := range in.Distinct() {
		if l.Number > 0 {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b Line) int { return a.Number - b.Number })
	return out
}
