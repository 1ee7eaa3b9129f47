// Package run has the verb that compresses a trace.
package run

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/host/aside"
	"github.com/kvaccel/kvaccel/host/compress"
	"github.com/kvaccel/kvaccel/host/plot"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/trace"
)

// defaultPolicy is what a run without any setting does.
const defaultPolicy = "h2o+kivi-4"

// ladderPolicy is what a ceiling starts from.
const ladderPolicy = "ladder"

// options are what the command line asks for.
type options struct {
	trace  string // empty: the sample
	out    string // CACHE file; empty: none
	plot   string // picture; empty: none
	prefix int    // 0: all but the last eighth
	policy policy.Policy

	decode         bool // step by step
	prefill, steps int  // of it; 0: all but the last eighth, all that there are
}

// New builds "kvaccel run".
func New(env *cli.Env) *cobra.Command {
	var o options
	var f flags
	cmd := &cobra.Command{
		Use:   "run [TRACE]",
		Short: "Compress a KV trace on an engine and tell what it costs",
		Long: `run compresses the first positions of a KV trace (safetensors) on an engine, restores
them again, and prints bytes, cycles and the fidelity of attention on the queries
that come after. Without TRACE it takes a built-in sample of a small language
model; without any setting, the policy ` + defaultPolicy + `.

Setting flags change the named policy; without --policy they start from "full":
fp16, group 32, residual 0, nothing evicted.

--rotate turns rows by the Walsh-Hadamard transform before they are quantized, so that
an element that sticks out is spread over its block, and back after they are restored.

The rows of a trace of BF16 stay bfloat16, scales, minima and restored rows included, if
the engine has BF16 and nothing in the policy is for fp16 alone (rotate, ggml's layouts,
tiers by key-norm); otherwise, or with --format fp16, they are converted, with a warning
if that was not asked for. --format bf16 insists on it, whatever the trace has.

With --decode the trace is replayed token by token, as a server would: --prefill
positions are taken in and compressed; then each step appends a position, attends,
scores and evicts within the same budget. It prints cycles per step. With --ceiling,
or the policy ladder, it evicts nothing until there is need: rows step down from fp16
to 8, 4 and 2 bits and out, over all heads together, so that the cache never takes more;
--json has what was decided at each step.

Policies:
` + policyTable() + `
Two names joined by + take the selection of one and the quantization of the other.`,
		Example: `  kvaccel run
  kvaccel run trace.safetensors --policy kivi-2 -o cache.safetensors
  kvaccel run --policy h2o --k-bits 4 --v-bits 4 --plot heads.png
  kvaccel run --topk 64 --sinks 4 --recent 32 --observe 32 --json
  kvaccel run --policy snapkv --budget 10% --pool 7 --pool-mode max
  kvaccel run --policy h2o --tiers fp16:10,8:20,4:70
  kvaccel run --policy quarot-4
  kvaccel run --policy kivi-2 --rotate 64
  kvaccel run bf16-trace.safetensors --format fp16
  kvaccel run --policy mine.yaml
  kvaccel run --decode --policy h2o --budget 64 --lambda 0.99 --prefill 256
  kvaccel run --decode --ceiling 180KiB --prefill 64
  kvaccel run trace.safetensors -d 'rtl:?lanes=8'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.trace = args[0]
			}
			p, err := f.resolve(cmd.Flags())
			if err != nil {
				return cli.Usage(err)
			}
			o.policy = p
			if err := o.check(cmd); err != nil {
				return err
			}
			if o.decode {
				return replay(cmd.Context(), env, o)
			}
			return run(cmd.Context(), env, o)
		},
	}
	cmd.Flags().StringVarP(&o.out, "output", "o", "", "write the compressed cache to this file (safetensors)")
	cmd.Flags().StringVar(&o.plot, "plot", "", "draw bytes against error per layer and head into this .png or .svg")
	cmd.Flags().IntVar(&o.prefix, "prefix", 0, "compress the first N positions (default: all but the last eighth)")
	cmd.Flags().BoolVar(&o.decode, "decode", false, "replay the trace token by token and tell the cycles per step")
	cmd.Flags().IntVar(&o.prefill, "prefill", 0, "with --decode, positions before the first step (default: all but the last eighth)")
	cmd.Flags().IntVar(&o.steps, "steps", 0, "with --decode, how many steps (default: all that the trace has)")
	f.register(cmd.Flags())
	return cmd
}

// check refuses what cannot work before any work is done.
func (o *options) check(cmd *cobra.Command) error {
	if err := o.checkMode(cmd.Flags()); err != nil {
		return cli.Usage(err)
	}
	if cmd.Flags().Changed("prefix") && o.prefix < 1 {
		return cli.Usage(fmt.Errorf("--prefix is %d, want at least 1", o.prefix))
	}
	if o.plot != "" {
		if err := plot.CheckPath(o.plot); err != nil {
			return cli.Usage(err)
		}
	}
	for _, path := range []string{o.out, o.plot} {
		if path == "" {
			continue
		}
		if err := aside.Check(path); err != nil {
			return err
		}
	}
	return nil
}

func run(ctx context.Context, env *cli.Env, o options) (err error) {
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
	report, finish := env.Progress("compressing")
	res, err := compress.Run(ctx, dev, t, o.policy, compress.Options{
		Prefix:   o.prefix,
		Progress: func(p compress.Progress) { report(p.Done, p.Total) },
	})
	finish()
	if err != nil {
		return err
	}
	if o.out != "" {
		if err := res.Cache.Write(ctx, o.out); err != nil {
			return err
		}
	}
	if o.plot != "" {
		if err := draw(ctx, o.plot, res); err != nil {
			return err
		}
	}
	for _, w := range res.Warnings {
		env.Note("warning: %s", w)
	}
	if env.JSON {
		return env.PrintJSON(res)
	}
	return printTable(env.Stdout, res, o)
}

func open(path string) (*trace.Trace, error) {
	if path == "" {
		return trace.Sample()
	}
	return trace.Open(path)
}

// draw plots what each head costs against what it loses.
func draw(ctx context.Context, path string, res *compress.Result) error {
	if res.Fidelity == nil {
		return fmt.Errorf("%s: not drawn: no fidelity was measured: %s", path, res.FidelityNote)
	}
	c := plot.Chart{
		Title:  fmt.Sprintf("%s, %s", res.Trace.File, res.Policy.Name),
		YLabel: "attention output, median relative L2 error",
	}
	for i, h := range res.Heads {
		c.Points = append(c.Points, plot.Point{Layer: h.Layer, Head: h.Head, Bytes: float64(h.Total), Error: res.Fidelity.Heads[i].OutputL2.Median})
	}
	return plot.Write(ctx, path, c)
}
