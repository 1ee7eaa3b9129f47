package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/host/sweep"
)

// WorkerOptions of [Work].
type WorkerOptions struct {
	Name    string   // told to hubs, and kept with every outcome
	Devices []string // URIs: emu: and rtl: are built as a sweep says, a board is held
	Jobs    int      // points computed at once on each simulated engine
	Open    sweep.OpenFunc
	Cache   string        // directory for inputs that this machine lacks
	Program string        // version of this program
	Idle    time.Duration // end after so long without work; 0: never
	Note    func(format string, args ...any)

	// specID is told instead of this program's, and onlyCache takes no files from where
	// the plan has them: so that tests can be another machine.
	specID    uint32
	onlyCache bool
}

// worker is the state of one Work.
type worker struct {
	WorkerOptions
	js     jetstream.JetStream
	nc     *nats.Conn
	runner sweep.Runner
	files  files
	advert Advert
	boards map[string]*sweep.Slot // open engines by URI

	mu     sync.Mutex
	sweeps map[string]announcement // joined
	active time.Time               // when there was last work
	busy   int
}

// maxDeliveries is how often a point is tried whose workers die of it.
const maxDeliveries = 5

// poll is how long a slot waits for a point of one sweep.
const poll = time.Second

// Work takes points of the sweeps on a server until ctx is cancelled, or, with
// Idle, until there was nothing to do for so long; then it gives nil. A point in hand
// when ctx is cancelled is given back at once. It fails with ErrRefused if a sweep does
// not take this worker.
func Work(ctx context.Context, nc *nats.Conn, o WorkerOptions) error {
	if o.Note == nil {
		o.Note = func(string, ...any) {}
	}
	w := &worker{WorkerOptions: o, nc: nc, boards: map[string]*sweep.Slot{}, sweeps: map[string]announcement{}, active: time.Now()}
	w.files = files{dir: o.Cache, ignore: o.onlyCache}
	w.advert = Advert{Worker: o.Name, Program: o.Program, SpecID: specID}
	if o.specID != 0 {
		w.advert.SpecID = o.specID
	}
	defer func() {
		for _, s := range w.boards {
			s.Close()
		}
	}()
	slots, err := w.open(ctx)
	if err != nil {
		return err
	}
	if w.js, err = jetstream.New(nc); err != nil {
		return fmt.Errorf("%w: %w", ErrQueue, err)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	wg.Go(func() { stop(w.watch(ctx)) })
	for _, s := range slots {
		wg.Go(func() {
			if err := w.slot(ctx, s); err != nil {
				stop(err)
			}
		})
	}
	wg.Wait()
	nc.FlushTimeout(2 * time.Second) // points given back must reach the server
	if err := context.Cause(ctx); !errors.Is(err, errIdle) {
		return err
	}
	return nil
}

// errIdle ends a worker that has nothing to do.
var errIdle = errors.New("nothing to do")

// place is where one point at a time is computed.
type place struct {
	scheme string
	uri    string // of a board; a simulated engine is the point's
	slot   *sweep.Slot
}

// open opens every device once, to say what it is; boards stay open.
func (w *worker) open(ctx context.Context) (places []place, err error) {
	for _, uri := range w.Devices {
		u, err := driver.ParseURI(uri)
		if err != nil {
			return nil, err
		}
		if sweep.Simulated(u.Scheme) && len(u.Options) > 0 {
			return nil, fmt.Errorf("%w: %s: a sweep says how it is built; a worker takes %s: without options", driver.ErrOption, uri, u.Scheme)
		}
		s := &sweep.Slot{Open: w.Open}
		d, err := s.Device(ctx, uri)
		if err != nil {
			return nil, err
		}
		w.advert.Devices, w.advert.Schemes = append(w.advert.Devices, d.Info()), append(w.advert.Schemes, u.Scheme)
		if !sweep.Simulated(u.Scheme) {
			w.boards[uri] = s
			places = append(places, place{u.Scheme, uri, s})
			continue
		}
		s.Close()
		for range max(1, w.Jobs) {
			places = append(places, place{u.Scheme, "", &sweep.Slot{Open: w.Open}})
		}
	}
	w.advert.Slots = len(places)
	return places, nil
}

// watch joins sweeps as they come and leaves them as they go.
func (w *worker) watch(ctx context.Context) error {
	kv, err := w.bucket(ctx)
	if err != nil {
		return err
	}
	updates, err := kv.WatchAll(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrQueue, err)
	}
	defer updates.Stop()
	tick := time.NewTicker(poll / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
			if w.idle() {
				return errIdle
			}
		case e, ok := <-updates.Updates():
			if !ok {
				return fmt.Errorf("%w: the server ended", ErrQueue)
			}
			if e == nil {
				continue // all that were there
			}
			if err := w.update(ctx, e); err != nil {
				return err
			}
		}
	}
}

// bucket gives the list of sweeps; a server that is not there yet is waited for.
func (w *worker) bucket(ctx context.Context) (jetstream.KeyValue, error) {
	for {
		if w.nc.IsConnected() {
			kv, err := w.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: sweepsBucket})
			if err == nil {
				return kv, nil
			}
			if !isOneOf(err, nats.ErrTimeout, context.DeadlineExceeded) {
				return nil, wrap(ctx, err)
			}
		}
		if err := w.nc.LastError(); errors.Is(err, nats.ErrAuthorization) {
			return nil, fmt.Errorf("%w: %w", ErrQueue, err)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(poll / 4):
		}
	}
}

func (w *worker) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Idle > 0 && w.busy == 0 && time.Since(w.active) > w.Idle
}

// update joins or leaves the sweep of an entry.
func (w *worker) update(ctx context.Context, e jetstream.KeyValueEntry) error {
	if e.Operation() != jetstream.KeyValuePut {
		w.mu.Lock()
		delete(w.sweeps, e.Key())
		w.mu.Unlock()
		return nil
	}
	var a announcement
	if err := json.Unmarshal(e.Value(), &a); err != nil {
		return fmt.Errorf("%w: the announcement of sweep %s cannot be read: %w", ErrQueue, e.Key(), err)
	}
	if !slices.ContainsFunc(w.advert.Schemes, func(s string) bool { return slices.Contains(a.Classes, s) }) {
		w.Note("sweep %s needs %v, which are not here", a.Name, a.Classes)
		return nil
	}
	if err := w.join(ctx, a); err != nil {
		return err
	}
	w.Note("joins sweep %s", a.Name)
	w.mu.Lock()
	w.sweeps[a.Name], w.active = a, time.Now()
	w.mu.Unlock()
	return nil
}

// join shows the worker to the hub. Without one, what the sweep announced decides.
func (w *worker) join(ctx context.Context, a announcement) error {
	b, err := json.Marshal(w.advert)
	if err != nil {
		return err
	}
	r := a.admit(w.advert)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if m, err := w.nc.RequestWithContext(ctx, joinSubject(a.Name), b); err == nil {
		var hub reply
		if json.Unmarshal(m.Data, &hub) == nil {
			r = hub
		}
	}
	return r.err(a.Name, w.Name)
}

func (w *worker) joined(scheme string) (list []announcement) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.sweeps {
		if slices.Contains(a.Classes, scheme) {
			list = append(list, a)
		}
	}
	return list
}

func (w *worker) work(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy += n
	w.active = time.Now()
}
