package run

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/kvaccel/kvaccel/host/compress"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/quality"
)

// printTable prints a result for people.
func printTable(out io.Writer, res *compress.Result, o options) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	t, rows := res.Trace, ""
	if t.Rows != string(policy.FP16) {
		rows = ", kept as " + t.Rows
	}
	fmt.Fprintf(w, "trace\t%s: %d layers, %d KV heads of %d, %d tokens%s\n", t.File, t.Layers, t.KVHeads, t.Dims, t.Tokens, rows)
	fmt.Fprintf(w, "policy\t%s: %s\n", res.Policy.Name, res.Policy.Describe())
	fmt.Fprintf(w, "device\t%s (%s)\n", res.Device.URI, res.Device.Description)
	fmt.Fprintf(w, "\n")
	fmt.Fprintf(w, "bytes\t%d -> %d\t(codes %d, scales %d, residual %s %d, positions %d)\n", res.BytesIn, res.BytesOut,
		res.Bytes.Codes, res.Bytes.Scales, t.Rows, res.Bytes.Residual, res.Bytes.Positions)
	fmt.Fprintf(w, "ratio\t%.2fx\t%.2f bits per element, %.2f per element kept\n", res.Ratio, res.BitsPerElem, res.BitsPerKept)
	fmt.Fprintf(w, "tokens kept\t%d of %d\t%s\n", res.TokensKept, res.TokensIn, perHead(res.Heads))
	if err := w.Flush(); err != nil {
		return err
	}
	printCosts(out, res.Costs, res.Device.ClockHz)
	if res.Fidelity == nil {
		fmt.Fprintf(out, "\nfidelity  not measured: %s\n", res.FidelityNote)
	} else {
		printFidelity(out, res.Fidelity, fmt.Sprintf("fidelity on %d later queries", res.Fidelity.Queries))
	}
	if o.out != "" {
		fmt.Fprintf(out, "\ncache written to %s; kvaccel restore %s -o TRACE gives the rows back\n", o.out, o.out)
	}
	if o.plot != "" {
		fmt.Fprintf(out, "plot written to %s\n", o.plot)
	}
	return nil
}

// perHead says what single heads keep, if they do not all keep the same.
func perHead(heads []compress.HeadBytes) string {
	least, most := heads[0].Kept, heads[0].Kept
	for _, h := range heads {
		least, most = min(least, h.Kept), max(most, h.Kept)
	}
	if least == most {
		return "per head"
	}
	return fmt.Sprintf("per head on average, from %d to %d", least, most)
}

// printCosts prints what each command cost the engine.
func printCosts(out io.Writer, c compress.Costs, clockHz float64) {
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "command\tpackets\tcycles\tbeats/cycle\ttime at %g MHz\t\n", clockHz/1e6)
	for _, name := range slices.Sorted(maps.Keys(c.Commands)) {
		s := c.Commands[name]
		fmt.Fprintf(w, "%s\t%d\t%d\t%.3f\t%s\t\n", name, s.Commands, s.Cycles, c.BeatsPerCycle[name], seconds(float64(s.Cycles)/clockHz))
	}
	fmt.Fprintf(w, "total\t\t%d\t\t%s\t\n", c.Cycles.Total, seconds(c.Seconds))
	w.Flush()
}

// seconds prints a duration with the unit that fits.
func seconds(s float64) string {
	switch {
	case s < 1e-3:
		return fmt.Sprintf("%.1f us", s*1e6)
	case s < 1:
		return fmt.Sprintf("%.2f ms", s*1e3)
	}
	return fmt.Sprintf("%.2f s", s)
}

func printFidelity(out io.Writer, r *quality.Report, title string) {
	fmt.Fprintf(out, "\n%s (closeness to the uncompressed trace, not model accuracy)\n\n", title)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "measure\tmedian\tp95\tworst head\t\n")
	for _, m := range []struct {
		name string
		m    quality.Measure
	}{
		{"attention output, relative L2", r.OutputL2},
		{"KL, nats", r.KL},
		{"lost attention mass", r.LostMass},
		{fmt.Sprintf("top-%d recall", r.TopK), r.Recall},
	} {
		fmt.Fprintf(w, "%s\t%.3g\t%.3g\t%.3g (layer %d head %d)\t\n", m.name, m.m.Median, m.m.P95, m.m.Worst.Median, m.m.Worst.Layer, m.m.Worst.Head)
	}
	w.Flush()
}
