// Package eval has the verb that says what a scheme costs a model.
package eval

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/host/aside"
	"github.com/kvaccel/kvaccel/host/eval"
	"github.com/kvaccel/kvaccel/host/llm"
	"github.com/kvaccel/kvaccel/host/plot"
	"github.com/kvaccel/kvaccel/host/policy"
)

// options are what the command line asks for.
type options struct {
	model, text, trace string
	policies, budgets  []string
	csv, plot          string
	eval.Options
}

// New builds "kvaccel eval".
func New(env *cli.Env) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "eval {--model DIR --text FILE | --trace TRACE}",
		Short: "Say what KV-cache compression costs a model: loss, needles, bytes, cycles",
		Long: `eval runs a model of the Llama architecture over a text with its KV cache kept
through an engine, once per policy, and compares its predictions with those of the
full cache: loss with a paired confidence interval, KL, most likely token, needles; bytes
per token, everything counted, and engine cycles. Beside every policy stand the controls
at equal bytes: random rows, the last rows, sinks and the last rows.

With --trace instead of a model only fidelity to the recorded attention is
measured, which is not accuracy.

The text is bytes for a model of 256 tokens; for others an .npy array or a .json
list of tokens.`,
		Example: `  kvaccel eval --model host/llm/testdata/golm --text host/llm/testdata/golm/sample.txt
  kvaccel eval --model DIR --text tokens.npy --policy h2o+kivi-4,q8_0 --budget 10%,20% --csv out.csv
  kvaccel eval --model DIR --text FILE --state run.state     can be interrupted and run again
  kvaccel eval --trace trace.safetensors --policy h2o,kivi-2`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			if o.trace != "" {
				return runTrace(cmd.Context(), env, o)
			}
			return runModel(cmd.Context(), env, o)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&o.model, "model", "", "directory with config.json and model.safetensors, or shards and their index")
	fs.StringVar(&o.text, "text", "", "text to predict: bytes, .npy or .json")
	fs.StringVar(&o.trace, "trace", "", "KV trace: fidelity alone, without a model")
	fs.StringSliceVar(&o.policies, "policy", nil, "policies or policy files, as kvaccel run takes them (default: all of them and the usual joins)")
	fs.StringSliceVar(&o.budgets, "budget", nil, "positions that policies which evict keep: numbers, or shares of the prefix such as 10%; several give a row each")
	fs.IntVar(&o.Window, "window", 0, "positions of a window (default: the model's context, at most 4096)")
	fs.IntVar(&o.Prefix, "prefix", 0, "positions read before compressing (default: half of the window)")
	fs.IntVar(&o.Chunk, "chunk", eval.DefaultChunk, "positions decoded between two compressions; 1 compresses at every step")
	fs.IntVar(&o.Limit, "windows", 0, "use the first N windows of the text (default: all)")
	fs.IntVar(&o.Block, "block", eval.DefaultBlock, "predictions of a block of the confidence intervals")
	fs.IntVar(&o.Trials, "needles", eval.DefaultTrials, "needles per depth; 0: none")
	fs.Uint64Var(&o.Seed, "seed", 0, "seed of needles and of the random control")
	fs.IntVar(&o.Workers, "workers", 0, "engines used at once (default: one per processor)")
	fs.StringVar(&o.State, "state", "", "file that keeps what is done; run again with it to go on after an interruption")
	fs.StringVar(&o.csv, "csv", "", "write the rows into this file as CSV")
	fs.StringVar(&o.plot, "plot", "", "draw bytes against loss into this .png or .svg")
	return cmd
}

// check refuses what cannot work before any work is done.
func (o *options) check(cmd *cobra.Command) error {
	model := o.model != "" || o.text != ""
	switch {
	case model == (o.trace != ""):
		return cli.Usage(fmt.Errorf("want either --model and --text, or --trace; see %s --help", cmd.CommandPath()))
	case model && (o.model == "" || o.text == ""):
		return cli.Usage(fmt.Errorf("--model and --text go together"))
	case o.Workers < 0:
		return cli.Usage(fmt.Errorf("--workers is %d, want 0 or more", o.Workers))
	case o.Trials < 0:
		return cli.Usage(fmt.Errorf("--needles is %d, want 0 or more", o.Trials))
	}
	if o.Trials == 0 {
		o.Trials = -1
	}
	for _, n := range []struct {
		flag string
		v    int
	}{{"window", o.Window}, {"prefix", o.Prefix}, {"chunk", o.Chunk}, {"windows", o.Limit}, {"block", o.Block}} {
		if cmd.Flags().Changed(n.flag) && n.v < 1 {
			return cli.Usage(fmt.Errorf("--%s is %d, want at least 1", n.flag, n.v))
		}
	}
	if o.plot != "" {
		if err := plot.CheckPath(o.plot); err != nil {
			return cli.Usage(err)
		}
	}
	for _, path := range []string{o.csv, o.plot} {
		if path == "" {
			continue
		}
		if err := aside.Check(path); err != nil {
			return err
		}
	}
	return nil
}

