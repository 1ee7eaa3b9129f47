package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Setting is one setting as people write it: a flag of the command line, or a
// key of a policy file.
type Setting struct {
	Name string
	Doc  string
	Flag bool // on a command line, its name alone stands for true
	read func(s string, o *Override) error
}

// Read parses a value into o. It fails with ErrInvalid.
func (x Setting) Read(s string, o *Override) error { return x.read(s, o) }

// Settings lists the settings in the order in which they are explained.
func Settings() []Setting {
	return []Setting{
		{"k-bits", "bits of a key element: 2, 3, 4, 5, 6 or 8; 16 keeps fp16", false, number(func(o *Override) **int { return &o.KBits })},
		{"v-bits", "bits of a value element, likewise", false, number(func(o *Override) **int { return &o.VBits })},
		{"k-axis", "group keys per channel or token", false, word(func(o *Override) **Axis { return &o.KAxis }, Channel, Token)},
		{"v-axis", "group values per channel or token", false, word(func(o *Override) **Axis { return &o.VAxis }, Channel, Token)},
		{"scheme", "asym (scale and minimum) or sym (scale); offset is that of layout q4_0", false, word(func(o *Override) **Scheme { return &o.Scheme }, Asym, Sym, Offset)},
		{"layout", "native, or ggml's blocks of 32: q8_0, q4_0 or q4_1, which set scheme, bits, group and axes", false, readLayout},
		{"group", "elements of a group: 16, 32, 64, 128 or row", false, readGroup},
		{"rotate", "elements of a row rotated together (Walsh-Hadamard) before quantizing: 32, 64, 128, row (the largest of these that divides it) or none", false, readRotate},
		{"format", "format of the rows: fp16, bf16, or auto: bf16 for a trace of BF16, if the engine has it and nothing in the policy is for fp16 alone", false, readFormat},
		{"residual", "last kept rows that stay fp16", false, number(func(o *Override) **int { return &o.Residual })},
		{"sinks", "first positions always kept", false, number(func(o *Override) **int { return &o.Sinks })},
		{"recent", "last positions always kept, as a number or a share of the prefix such as 10%", false, share(func(o *Override) (**int, **int) { return &o.Recent, &o.RecentPercent })},
		{"topk", "highest-scoring other positions kept, likewise; without it nothing is evicted", false, share(func(o *Override) (**int, **int) { return &o.TopK, &o.TopKPercent })},
		{"budget", "positions kept in all, likewise: sets topk to what sinks and recent leave of it", false, share(func(o *Override) (**int, **int) { return &o.Budget, &o.BudgetPercent })},
		{"scorer", "what ranks positions: attention, key-norm (the lower the better) or random", false, word(func(o *Override) **Scorer { return &o.Scorer }, Attention, KeyNorm, Random)},
		{"observe", "how many of the last prefix queries feed the scores: a number, a share or all", false, readObserve},
		{"probe", "how many earlier queries, drawn at random, feed them as well: a number or a share", false, share(func(o *Override) (**int, **int) { return &o.Probe, &o.ProbePercent })},
		{"lambda", "decay of all scores before each query, 0 to 1; 1 is none", false, readLambda},
		{"normalise", "true: divide a score by how many of the queries could see the position", true, yes(func(o *Override) **bool { return &o.Normalise })},
		{"pool", "odd window, up to 15, over which scores are summed before they are compared", false, number(func(o *Override) **int { return &o.Pool })},
		{"pool-mode", "sum or max", false, readPoolMode},
		{"shared", "true: one choice for all heads of a layer, by the queries of all", true, yes(func(o *Override) **bool { return &o.Shared })},
		{"pyramid", "PyramidKV's beta: the last layer's topk is one in so many of the mean; 0 is off", false, number(func(o *Override) **int { return &o.Pyramid })},
		{"adaptive", "share the budgets of a layer out by scores: the percentage every head has of its even share, such as 20%", false, readAdaptive},
		{"tiers", "precisions by rank, in percent of the positions kept for their score, best first, such as fp16:10,8:20,4:70", false, readTiers},
		{"ceiling", "most the cache may take, step by step: bytes such as 180KiB, those of so many fp16 positions, or of a share of the prefix", false, readCeiling},
		{"protected", "with tiers, bits of the positions always kept: 16, 8, 4 or 2", false, number(func(o *Override) **int { return &o.Protected })},
	}
}

func number(field func(o *Override) **int) func(string, *Override) error {
	return func(s string, o *Override) error {
		n, err := strconv.Atoi(s)
		if err != nil {
			return bad("it is %q, want a whole number", s)
		}
		*field(o) = &n
		return nil
	}
}

// share reads a number of positions, or a percentage.
func share(fields func(o *Override) (n, percent **int)) func(string, *Override) error {
	return func(s string, o *Override) error {
		n, percent := fields(o)
		digits, isShare := strings.CutSuffix(s, "%")
		v, err := strconv.Atoi(strings.TrimSpace(digits))
		switch {
		case err != nil:
			return bad("it is %q, want a number of positions, or a share of the prefix such as 10%%", s)
		case isShare && (v < 0 || v > 100):
			return bad("it is %q, want 0%% to 100%%", s)
		case isShare && v > 0:
			*n, *percent = nil, &v
		default:
			*n, *percent = &v, nil
		}
		return nil
	}
}

func word[T ~string](field func(o *Override) **T, known ...T) func(string, *Override) error {
	return func(s string, o *Override) error {
		v := T(s)
		if !slices.Contains(known, v) {
			return bad("it is %q, want one of %v", s, known)
		}
		*field(o) = &v
		return nil
	}
}

func yes(field func(o *Override) **bool) func(string, *Override) error {
	return func(s string, o *Override) error {
		v := s == "true"
		if !v && s != "false" {
			return bad("it is %q, want true or false", s)
		}
		*field(o) = &v
		return nil
	}
}

func readLayout(s string, o *Override) error {
	l, err := ParseLayout(s)
	o.Layout = &l
	return err
}

func readGroup(s string, o *Override) error {
	n, err := ParseGroup(s)
	o.Group = &n
	return err
}

func readObserve(s string, o *Override) error {
	if strings.HasSuffix(s, "%") {
		return share(func(o *Override) (**int, **int) { return &o.Observe, &o.ObservePercent })(s, o)
	}
	n, err := ParseObserve(s)
	o.Observe, o.ObservePercent = &n, nil
	return err
}

func readLambda(s string, o *Override) error {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= 0 && v <= 1) {
		return bad("it is %q, want a number from 0 to 1", s)
	}
	o.Lambda = &v
	return nil
}

func readPoolMode(s string, o *Override) error {
	v := s == "max"
	if !v && s != "sum" {
		return bad("it is %q, want sum or max", s)
	}
	o.PoolMax = &v
	return nil
}

func readAdaptive(s string, o *Override) error {
	v, err := strconv.Atoi(strings.TrimSuffix(s, "%"))
	if err != nil || v < 0 || v > 100 {
		return bad("it is %q, want a percentage such as 20%%", s)
	}
	o.Adaptive = &v
	return nil
}

func readTiers(s string, o *Override) error {
	t, err := ParseTiers(s)
	o.Tiers = &t
	return err
}

func readCeiling(s string, o *Override) error {
	c, err := ParseCeiling(s)
	o.Ceiling = &c
	return err
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
