package policy

import (
	"fmt"
	"slices"

	"github.com/kvaccel/kvaccel/driver/regmap"
)

// Bits lists the widths that KBits and VBits may have.
var Bits = []int{2, 3, 4, 5, 6, 8, FP16Bits}

// MaxPool is the widest pooling window.
const MaxPool = 2*regmap.MaxPoolHalf + 1

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// Validate reports the first setting that no engine could follow. Whether a
// certain engine can, with dims and positions known, is for package session.
func (p Policy) Validate() error {
	for _, check := range []func() error{p.checkCoding, p.checkLayout, p.checkRotation, p.checkFormat, p.checkTiers, p.checkNumbers, p.checkScores, p.checkCeiling} {
		if err := check(); err != nil {
			return err
		}
	}
	for i, r := range p.Rules {
		if err := r.check(); err != nil {
			return fmt.Errorf("rule %d: %w", i+1, err)
		}
	}
	return nil
}

// checkCoding looks at what a group is coded with.
func (p Policy) checkCoding() error {
	for _, f := range []struct {
		name string
		bits int
		axis Axis
	}{{"k", p.KBits, p.KAxis}, {"v", p.VBits, p.VAxis}} {
		if !slices.Contains(Bits, f.bits) {
			return bad("%s-bits is %d, want 2, 3, 4, 5, 6 or 8, or 16 to keep fp16", f.name, f.bits)
		}
		if f.axis != Token && f.axis != Channel {
			return bad("%s-axis is %q, want %s or %s", f.name, f.axis, Channel, Token)
		}
		if f.axis == Channel && f.bits != FP16Bits && p.Group == GroupRow {
			return bad("%s-axis channel needs a group of 16, 32, 64 or 128 tokens; a group of the whole row is per token", f.name)
		}
	}
	if p.Scheme != Asym && p.Scheme != Sym && p.Scheme != Offset {
		return bad("scheme is %q, want %s or %s", p.Scheme, Asym, Sym)
	}
	if !slices.Contains([]int{GroupRow, 16, 32, 64, 128}, p.Group) {
		return bad("group is %d, want 16, 32, 64, 128 or the row", p.Group)
	}
	return nil
}

// checkNumbers looks at budgets and shares.
func (p Policy) checkNumbers() error {
	budget := 0
	if p.Budget != nil {
		budget = *p.Budget
	}
	for _, f := range []struct {
		name string
		v    int
	}{
		{"residual", p.Residual}, {"sinks", p.Sinks}, {"recent", p.Recent}, {"observe", p.Observe}, {"topk", p.topK()}, {"budget", budget},
		{"probe", p.Probe}, {"pyramid", p.Pyramid},
	} {
		if f.v < 0 {
			return bad("%s is %d, want 0 or more", f.name, f.v)
		}
	}
	for _, f := range []struct {
		name string
		v    int
	}{{"recent", p.RecentPercent}, {"topk", p.TopKPercent}, {"budget", p.BudgetPercent}, {"observe", p.ObservePercent}, {"probe", p.ProbePercent}} {
		if f.v < 0 || f.v > 100 {
			return bad("%s is %d %%, want 0%% to 100%%", f.name, f.v)
		}
	}
	if p.Evicts() && max(p.Sinks, p.Recent, p.topK(), p.RecentPercent, p.TopKPercent, budget, p.BudgetPercent) == 0 {
		return bad("sinks, recent and topk are all 0, so nothing would be kept")
	}
	return nil
}

// checkScores looks at what ranks the positions.
func (p Policy) checkScores() error {
	attention := p.Scorer == "" || p.Scorer == Attention
	switch {
	case !attention && p.Scorer != Random && p.Scorer != KeyNorm:
		return bad("scorer is %q, want %s, %s or %s", p.Scorer, Attention, KeyNorm, Random)
	case p.Pool < 0 || p.Pool > MaxPool || p.Pool > 1 && p.Pool%2 == 0:
		return bad("pool is %d, want an odd window of 1 to %d positions", p.Pool, MaxPool)
	case p.PoolMax && p.Pool <= 1:
		return bad("pool-mode max needs a pool of 3 to %d positions", MaxPool)
	case p.Lambda != nil && !(*p.Lambda >= 0 && *p.Lambda <= 1):
		return bad("lambda is %g, want 0 to 1", *p.Lambda)
	case p.Decays() && !attention:
		return bad("lambda is %g, and scorer %s has no queries to decay over", *p.Lambda, p.Scorer)
	case p.Normalise && (!attention || p.Decays()):
		return bad("normalise divides sums of attention by the queries that could see a position: it takes neither scorer %s nor lambda", KeyNorm)
	case p.Scorer == KeyNorm && p.Pool > 1 && !p.PoolMax:
		return bad("pool-mode sum of scorer %s saturates, so that nothing is told apart: want pool-mode max", KeyNorm)
	case p.Shared && p.Scorer == KeyNorm:
		return bad("shared ranks positions by the queries of all heads; scorer %s has none", KeyNorm)
	case p.Adaptive == nil:
		return nil
	case *p.Adaptive < 0 || *p.Adaptive > 100:
		return bad("adaptive is %d %%, want a floor of 0%% to 100%% of the even share", *p.Adaptive)
	case p.Shared || !attention:
		return bad("adaptive compares the attention scores of heads: it takes neither shared nor scorer %s or %s", KeyNorm, Random)
	}
	return nil
}

// Warnings lists settings that have no effect, as sentences.
func (p Policy) Warnings() []string {
	var w []string
	ranks := p.topK() > 0 || p.TopKPercent > 0 || p.Budget != nil || p.BudgetPercent > 0 || p.Tiers != nil || p.Ceiling != nil
	for _, c := range []struct {
		when bool
		text string
	}{
		{!p.Evicts() && p.Tiers == nil && p.Ceiling == nil && (p.Sinks > 0 || p.Recent > 0), "sinks and recent have no effect without topk: nothing is evicted (topk 0 keeps just these)"},
		{!ranks && p.Observe != ObserveAll, "observe has no effect without topk: no scores are needed"},
		{!ranks && (p.Pool > 1 || p.Decays()), "pool and lambda have no effect without topk: no scores are needed"},
		{!p.Quantizes() && p.Tiers == nil && p.Residual > 0, "residual has no effect: keys and values stay fp16 anyway"},
		{!p.Quantizes() && p.Rotate != 0, "rotate has no effect: keys and values stay fp16, and only what is quantized is rotated"},
		{p.Tiers == nil && p.Protected != 0, "protected has no effect without tiers"},
		{!p.Evicts() && (p.Pyramid > 0 || p.Adaptive != nil), "pyramid and adaptive have no effect without topk: nothing is evicted"},
	} {
		if c.when {
			w = append(w, c.text)
		}
	}
	return w
}
