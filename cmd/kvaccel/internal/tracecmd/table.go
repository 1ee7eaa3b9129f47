package tracecmd

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/kvaccel/kvaccel/host/traceinfo"
)

// printInfo prints a description for people.
func printInfo(out io.Writer, in *traceinfo.Info) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "trace\t%s\n", in.File)
	fmt.Fprintf(w, "shape\t%d layers, %d query heads, %d KV heads of %d, %d tokens\n", in.Layers, in.Heads, in.KVHeads, in.Dims, in.Tokens)
	fmt.Fprintf(w, "keys and values\t%d bytes as fp16; %d NaN or infinite, %d beyond its range\n", in.Bytes, in.NonFinite, in.Saturated)
	fmt.Fprintf(w, "attention\tscale %g", in.Scale)
	if in.AttnRows > 0 {
		fmt.Fprintf(w, "; weights of the last %d queries recorded", in.AttnRows)
	}
	fmt.Fprintln(w)
	for _, key := range slices.Sorted(maps.Keys(in.Metadata)) {
		fmt.Fprintf(w, "%s\t%s\n", key, in.Metadata[key])
	}
	fmt.Fprintln(w)
	if err := w.Flush(); err != nil {
		return err
	}
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "layer\thead\tkeys min\tmax\trms\toutliers\tvalues min\tmax\trms\toutliers\t")
	if in.Queries > 0 {
		fmt.Fprintf(w, "sinks\trecent\tbest %d %%\t90 %% on\theavy hitters\t", traceinfo.TopPercent)
	}
	fmt.Fprintln(w)
	for _, h := range in.HeadInfo {
		fmt.Fprintf(w, "%d\t%d\t", h.Layer, h.Head)
		for _, r := range []traceinfo.Range{h.K, h.V} {
			fmt.Fprintf(w, "%.3g\t%.3g\t%.3g\t%d (%.1fx)\t", r.Min, r.Max, r.RMS, len(r.Outliers), r.Worst)
		}
		if a := h.Attention; a != nil {
			fmt.Fprintf(w, "%.1f %%\t%.1f %%\t%.1f %%\t%.1f %%\t%v\t", 100*a.Sinks, 100*a.Recent, 100*a.TopShare, 100*a.For90, a.HeavyMost[:min(4, len(a.HeavyMost))])
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "outliers: channels whose largest magnitude is at least %dx the median channel's, and the largest such ratio\n", traceinfo.OutlierRatio)
	if in.Queries == 0 {
		fmt.Fprintln(out, "no queries in the trace: nothing can be said of attention")
		return nil
	}
	fmt.Fprintf(out, "attention of the last %d queries, means: on the first %d positions, on the last %d, on each query's best %d %%; the share of positions that 90 %% of it takes\n",
		in.Queries, traceinfo.SinkPositions, traceinfo.RecentPositions, traceinfo.TopPercent)
	return nil
}
