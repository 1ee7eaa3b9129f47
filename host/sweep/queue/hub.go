package queue

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/host/sweep"
)

// DefaultAckWait is how long a worker may be silent before its point goes to
// another one. It is not how long a point may take.
const DefaultAckWait = 30 * time.Second

// HubOptions of [Run].
type HubOptions struct {
	Fresh    bool // compute finished points again
	AckWait  time.Duration
	Progress func(done, total int)
	Note     func(format string, args ...any) // what happens, for people; may be nil
}

// hub is the side that has the results.
type hub struct {
	HubOptions
	plan  *sweep.Plan
	store *sweep.Store
	js    jetstream.JetStream
	ann   announcement

	mu      sync.Mutex
	engines map[string]driver.Info // of boards, by scheme: all must be alike
	joined  map[string]bool
}

// Run hands the points that are left of a plan to workers and keeps what they
// come to. It ends when all are done, and takes everything of the sweep off the
// server; cancelled, it leaves it there, and another Run goes on.
func Run(ctx context.Context, nc *nats.Conn, p *sweep.Plan, st *sweep.Store, o HubOptions) (sum sweep.Summary, err error) {
	if o.AckWait == 0 {
		o.AckWait = DefaultAckWait
	}
	if o.Note == nil {
		o.Note = func(string, ...any) {}
	}
	h := &hub{HubOptions: o, plan: p, store: st, engines: map[string]driver.Info{}, joined: map[string]bool{}}
	if h.js, err = jetstream.New(nc); err != nil {
		return sum, fmt.Errorf("%w: %w", ErrQueue, err)
	}
	if err := h.alone(nc); err != nil {
		return sum, err
	}
	if err := st.Begin(ctx, p); err != nil {
		return sum, err
	}
	if err := h.announce(); err != nil {
		return sum, err
	}
	sub, err := nc.Subscribe(joinSubject(p.Name), h.join)
	if err != nil {
		return sum, fmt.Errorf("%w: %w", ErrQueue, err)
	}
	defer sub.Unsubscribe()
	results, err := h.streams(ctx)
	if err != nil {
		return sum, wrap(ctx, err)
	}
	sum, err = h.run(ctx, results)
	if err != nil {
		return sum, wrap(ctx, err)
	}
	return sum, h.clear(context.WithoutCancel(ctx))
}

// wrap tells a queue that failed from a run that was cancelled.
func wrap(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, ErrQueue) || errors.Is(err, sweep.ErrStore) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrQueue, err)
}

// alone refuses to run a sweep that another hub runs.
func (h *hub) alone(nc *nats.Conn) error {
	m, err := nc.Request(joinSubject(h.plan.Name), nil, 2*time.Second)
	switch {
	case err == nil:
		return fmt.Errorf("%w: a sweep called %s is being run already (%s)", ErrQueue, h.plan.Name, m.Data)
	case errors.Is(err, nats.ErrNoResponders):
		return nil
	}
	return fmt.Errorf("%w: %w", ErrQueue, err)
}

// announce fills in what workers are told.
func (h *hub) announce() error {
	h.ann = announcement{Name: h.plan.Name, Program: h.plan.Program, SpecID: specID, AckWait: h.AckWait, Run: rand.Text()}
	for _, p := range h.plan.Points {
		s, err := scheme(p)
		if err != nil {
			return err
		}
		if !slices.Contains(h.ann.Classes, s) {
			h.ann.Classes = append(h.ann.Classes, s)
		}
	}
	return nil
}

// join answers a worker that wants to take part; without an advert, who asks.
func (h *hub) join(m *nats.Msg) {
	if len(m.Data) == 0 {
		m.Respond([]byte("run " + h.ann.Run))
		return
	}
	var w Advert
	r := reply{Refused: "its advert cannot be read"}
	if json.Unmarshal(m.Data, &w) == nil {
		r = h.admit(w)
	}
	var uris []string
	for _, d := range w.Devices {
		uris = append(uris, fmt.Sprintf("%s (features %#x, SPEC_ID %#08x)", d.URI, d.Features, d.SpecID))
	}
	h.mu.Lock()
	first := !h.joined[w.Worker]
	h.joined[w.Worker] = r.Refused == ""
	h.mu.Unlock()
	switch {
	case r.Refused != "":
		h.Note("%v", r.err(h.plan.Name, w.Worker))
	case first:
		h.Note("worker %s joins with %s, %d points at once", w.Worker, strings.Join(uris, ", "), w.Slots)
	}
	if b, err := json.Marshal(r); err == nil {
		m.Respond(b)
	}
}

