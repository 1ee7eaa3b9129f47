package bench

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/kvaccel/kvaccel/host/bench"
)

// printTable prints a report for people.
func printTable(out io.Writer, r *bench.Report, all bool) error {
	p := r.Device.Params
	fmt.Fprintf(out, "device  %s (%s): lanes %d, max-dim %d, tile-tokens %d, max-tokens %d\n", r.Device.URI, r.Device.Description, p.Lanes, p.MaxDim, p.TileTokens, p.MaxTokens)
	fmt.Fprintf(out, "set     %s; real scores from %s\n\n", r.Set, strings.Join(r.Traces, ", "))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "promise\tpromised\tmeasured\tunit\t\tpoints\tworst at")
	for _, row := range r.Rows {
		if row.Absent != "" {
			fmt.Fprintf(w, "%s\t%s\t-\t%s\tabsent\t0\t%s\n", row.ID, formula(row.Limit), row.Unit, row.Absent)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", row.ID, bound(row.Limit, *row.Worst), value(row.Worst.Measured, row.Unit), row.Unit,
			verdict(row.Kept), row.Count, detail(*row.Worst))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	for _, row := range r.Rows {
		fmt.Fprintf(w, "%s\t%s; %s: %s\n", row.ID, row.What, row.Judged, formula(row.Limit))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if all {
		return printPoints(out, r)
	}
	return nil
}

// printPoints prints every point and, where medians are judged, every sample.
func printPoints(out io.Writer, r *bench.Report) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range r.Rows {
		for _, p := range row.Points {
			fmt.Fprintf(w, "\n%s\t%s\t%s\t%s\t%s", row.ID, bound(row.Limit, p), value(p.Measured, row.Unit), verdict(p.Kept), detail(p))
		}
		for _, p := range row.Samples {
			fmt.Fprintf(w, "\n%s\t%s\t%s\tsample\t%s", row.ID, bound(row.Limit, p), value(p.Measured, row.Unit), detail(p))
		}
	}
	fmt.Fprintln(w)
	return w.Flush()
}

func verdict(kept bool) string {
	if kept {
		return "kept"
	}
	return "BROKEN"
}

func sign(l bench.Limit) string {
	if l.AtLeast {
		return ">="
	}
	return "<="
}

// bound is the limit of one point.
func bound(l bench.Limit, p bench.Point) string { return sign(l) + " " + short(p.Promised) }

// short prints a limit without needless digits.
func short(v float64) string { return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64) }

// formula is the limit for any n.
func formula(l bench.Limit) string {
	if l.PerWord == 0 {
		return fmt.Sprintf("%s %g", sign(l), l.Fixed)
	}
	return fmt.Sprintf("%s %g n/Lanes + %g", sign(l), l.PerWord, l.Fixed)
}

func value(v float64, unit string) string {
	if unit == bench.BeatsPerCycle {
		return fmt.Sprintf("%.4f", v)
	}
	return short(v)
}

func detail(p bench.Point) string {
	var b strings.Builder
	for i, s := range p.Settings {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s %v", s.Key, s.Value)
	}
	if p.Of > 0 {
		fmt.Fprintf(&b, ": median of %d, %s to %s", p.Of, short(p.Min), short(p.Max))
	}
	return b.String()
}
