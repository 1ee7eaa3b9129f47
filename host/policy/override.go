package policy

import (
	"fmt"
	"strconv"
)

// Override holds settings that take the place of a policy's; nil leaves one
// alone. It is what command-line flags fill.
type Override struct {
	KBits, VBits                 *int
	KAxis, VAxis                 *Axis
	Scheme                       *Scheme
	Layout                       *Layout // with all that it fixes, before the other settings
	Group, Residual              *int
	Sinks, Recent, TopK, Observe *int
}

// With gives p with the settings of o. A number takes the place of a share;
// a residual window that is asked for is not shortened.
func (p Policy) With(o Override) Policy {
	set := func(dst *int, v *int) {
		if v != nil {
			*dst = *v
		}
	}
	if o.Layout != nil {
		p = o.Layout.use(p)
	}
	set(&p.KBits, o.KBits)
	set(&p.VBits, o.VBits)
	set(&p.Group, o.Group)
	set(&p.Sinks, o.Sinks)
	set(&p.Observe, o.Observe)
	if o.KAxis != nil {
		p.KAxis = *o.KAxis
	}
	if o.VAxis != nil {
		p.VAxis = *o.VAxis
	}
	if o.Scheme != nil {
		p.Scheme = *o.Scheme
	}
	if o.Residual != nil {
		p.Residual, p.ResidualInRecent = *o.Residual, false
	}
	if o.Recent != nil {
		p.Recent, p.RecentPercent = *o.Recent, 0
	}
	if o.TopK != nil {
		k := *o.TopK
		p.TopK, p.TopKPercent = &k, 0
	}
	return p
}

// ParseGroup reads a group size: a number or "row".
func ParseGroup(s string) (int, error) { return parseOr(s, "row", GroupRow, "group") }

// ParseObserve reads a number of queries, at least 1, or "all".
func ParseObserve(s string) (int, error) { return parseOr(s, "all", ObserveAll, "observe") }

// parseOr reads a number of at least 1, or a word for zero.
func parseOr(s, word string, zero int, what string) (int, error) {
	if s == word {
		return zero, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%w: %s is %q, want a number from 1 on or %q", ErrInvalid, what, s, word)
	}
	return n, nil
}
