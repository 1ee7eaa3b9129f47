// Package sweep has the verb that runs many settings against each other.
package sweep

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/host/aside"
	"github.com/kvaccel/kvaccel/host/sweep"
)

// options are what the command line asks for.
type options struct {
	out, csv, program string
	workers           int
	dry, resume       bool
	queue             queued
}

// New builds "kvaccel sweep".
func New(env *cli.Env) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "sweep FILE.yaml",
		Short: "Run policies, engines, budgets, traces and texts against each other",
		Long: `sweep computes every combination that a YAML file asks for: policies and their
settings, budgets, builds of the engine, traces (fidelity, as kvaccel run) and models
with texts (loss, as kvaccel eval). Results go into one SQLite file under a hash of
everything that decides them: contents of the inputs, policy, engine and the version of
this program. What is finished is never computed again, so a sweep can be interrupted,
extended and run again; a point that fails is recorded with its error, does not stop the
others, and makes the exit code 1.

With --nats or --serve the points are computed by kvaccel worker on any number of machines,
over NATS JetStream.

  name: example
  about: what is asked, for the report
  inputs:
    - trace: sample                     # built in, or a path relative to the file
    - {model: DIR, text: FILE, windows: 2, needles: 0}
  policies:
    - h2o+kivi-4
    - {policy: kivi-4, bits: [2, 3, 4], group: [32, 64]}
  budgets: [10%, 20%, 64]
  engine: {lanes: [4, 8]}`,
		Example: `  kvaccel sweep example.yaml --dry-run
  kvaccel sweep example.yaml --csv example.csv
  kvaccel report example.db -o example.html
  kvaccel sweep example.yaml --serve 4222 --workers 2      and elsewhere on this machine: kvaccel worker
  kvaccel sweep example.yaml --nats tls://hub.example.org --creds hub.creds`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.workers < 0 {
				return cli.Usage(fmt.Errorf("--workers is %d, want 0 or more", o.workers))
			}
			if err := o.queue.check(cmd); err != nil {
				return err
			}
			return run(cmd.Context(), env, args[0], o)
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&o.out, "out", "o", "", "file of the results (default: FILE.db)")
	fs.StringVar(&o.csv, "csv", "", "also write this sweep's results as CSV")
	fs.IntVar(&o.workers, "workers", 0, "points computed at once (default: one per processor; with --nats or --serve: none in this process)")
	fs.BoolVar(&o.dry, "dry-run", false, "say what would be computed and what is finished already")
	fs.BoolVar(&o.resume, "resume", true, "keep finished points; --resume=false computes all of them again")
	fs.StringVar(&o.program, "program", "", "version of this program in the keys (default: its release, its revision, or a hash of the executable)")
	o.queue.register(fs)
	return cmd
}

func run(ctx context.Context, env *cli.Env, path string, o options) error {
	f, err := sweep.Read(path)
	if err != nil {
		return usage(err)
	}
	if o.out == "" {
		o.out = strings.TrimSuffix(path, filepath.Ext(path)) + ".db"
	}
	if o.csv != "" {
		if err := aside.Check(o.csv); err != nil {
			return err
		}
	}
	if o.program == "" {
		if o.program, err = sweep.Program(ctx); err != nil {
			return err
		}
	}
	plan, err := f.Plan(ctx, env.Device, o.program)
	if err != nil {
		return usage(err)
	}
	if o.dry {
		return dryRun(ctx, env, plan, o)
	}
	st, err := sweep.OpenStore(ctx, o.out)
	if err != nil {
		return err
	}
	defer st.Close()
	todo, _, err := st.Todo(ctx, plan, !o.resume)
	if err != nil {
		return err
	}
	if err := sweep.CheckDisk(o.out, plan.Bytes(len(todo))+o.queue.bytes(plan, len(todo))); err != nil {
		return err
	}
	report, finish := env.Progress("sweeping")
	var sum sweep.Summary
	if o.queue.on() {
		sum, err = o.queue.run(ctx, env, plan, st, o, report)
	} else {
		sum, err = sweep.Run(ctx, plan, st, sweep.Options{Open: env.Devices.Open, Workers: o.workers, Fresh: !o.resume, Progress: report})
	}
	finish()
	if err != nil {
		env.Note("%d of %d points are finished in %s; the same command goes on there", sum.Finished+sum.Computed, sum.Points, o.out)
		return err
	}
	return show(ctx, env, st, plan, sum, o)
}

// usage tells mistakes in the file from what the system refuses.
func usage(err error) error {
	if isAny(err, sweep.ErrFile, driver.ErrOption) {
		return cli.Usage(err)
	}
	return err
}
