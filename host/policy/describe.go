package policy

import (
	"fmt"
	"strings"
)

// Describe puts a policy into words.
func (p Policy) Describe() string {
	s := p.describeRows()
	if p.IsBF16() {
		s = strings.ReplaceAll(s, "fp16", "bf16") + "; rows bf16"
	}
	if p.Evicts() {
		keep := []string{fmt.Sprintf("first %d", p.Sinks), "last " + amount(&p.Recent, p.RecentPercent)}
		if p.Budget != nil || p.BudgetPercent > 0 {
			keep = append(keep, "best others up to "+amount(p.Budget, p.BudgetPercent)+" in all")
		} else {
			keep = append(keep, "best "+amount(p.TopK, p.TopKPercent))
		}
		s += "; keep " + strings.Join(keep, ", ")
	}
	if p.Ceiling != nil {
		s += "; first " + amount(&p.Sinks, 0) + " and last " + amount(&p.Recent, p.RecentPercent) + " always kept"
	}
	if d := p.describeScores(); d != "" {
		s += "; " + d
	}
	switch n := len(p.Rules); {
	case n == 1:
		s += "; 1 rule for layers or heads of their own"
	case n > 1:
		s += fmt.Sprintf("; %d rules for layers or heads of their own", n)
	}
	return s
}

// describeRows says how the rows that stay are stored.
func (p Policy) describeRows() string {
	if p.Ceiling != nil {
		return fmt.Sprintf("never more than %s; rows step down from fp16 to 8, 4, 2 bits and out, %s per token, group %s", p.Ceiling.words(), p.Scheme, groupWord(p.Group))
	}
	if p.Tiers != nil {
		s := "rows by rank: " + tierWords(*p.Tiers) + fmt.Sprintf(", %s per token, group %s", p.Scheme, groupWord(p.Group))
		if p.Sinks > 0 || p.Recent > 0 || p.RecentPercent > 0 {
			s += "; always kept: " + width(TierBits[p.ProtectedTier()])
		}
		if p.KAxis == Channel {
			s += fmt.Sprintf("; K %d bits per channel, whatever the rank", p.KBits)
		}
		return s
	}
	side := func(bits int, axis Axis) string {
		if bits == FP16Bits {
			return "fp16"
		}
		s := fmt.Sprintf("%d bits %s per %s, group %s", bits, p.Scheme, axis, groupWord(p.Group))
		if p.Layout != Native {
			s += fmt.Sprintf(" (%s blocks)", p.Layout)
		}
		return s
	}
	s := fmt.Sprintf("K %s; V %s", side(p.KBits, p.KAxis), side(p.VBits, p.VAxis))
	if w := p.rotationWords(); w != "" && p.Quantizes() {
		s += "; " + w
	}
	if p.Quantizes() {
		s += fmt.Sprintf("; last %d kept rows fp16", p.Residual)
	}
	return s
}

// describeScores says what ranks the positions, where that is not all there is
// to it.
func (p Policy) describeScores() string {
	if p.Tiers == nil && p.Ceiling == nil && (!p.Evicts() || p.topK() == 0 && p.TopKPercent+p.BudgetPercent == 0 && p.Budget == nil) {
		return ""
	}
	var s []string
	switch p.Scorer {
	case KeyNorm:
		s = append(s, "by key norm")
	case Random:
		s = append(s, "at random")
	default:
		q := "all queries"
		if p.Observe != ObserveAll || p.ObservePercent > 0 {
			q = "last " + amount(&p.Observe, p.ObservePercent) + " queries"
		}
		if p.Probe > 0 || p.ProbePercent > 0 {
			q += " and " + amount(&p.Probe, p.ProbePercent) + " at random"
		}
		s = append(s, "by attention of "+q)
	}
	for _, c := range []struct {
		when bool
		text string
	}{
		{p.Shared, "one choice for all heads"},
		{p.Normalise, "divided by the queries that see a position"},
		{p.Decays(), "decaying by lambda"},
		{p.Pool > 1 && !p.PoolMax, fmt.Sprintf("summed over %d positions", p.Pool)},
		{p.Pool > 1 && p.PoolMax, fmt.Sprintf("maximum over %d positions", p.Pool)},
		{p.Pyramid > 0, fmt.Sprintf("fewer in upper layers (beta %d)", p.Pyramid)},
		{p.Adaptive != nil, "shared out among heads by score"},
	} {
		if c.when {
			s = append(s, c.text)
		}
	}
	return strings.Join(s, ", ")
}

// amount is a number, or a share of the prefix.
func amount(n *int, percent int) string {
	switch {
	case percent > 0:
		return fmt.Sprintf("%d %%", percent)
	case n == nil:
		return "0"
	}
	return fmt.Sprint(*n)
}

func width(bits int) string {
	if bits == FP16Bits {
		return "fp16"
	}
	return fmt.Sprintf("%d bits", bits)
}

func tierWords(t Tiers) string {
	var s []string
	for i, v := range t {
		if v > 0 {
			s = append(s, fmt.Sprintf("%d %% %s", v, width(TierBits[i])))
		}
	}
	return strings.Join(s, ", ")
}

func groupWord(g int) string {
	if g == GroupRow {
		return "row"
	}
	return fmt.Sprint(g)
}
