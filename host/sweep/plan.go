package sweep

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/host/eval"
	"github.com/kvaccel/kvaccel/host/policy"
)

// Plan is a sweep, ready to be run: its points in order, each with its key.
type Plan struct {
	Name, About, Text string
	Program           string // version that stands in the keys
	Points            []Point
	Keys              []string // of the points; equal ones are computed once
	heads             int      // most of an input
}

// maxPoints keeps a slip of the pen from planning for a year.
const maxPoints = 100_000

// Plan combines everything in the file. device is the engine's URI where the file
// names none, program what stands in the keys for this program's version.
func (f *File) Plan(ctx context.Context, device, program string) (*Plan, error) {
	engines, err := f.engines(device)
	if err != nil {
		return nil, err
	}
	p := &Plan{Name: f.Name, About: f.About, Text: f.Text, Program: program}
	var inputs []Input
	for _, s := range f.Inputs {
		list, err := f.inputs(ctx, s)
		if err != nil {
			return nil, err
		}
		for _, in := range list {
			if slices.ContainsFunc(inputs, func(o Input) bool { return o.Name == in.Name }) {
				return nil, fmt.Errorf("%w: %s:%d: two inputs are called %s; name tells them apart", ErrFile, f.path, s.line, in.Name)
			}
			inputs = append(inputs, in)
		}
	}
	for _, in := range inputs {
		p.heads = max(p.heads, in.heads)
		for _, e := range engines {
			for _, c := range f.Policies {
				if err := f.add(p, in, e, c); err != nil {
					return nil, err
				}
			}
		}
	}
	for _, pt := range p.Points {
		p.Keys = append(p.Keys, pt.Key(program))
	}
	return p, nil
}

// engines gives the URI of every engine.
func (f *File) engines(device string) ([]string, error) {
	if f.Device != "" {
		device = f.Device
	}
	uri, err := driver.ParseURI(device)
	if err != nil {
		return nil, err
	}
	var out []string
	for values := range product(f.Engine) {
		set, line := map[string]string{}, 0
		for i, s := range f.Engine {
			set[s.Key], line = values[i], s.line
		}
		e, err := canonical(uri, set)
		if err != nil {
			if line > 0 {
				return nil, fmt.Errorf("%w: %s:%d: engine: %w", ErrFile, f.path, line, err)
			}
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// product gives every combination of the values of settings; of none, one
// empty combination.
func product(settings []Setting) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		at := make([]int, len(settings))
		for {
			values := make([]string, len(settings))
			for i, s := range settings {
				values[i] = s.Values[at[i]]
			}
			if !yield(values) {
				return
			}
			i := len(at) - 1
			for ; i >= 0; i-- {
				if at[i]++; at[i] < len(settings[i].Values) {
					break
				}
				at[i] = 0
			}
			if i < 0 {
				return
			}
		}
	}
}

// add adds the points of one policy on one engine and input.
func (f *File) add(p *Plan, in Input, engine string, c Choice) error {
	budgets := c.Budgets
	if len(budgets) == 0 && len(c.base.Rules) == 0 {
		budgets = f.Budgets
	}
	for values := range product(c.Settings) {
		label := []string{c.Policy}
		var o policy.Override
		for i, s := range c.Settings {
			if err := overrides[s.Key](values[i], &o); err != nil {
				return err
			}
			label = append(label, s.Key+"="+values[i])
		}
		pt := Point{Input: in, Device: engine, Family: c.Policy, Label: strings.Join(label, " "), Policy: c.base.With(o)}
		if !pt.Policy.Evicts() || len(budgets) == 0 {
			p.Points = append(p.Points, pt.resolve(nil))
		} else {
			for i := range budgets {
				p.Points = append(p.Points, pt.resolve(&budgets[i]))
			}
		}
		if len(p.Points) > maxPoints {
			return fmt.Errorf("%w: %s: more than %d points", ErrFile, f.path, maxPoints)
		}
	}
	return nil
}

// resolve fixes the policy of a point. Combinations that make no policy stay in the
// sweep, refused, so that the table has no holes.
func (p Point) resolve(b *Budget) Point {
	pol := p.Policy.Resolve(p.Input.Prefix)
	err := p.Policy.Validate()
	if err == nil && b != nil {
		p.Budget = b.Text
		p.Label += " @" + b.Text
		pol, err = eval.WithBudget(p.Policy, b.Of(p.Input.Prefix), p.Input.Prefix)
	}
	if err != nil {
		p.Refused = err.Error()
	}
	p.Policy = pol
	p.Policy.Name = p.Label
	return p
}

// Unique lists one point for each key, in order.
func (p *Plan) Unique() []int {
	var out []int
	seen := map[string]bool{}
	for i, k := range p.Keys {
		if !seen[k] {
			seen[k] = true
			out = append(out, i)
		}
	}
	return out
}
