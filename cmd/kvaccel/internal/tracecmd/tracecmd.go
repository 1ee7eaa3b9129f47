// Package tracecmd has the verbs that make and look at KV traces: record, info
// and convert.
package tracecmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/host/aside"
	"github.com/kvaccel/kvaccel/host/llm"
	"github.com/kvaccel/kvaccel/host/plot"
	"github.com/kvaccel/kvaccel/host/record"
	"github.com/kvaccel/kvaccel/host/trace"
	"github.com/kvaccel/kvaccel/host/traceconvert"
	"github.com/kvaccel/kvaccel/host/traceinfo"
)

// New builds "kvaccel trace" with its verbs.
func New(env *cli.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trace",
		Short: "Record, describe and convert KV traces",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, sub := range []*cobra.Command{newRecord(env), newInfo(env), newConvert(env)} {
		check := sub.Args
		sub.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return cli.Usage(fmt.Errorf("%w; usage: %s", err, cmd.UseLine()))
			}
			return nil
		}
		cmd.AddCommand(sub)
	}
	return cmd
}

type recordOptions struct {
	model, text, out   string
	offset, tokens, at int
}

func newRecord(env *cli.Env) *cobra.Command {
	var o recordOptions
	cmd := &cobra.Command{
		Use:   "record --model DIR --text FILE -o TRACE",
		Short: "Run a model over a text and keep its keys, values and queries",
		Example: `  kvaccel trace record --model host/llm/testdata/golm --text host/llm/testdata/golm/sample.txt -o trace.safetensors
  kvaccel trace record --model DIR --text tokens.npy --tokens 2048 --attn 32 -o trace.safetensors`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.model == "" || o.text == "" || o.out == "" {
				return cli.Usage(fmt.Errorf("--model, --text and --output are needed"))
			}
			if o.offset < 0 || o.at < 0 || cmd.Flags().Changed("tokens") && o.tokens < 1 {
				return cli.Usage(fmt.Errorf("--offset is %d, --attn %d, --tokens %d: want numbers from 0 on, --tokens from 1", o.offset, o.at, o.tokens))
			}
			if err := aside.Check(o.out); err != nil {
				return err
			}
			return runRecord(cmd.Context(), env, o)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&o.model, "model", "", "directory with config.json and model.safetensors, or shards and their index")
	fs.StringVar(&o.text, "text", "", "text: bytes for a model of 256 tokens, else .npy or .json")
	fs.StringVarP(&o.out, "output", "o", "", "write the trace to this file (safetensors)")
	fs.IntVar(&o.offset, "offset", 0, "first token of the text to be used")
	fs.IntVar(&o.tokens, "tokens", 0, "tokens to run (default: as many as text and context have)")
	fs.IntVar(&o.at, "attn", 0, "also keep the attention weights of the last N queries")
	return cmd
}

func runRecord(ctx context.Context, env *cli.Env, o recordOptions) error {
	m, err := llm.Open(ctx, o.model)
	if err != nil {
		return err
	}
	text, err := m.ReadTokens(o.text)
	if err != nil {
		return err
	}
	if o.offset >= len(text) {
		return cli.Usage(fmt.Errorf("--offset is %d, %s has %d tokens", o.offset, o.text, len(text)))
	}
	text = text[o.offset:]
	n := min(len(text), m.Context)
	if o.tokens > n {
		return cli.Usage(fmt.Errorf("--tokens is %d, want 1 to %d: the text has %d from there, the model's context is %d", o.tokens, n, len(text), m.Context))
	}
	if o.tokens > 0 {
		n = o.tokens
	}
	report, finish := env.Progress("recording")
	r, err := record.Run(ctx, m, text[:n], record.Options{Source: o.text, Attn: o.at, Progress: report})
	finish()
	if err != nil {
		return err
	}
	if s := r.Saturated(); s > 0 {
		env.Note("warning: %d values were beyond the fp16 range and became +-65504", s)
	}
	if err := r.Write(ctx, o.out); err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(map[string]any{"schema_version": cli.SchemaVersion, "file": o.out, "tokens": n, "metadata": r.Metadata(), "saturated": r.Saturated()})
	}
	fmt.Fprintf(env.Stdout, "%s: %d tokens of %s through %s\n", o.out, n, o.text, m.Name)
	return nil
}

