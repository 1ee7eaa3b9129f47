package policy

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Rule changes settings for some layers and heads.
type Rule struct {
	Layers Ranges   `json:"layers,omitempty"` // of the model, from 0 on; empty: all
	Heads  Ranges   `json:"heads,omitempty"`  // key-value heads of a layer, from 0 on; empty: all
	Set    Override `json:"set"`
}

// Ranges are numbers from First to Last, both included. As text: "0-3,7".
type Ranges []Range

// Range is one run of numbers.
type Range struct{ First, Last int }

// maxRange bounds the numbers that ranges name, so that a mistake cannot
// overflow.
const maxRange = 1 << 20

// ParseRanges reads "0-3,7", or "all" for none.
func ParseRanges(s string) (Ranges, error) {
	if s == "all" {
		return nil, nil
	}
	var r Ranges
	for _, part := range strings.Split(s, ",") {
		first, last, span := strings.Cut(strings.TrimSpace(part), "-")
		a, err := strconv.Atoi(first)
		b := a
		if err == nil && span {
			b, err = strconv.Atoi(last)
		}
		if err != nil || a < 0 || b < a || b > maxRange {
			return nil, bad("%q is no list of numbers and ranges such as 0-3,7, nor all", s)
		}
		r = append(r, Range{a, b})
	}
	return r, nil
}

// String is what [ParseRanges] reads.
func (r Ranges) String() string {
	if len(r) == 0 {
		return "all"
	}
	parts := make([]string, len(r))
	for i, x := range r {
		parts[i] = strconv.Itoa(x.First)
		if x.Last != x.First {
			parts[i] += "-" + strconv.Itoa(x.Last)
		}
	}
	return strings.Join(parts, ",")
}

// MarshalText implements encoding.TextMarshaler.
func (r Ranges) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Ranges) UnmarshalText(b []byte) (err error) {
	*r, err = ParseRanges(string(b))
	return err
}

// has reports whether i is one of the numbers.
func (r Ranges) has(i int) bool {
	return len(r) == 0 || slices.ContainsFunc(r, func(x Range) bool { return x.First <= i && i <= x.Last })
}

// last is the largest number.
func (r Ranges) last() int {
	last := 0
	for _, x := range r {
		last = max(last, x.Last)
	}
	return last
}

func (r Rule) check() error {
	for _, x := range slices.Concat(r.Layers, r.Heads) {
		if x.First < 0 || x.Last < x.First || x.Last > maxRange {
			return bad("%d to %d is no range of layers or heads", x.First, x.Last)
		}
	}
	if r.Set.Pyramid != nil || r.Set.Adaptive != nil || r.Set.Shared != nil || r.Set.Ceiling != nil {
		return bad("pyramid, adaptive, shared and ceiling are settings of the whole model: a rule cannot set them")
	}
	if r.Set.Format != nil {
		return bad("format is that of all rows: a rule cannot set it")
	}
	return nil
}

// At gives the policy of one head: the rules that name it applied, and none
// left.
func (p Policy) At(layer, head int) Policy {
	rules := p.Rules
	p.Rules = nil
	for _, r := range rules {
		if r.Layers.has(layer) && r.Heads.has(head) {
			p = p.With(r.Set)
		}
	}
	return p
}

// Heads gives the policy of every head of a model by layer and head, resolved
// for a prefix of n positions. It fails with ErrInvalid if a rule names what the model
// has not, or makes a policy that no engine could follow.
func (p Policy) Heads(n, layers, heads int) ([][]Policy, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	for i, r := range p.Rules {
		if r.Layers.last() >= layers || r.Heads.last() >= heads {
			return nil, bad("rule %d is for layers %v and heads %v; the model has layers 0 to %d and key-value heads 0 to %d", i+1, r.Layers, r.Heads, layers-1, heads-1)
		}
	}
	out := make([][]Policy, layers)
	for l := range out {
		for h := range heads {
			q := p.At(l, h)
			if err := q.Validate(); err != nil {
				return nil, fmt.Errorf("layer %d head %d: %w", l, h, err)
			}
			q = q.Resolve(n)
			if err := q.CheckBudgets(n); err != nil {
				return nil, fmt.Errorf("layer %d head %d: %w", l, h, err)
			}
			out[l] = append(out[l], q.inPyramid(n, l, layers))
		}
		if err := p.checkLayer(l, out[l]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// checkLayer reports heads that are to choose together and do not agree how.
func (p Policy) checkLayer(l int, heads []Policy) error {
	if !p.Shared && p.Adaptive == nil {
		return nil
	}
	what := "shared"
	if p.Adaptive != nil {
		what = "adaptive"
	}
	for h, q := range heads {
		if !reflect.DeepEqual(q.choice(), heads[0].choice()) {
			return bad("layer %d: with %s all heads of a layer have the same budgets, scores and pooling; those of heads 0 and %d differ", l, what, h)
		}
	}
	return nil
}

// choice is p without the settings that say how rows are stored.
func (p Policy) choice() Policy {
	q := Full()
	copySelection(&q, p)
	return q
}

// inPyramid gives a resolved policy the TopK of layer l: PyramidKV's budgets fall by
// equal steps from the first layer to the last, whose own is 1/Pyramid of the mean.
func (p Policy) inPyramid(n, l, layers int) Policy {
	beta := p.Pyramid
	p.Pyramid = 0
	if beta == 0 || !p.Evicts() {
		return p
	}
	k := p.topK()
	least := k / beta
	most := 2*k - least
	if others := max(0, n-p.Recent-p.Sinks); most > others { // the first layers cannot keep more than there is
		most = others
		least = min(2*k-most, most)
	}
	if layers > 1 {
		k = most - l*((most-least)/(layers-1))
	}
	p.TopK = &k
	return p
}

// Merge gives one policy of which At gives heads: base with a rule for every
// layer, or head, that differs.
func Merge(base Policy, heads [][]Policy) Policy {
	base.Rules, base.Pyramid, base.Adaptive = nil, 0, heads[0][0].Adaptive
	out := base
	add := func(layer, head Ranges, q Policy) {
		q.Name = base.Name
		if o := difference(base, q); o != (Override{}) {
			out.Rules = append(out.Rules, Rule{layer, head, o})
		}
	}
	for l, layer := range heads {
		same := !slices.ContainsFunc(layer, func(q Policy) bool { return !reflect.DeepEqual(q, layer[0]) })
		for h, q := range layer {
			switch {
			case !same:
				add(Ranges{{l, l}}, Ranges{{h, h}}, q)
			case h == 0:
				add(Ranges{{l, l}}, nil, q)
			}
		}
	}
	return out
}
