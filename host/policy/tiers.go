package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// TierBits are the widths of the tiers, best first.
var TierBits = [4]int{16, 8, 4, 2}

// Tiers says what percentage of the positions kept for their score is in each
// tier, best scores first: fp16, 8, 4 and 2 bits. They add up to 100.
type Tiers [4]int

// ParseTiers reads "fp16:10,8:20,4:70": widths and percentages.
func ParseTiers(s string) (Tiers, error) {
	var t Tiers
	var seen [4]bool
	for _, part := range strings.Split(s, ",") {
		width, share, ok := strings.Cut(strings.TrimSpace(part), ":")
		i := tierOf(strings.TrimSpace(width))
		v, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(share), "%"))
		if !ok || i < 0 || err != nil || v < 0 || v > 100 {
			return t, bad("tiers has %q, want a width (fp16, 8, 4 or 2), a colon and a percentage, as in fp16:10,8:20,4:70", part)
		}
		if seen[i] {
			return t, bad("tiers has the width %s twice", width)
		}
		t[i], seen[i] = v, true
	}
	return t, t.check()
}

// tierOf is the tier of a width as it is written, or -1.
func tierOf(width string) int {
	if width == "fp16" {
		return 0
	}
	return slices.IndexFunc(TierBits[:], func(b int) bool { return strconv.Itoa(b) == width })
}

// String is what [ParseTiers] reads.
func (t Tiers) String() string {
	var parts []string
	for i, v := range t {
		switch {
		case v == 0:
		case i == 0:
			parts = append(parts, fmt.Sprintf("fp16:%d", v))
		default:
			parts = append(parts, fmt.Sprintf("%d:%d", TierBits[i], v))
		}
	}
	return strings.Join(parts, ",")
}

func (t Tiers) check() error {
	sum := 0
	for _, v := range t {
		if v < 0 || v > 100 {
			return bad("tiers has %d %%, want 0 to 100", v)
		}
		sum += v
	}
	if sum != 100 {
		return bad("tiers has shares of %d %% in all, want 100", sum)
	}
	return nil
}

// even reports whether all of it is one tier, so that ranks do not matter.
func (t Tiers) even() bool { return slices.Contains(t[:], 100) }

// checkTiers reports settings that contradict the tiers.
func (p Policy) checkTiers() error {
	if p.Tiers == nil {
		return nil
	}
	if err := p.Tiers.check(); err != nil {
		return err
	}
	switch {
	case p.Protected != 0 && !slices.Contains(TierBits[:], p.Protected):
		return bad("protected is %d bits, want the width of a tier: 16, 8, 4 or 2", p.Protected)
	case p.Layout != Native:
		return bad("tiers have no layout %s; layout %s takes them", p.Layout, nativeName)
	case p.VBits != FP16Bits || p.VAxis != Token:
		return bad("tiers set the width of values, per token: v-bits %d and v-axis %s contradict them", p.VBits, p.VAxis)
	case p.KAxis == Token && p.KBits != FP16Bits:
		return bad("tiers set the width of keys per token: k-bits %d contradicts them; with k-axis channel it is that of all keys", p.KBits)
	case p.KAxis == Channel && p.KBits == FP16Bits:
		return bad("tiers code keys per channel at one width: k-axis channel wants k-bits of 2, 3, 4, 5, 6 or 8")
	case p.Residual != 0:
		return bad("tiers have no residual window: recent and protected say which rows stay fp16")
	}
	return nil
}

// Ranks gives the ranks up to which a position, kept for its score out of n by a
// resolved policy, is in tier 0, in 0 or 1, and in 0 to 2; and the most that
// are kept for their score.
func (p Policy) Ranks(n int) (ranks [3]int, topK int) {
	topK = max(0, n-min(n, p.Sinks)-min(n, p.Recent))
	if p.Evicts() {
		topK = min(topK, p.topK())
	}
	sum := 0
	for i := range ranks {
		sum += p.Tiers[i]
		ranks[i] = topK * sum / 100
	}
	return ranks, topK
}

// ProtectedTier is the tier of the positions that are always kept.
func (p Policy) ProtectedTier() int { return max(0, slices.Index(TierBits[:], p.Protected)) }
