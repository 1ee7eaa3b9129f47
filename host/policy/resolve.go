package policy

import (
	"math"

	"github.com/kvaccel/kvaccel/driver/regmap"
)

// Resolve turns shares into numbers for a prefix of n positions. A share of
// the recent positions or of the queries is at least one, so that a short prefix does
// not lose everything. Rules stay as they are: [Policy.Heads] resolves them.
func (p Policy) Resolve(n int) Policy {
	share := func(number, percent *int, least int) {
		if *percent > 0 {
			*number, *percent = max(least, n**percent/100), 0
		}
	}
	share(&p.Recent, &p.RecentPercent, 1)
	share(&p.Observe, &p.ObservePercent, 1)
	share(&p.Probe, &p.ProbePercent, 0)
	if p.TopKPercent > 0 {
		k := n * p.TopKPercent / 100
		p.TopK, p.TopKPercent = &k, 0
	}
	if p.BudgetPercent > 0 {
		b := n * p.BudgetPercent / 100
		p.Budget, p.BudgetPercent = &b, 0
	}
	if p.Budget != nil {
		k := max(0, *p.Budget-p.Sinks-p.Recent)
		p.TopK, p.Budget = &k, nil
	}
	if p.Ceiling != nil {
		p.Ceiling = p.Ceiling.resolve(n)
	}
	if p.ResidualInRecent {
		if p.Evicts() {
			p.Residual = min(p.Residual, p.Recent)
		}
		p.ResidualInRecent = false
	}
	return p
}

// Resolved reports whether nothing is left to resolve.
func (p Policy) Resolved() bool {
	return p.RecentPercent+p.TopKPercent+p.BudgetPercent+p.ObservePercent+p.ProbePercent == 0 && p.Budget == nil && !p.ResidualInRecent &&
		(p.Ceiling == nil || p.Ceiling.Percent == 0)
}

// Within gives a resolved policy with budgets of at most n positions.
func (p Policy) Within(n int) Policy {
	p.Sinks, p.Recent = min(n, p.Sinks), min(n, p.Recent)
	if p.TopK != nil {
		k := min(n, *p.TopK)
		p.TopK = &k
	}
	return p
}

// CheckBudgets reports a budget of a resolved policy that is beyond n positions.
func (p Policy) CheckBudgets(n int) error {
	if !p.Evicts() && p.Tiers == nil {
		return nil
	}
	for _, f := range []struct {
		name string
		v    int
	}{{"sinks", p.Sinks}, {"recent", p.Recent}, {"topk", p.topK()}} {
		if f.v > n {
			return bad("%s is %d, want at most the %d positions that there are to compress", f.name, f.v, n)
		}
	}
	return nil
}

// Kept is how many of n positions a resolved policy keeps.
func (p Policy) Kept(n int) int {
	if !p.Evicts() {
		return n
	}
	// One at a time, so that huge settings cannot overflow.
	return min(n, min(n, p.Sinks)+min(n, p.Recent)+min(n, p.topK()))
}

// NeedsScores reports whether a resolved policy has to rank any of n positions.
func (p Policy) NeedsScores(n int) bool {
	others := max(0, n-min(n, p.Sinks)-min(n, p.Recent))
	if p.Tiers != nil && !p.Tiers.even() {
		return others > 0 && (!p.Evicts() || p.topK() > 0)
	}
	return p.Evicts() && p.topK() > 0 && others > 0
}

// NeedsAttention reports whether the ranking takes attention weights.
func (p Policy) NeedsAttention(n int) bool {
	return p.NeedsScores(n) && p.Scorer != Random && p.Scorer != KeyNorm
}

// Decays reports whether scores decay from query to query.
func (p Policy) Decays() bool { return p.Lambda != nil && *p.Lambda < 1 }

// LambdaUnits is lambda in the engine's units of 2^-16, rounded; for policies
// that decay.
func (p Policy) LambdaUnits() uint16 {
	return uint16(min(math.RoundToEven(*p.Lambda*(1<<16)), 1<<16-1))
}

// Features lists the features (regmap.Feat*) that an engine needs to follow the
// policy and to restore what it leaves, its rules included.
func (p Policy) Features() []int {
	need := map[int]bool{}
	p.features(need)
	for _, r := range p.Rules {
		q := p.With(r.Set)
		q.features(need)
	}
	var list []int
	for _, c := range regmap.FeatCodes {
		if need[int(c.Value)] {
			list = append(list, int(c.Value))
		}
	}
	return list
}

func (p Policy) features(need map[int]bool) {
	for _, f := range []struct {
		used    bool
		feature int
	}{
		{p.Quantizes() || p.Ceiling != nil, regmap.FeatQuantize},
		{p.Quantizes() || p.Tiers != nil || p.Ceiling != nil, regmap.FeatDequantize},
		{p.Evicts() && p.Tiers == nil || p.Adaptive != nil || p.Normalise || p.Ceiling != nil, regmap.FeatSelect},
		{(p.Quantizes() || p.Ceiling != nil) && p.Rotate != 0, regmap.FeatRotate},
		{p.IsBF16() && (p.Quantizes() || p.Tiers != nil || p.Ceiling != nil), regmap.FeatBF16},
		{p.Tiers != nil, regmap.FeatCompress},
		{p.Tiers != nil || p.Ceiling != nil, regmap.FeatTiers},
		{p.Pool > 1, regmap.FeatPool},
		{p.Decays(), regmap.FeatDecay},
		{p.Scorer == KeyNorm, regmap.FeatKeyNorm},
	} {
		if f.used {
			need[f.feature] = true
		}
	}
}
