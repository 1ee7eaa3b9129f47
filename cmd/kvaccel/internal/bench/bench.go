// Package bench has the verb that holds a device to its timing promises.
package bench

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/host/aside"
	"github.com/kvaccel/kvaccel/host/bench"
	"github.com/kvaccel/kvaccel/host/plot"
	"github.com/kvaccel/kvaccel/host/trace"
)

// The output formats.
const (
	formatTable   = "table"
	formatJSON    = "json"
	formatGobench = "gobench"
)

// options are what the command line asks for.
type options struct {
	bench.Options
	traces []string
	all    bool
	plot   string // picture; empty: none
	format string

	link          bool
	sizes, depths []int // of --link
	compare       bool
}

// New builds "kvaccel bench".
func New(env *cli.Env) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Hold a device to its timing promises",
		Long: `bench measures what the engine promises of its timing and prints, promise by promise,
what was measured beside what is promised: the worst point of each sweep, or every point
with --all. Everything is counted in engine cycles, without those that the link lost, so
the figures are the same on the emulator, the Verilated RTL and a board, and the same again
in every run. It exits with 7 if a promise is broken.

A command that the engine does not have is listed as absent; nothing is promised of it.

With --link it measures the device in the loop instead: the latency of register reads and
commands, loopback of a pseudo-random sequence (every bit is looked at) over sizes and
commands in flight, and commands of every kind beside the cycles and bytes that the
emulator predicts for them. It exits with 7 if one differs.

With --compare OLD NEW it says what changed between two reports of --json; it exits with
7 if a figure that the engine counts is another.`,
		Example: `  kvaccel bench
  kvaccel bench -d rtl: --quick --json
  kvaccel bench --only select-search,select-real --all
  kvaccel bench --only select-real --trace long.safetensors
  kvaccel bench --only quantize --rows 16 --dims 64
  kvaccel bench --only select-search,select-real,select-long --plot search.svg
  kvaccel bench --format gobench > new.txt && benchstat old.txt new.txt
  kvaccel bench --link -d usb: --sizes 1024,65536 --depths 1,8
  kvaccel bench --link -d usb: --json > new.json && kvaccel bench --compare old.json new.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if o.compare && len(args) != 2 {
				return fmt.Errorf("--compare takes two reports, got %d", len(args))
			}
			if !o.compare && len(args) > 0 {
				return fmt.Errorf("unknown argument %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd, env); err != nil {
				return err
			}
			switch {
			case o.compare:
				return compare(env, args[0], args[1])
			case o.link:
				return runLink(cmd.Context(), env, o)
			}
			return run(cmd.Context(), env, o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.Quick, "quick", false, "fewer points of each sweep")
	f.BoolVar(&o.all, "all", false, "every point, not only the worst of each sweep")
	f.StringSliceVar(&o.Only, "only", nil, "measure these promises only, by id")
	f.StringArrayVar(&o.traces, "trace", nil, "KV trace for the real scores (may be given several times; default: the built-in sample)")
	f.IntVar(&o.Rows, "rows", 0, "rows of a tile (default: as many as the engine takes)")
	f.IntVar(&o.Dims, "dims", 0, "elements of a tile's row (default: 128, or as many as the engine takes)")
	f.StringVar(&o.plot, "plot", "", "draw the cycles of SELECT's search over n and k into this .png or .svg")
	f.BoolVar(&o.link, "link", false, "measure the device in the loop: latency, loopback, predicted cycles")
	f.IntSliceVar(&o.sizes, "sizes", nil, "payload bytes of --link's loopback (default 64 to 1048576)")
	f.IntSliceVar(&o.depths, "depths", nil, "commands in flight of --link's loopback (default 1,4,16)")
	f.BoolVar(&o.compare, "compare", false, "compare two reports of --json, the old one first")
	f.StringVar(&o.format, "format", formatTable, "table, json or gobench (text for benchstat)")
	return cmd
}

// check refuses what has no meaning before anything is opened.
func (o *options) check(cmd *cobra.Command, env *cli.Env) error {
	switch o.format {
	case formatTable, formatJSON, formatGobench:
	default:
		return cli.Usage(fmt.Errorf("--format %q, want table, json or gobench", o.format))
	}
	if env.JSON {
		if cmd.Flags().Changed("format") && o.format != formatJSON {
			return cli.Usage(fmt.Errorf("--json and --format %s contradict each other", o.format))
		}
		o.format = formatJSON
	}
	for _, flag := range []string{"only", "all", "trace", "rows", "dims", "plot"} {
		if (o.link || o.compare) && cmd.Flags().Changed(flag) {
			return cli.Usage(fmt.Errorf("--%s is for the timing promises, not for --link or --compare", flag))
		}
	}
	if o.link && o.compare {
		return cli.Usage(errors.New("--link measures, --compare does not: give one of them"))
	}
	if !o.link && (cmd.Flags().Changed("sizes") || cmd.Flags().Changed("depths")) {
		return cli.Usage(errors.New("--sizes and --depths are for --link"))
	}
	for _, n := range []struct {
		flag string
		v    int
	}{{"rows", o.Rows}, {"dims", o.Dims}} {
		if cmd.Flags().Changed(n.flag) && n.v < 1 {
			return cli.Usage(fmt.Errorf("--%s is %d, want at least 1", n.flag, n.v))
		}
	}
	if o.plot == "" {
		return nil
	}
	if err := plot.CheckPath(o.plot); err != nil {
		return cli.Usage(err)
	}
	return aside.Check(o.plot)
}

func run(ctx context.Context, env *cli.Env, o options) error {
	for _, path := range o.traces {
		t, err := trace.Open(path)
		if err != nil {
			return err
		}
		defer t.Close()
		o.Traces = append(o.Traces, t)
	}
	dev, err := env.Open(ctx)
	if err != nil {
		return err
	}
	defer dev.Close()
	var finish func()
	o.Progress, finish = env.Progress("measuring")
	r, err := bench.Run(ctx, dev, o.Options)
	finish()
	if errors.Is(err, bench.ErrOption) {
		return cli.Usage(err)
	}
	if err != nil {
		return err
	}
	if err := o.print(env, r); err != nil {
		return err
	}
	if o.plot != "" {
		if err := r.Plot(ctx, o.plot); err != nil {
			return err
		}
	}
	return r.Err()
}

func (o *options) print(env *cli.Env, r *bench.Report) error {
	switch o.format {
	case formatJSON:
		if !o.all {
			r = r.Brief()
		}
		return env.PrintJSON(r)
	case formatGobench:
		return r.WriteGobench(env.Stdout)
	}
	return printTable(env.Stdout, r, o.all)
}
