package run

import (
	"context"
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/host/decode"
)

// checkMode refuses flags of the other mode.
func (o *options) checkMode(fs *pflag.FlagSet) error {
	for _, f := range []struct {
		name   string
		decode bool // of --decode, else of a run without it
	}{{"prefill", true}, {"steps", true}, {"prefix", false}, {"output", false}, {"plot", false}} {
		switch {
		case !fs.Changed(f.name) || f.decode == o.decode:
		case f.decode:
			return fmt.Errorf("--%s is a setting of --decode", f.name)
		default:
			return fmt.Errorf("--%s is no setting of --decode, which takes --prefill and --steps and writes no cache", f.name)
		}
	}
	for _, f := range []struct {
		name string
		v    int
	}{{"prefill", o.prefill}, {"steps", o.steps}} {
		if fs.Changed(f.name) && f.v < 1 {
			return fmt.Errorf("--%s is %d, want at least 1", f.name, f.v)
		}
	}
	return nil
}

// replay runs a trace step by step.
func replay(ctx context.Context, env *cli.Env, o options) error {
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
	report, finish := env.Progress("decoding")
	res, err := decode.Run(ctx, dev, t, o.policy, decode.Options{Prefill: o.prefill, Steps: o.steps, Progress: report})
	finish()
	if err != nil {
		return err
	}
	for _, w := range res.Warnings {
		env.Note("warning: %s", w)
	}
	if env.JSON {
		return env.PrintJSON(res)
	}
	return printSteps(env.Stdout, res)
}

// printCeiling prints what was done to stay under a ceiling.
func printCeiling(w io.Writer, r *decode.Result) {
	if r.Ceiling == 0 {
		return
	}
	descents, last := 0, r.PrefillDescent
	for _, s := range r.Steps {
		if s.Descent != nil {
			descents++
			last = s.Descent
		}
	}
	fmt.Fprintf(w, "ceiling\t%d, with room for the next position; rows went down at %d of %d steps\n", r.Ceiling, descents, len(r.Steps))
	if last == nil {
		return
	}
	var rows [4]int
	least, most := math.MaxInt, 0
	for _, h := range last.Heads {
		held := 0
		for t, n := range h.Rows {
			rows[t] += n
			held += n
		}
		least, most = min(least, held), max(most, held)
	}
	fmt.Fprintf(w, "rows\t%d fp16, %d of 8 bits, %d of 4, %d of 2\tall heads, after the last of these; a head holds %d to %d\n", rows[0], rows[1], rows[2], rows[3], least, most)
}

// printSteps prints a replay for people.
func printSteps(out io.Writer, r *decode.Result) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	last := r.Steps[len(r.Steps)-1]
	fmt.Fprintf(w, "trace\t%s: %d layers, %d KV heads of %d; prefill %d, then %d steps\n", r.Trace, r.Layers, r.KVHeads, r.Dims, r.Prefill, len(r.Steps))
	fmt.Fprintf(w, "policy\t%s: %s\n", r.Policy.Name, r.Policy.Describe())
	fmt.Fprintf(w, "device\t%s (%s)\n", r.Device.URI, r.Device.Description)
	fmt.Fprintf(w, "\n")
	fmt.Fprintf(w, "bytes\t%d held of %d\t(codes %d, scales %d, fp16 %d, positions %d, scores %d); at most %d\n", r.Bytes.Total(), r.FullBytes,
		r.Bytes.Codes, r.Bytes.Scales, r.Bytes.Residual, r.Bytes.Positions, r.Bytes.Scores, r.PeakBytes)
	printCeiling(w, r)
	fmt.Fprintf(w, "tokens kept\t%d of %d\tafter the last step, per head\n", last.Kept, last.Position+1)
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "cycles per step\tmedian\tp95\tworst\tat position\t\n")
	for _, c := range []struct {
		name string
		s    decode.Spread
	}{{"select", r.SelectCycles}, {"quantize", r.QuantCycles}, {"dequantize", r.RestoreCycles}, {"all", r.StepCycles}} {
		fmt.Fprintf(w, "%s\t%.0f\t%d\t%d\t%d\t\n", c.name, c.s.Median, c.s.P95, c.s.Worst, c.s.WorstStep)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\na step takes %s at %g MHz; the prefill took %d cycles\n", seconds(r.StepSeconds), r.Device.ClockHz/1e6, r.PrefillCycles.Total())
	printFidelity(out, r.Fidelity, fmt.Sprintf("fidelity of the %d steps", len(r.Steps)))
	return nil
}
