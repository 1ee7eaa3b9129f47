package bench

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// WriteGobench writes every point and sample in the text format of Go
// benchmarks, for benchstat. All figures are exact: one iteration each.
func (r *Report) WriteGobench(out io.Writer) error {
	w := bufio.NewWriter(out)
	p := r.Device.Params
	fmt.Fprintf(w, "source: %s\ndevice: %s\nlanes: %d\nmax-dim: %d\ntile-tokens: %d\nmax-tokens: %d\n",
		r.Source, r.Device.URI, p.Lanes, p.MaxDim, p.TileTokens, p.MaxTokens)
	fmt.Fprintf(w, "Unit %s better=higher assume=exact\nUnit %s better=lower assume=exact\n\n", BeatsPerCycle, Cycles)
	for _, row := range r.Rows {
		points := row.Points
		if len(row.Samples) > 0 {
			points = row.Samples
		}
		for _, p := range points {
			fmt.Fprintf(w, "Benchmark%s/%s 1 %.6g %s\n", camel(row.ID), strings.ReplaceAll(p.Settings.String(), " ", "_"), p.Measured, row.Unit)
		}
	}
	return w.Flush()
}

// camel turns an id into the name of a benchmark.
func camel(id string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(id, "-") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}
