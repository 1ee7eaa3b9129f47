package eval

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/kvaccel/kvaccel/host/eval"
)

// printModel prints an evaluation for people.
func printModel(out io.Writer, r *eval.Result) error {
	unit := "token"
	if r.Bytes {
		unit = "byte"
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	c := r.Config
	fmt.Fprintf(w, "model\t%s: %d layers, %d query heads over %d KV heads of %d\n", r.Model, c.Layers, c.Heads, c.KVHeads, c.HeadDim)
	fmt.Fprintf(w, "text\t%s: %d windows of %d, %d read before compressing; %d predictions\n", r.Text, r.Windows, r.Window, r.Prefix, r.Predictions)
	fmt.Fprintf(w, "device\t%s (%s)\n", r.Device.URI, r.Device.Description)
	fmt.Fprintf(w, "chunk\t%d positions between two compressions\tseed %d\n", r.Chunk, r.Seed)
	fmt.Fprintf(w, "full cache\t%.4f nats per %s, perplexity %.4f\n\n", r.Rows[0].Nats, unit, r.Rows[0].Perplexity)
	if err := w.Flush(); err != nil {
		return err
	}
	printRows(out, r, unit)
	printControls(out, r, unit)
	printNotes(out, r)
	return nil
}

// printRows prints a line per policy.
func printRows(out io.Writer, r *eval.Result, unit string) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "policy\tbytes/token\tof full\tnats/%s more\t95 %% interval\tperplexity\tKL\tsame top\tneedle\tcycles/token\t\n", unit)
	for _, x := range r.Rows {
		fmt.Fprintf(w, "%s\t%.1f\t%.1f %%\t%+.4f\t%+.4f to %+.4f\t%.4f\t%.2g\t%.1f %%\t%s\t%.0f\t\n", x.Name, x.BytesPerToken, 100*x.Share,
			x.Delta.Mean, x.Delta.Low, x.Delta.High, x.Perplexity, x.KL, 100*x.SameTop, found(x.Needle), x.CyclesPerToken)
	}
	w.Flush()
}

func found(n *eval.Needle) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f", n.Nats)
}

// printControls sets every policy beside the controls that take its bytes.
func printControls(out io.Writer, r *eval.Result, unit string) {
	fmt.Fprintf(out, "\nnats per %s more than full, and (needle), of the controls at equal bytes: whole fp16 rows\n\n", unit)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "policy\tbytes/token\tpolicy\trows\t")
	for _, kind := range eval.Controls {
		fmt.Fprintf(w, "%s\t", kind)
	}
	fmt.Fprintln(w)
	for _, x := range r.Rows[1:] {
		fmt.Fprintf(w, "%s\t%.1f\t%+.4f (%s)\t%d\t", x.Name, x.BytesPerToken, x.Delta.Mean, found(x.Needle), x.ControlRows)
		for _, kind := range eval.Controls {
			if c := r.Control(x, kind); c != nil {
				fmt.Fprintf(w, "%+.4f (%s)\t", c.Delta.Mean, found(c.Needle))
			} else {
				fmt.Fprint(w, "-\t")
			}
		}
		fmt.Fprintln(w)
	}
	w.Flush()
}

func printNotes(out io.Writer, r *eval.Result) {
	fmt.Fprintln(out)
	if r.NeedleAbsent != nil {
		fmt.Fprintf(out, "needle: nats per letter of a made-up name that only the prefix tells; without the needle %.2f, with it and the full cache %.2f\n",
			r.NeedleAbsent.Nats, r.Rows[0].Needle.Nats)
		printDepths(out, r)
	} else {
		fmt.Fprintf(out, "no needles: %s\n", r.NeedleNote)
	}
	fmt.Fprintln(out, "cycles/token: restoring the whole compressed cache once, as a step does, and its share of SELECT and QUANTIZE")
	if f := r.Fidelity; f != nil {
		fmt.Fprintf(out, "\ndoes fidelity to attention (%d later queries of the first window) predict the model? rank correlation with the loss:\n", f.Queries)
		for _, c := range f.Correlations {
			verdict := "useless as a predictor here"
			if c.Useful {
				verdict = "it does"
			}
			fmt.Fprintf(out, "  %-30s %+.3f over %d runs: %s\n", c.Measure, c.Spearman, c.Runs, verdict)
		}
	}
}

// printDepths prints needle by depth.
func printDepths(out io.Writer, r *eval.Result) {
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "needle at\t")
	for _, d := range eval.Depths {
		fmt.Fprintf(w, "%.0f %%\t", 100*d)
	}
	fmt.Fprintln(w, "letters right\t")
	for _, x := range r.Rows {
		fmt.Fprintf(w, "%s\t", x.Name)
		for _, d := range x.Needle.Depths {
			fmt.Fprintf(w, "%.2f\t", d)
		}
		fmt.Fprintf(w, "%.0f %%\t\n", 100*x.Needle.Right)
	}
	w.Flush()
	fmt.Fprintln(out)
}
