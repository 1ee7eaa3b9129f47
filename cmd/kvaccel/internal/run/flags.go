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
	policy string
	values map[string]*string // by the name of the setting
}

func (f *flags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.policy, "policy", "", "named policy, two joined by +, or a policy file (.yaml, .json) (default "+defaultPolicy+", or full if a setting is given, "+ladderPolicy+" with --ceiling)")
	f.values = map[string]*string{}
	for _, s := range policy.Settings() {
		f.values[s.Name] = fs.String(s.Name, "", s.Doc)
		if s.Flag {
			fs.Lookup(s.Name).NoOptDefVal = "true"
		}
	}
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
	case fs.Changed("ceiling"):
		name = ladderPolicy
	case set:
		name = "full"
	default:
		name = defaultPolicy
	}
	p, err := policy.Load(name)
	if err != nil {
		return policy.Policy{}, fmt.Errorf("--policy %s: %w", name, err)
	}
	if set && len(p.Rules) > 0 {
		return policy.Policy{}, fmt.Errorf("--policy %s: its rules set layers and heads: a flag cannot say which it changes; change the file", name)
	}
	p = p.With(o)
	return p, p.Validate()
}

// override collects the flags that were given; set says whether any was.
func (f *flags) override(fs *pflag.FlagSet) (o policy.Override, set bool, err error) {
	for _, s := range policy.Settings() {
		if !fs.Changed(s.Name) {
			continue
		}
		set = true
		if err := s.Read(*f.values[s.Name], &o); err != nil {
			return o, set, fmt.Errorf("--%s: %w", s.Name, err)
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
