// Package tune has the verb that chooses bits and budgets head by head.
package tune

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/host/aside"
	"github.com/kvaccel/kvaccel/host/trace"
	"github.com/kvaccel/kvaccel/host/tune"
)

// options are what the command line asks for.
type options struct {
	trace, budget, out string
	maxError           float64
	prefix             int
}

// New builds "kvaccel tune".
func New(env *cli.Env) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "tune [TRACE]",
		Short: "Choose bits and budgets for every layer and head, and judge the choice",
		Long: `tune measures what each of a list of settings costs and spoils in every key-value head
of a trace, picks one for each head so that the error of the attention output is
least within --budget bytes (or the bytes least within --max-error), and writes
the choice as a policy file for run and eval. Only what the device of -d can do is tried.

The choice is made on the first positions and judged on the later ones, which it has
not seen, beside every fixed preset at no more bytes. If one of them does better, tune
says so. A trace of one model tells nothing of another; kvaccel trace record makes one.

Without TRACE the built-in sample is used.`,
		Example: `  kvaccel tune --budget 15% --out tuned.yaml
  kvaccel run --policy tuned.yaml
  kvaccel tune trace.safetensors --budget 2000000
  kvaccel tune trace.safetensors --max-error 0.05 -d 'emu:?features=0xf' --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.trace = args[0]
			}
			return run(cmd.Context(), env, o)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&o.budget, "budget", "", "bytes of the compressed prefix: a number, or a share of its fp16 size such as 15% (default 15%)")
	fs.Float64Var(&o.maxError, "max-error", 0, "instead: mean relative L2 error of the attention output that is allowed")
	fs.IntVar(&o.prefix, "prefix", 0, "positions to tune on and to compress; later ones judge (default: all but the last eighth)")
	fs.StringVar(&o.out, "out", "", "write the policy into this file (.yaml)")
	return cmd
}

func run(ctx context.Context, env *cli.Env, o options) error {
	t, err := open(o.trace)
	if err != nil {
		return err
	}
	defer t.Close()
	goal, err := o.goal(t)
	if err != nil {
		return err
	}
	if o.out != "" && !strings.HasSuffix(o.out, ".yaml") {
		return cli.Usage(fmt.Errorf("--out is %q, want a name that ends in .yaml", o.out))
	}
	dev, err := env.Open(ctx)
	if err != nil {
		return err
	}
	defer dev.Close()
	progress, finish := env.Progress("tune")
	defer finish()
	r, err := tune.Run(ctx, dev, t, tune.Options{Goal: goal, Prefix: o.prefix, Progress: func(done, total int, _ string) { progress(done, total) }})
	if errors.Is(err, tune.ErrGoal) {
		return cli.Usage(err)
	}
	if err != nil {
		return err
	}
	finish()
	if o.out != "" {
		if err := aside.WriteFile(ctx, o.out, func(w io.Writer) error { _, err := w.Write(r.File); return err }); err != nil {
			return err
		}
	}
	if env.JSON {
		return env.PrintJSON(struct {
			SchemaVersion int    `json:"schema_version"`
			Trace         string `json:"trace"`
			*tune.Result
			File string `json:"policy_file"`
		}{cli.SchemaVersion, t.Name, r, string(r.File)})
	}
	return table(env, t, o, r)
}

func open(name string) (*trace.Trace, error) {
	if name == "" {
		return trace.Sample()
	}
	return trace.Open(name)
}

// goal reads --budget and --max-error.
func (o options) goal(t *trace.Trace) (tune.Goal, error) {
	if o.maxError != 0 {
		if o.budget != "" || !(o.maxError > 0) {
			return tune.Goal{}, cli.Usage(fmt.Errorf("--max-error is %g, want a number above 0, and no --budget beside it", o.maxError))
		}
		return tune.Goal{MaxError: o.maxError}, nil
	}
	text := o.budget
	if text == "" {
		text = "15%"
	}
	digits, share := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || !(v > 0) || v > 1e15 || share && v > 100 {
		return tune.Goal{}, cli.Usage(fmt.Errorf("--budget is %q, want a number of bytes, or a share of the fp16 size such as 15%%", text))
	}
	if share {
		prefix := o.prefix
		if prefix == 0 {
			prefix = tune.DefaultPrefix(t)
		}
		v *= float64(4*t.Layers*t.Hkv*t.D*prefix) / 100
	}
	return tune.Goal{Bytes: max(1, int64(v))}, nil
}
