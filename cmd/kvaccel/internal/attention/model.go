package attention

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/host/attncomp"
	"github.com/kvaccel/kvaccel/host/eval"
	"github.com/kvaccel/kvaccel/host/llm"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/sweep"
)

// modelOptions are those of a comparison on a model.
type modelOptions struct {
	model, text string
	policies    []string
	attncomp.ModelOptions
}

// modelFlags are those that a trace has no use for.
var modelFlags = []string{"text", "policy", "fit", "window", "chunk", "windows"}

func (o *modelOptions) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&o.model, "model", "", "directory of a model: what the methods cost in the loop, in nats")
	fs.StringVar(&o.text, "text", "", "with --model, text to fit on and to predict: bytes, .npy or .json")
	fs.StringSliceVar(&o.policies, "policy", []string{"full"}, "with --model, policies or policy files that each method is combined with; @25% or @64 sets the positions kept")
	fs.IntVar(&o.Fit, "fit", attncomp.DefaultFit, "with --model, windows that maps are fitted on, the first ones; the others judge")
	fs.IntVar(&o.Window, "window", 0, "with --model, positions of a window (default: the model's context, at most 4096)")
	fs.IntVar(&o.Chunk, "chunk", eval.DefaultChunk, "with --model, positions decoded between two compressions")
	fs.IntVar(&o.Limit, "windows", 0, "with --model, judge by the first N windows after those (default: all)")
}

// checkModel refuses flags of the other mode.
func (o *options) checkModel(cmd *cobra.Command) error {
	fs := cmd.Flags()
	if o.model == "" {
		for _, name := range modelFlags {
			if fs.Changed(name) {
				return cli.Usage(fmt.Errorf("--%s goes with --model", name))
			}
		}
		return nil
	}
	switch {
	case o.trace != "":
		return cli.Usage(fmt.Errorf("want either a trace, %s, or --model", o.trace))
	case o.text == "":
		return cli.Usage(fmt.Errorf("--model and --text go together"))
	}
	for name, instead := range map[string]string{"bits": "policies say the widths: --policy q8_0,kivi-4", "calibrate": "--fit has the windows that maps are fitted on", "plot": "it draws traces alone"} {
		if fs.Changed(name) {
			return cli.Usage(fmt.Errorf("--%s is not for --model: %s", name, instead))
		}
	}
	for _, f := range []struct {
		name string
		v    int
	}{{"fit", o.Fit}, {"window", o.Window}, {"chunk", o.Chunk}, {"windows", o.Limit}} {
		if fs.Changed(f.name) && f.v < 1 {
			return cli.Usage(fmt.Errorf("--%s is %d, want at least 1", f.name, f.v))
		}
	}
	return nil
}

func runModel(ctx context.Context, env *cli.Env, o options) error {
	m, err := llm.Open(ctx, o.model)
	if err != nil {
		return err
	}
	x := o.modelOptions.ModelOptions
	if x.Text, err = m.ReadTokens(o.text); err != nil {
		return err
	}
	x.TextName, x.Trials = o.text, -1
	x.Methods, x.Ranks, x.Ridge, x.Prefix = o.Methods, o.Ranks, o.Options.Ridge, o.Options.Prefix
	if x.Window == 0 {
		x.Window = min(m.Context, 4096)
	}
	if x.Prefix == 0 {
		x.Prefix = x.Window / 2
	}
	for _, name := range o.policies {
		run, err := policyRun(name, x.Prefix)
		if err != nil {
			return cli.Usage(fmt.Errorf("--policy %s: %w", name, err))
		}
		x.Runs = append(x.Runs, run)
	}
	x.Open = func(ctx context.Context) (driver.Device, error) { return env.Open(ctx) }
	report, finish := env.Progress("decoding")
	x.Progress = report
	res, err := attncomp.RunModel(ctx, m, x)
	finish()
	if errors.Is(err, attncomp.ErrOptions) || errors.Is(err, eval.ErrOptions) {
		return cli.Usage(err)
	}
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(res)
	}
	return printModel(env.Stdout, res)
}

// policyRun reads a policy and what may follow it, the positions it keeps.
func policyRun(name string, prefix int) (eval.Run, error) {
	base, budget, ok := strings.Cut(name, "@")
	p, err := policy.Load(base)
	if err != nil || !ok {
		return eval.Run{Name: p.Name, Policy: p}, err
	}
	b, err := sweep.ParseBudget(budget)
	if err != nil {
		return eval.Run{}, err
	}
	if !p.Evicts() {
		return eval.Run{}, fmt.Errorf("%s evicts nothing: it takes no budget", base)
	}
	p, err = eval.WithBudget(p, b.Of(prefix), prefix)
	return eval.Run{Name: p.Name + "@" + budget, Policy: p}, err
}

// printModel prints a comparison on a model for people.
func printModel(out io.Writer, r *attncomp.ModelResult) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "model\t%s: %d layers, %d query heads over %d KV heads of %d\n", r.Model, r.Config.Layers, r.Config.Heads, r.Config.KVHeads, r.Config.HeadDim)
	fmt.Fprintf(w, "text\t%s: maps fitted on %d tokens; %d windows of %d after them, prefix %d, compressed every %d positions, %d predictions\n",
		r.Text, r.Calibrated, r.Windows, r.Window, r.Prefix, r.Chunk, r.Predictions)
	fmt.Fprintf(w, "device\t%s (%s)\n", r.Device.URI, r.Device.Description)
	fmt.Fprintf(w, "full\t%d bytes/token, %.4f nats/token\n\n", r.FullBytes, r.FullNats)
	if err := w.Flush(); err != nil {
		return err
	}
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "method\trank\tpolicy\tbytes/token\tmaps\tnats more\t95 % interval\tKL\tsame top\tcycles/token\t\t\n")
	var skipped []attncomp.ModelRow
	for _, x := range r.Rows {
		if x.Skipped != "" {
			skipped = append(skipped, x)
			continue
		}
		best := ""
		if x.Best {
			best = "*"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.1f\t%d\t%+.4f\t%+.4f to %+.4f\t%.2g\t%.1f %%\t%.0f\t%s\t\n", x.Method, rankWord(x.Rank), x.Policy, x.Bytes, x.MapBytes,
			x.Delta.Mean, x.Delta.Low, x.Delta.High, x.KL, 100*x.SameTop, x.Cycles, best)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, x := range skipped {
		fmt.Fprintf(out, "not done: %s, rank %s, %s: %s\n", x.Method, rankWord(x.Rank), x.Policy, x.Skipped)
	}
	fmt.Fprintln(out, "\nmaps: bytes once for the model, in none of the other figures; a star: no other row has fewer bytes and less loss")
	return nil
}
