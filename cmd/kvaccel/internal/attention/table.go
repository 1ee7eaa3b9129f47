package attention

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/kvaccel/kvaccel/host/attncomp"
)

// printTable prints a comparison for people.
func printTable(out io.Writer, r *attncomp.Result) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "trace\t%s: %d layers, %d query heads over %d KV heads of %d\n", r.Trace, r.Layers, r.Heads, r.KVHeads, r.Dims)
	fmt.Fprintf(w, "prefix\t%d positions, maps fitted on the first %d; judged by the %d queries after it\n", r.Prefix, r.Calibrated, r.Queries)
	fmt.Fprintf(w, "device\t%s (%s)\n", r.Device.URI, r.Device.Description)
	fmt.Fprintf(w, "full\t%d bytes\n\n", r.FullBytes)
	if err := w.Flush(); err != nil {
		return err
	}
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "method\trank\tbits\tbytes\tof them maps\tratio\tlong\terror: mean\tmedian\tp95\tworst head\tKL median\t\t\n")
	var skipped []attncomp.Row
	for _, x := range r.Rows {
		if x.Skipped != "" {
			skipped = append(skipped, x)
			continue
		}
		best := ""
		if x.Best {
			best = "*"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%.2fx\t%.2fx\t%.4f\t%.4f\t%.4f\t%.4f\t%.2g\t%s\t\n", x.Method, rank(x), x.Bits, x.Bytes, x.MapBytes,
			x.Ratio, x.Limit, x.OutputL2.Mean, x.OutputL2.Median, x.OutputL2.P95, x.OutputL2.Worst.Median, x.KL.Median, best)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, x := range skipped {
		fmt.Fprintf(out, "not done: %s, rank %s, %d bits: %s\n", x.Method, rank(x), x.Bits, x.Skipped)
	}
	printVerdicts(out, r)
	printAlike(out, r.Alike)
	return nil
}

func rank(x attncomp.Row) string { return rankWord(x.Rank) }

func rankWord(rank int) string {
	if rank == 0 {
		return "-"
	}
	return fmt.Sprint(rank)
}

func printAlike(out io.Writer, pairs []attncomp.Alike) {
	if len(pairs) == 0 {
		return
	}
	fmt.Fprintln(out, "\nmean cosine of neighbouring layers")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "layers\tkeys\tvalues\toutputs\t\n")
	for _, a := range pairs {
		fmt.Fprintf(w, "%d and %d\t%.3f\t%.3f\t%.3f\t\n", a.Layers[0], a.Layers[1], a.Keys, a.Values, a.Outputs)
	}
	w.Flush()
}

// printVerdicts says what beats the engine alone.
func printVerdicts(out io.Writer, r *attncomp.Result) {
	long := false
	for i, v := range r.Verdicts() {
		if i == 0 {
			fmt.Fprintln(out, "\nagainst the engine alone, at no more bytes")
		}
		if v.Long && !long {
			long = true
			fmt.Fprintln(out, "and where maps count nothing, as in a long context"+caution(r))
		}
		switch {
		case v.Other == nil:
			fmt.Fprintf(out, "  %d bits, error %.4f: no method is as small\n", v.Alone.Bits, v.Alone.OutputL2.Mean)
		case v.Better():
			fmt.Fprintf(out, "  %d bits, error %.4f: better is %s\n", v.Alone.Bits, v.Alone.OutputL2.Mean, describe(*v.Other))
		default:
			fmt.Fprintf(out, "  %d bits, error %.4f: nothing is better; the nearest is %s\n", v.Alone.Bits, v.Alone.OutputL2.Mean, describe(*v.Other))
		}
	}
}

// caution tells maps that only seem to fit from those that were tried on new rows.
func caution(r *attncomp.Result) string {
	if r.Calibrated < r.Prefix {
		return ""
	}
	return " (maps fitted on the rows they restore fit those best: try --calibrate)"
}

func describe(x attncomp.Row) string {
	name := x.Method
	if x.Rank > 0 {
		name += fmt.Sprintf(" of rank %d", x.Rank)
	}
	return fmt.Sprintf("%s at %d bits, error %.4f", name, x.Bits, x.OutputL2.Mean)
}