// usualJoins are the selections and quantizations that are joined by default.
var (
	usualSelections    = []string{"h2o", "tova", "streaming"}
	usualQuantizations = []string{"q8_0", "q4_0", "kivi-4", "kivi-2"}
)

// runs gives what is to be evaluated for a prefix of n positions: the controls
// q8_0 and q4_0 are always among them.
func (o *options) runs(n int) ([]eval.Run, error) {
	names := o.policies
	if len(names) == 0 {
		for _, p := range policy.Presets() {
			names = append(names, p.Name)
		}
		for _, s := range usualSelections {
			for _, q := range usualQuantizations {
				names = append(names, s+"+"+q)
			}
		}
	}
	given := len(names)
	if len(o.policies) == 0 {
		given = 0 // nobody asked for any of them
	}
	for _, always := range []string{"q8_0", "q4_0"} {
		names = addControl(names, always)
	}
	var runs []eval.Run
	for i, name := range names {
		p, err := policy.Load(name)
		if err != nil {
			return nil, cli.Usage(fmt.Errorf("--policy %s: %w", name, err))
		}
		if len(o.budgets) == 0 || !p.Evicts() {
			runs = append(runs, eval.Run{Name: p.Name, Policy: p, Control: i >= given})
			continue
		}
		for _, b := range o.budgets {
			k, err := parseBudget(b, n)
			if err != nil {
				return nil, cli.Usage(err)
			}
			q, err := eval.WithBudget(p, k, n)
			if err != nil {
				return nil, cli.Usage(err)
			}
			runs = append(runs, eval.Run{Name: p.Name + "@" + b, Policy: q})
		}
	}
	return runs, nil
}

// addControl adds a policy that this build knows and the list lacks.
func addControl(names []string, name string) []string {
	for _, n := range names {
		if n == name {
			return names
		}
	}
	if _, err := policy.Lookup(name); err != nil {
		return names
	}
	return append(names, name)
}

// parseBudget reads a number of positions or a share of n in percent.
func parseBudget(s string, n int) (int, error) {
	if share, ok := strings.CutSuffix(s, "%"); ok {
		f, err := strconv.ParseFloat(share, 64)
		if err != nil || !(f > 0 && f <= 100) {
			return 0, fmt.Errorf("--budget %s: want a number of positions, or a share from above 0%% to 100%%", s)
		}
		return int(f * float64(n) / 100), nil
	}
	k, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("--budget %s: want a number of positions, or a share of the prefix such as 10%%", s)
	}
	return k, nil
}

func runModel(ctx context.Context, env *cli.Env, o options) error {
	m, err := llm.Open(ctx, o.model)
	if err != nil {
		return err
	}
	if o.Text, err = m.ReadTokens(o.text); err != nil {
		return err
	}
	o.TextName = o.text
	if err := o.Complete(m); err != nil {
		return cli.Usage(err)
	}
	if o.Runs, err = o.runs(o.Prefix); err != nil {
		return err
	}
	o.Open = func(ctx context.Context) (driver.Device, error) { return env.Open(ctx) }
	report, finish := env.Progress("evaluating")
	o.Progress = report
	res, err := eval.Evaluate(ctx, m, o.Options)
	finish()
	if errors.Is(err, eval.ErrOptions) {
		return cli.Usage(err)
	}
	if err != nil {
		return err
	}
	for _, l := range res.LeftOut {
		env.Note("left out: %s", l)
	}
	if o.csv != "" {
		if err := eval.WriteCSV(ctx, o.csv, res); err != nil {
			return err
		}
	}
	if o.plot != "" {
		if err := eval.Plot(ctx, o.plot, res); err != nil {
			return err
		}
	}
	if env.JSON {
		return env.PrintJSON(res)
	}
	return printModel(env.Stdout, res)
}
