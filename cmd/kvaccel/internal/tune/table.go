package tune

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/host/trace"
	"github.com/kvaccel/kvaccel/host/tune"
)

// table prints the choice and what came of it.
func table(env *cli.Env, t *trace.Trace, o options, r *tune.Result) error {
	out := env.Stdout
	fmt.Fprintf(out, "trace   %s: %d layers, %d KV heads of %d, %d tokens\n", t.Name, t.Layers, t.Hkv, t.D, t.T)
	fmt.Fprintf(out, "tuned   on the first %d positions, judged on attention from the %d later ones\n", r.TunedOn, r.JudgedOn)
	fmt.Fprintf(out, "tried   %s\n\n", tried(r))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "layer\thead\tchosen\terror where tuned\tbytes where tuned")
	for l, heads := range r.Choice {
		for h, i := range heads {
			c := r.Tried[i]
			fmt.Fprintf(w, "%d\t%d\t%s\t%.3g\t%d\n", l, h, c.Candidate, c.Error[l][h], c.Bytes[l][h])
		}
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, "held out\tbytes\tratio\tmean error\t")
	fmt.Fprintf(w, "tuned\t%d\t%.2fx\t%.4g\t(%.4g where tuned)\n", r.Tuned.Bytes, r.Tuned.Ratio, r.Tuned.Error, r.Expected.Error)
	presets(w, r)
	if err := w.Flush(); err != nil {
		return err
	}
	verdict(out, r)
	if o.out != "" {
		fmt.Fprintf(out, "\npolicy  %s: kvaccel run --policy %s\n", o.out, o.out)
	} else {
		fmt.Fprintf(out, "\npolicy  (--out FILE.yaml keeps it)\n%s", r.File)
	}
	return nil
}

func tried(r *tune.Result) string {
	skipped := slices.DeleteFunc(slices.Clone(r.Tried), func(t tune.Tried) bool { return t.Skipped == "" })
	s := fmt.Sprintf("%d settings", len(r.Tried)-len(skipped))
	if len(skipped) > 0 {
		s += fmt.Sprintf("; %d left out, such as %s: %s", len(skipped), skipped[0].Candidate, skipped[0].Skipped)
	}
	return s
}

// presets lists the rivals, the best first.
func presets(w io.Writer, r *tune.Result) {
	sorted := slices.Clone(r.Presets)
	slices.SortStableFunc(sorted, func(a, b tune.Preset) int {
		switch {
		case a.Error < b.Error:
			return -1
		case a.Error > b.Error:
			return 1
		}
		return 0
	})
	for _, p := range sorted {
		note := ""
		if p.Over {
			note = "(takes more bytes)"
		}
		fmt.Fprintf(w, "%s\t%d\t%.2fx\t%.4g\t%s\n", p.Name, p.Bytes, p.Ratio, p.Error, note)
	}
}

// verdict says in a sentence whether tuning was worth it.
func verdict(out io.Writer, r *tune.Result) {
	best, ok := r.Best()
	switch {
	case !ok:
		fmt.Fprintln(out, "\nNo preset gets by with so few bytes.")
	case r.Tuned.Error < best.Error:
		fmt.Fprintf(out, "\nOn held-out positions the tuned policy beats every preset at no more bytes: its error is %.0f %% below that of %s.\n", 100*(1-r.Tuned.Error/best.Error), best.Name)
	default:
		fmt.Fprintf(out, "\nOn held-out positions the tuned policy does NOT beat the presets: the error of %s, at %d bytes, is %.0f %% below its own.\n", best.Name, best.Bytes, 100*(1-best.Error/r.Tuned.Error))
	}
}
