package policy

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Ceiling is how much a cache may take at any time, scores and positions included:
// one of a number of bytes, the bytes of so many fp16 positions, or those of a share of the
// prefix, which Resolve turns into positions.
type Ceiling struct {
	Bytes     int64 `json:"bytes,omitempty"`
	Positions int   `json:"positions,omitempty"`
	Percent   int   `json:"percent,omitempty"`
}

// ceilingUnits are those of bytes.
var ceilingUnits = []struct {
	name string
	size int64
}{{"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// ParseCeiling reads "20%", "64" or "180KiB".
func ParseCeiling(s string) (Ceiling, error) {
	wrong := bad("ceiling is %q, want bytes such as 180KiB, the bytes of so many fp16 positions such as 64, or of a share of the prefix such as 20%%", s)
	number := func(digits string, most int64) (int64, bool) {
		v, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		return v, err == nil && v > 0 && v <= most
	}
	if digits, ok := strings.CutSuffix(s, "%"); ok {
		if v, ok := number(digits, 100); ok {
			return Ceiling{Percent: int(v)}, nil
		}
		return Ceiling{}, wrong
	}
	for _, u := range ceilingUnits {
		if digits, ok := strings.CutSuffix(s, u.name); ok {
			if v, ok := number(digits, math.MaxInt64/u.size); ok {
				return Ceiling{Bytes: v * u.size}, nil
			}
			return Ceiling{}, wrong
		}
	}
	if v, ok := number(s, math.MaxInt32); ok {
		return Ceiling{Positions: int(v)}, nil
	}
	return Ceiling{}, wrong
}

// String is what [ParseCeiling] reads.
func (c Ceiling) String() string {
	switch {
	case c.Percent > 0:
		return fmt.Sprintf("%d%%", c.Percent)
	case c.Bytes > 0:
		for _, u := range ceilingUnits {
			if c.Bytes%u.size == 0 {
				return fmt.Sprintf("%d%s", c.Bytes/u.size, u.name)
			}
		}
	}
	return fmt.Sprint(c.Positions)
}

// Limit is the ceiling in bytes, if an fp16 position takes row bytes in all heads
// together. It is resolved.
func (c Ceiling) Limit(row int64) int64 {
	if c.Bytes > 0 {
		return c.Bytes
	}
	return int64(c.Positions) * row
}

// resolve turns a share of n positions into positions, one at least.
func (c Ceiling) resolve(n int) *Ceiling {
	if c.Percent > 0 {
		c.Positions, c.Percent = max(1, n*c.Percent/100), 0
	}
	return &c
}

// checkCeiling reports settings that contradict the ceiling: which rows stay, and how
// wide they are, follows from it.
func (p Policy) checkCeiling() error {
	if p.Ceiling == nil {
		return nil
	}
	c, given := *p.Ceiling, 0
	for _, v := range []int64{c.Bytes, int64(c.Positions), int64(c.Percent)} {
		if v < 0 {
			return bad("ceiling is %d, want more than 0", v)
		}
		if v > 0 {
			given++
		}
	}
	if given != 1 || c.Percent > 100 {
		return bad("ceiling is %+v, want one of bytes, positions, and a percentage up to 100", c)
	}
	for _, f := range []struct {
		set  bool
		name string
	}{
		{p.Evicts(), "topk or budget"}, {p.Tiers != nil, "tiers"}, {p.Quantizes(), "k-bits and v-bits"}, {p.Layout != Native, "layout"}, {p.Residual > 0, "residual"},
		{p.KAxis != Token || p.VAxis != Token, "axis channel"}, {p.Pool > 1, "pool"}, {p.Normalise, "normalise"}, {p.Probe > 0 || p.ProbePercent > 0, "probe"},
		{p.Scorer != "" && p.Scorer != Attention, "scorer " + string(p.Scorer)}, {p.Observe != ObserveAll || p.ObservePercent > 0, "observe"},
		{p.Shared, "shared"}, {p.Pyramid > 0, "pyramid"}, {p.Adaptive != nil, "adaptive"}, {len(p.Rules) > 0, "rules"},
	} {
		if f.set {
			return bad("ceiling says by itself what stays and how wide, by the attention of all queries: it does not take %s", f.name)
		}
	}
	if p.Recent < 1 && p.RecentPercent == 0 {
		return bad("ceiling needs recent of at least 1: the newest position has no scores yet; start from the policy ladder")
	}
	return nil
}

// words is the ceiling for people.
func (c Ceiling) words() string {
	switch {
	case c.Percent > 0:
		return fmt.Sprintf("%d %% of the prefix takes as fp16", c.Percent)
	case c.Bytes > 0:
		return c.String()
	}
	return fmt.Sprintf("%d fp16 positions take", c.Positions)
}
