package run

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"github.com/kvaccel/kvaccel/host/policy"
)

// flags are the settings of a policy as they were typed.
type flags struct {
	policy, kAxis, vAxis, scheme, layout, group, observe string
	kBits, vBits, residual, sinks, recent, topK          int
}

func (f *flags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.policy, "policy", "", "named policy, or two joined by + (default "+defaultPolicy+", or full if a setting is given)")
	fs.IntVar(&f.kBits, "k-bits", 0, "bits of a key element: 2, 3, 4, 5, 6 or 8; 16 keeps fp16")
	fs.IntVar(&f.vBits, "v-bits", 0, "bits of a value element, likewise")
	fs.StringVar(&f.kAxis, "k-axis", "", "group keys per channel or token")
	fs.StringVar(&f.vAxis, "v-axis", "", "group values per channel or token")
	fs.StringVar(&f.scheme, "scheme", "", "asym (scale and minimum) or sym (scale); offset is that of layout q4_0")
	fs.StringVar(&f.layout, "layout", "", "native, or ggml's blocks of 32: q8_0, q4_0 or q4_1, which set scheme, bits, group and axes")
	fs.StringVar(&f.group, "group", "", "elements of a group: 16, 32, 64, 128 or row")
	fs.IntVar(&f.residual, "residual", 0, "last kept rows that stay fp16")
	fs.IntVar(&f.sinks, "sinks", 0, "first positions always kept")
	fs.IntVar(&f.recent, "recent", 0, "last positions always kept")
	fs.IntVar(&f.topK, "topk", 0, "highest-scoring other positions kept; without it nothing is evicted")
	fs.StringVar(&f.observe, "observe", "", "how many of the last prefix queries feed the scores, or all")
}

// resolve gives the policy that the flags ask for.
func (f *flags) resolve(fs *pflag.FlagSet) (policy.Policy, error) {
	o, set, err := f.override(fs)
	if err != nil {
		return policy.Policy{}, err
	}
	name := f.policy
	switch {
	case fs.Changed("policy"):
	case set:
		name = "full"
	default:
		name = defaultPolicy
	}
	p, err := policy.Lookup(name)
	if err != nil {
		return policy.Policy{}, fmt.Errorf("--policy %s: %w", name, err)
	}
	p = p.With(o)
	return p, p.Validate()
}

// override collects the flags that were given; set says whether any was.
func (f *flags) override(fs *pflag.FlagSet) (o policy.Override, set bool, err error) {
	for _, n := range []struct {
		flag string
		v    *int
		dst  **int
	}{
		{"k-bits", &f.kBits, &o.KBits}, {"v-bits", &f.vBits, &o.VBits}, {"residual", &f.residual, &o.Residual},
		{"sinks", &f.sinks, &o.Sinks}, {"recent", &f.recent, &o.Recent}, {"topk", &f.topK, &o.TopK},
	} {
		if fs.Changed(n.flag) {
			*n.dst, set = n.v, true
		}
	}
	for _, w := range []struct {
		flag  string
		parse func() error
	}{
		{"k-axis", func() error { a := policy.Axis(f.kAxis); o.KAxis = &a; return nil }},
		{"v-axis", func() error { a := policy.Axis(f.vAxis); o.VAxis = &a; return nil }},
		{"scheme", func() error { s := policy.Scheme(f.scheme); o.Scheme = &s; return nil }},
		{"layout", func() error { l, err := policy.ParseLayout(f.layout); o.Layout = &l; return err }},
		{"group", func() error { g, err := policy.ParseGroup(f.group); o.Group = &g; return err }},
		{"observe", func() error { n, err := policy.ParseObserve(f.observe); o.Observe = &n; return err }},
	} {
		if !fs.Changed(w.flag) {
			continue
		}
		set = true
		if err := w.parse(); err != nil {
			return o, set, fmt.Errorf("--%s: %w", w.flag, err)
		}
	}
	return o, set, nil
}

// policyTable lists the named policies for the help text.
func policyTable() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, p := range policy.Presets() {
		fmt.Fprintf(w, "  %s\t%s\n", p.Name, p.Formula)
	}
	w.Flush()
	return b.String()
}
