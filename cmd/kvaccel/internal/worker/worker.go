// Package worker has the verb that computes points of sweeps for other
// machines.
package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/host/sweep"
	"github.com/kvaccel/kvaccel/host/sweep/queue"
)

// DefaultURL is where a worker looks for a server.
const DefaultURL = "nats://127.0.0.1:4222"

// AccessFlags registers how a NATS server is reached.
func AccessFlags(fs *pflag.FlagSet, a *queue.Access) {
	fs.StringVar(&a.URL, "nats", "", "URL of a NATS server with JetStream: nats://[USER:PASSWORD@]HOST[:PORT] or tls://...")
	fs.StringVar(&a.Creds, "creds", "", "file of a NATS user's credentials")
	fs.StringVar(&a.CA, "tls-ca", "", "authorities that the server's certificate is held against")
	fs.StringVar(&a.Cert, "tls-cert", "", "certificate of this side")
	fs.StringVar(&a.Key, "tls-key", "", "its key")
}

// options are what the command line asks for.
type options struct {
	access               queue.Access
	devices              []string
	jobs                 int
	name, cache, program string
	idle                 time.Duration
}

// New builds "kvaccel worker".
func New(env *cli.Env) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Compute points of sweeps that run on other machines",
		Long: `worker connects to a NATS server and computes points of the sweeps that kvaccel sweep
--nats or --serve announces there, on the engines it holds, until Ctrl-C. Traces, models and
texts that this machine does not have come from the server, by digest, into a cache. A
sweep takes workers of its own version only: same program, same register map (SPEC_ID).

A worker that is stopped gives its points back; one that dies loses them to another worker
when it has been silent for the sweep's --ack-wait. What was acknowledged is not repeated.

emu: and rtl: are built as each sweep says; a board is held as long as the worker runs.`,
		Example: `  kvaccel worker                                       for kvaccel sweep --serve on this machine
  kvaccel worker --nats nats://hub:4222 --jobs 8
  kvaccel worker --nats tls://hub.example.org --creds lab.creds --tls-ca ca.pem -d emu: -d rtl:`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.jobs < 1 {
				return cli.Usage(fmt.Errorf("--jobs is %d, want at least 1", o.jobs))
			}
			if o.idle < 0 {
				return cli.Usage(fmt.Errorf("--idle is %v, want 0 or more", o.idle))
			}
			return run(cmd.Context(), env, o)
		},
	}
	fs := cmd.Flags()
	AccessFlags(fs, &o.access)
	fs.Lookup("nats").DefValue, o.access.URL = DefaultURL, DefaultURL
	fs.StringArrayVarP(&o.devices, "device", "d", []string{"emu:"}, "engine that this worker holds; several times for several")
	fs.IntVar(&o.jobs, "jobs", runtime.GOMAXPROCS(0), "points computed at once on emu: and on rtl:")
	fs.StringVar(&o.name, "name", "", "name of this worker (default: host/process)")
	fs.StringVar(&o.cache, "cache", "", "directory for traces, models and texts that this machine lacks (default: kvaccel in the user's cache directory)")
	fs.DurationVar(&o.idle, "idle", 0, "end after so long without work (default: never)")
	fs.StringVar(&o.program, "program", "", "version of this program (default: its release, its revision, or a hash of the executable)")
	return cmd
}

// Options gives what every worker of this program has in common.
func Options(env *cli.Env, program string) queue.WorkerOptions {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return queue.WorkerOptions{
		Name: fmt.Sprintf("%s/%d", host, os.Getpid()), Open: env.Devices.Open, Program: program,
		Cache: filepath.Join(cache, "kvaccel"), Note: env.Note,
	}
}

func run(ctx context.Context, env *cli.Env, o options) (err error) {
	if o.program == "" {
		if o.program, err = sweep.Program(ctx); err != nil {
			return err
		}
	}
	wo := Options(env, o.program)
	wo.Devices, wo.Jobs, wo.Idle = o.devices, o.jobs, o.idle
	if o.name != "" {
		wo.Name = o.name
	}
	if o.cache != "" {
		wo.Cache = o.cache
	}
	o.access.Name, o.access.Patient, o.access.Note = "kvaccel worker "+wo.Name, true, env.Note
	nc, err := o.access.Connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	err = queue.Work(ctx, nc, wo)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		env.Note("points in hand were given back")
	}
	return err
}