// admit holds a worker against the sweep; the boards of one scheme must be
// alike, because nothing else says what a point was computed on.
func (h *hub) admit(w Advert) reply {
	if r := h.ann.admit(w); r.Refused != "" {
		return r
	}
	if len(w.Schemes) != len(w.Devices) {
		return reply{Refused: fmt.Sprintf("it advertises %d devices of %d kinds", len(w.Devices), len(w.Schemes))}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, d := range w.Devices {
		s := w.Schemes[i]
		if sweep.Simulated(s) {
			continue
		}
		if e, ok := h.engines[s]; ok && (e.Params != d.Params || e.Features != d.Features) {
			return reply{Refused: fmt.Sprintf("its engine %s is %+v with features %#x, that of the workers before %+v with %#x", d.URI, d.Params, d.Features, e.Params, e.Features)}
		}
		h.engines[s] = d
	}
	return reply{}
}

// run publishes what is left and gathers what comes back.
func (h *hub) run(ctx context.Context, results jetstream.Consumer) (sum sweep.Summary, err error) {
	place := map[string]int{}
	for _, i := range h.plan.Unique() {
		place[h.plan.Keys[i]] = i
	}
	// What workers sent while no hub was there comes first.
	if err := h.backlog(ctx, results, place); err != nil {
		return sum, err
	}
	todo, sum, err := h.store.Todo(ctx, h.plan, h.Fresh)
	if err != nil {
		return sum, err
	}
	if err := h.publish(ctx, todo); err != nil {
		return sum, err
	}
	left := map[string]bool{}
	for _, i := range todo {
		left[h.plan.Keys[i]] = true
	}
	h.progress(sum)
	it, err := results.Messages()
	if err != nil {
		return sum, err
	}
	defer it.Stop()
	for len(left) > 0 {
		m, err := it.Next(jetstream.NextContext(ctx))
		if errors.Is(err, jetstream.ErrNoHeartbeat) {
			continue // the server is away; the connection comes back by itself
		}
		if err != nil {
			return sum, err
		}
		o, err := h.keep(ctx, m, place)
		if err != nil {
			return sum, err
		}
		if !left[o.Key] {
			continue
		}
		delete(left, o.Key)
		if o.Error == "" {
			sum.Computed++
		} else {
			sum.Failed++
		}
		h.progress(sum)
	}
	return sum, nil
}

func (h *hub) progress(sum sweep.Summary) {
	if h.Progress != nil {
		h.Progress(sum.Finished+sum.Computed+sum.Failed, sum.Points)
	}
}

// backlog keeps the outcomes that are waiting.
func (h *hub) backlog(ctx context.Context, results jetstream.Consumer, place map[string]int) error {
	for {
		batch, err := results.FetchNoWait(64)
		if err != nil {
			return err
		}
		n := 0
		for m := range batch.Messages() {
			n++
			if _, err := h.keep(ctx, m, place); err != nil {
				return err
			}
		}
		if err := batch.Error(); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
	}
}

// keep puts an outcome on disk and then acknowledges it. What belongs to no point
// of the plan, or cannot be read, is dropped and said.
func (h *hub) keep(ctx context.Context, m jetstream.Msg, place map[string]int) (o sweep.Outcome, err error) {
	if err := unpack(m.Data(), &o); err != nil {
		h.Note("%s: %v; dropped", m.Subject(), err)
		return sweep.Outcome{}, m.Term()
	}
	if o.Result == nil && o.Error == "" {
		o.Error = "the worker sent neither a result nor an error"
	}
	if _, ok := place[o.Key]; ok && o.Program == h.plan.Program {
		if err := h.store.Put(context.WithoutCancel(ctx), o); err != nil {
			return o, err
		}
		if o.Error != "" {
			h.Note("%s failed on %s: %s", h.plan.Points[place[o.Key]].Label, o.Worker, o.Error)
		}
	}
	return o, m.DoubleAck(context.WithoutCancel(ctx))
}
