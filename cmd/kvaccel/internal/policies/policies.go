// Package policies has the verb that lists the named policies.
package policies

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/policy"
)

// listed is a policy as the verb tells it.
type listed struct {
	policy.Preset
	Describe string   `json:"settings"` // in words
	Features []string `json:"features"` // that an engine needs, restoring included
}

// New builds "kvaccel policies".
func New(env *cli.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "policies [NAME]",
		Short: "List the named policies: formula, source, what they need of an engine",
		Long: `policies lists the compression policies that --policy knows by name. With NAME, which
may be a join such as h2o+kivi-4 or a policy file, it tells everything about that one:
the formula, where it was published, its settings, and the features an engine must have
been built with. "kvaccel info" lists those of a device; a device that lacks one refuses
the policy and names it.`,
		Example: `  kvaccel policies
  kvaccel policies zipcache
  kvaccel policies snapkv+kivi-2 --json
  kvaccel policies mine.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				return one(env, args[0])
			}
			return all(env)
		},
	}
}

func list(p policy.Preset) listed {
	var bits uint32
	for _, f := range p.Policy.Features() {
		bits |= 1 << f
	}
	return listed{p, p.Policy.Describe(), regmap.FeatCodes.Bits(bits)}
}

// all prints every policy.
func all(env *cli.Env) error {
	var presets []listed
	for _, p := range policy.Presets() {
		presets = append(presets, list(p))
	}
	if env.JSON {
		return env.PrintJSON(map[string]any{"schema_version": cli.SchemaVersion, "policies": presets, "planned": policy.Plans()})
	}
	for _, p := range presets {
		fmt.Fprintf(env.Stdout, "%s  (%s; engine features: %s)\n    %s\n    source: %s\n", p.Name, p.Kind, features(p.Features), p.Formula, p.Source)
	}
	fmt.Fprintln(env.Stdout, "\nTwo names joined by + take the selection of one and the quantization of the other, as in h2o+kivi-4.\nkvaccel policies NAME tells the settings; files are told in docs/policies.md.\n\nknown, but no policy here:")
	w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	for _, p := range policy.Plans() {
		fmt.Fprintf(w, "  %s\t%s\n", p.Name, p.Needs)
	}
	return w.Flush()
}

func features(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " ")
}

// one prints what there is to tell of one policy.
func one(env *cli.Env, name string) error {
	p, err := policy.Load(name)
	if err != nil {
		return asUsage(err)
	}
	parts := presets(name)
	l := list(policy.Preset{Name: p.Name, Kind: policy.Both, Policy: p})
	if len(parts) == 1 {
		l = list(parts[0])
	}
	if env.JSON {
		if len(parts) == 1 {
			parts = nil
		}
		return env.PrintJSON(struct {
			SchemaVersion int `json:"schema_version"`
			listed
			Parts []policy.Preset `json:"parts,omitempty"` // of a join
		}{cli.SchemaVersion, l, parts})
	}
	w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "policy\t%s\n", p.Name)
	for _, part := range parts {
		fmt.Fprintf(w, "%s\t%s\n", part.Kind, part.Formula)
		fmt.Fprintf(w, "source\t%s\n", part.Source)
	}
	fmt.Fprintf(w, "settings\t%s\n", l.Describe)
	fmt.Fprintf(w, "engine\t%s\n", features(l.Features))
	if err := w.Flush(); err != nil {
		return err
	}
	return rules(env.Stdout, p)
}

// presets gives those that a name joins; none for a file.
func presets(name string) []policy.Preset {
	var parts []policy.Preset
	for _, part := range strings.Split(name, "+") {
		all := policy.Presets()
		if i := slices.IndexFunc(all, func(p policy.Preset) bool { return p.Name == strings.TrimSpace(part) }); i >= 0 {
			parts = append(parts, all[i])
		}
	}
	return parts
}

// rules prints what a policy file sets for some layers and heads.
func rules(out io.Writer, p policy.Policy) error {
	for _, r := range p.Rules {
		q := p.With(r.Set)
		q.Rules = nil
		if _, err := fmt.Fprintf(out, "layers %v, heads %v: %s\n", r.Layers, r.Heads, q.Describe()); err != nil {
			return err
		}
	}
	return nil
}

// asUsage marks a name that is none as a mistake on the command line.
func asUsage(err error) error {
	for _, e := range []error{policy.ErrUnknown, policy.ErrConflict, policy.ErrEngineLacks} {
		if errors.Is(err, e) {
			return cli.Usage(err)
		}
	}
	return err
}
