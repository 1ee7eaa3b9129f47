package report

import (
	"fmt"
	"strings"
)

// small is the loss that sentences call small: an attention output that is off
// by a hundredth, or a hundredth of a nat a token.
const small = 0.01

// sentences says what stands out in the figures of an input.
func (in *Input) sentences() (out []string) {
	lines := in.Distinct()
	compressed, beats := 0, 0
	var least, gap *Line
	for i := range lines {
		l := &lines[i]
		if l.Class == Whole {
			continue
		}
		compressed++
		if l.Beats {
			beats++
			if gap == nil || l.Best-l.Loss > gap.Best-gap.Loss {
				gap = l
			}
		}
		if in.harmless(l) && (least == nil || l.BytesPerToken < least.BytesPerToken) {
			least = l
		}
	}
	if compressed == 0 {
		return []string{"Nothing was compressed here: there is only the full cache."}
	}
	harmless := fmt.Sprintf("with an attention output that is off by at most %g (median)", small)
	if in.Model {
		harmless = fmt.Sprintf("that costs at most %g nats a token (upper end of the 95 %% interval)", small)
	}
	if least == nil {
		out = append(out, fmt.Sprintf("No setting is there %s.", harmless))
	} else {
		out = append(out, fmt.Sprintf("The smallest cache %s is %s: %.1f bytes a token, %.1f %% of fp16.", harmless, least.Label, least.BytesPerToken, 100*least.Share))
	}
	out = append(out, fmt.Sprintf("%d of %d settings are better than all three ways to keep whole fp16 rows at their bytes.", beats, compressed))
	if gap != nil {
		out = append(out, fmt.Sprintf("The widest margin over them is that of %s: %s against %s at %.1f bytes a token.", gap.Label, number(gap.Loss), number(gap.Best), gap.BytesPerToken))
	}
	var names []string
	for _, l := range in.OnFront() {
		names = append(names, l.Label)
	}
	return append(out, fmt.Sprintf("On the front of bytes and loss, smallest first: %s.", strings.Join(names, ", ")))
}

// harmless reports whether a line's loss is small; of a model, whether the text
// shows that it is.
func (in *Input) harmless(l *Line) bool {
	if in.Model {
		return l.DeltaHigh != nil && *l.DeltaHigh <= small
	}
	return l.Loss <= small
}

// Measure names the loss of an input.
func (in *Input) Measure() string {
	if in.Model {
		return "more nats per token than the full cache"
	}
	return "attention output, median relative L2 error"
}

// number prints a figure with four digits that count.
func number(f float64) string { return fmt.Sprintf("%.4g", f) }
