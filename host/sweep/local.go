package sweep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/kvaccel/kvaccel/driver"
)

// ErrFailed says that a sweep is finished and some of its points failed.
var ErrFailed = errors.New("points failed")

// Options of a run.
type Options struct {
	Open     OpenFunc
	Workers  int  // points computed at once; 0: one per processor
	Fresh    bool // compute finished points again
	Progress func(done, total int)
}

// Summary counts a sweep's points, equal ones once.
type Summary struct {
	Points   int `json:"points"`
	Finished int `json:"finished_before"` // by an earlier run
	Computed int `json:"computed"`
	Failed   int `json:"failed"`
}

// Err is ErrFailed if points failed.
func (s Summary) Err() error {
	if s.Failed == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d %w; their errors are in the results, and the next run tries them again", s.Failed, s.Points, ErrFailed)
}

// Todo lists the points of a plan that are to be computed.
func (s *Store) Todo(ctx context.Context, p *Plan, fresh bool) (todo []int, sum Summary, err error) {
	done, err := s.Done(ctx)
	if err != nil {
		return nil, sum, err
	}
	for _, i := range p.Unique() {
		sum.Points++
		if done[p.Keys[i]] && !fresh {
			sum.Finished++
		} else {
			todo = append(todo, i)
		}
	}
	return todo, sum, nil
}

// Run computes what is left of a plan on this machine. Every outcome is on disk
// before the next point of the same worker begins; a cancelled run has lost no more
// than the points in hand. It does not fail because points do: see [Summary.Err].
func Run(ctx context.Context, p *Plan, st *Store, o Options) (Summary, error) {
	if err := st.Begin(ctx, p); err != nil {
		return Summary{}, err
	}
	todo, sum, err := st.Todo(ctx, p, o.Fresh)
	if err != nil {
		return sum, err
	}
	workers := o.Workers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r := &local{runner: &Runner{}, plan: p, store: st, opt: o, sum: sum, jobs: make(chan int)}
	var wg sync.WaitGroup
	for range min(workers, len(todo)) {
		wg.Go(func() {
			if err := r.work(ctx); err != nil {
				stop(err)
			}
		})
	}
	r.report()
feed:
	for _, i := range todo {
		select {
		case r.jobs <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(r.jobs)
	wg.Wait()
	return r.sum, context.Cause(ctx)
}

// local is a run on this machine.
type local struct {
	runner *Runner
	plan   *Plan
	store  *Store
	opt    Options
	jobs   chan int
	mu     sync.Mutex
	sum    Summary
}

func (l *local) report() {
	if l.opt.Progress != nil {
		l.opt.Progress(l.sum.Finished+l.sum.Computed+l.sum.Failed, l.sum.Points)
	}
}

// work computes points one after another until there are no more.
func (l *local) work(ctx context.Context) error {
	slot := Slot{Open: l.opt.Open}
	defer slot.Close()
	for i := range l.jobs {
		o := Compute(ctx, l.runner, &slot, l.plan.Points[i], l.plan.Keys[i], l.plan.Program)
		if ctx.Err() != nil {
			return nil
		}
		if o.NoEngine != nil {
			return o.NoEngine
		}
		if err := l.store.Put(context.WithoutCancel(ctx), o); err != nil {
			return err
		}
		l.mu.Lock()
		if o.Result != nil {
			l.sum.Computed++
		} else {
			l.sum.Failed++
		}
		l.report()
		l.mu.Unlock()
	}
	return nil
}

// Compute tries one point.
func Compute(ctx context.Context, r *Runner, slot *Slot, p Point, key, program string) Outcome {
	o := Outcome{Key: key, Program: program, Started: time.Now()}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	o.Worker = fmt.Sprintf("%s/%d", host, os.Getpid())
	var dev driver.Device
	if p.Refused == "" {
		dev, o.NoEngine = slot.Device(ctx, p.Device)
	}
	if err = o.NoEngine; err == nil {
		if o.Result, err = r.Run(ctx, dev, p); err != nil {
			slot.Close() // packets may be outstanding
		}
	}
	if err != nil {
		o.Error = err.Error()
	} else {
		o.Raw = o.Result.Raw
	}
	o.Took = time.Since(o.Started)
	return o
}

// Slot holds the engine of one worker; it stays open from point to point.
type Slot struct {
	Open OpenFunc
	dev  driver.Device
	uri  string
}

// Device gives the engine that a URI names.
func (s *Slot) Device(ctx context.Context, uri string) (driver.Device, error) {
	if s.dev != nil && s.uri == uri {
		return s.dev, nil
	}
	s.Close()
	d, err := s.Open(ctx, uri)
	if err != nil {
		return nil, err
	}
	s.dev, s.uri = d, uri
	return d, nil
}

// Close releases the engine.
func (s *Slot) Close() {
	if s.dev != nil {
		s.dev.Close()
		s.dev = nil
	}
}
