package hil

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/kvaccel/kvaccel/driver"
)

// WriteTable writes the report for people.
func (r *Report) WriteTable(out io.Writer) error {
	fmt.Fprintf(out, "device  %s (%s), source %s, build %#08x\n", r.Device.URI, r.Device.Description, r.Source, r.Device.BuildHash)
	fmt.Fprintf(out, "tool    %s%s, %s, %s\n", r.Tool.Revision, map[bool]string{true: " and changes"}[r.Tool.Modified], r.Tool.Go, r.Tool.System)
	if r.Source != driver.Board {
		fmt.Fprintf(out, "note    a simulation: times and rates are its speed, cycles are the engine's\n")
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\nlatency\tcount\tmean us\tsigma\tp50\tp99\tworst\t\n")
	for _, l := range r.Latency {
		fmt.Fprintf(w, "%s\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", l.What, l.Count, l.Mean, l.Sigma, l.P50, l.P99, l.Worst)
	}
	fmt.Fprintf(w, "\t\t\t\t\t\t\t\nloopback, bytes\tdepth\tcommands\tMB/s each way\tengine waits\tbit errors\t\t\n")
	for _, t := range r.Loopback {
		fmt.Fprintf(w, "%d\t%d\t%d\t%.3f\t%.1f%%\t%d\t\t\n", t.Size, t.Depth, t.Count, t.BytesRate/1e6, 100*t.LostShare, t.BitErrors)
	}
	if len(r.Oneway) > 0 {
		fmt.Fprintf(w, "\t\t\t\t\t\t\t\none way, bytes\tdepth\tcommands\tMB/s\tengine waits\twrong\t\t\n")
	}
	for _, t := range r.Oneway {
		fmt.Fprintf(w, "%s %d\t%d\t%d\t%.3f\t%.1f%%\t%d\t\t\n", t.What, t.Size, t.Depth, t.Count, t.BytesRate/1e6, 100*t.LostShare, t.BitErrors)
	}
	fmt.Fprintf(w, "\t\t\t\t\t\t\t\nengine\tcycles\tpredicted\tstall in\tout\tus\tengine us\t\n")
	for _, e := range r.Engine {
		predicted, verdict := "-", ""
		if r.PredictedBy != "" {
			predicted = fmt.Sprint(e.Predicted)
			if !e.Same {
				verdict = "DIFFERS"
			}
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\t%.1f\t%.1f\t%s\n", e.Name, e.Cycles, predicted, e.StallIn, e.StallOut, e.Micros, e.EngineUs, verdict)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	switch {
	case r.PredictedBy == "":
		fmt.Fprintf(out, "\nnothing predicted\n")
	case r.Predicted:
		fmt.Fprintf(out, "\ncycles and bytes are as predicted by %s\n", r.PredictedBy)
	default:
		fmt.Fprintf(out, "\nNOT as predicted by %s\n", r.PredictedBy)
	}
	return nil
}

// WriteGobench writes the report in the text format of Go benchmarks, for
// benchstat.
func (r *Report) WriteGobench(out io.Writer) error {
	w := bufio.NewWriter(out)
	p := r.Device.Params
	fmt.Fprintf(w, "source: %s\ndevice: %s\nbuild: %#08x\nrevision: %s\nlanes: %d\nmax-dim: %d\ntile-tokens: %d\nmax-tokens: %d\n",
		r.Source, r.Device.URI, r.Device.BuildHash, r.Tool.Revision, p.Lanes, p.MaxDim, p.TileTokens, p.MaxTokens)
	fmt.Fprintf(w, "Unit cycles better=lower assume=exact\n\n")
	for _, l := range r.Latency {
		fmt.Fprintf(w, "BenchmarkLatency/what=%s %d %.6g ns/op %.6g p99-ns\n", strings.ReplaceAll(l.What, " ", "-"), l.Count, l.Mean*1e3, l.P99*1e3)
	}
	for _, t := range r.Loopback {
		fmt.Fprintf(w, "BenchmarkLoopback/size=%d/depth=%d %d %.6g ns/op %.6g B/s\n", t.Size, t.Depth, t.Count, t.Seconds/float64(max(1, t.Count))*1e9, t.BytesRate)
	}
	for _, t := range r.Oneway {
		fmt.Fprintf(w, "BenchmarkOneway/what=%s/size=%d/depth=%d %d %.6g ns/op %.6g B/s\n", t.What, t.Size, t.Depth, t.Count, t.Seconds/float64(max(1, t.Count))*1e9, t.BytesRate)
	}
	for _, e := range r.Engine {
		fmt.Fprintf(w, "BenchmarkEngine/%s 1 %d cycles %.6g ns/op\n", e.Name, e.Cycles, e.Micros*1e3)
	}
	return w.Flush()
}
