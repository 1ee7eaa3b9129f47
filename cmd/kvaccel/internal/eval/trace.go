package eval

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/host/compress"
	"github.com/kvaccel/kvaccel/host/eval"
	"github.com/kvaccel/kvaccel/host/trace"
)

// runTrace measures fidelity alone.
func runTrace(ctx context.Context, env *cli.Env, o options) error {
	if o.csv != "" || o.plot != "" || o.State != "" {
		return cli.Usage(fmt.Errorf("--csv, --plot and --state need a model; --json has all of a trace's figures"))
	}
	t, err := trace.Open(o.trace)
	if err != nil {
		return err
	}
	defer t.Close()
	if o.Prefix == 0 {
		o.Prefix = compress.DefaultPrefix(t.T)
	}
	if o.Prefix >= t.T {
		return cli.Usage(fmt.Errorf("--prefix is %d, want 1 to %d: fidelity needs later queries", o.Prefix, t.T-1))
	}
	runs, err := o.runs(o.Prefix)
	if err != nil {
		return err
	}
	dev, err := env.Open(ctx)
	if err != nil {
		return err
	}
	defer dev.Close()
	report, finish := env.Progress("measuring")
	res, err := eval.Trace(ctx, dev, t, runs, o.Prefix, report)
	finish()
	if err != nil {
		return err
	}
	for _, l := range res.LeftOut {
		env.Note("left out: %s", l)
	}
	if env.JSON {
		return env.PrintJSON(res)
	}
	return printTrace(env.Stdout, res)
}

func printTrace(out io.Writer, r *eval.TraceResult) error {
	fmt.Fprintf(out, "FIDELITY of attention on %d later queries, not accuracy: no model was run, so nothing here says what the text would lose.\n", r.Queries)
	fmt.Fprintf(out, "trace %s, first %d of %d positions compressed, on %s; medians over queries and heads\n\n", r.Trace, r.Prefix, r.Tokens, r.Device.URI)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "policy\tbytes/token\tkept\toutput L2\tKL\tlost mass\trecall\tcycles\t")
	for _, kind := range eval.Controls {
		fmt.Fprintf(w, "L2 of %s\t", kind)
	}
	fmt.Fprintln(w)
	for _, x := range r.Rows {
		fmt.Fprintf(w, "%s\t%.1f\t%d\t%.4f\t%.4g\t%.4f\t%.3f\t%d\t", x.Name, x.BytesPerToken, x.Kept, x.Fidelity.OutputL2, x.Fidelity.KL, x.Fidelity.LostMass, x.Fidelity.Recall, x.Cycles)
		for _, kind := range eval.Controls {
			if f, ok := x.Controls[kind]; ok {
				fmt.Fprintf(w, "%.4f\t", f.OutputL2)
			} else {
				fmt.Fprint(w, "-\t")
			}
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out, "controls: whole fp16 rows that take the same bytes")
	return nil
}
