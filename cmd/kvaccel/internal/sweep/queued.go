package sweep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/worker"
	"github.com/kvaccel/kvaccel/host/sweep"
	"github.com/kvaccel/kvaccel/host/sweep/queue"
)

// queued are the flags of a sweep that other machines take part in.
type queued struct {
	serve, config string
	ackWait       time.Duration
	access        queue.Access
}

func (q *queued) register(fs *pflag.FlagSet) {
	worker.AccessFlags(fs, &q.access)
	fs.StringVar(&q.serve, "serve", "", "run a NATS server in this process on [HOST:]PORT; without HOST on the loopback address")
	fs.StringVar(&q.config, "nats-config", "", "configuration file of that server: TLS, users, accounts")
	fs.DurationVar(&q.ackWait, "ack-wait", queue.DefaultAckWait, "silence of a worker after which its point goes to another one")
}

func (q *queued) on() bool { return q.serve != "" || q.access.URL != "" }

// check refuses flags that do not go together.
func (q *queued) check(cmd *cobra.Command) error {
	switch {
	case q.serve != "" && q.access.URL != "":
		return cli.Usage(errors.New("--serve runs a server and --nats uses one: give one of them"))
	case q.serve == "" && q.config != "":
		return cli.Usage(errors.New("--nats-config is for the server of --serve"))
	case q.ackWait < time.Second:
		return cli.Usage(fmt.Errorf("--ack-wait is %v, want at least 1s", q.ackWait))
	}
	for _, f := range []string{"creds", "tls-ca", "tls-cert", "tls-key", "ack-wait"} {
		if !q.on() && cmd.Flags().Changed(f) {
			return cli.Usage(fmt.Errorf("--%s is for --nats or --serve", f))
		}
	}
	return nil
}

// bytes is what the server in this process takes of the disk: inputs and
// outcomes until the sweep is over.
func (q *queued) bytes(p *sweep.Plan, n int) uint64 {
	if q.serve == "" {
		return 0
	}
	sum := p.Bytes(n)
	seen := map[string]bool{}
	for _, pt := range p.Points {
		for _, b := range pt.Input.Blobs() {
			if !seen[b.Digest] {
				seen[b.Digest], sum = true, sum+uint64(b.Size)
			}
		}
	}
	return sum
}

// run is the sweep through the queue. What the server of this process keeps lies
// beside the results until the sweep is finished.
func (q *queued) run(ctx context.Context, env *cli.Env, p *sweep.Plan, st *sweep.Store, o options, report func(done, total int)) (sum sweep.Summary, err error) {
	connect := q.access.Connect
	dir := o.out + ".nats"
	q.access.Name = "kvaccel sweep " + p.Name
	if q.serve != "" {
		s, err := queue.Serve(queue.ServerOptions{Addr: q.serve, Config: q.config, Dir: dir})
		if err != nil {
			return sum, err
		}
		defer s.Close()
		connect = func() (*nats.Conn, error) { return s.Connect(q.access) }
		env.Note("serving %s; workers: kvaccel worker --nats %s", s.URL(), s.URL())
	}
	nc, err := connect()
	if err != nil {
		return sum, err
	}
	defer nc.Close()
	if o.workers > 0 {
		stop, err := q.inside(ctx, env, connect, o)
		if err != nil {
			return sum, err
		}
		defer stop()
	}
	sum, err = queue.Run(ctx, nc, p, st, queue.HubOptions{Fresh: !o.resume, AckWait: q.ackWait, Progress: report, Note: env.Note})
	if err == nil && q.serve != "" {
		defer os.RemoveAll(dir)
	}
	return sum, err
}

// inside runs a worker in this process.
func (q *queued) inside(ctx context.Context, env *cli.Env, connect func() (*nats.Conn, error), o options) (stop func(), err error) {
	nc, err := connect()
	if err != nil {
		return nil, err
	}
	wo := worker.Options(env, o.program)
	wo.Devices, wo.Jobs = []string{"emu:"}, o.workers
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer nc.Close()
		if err := queue.Work(ctx, nc, wo); err != nil && ctx.Err() == nil {
			env.Note("the worker in this process ended: %v", err)
		}
	})
	return func() { cancel(); wg.Wait() }, nil
}
