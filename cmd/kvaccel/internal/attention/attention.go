// Package attention has the verb that compares ways to make rows of a cache smaller.
package attention

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/host/aside"
	"github.com/kvaccel/kvaccel/host/attncomp"
	"github.com/kvaccel/kvaccel/host/plot"
	"github.com/kvaccel/kvaccel/host/trace"
)

// options are what the command line asks for.
type options struct {
	trace string // empty: the sample
	plot  string
	attncomp.Options
	modelOptions
}

// New builds "kvaccel attention".
func New(env *cli.Env) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "attention [TRACE | --model DIR --text FILE]",
		Short: "Low-rank rows, merged heads, shared layers: bytes against attention error",
		Long: `attention compares ways to make the rows of a KV cache smaller by what they have in
common, each alone and with its rows quantized by an engine, and beside the engine
alone: bytes against the error of the attention output, on queries later than the
compressed prefix. Without TRACE it takes the built-in sample.

  none                 the engine alone
  lowrank              a basis for each head, by singular values
  lowrank-q            the same; keys by what the prefix's queries see of them
  joint, joint-2       one basis for all heads of a layer, or of two layers
  merge, merge-fit     the mean of a layer's heads; with a map for each by least squares
  share, share-fit     odd layers take the rows of the even layer before; with a map

Maps and bases count as bytes. They do not grow with the context, so "long" is the
ratio without them. A star marks what no other row beats in both bytes and mean error.
Below the table, what beats the engine alone, if anything does, and the cosines of
neighbouring layers. It is fidelity, not accuracy of a model.

Maps are fitted on the prefix. With --calibrate N on its first N positions only: then
the rest of the prefix is as new to them as another text.

With --model the methods are in the loop: the model decodes a text with its cache held in
their form, combined with policies that quantize and evict those rows through the
engine, and what it predicts is compared with the full cache: bytes against nats. Queries
and outputs go through the maps, so rows are not restored to those of heads. joint-2
cannot run: it needs the second layer's rows before the first layer attends.`,
		Example: `  kvaccel attention
  kvaccel attention trace.safetensors --method lowrank-q,joint --rank 16,32,48,64 --bits 16,8,4,2
  kvaccel attention --calibrate 128 --plot attention.svg
  kvaccel attention --model host/llm/testdata/golm --text host/llm/testdata/golm/sample.txt --policy full,qserve-4,recent+qserve-4@50%
  kvaccel attention -d rtl: --method lowrank --rank 32 --bits 8 --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.trace = args[0]
			}
			if err := o.check(cmd); err != nil {
				return err
			}
			if o.model != "" {
				return runModel(cmd.Context(), env, o)
			}
			return run(cmd.Context(), env, o)
		},
	}
	fs := cmd.Flags()
	fs.StringSliceVar(&o.Methods, "method", nil, "methods: "+strings.Join(attncomp.Methods(), ", ")+" (default: all; none always comes along)")
	fs.IntSliceVar(&o.Ranks, "rank", nil, "numbers a row of low rank has per head (default: 1/4, 1/2 and 3/4 of the dims)")
	fs.IntSliceVar(&o.Bits, "bits", nil, "widths of the rows: 2, 3, 4, 5, 6, 8 by the engine, 16 for none (default 16,8,4,2)")
	fs.IntVar(&o.Prefix, "prefix", 0, "compress the first N positions (default: all but the last eighth)")
	fs.IntVar(&o.Calibrate, "calibrate", 0, "fit maps on the first N positions (default: the prefix)")
	fs.Float64Var(&o.Ridge, "ridge", attncomp.DefaultRidge, "how much least squares are held back, as a share of the rows' mean square")
	fs.StringVar(&o.plot, "plot", "", "draw bytes against error into this .png or .svg")
	o.register(cmd)
	return cmd
}

// check refuses what cannot work before any work is done.
func (o *options) check(cmd *cobra.Command) error {
	if err := o.checkModel(cmd); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		v    int
	}{{"prefix", o.Prefix}, {"calibrate", o.Calibrate}} {
		if cmd.Flags().Changed(f.name) && f.v < 1 {
			return cli.Usage(fmt.Errorf("--%s is %d, want at least 1", f.name, f.v))
		}
	}
	if o.Ridge == 0 {
		return cli.Usage(fmt.Errorf("--ridge is 0, want more"))
	}
	if o.plot == "" {
		return nil
	}
	if err := plot.CheckPath(o.plot); err != nil {
		return cli.Usage(err)
	}
	return aside.Check(o.plot)
}

func run(ctx context.Context, env *cli.Env, o options) error {
	t, err := open(o.trace)
	if err != nil {
		return err
	}
	defer t.Close()
	dev, err := env.Open(ctx)
	if err != nil {
		return err
	}
	defer dev.Close()
	report, finish := env.Progress("comparing")
	o.Progress = report
	res, err := attncomp.Run(ctx, dev, t, o.Options)
	finish()
	if errors.Is(err, attncomp.ErrOptions) {
		return cli.Usage(err)
	}
	if err != nil {
		return err
	}
	if o.plot != "" {
		if err := attncomp.Plot(ctx, o.plot, res); err != nil {
			return err
		}
	}
	if env.JSON {
		return env.PrintJSON(res)
	}
	return printTable(env.Stdout, res)
}

func open(path string) (*trace.Trace, error) {
	if path == "" {
		return trace.Sample()
	}
	return trace.Open(path)
}
