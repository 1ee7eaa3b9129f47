package policy

import (
	"fmt"
	"strings"

	"github.com/kvaccel/kvaccel/driver/regmap"
)

// Format is the format of rows: as they are taken in, as they stay if they are not
// quantized, and as they are restored.
type Format string

// The formats. Of a resolved policy [Auto] is fp16.
const (
	Auto Format = ""     // bf16 for rows that are, if engine and policy allow it; else fp16
	FP16 Format = "fp16" // binary16
	BF16 Format = "bf16" // bfloat16
)

// autoName is what a setting says for Auto.
const autoName = "auto"

// IsBF16 reports whether the rows of a resolved policy are bfloat16.
func (p Policy) IsBF16() bool { return p.Format == BF16 }

// InFormat resolves the format of rows that are bfloat16 or not, for an engine that
// has it built in or not, a prefix of n positions, and so many layers and key-value
// heads. why says what stands against bfloat16 where the rows have it and Auto does
// not keep it.
func (p Policy) InFormat(bf16, built bool, n, layers, heads int) (q Policy, why string) {
	switch {
	case p.Format == BF16:
		return p, ""
	case p.Format == FP16 || !bf16:
		p.Format = Auto
		return p, ""
	}
	q = p
	q.Format = BF16
	_, plain := p.Heads(n, layers, heads)
	if _, err := q.Heads(n, layers, heads); err != nil && plain == nil {
		return p, strings.ReplaceAll(err.Error(), ErrInvalid.Error()+": ", "")
	}
	if !built && q.needs(regmap.FeatBF16) {
		return p, "the engine was built without BF16"
	}
	return q, ""
}

// needs reports whether the policy needs a feature.
func (p Policy) needs(feature int) bool {
	for _, f := range p.Features() {
		if f == feature {
			return true
		}
	}
	return false
}

// checkFormat reports what bfloat16 does not go with.
func (p Policy) checkFormat() error {
	switch {
	case p.Format != Auto && p.Format != FP16 && p.Format != BF16:
		return bad("format is %q, want %s, %s or %s", p.Format, FP16, BF16, autoName)
	case p.Format != BF16:
		return nil
	case p.Layout != Native:
		return bad("layout %s has fp16 scales by definition: format %s takes layout %s", p.Layout, BF16, nativeName)
	case p.Rotate != 0:
		return bad("the engine rotates fp16 rows alone: format %s takes rotate none", BF16)
	case p.Tiers != nil && p.Scorer == KeyNorm:
		return bad("COMPRESS takes the norms of fp16 keys alone: format %s takes tiers with another scorer than %s", BF16, KeyNorm)
	}
	return nil
}

// ParseFormat reads the name of a format.
func ParseFormat(s string) (Format, error) {
	switch f := Format(s); {
	case s == autoName:
		return Auto, nil
	case f == FP16, f == BF16:
		return f, nil
	}
	return Auto, fmt.Errorf("%w: format is %q, want %s, %s or %s", ErrInvalid, s, FP16, BF16, autoName)
}

func readFormat(s string, o *Override) error {
	f, err := ParseFormat(s)
	o.Format = &f
	return err
}