func newInfo(env *cli.Env) *cobra.Command {
	var picture string
	cmd := &cobra.Command{
		Use:   "info TRACE",
		Short: "Describe a trace: shapes, ranges, outlier channels, sinks, heavy hitters",
		Example: `  kvaccel trace info trace.safetensors
  kvaccel trace info trace.safetensors --plot attention.svg`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if picture != "" {
				if err := plot.CheckPath(picture); err != nil {
					return cli.Usage(err)
				}
				if err := aside.Check(picture); err != nil {
					return err
				}
			}
			t, err := trace.Open(args[0])
			if err != nil {
				return err
			}
			defer t.Close()
			report, finish := env.Progress("reading")
			in, err := traceinfo.Measure(cmd.Context(), t, report)
			finish()
			if err != nil {
				return err
			}
			if picture != "" {
				if err := traceinfo.Plot(cmd.Context(), picture, in); err != nil {
					return err
				}
			}
			if env.JSON {
				return env.PrintJSON(in)
			}
			return printInfo(env.Stdout, in)
		},
	}
	cmd.Flags().StringVar(&picture, "plot", "", "draw where attention goes into this .png or .svg")
	return cmd
}

func newConvert(env *cli.Env) *cobra.Command {
	var (
		o                        traceconvert.Options
		out, model, rope, layout string
		scale                    float64
	)
	cmd := &cobra.Command{
		Use:   "convert INPUT... -o TRACE",
		Short: "Make a trace of .npy, .npz or safetensors files with other names",
		Long: `convert makes a trace of arrays that other tools saved: .npy and .npz files,
directories of .npy files, safetensors files. Names say what an array is:
layers.{l}.k, past_key_values.{l}.key, key_cache.{l}, k_{l} and the like, for keys, values,
queries and attention weights; k, v and q alone have the layers as first dimension.
Pickle files are not read: they can run code.`,
		Example: `  kvaccel trace convert cache.npz --model-name llama --k-rope post -o trace.safetensors
  kvaccel trace convert k.npy v.npy q.npy --layout bthd -o trace.safetensors`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return cli.Usage(fmt.Errorf("--output is needed"))
			}
			if layout != string(traceconvert.HeadsFirst) && layout != string(traceconvert.TokensFirst) {
				return cli.Usage(fmt.Errorf("--layout is %q, want %s or %s", layout, traceconvert.HeadsFirst, traceconvert.TokensFirst))
			}
			if rope != "" && rope != "pre" && rope != "post" {
				return cli.Usage(fmt.Errorf("--k-rope is %q, want pre or post", rope))
			}
			if cmd.Flags().Changed("scale") && !(scale > 0) {
				return cli.Usage(fmt.Errorf("--scale is %g, want a positive number", scale))
			}
			o.Layout, o.Metadata = traceconvert.Layout(layout), map[string]string{}
			for key, v := range map[string]string{"model": model, "k_rope": rope} {
				if v != "" {
					o.Metadata[key] = v
				}
			}
			if scale > 0 {
				o.Metadata["attention_scale"] = fmt.Sprint(scale)
			}
			if err := traceconvert.Check(args); err != nil {
				return err
			}
			if err := aside.Check(out); err != nil {
				return err
			}
			if err := traceconvert.Convert(cmd.Context(), args, out, o); err != nil {
				return err
			}
			if env.JSON {
				return env.PrintJSON(map[string]any{"schema_version": cli.SchemaVersion, "file": out, "inputs": args})
			}
			fmt.Fprintf(env.Stdout, "%s written; kvaccel trace info %s describes it\n", out, out)
			return nil
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&out, "output", "o", "", "write the trace to this file (safetensors)")
	fs.StringVar(&layout, "layout", string(traceconvert.HeadsFirst), "order of dimensions: bhtd, as transformers' cache, or bthd")
	fs.StringVar(&model, "model-name", "", "metadata: the model")
	fs.StringVar(&rope, "k-rope", "", "metadata: keys before (pre) or after (post) rotary positions")
	fs.Float64Var(&scale, "scale", 0, "metadata: attention scale (default of readers: 1/sqrt(dims))")
	fs.BoolVar(&o.IgnoreOthers, "ignore-others", false, "leave out arrays whose names say nothing")
	return cmd
}
