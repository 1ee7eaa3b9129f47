package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/kvaccel/kvaccel/host/sweep"
)

// slot computes points, one after another, of any sweep that is joined.
func (w *worker) slot(ctx context.Context, p place) error {
	if p.uri == "" {
		defer p.slot.Close()
	}
	for ctx.Err() == nil {
		found := false
		for _, a := range w.joined(p.scheme) {
			took, err := w.take(ctx, p, a)
			if err != nil {
				return err
			}
			found = found || took
		}
		if found {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(poll / 10):
		}
	}
	return nil
}

// take asks for one point and computes it; took says whether there was one.
func (w *worker) take(ctx context.Context, p place, a announcement) (took bool, err error) {
	c, err := w.js.Consumer(ctx, pointStream(a.Name), consumerName(p.scheme))
	if err != nil {
		return false, w.passing(ctx, err)
	}
	batch, err := c.Fetch(1, jetstream.FetchMaxWait(poll))
	if err != nil {
		return false, w.passing(ctx, err)
	}
	for m := range batch.Messages() {
		took = true
		w.work(1)
		err := w.compute(ctx, p, a, m)
		w.work(-1)
		if err != nil {
			return true, err
		}
	}
	return took, nil
}

// passing reports no error for what passes: a sweep that is over, a server that
// is away for the moment. The connection comes back by itself.
func (w *worker) passing(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	select {
	case <-ctx.Done():
	case <-time.After(poll / 4):
	}
	if errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("%w: %w", ErrQueue, err)
	}
	return nil
}

// compute does one point: outcome first, acknowledgement after it.
func (w *worker) compute(ctx context.Context, p place, a announcement, m jetstream.Msg) error {
	var j job
	if err := unpack(m.Data(), &j); err != nil {
		w.Note("%s: %v; dropped", m.Subject(), err)
		m.Term()
		return nil
	}
	meta, err := m.Metadata()
	if err != nil {
		return err
	}
	if meta.NumDelivered > 1 && w.sent(ctx, a, j.Key) {
		m.Ack() // whoever had it died between outcome and acknowledgement
		return nil
	}
	alive := heartbeat(m, a.AckWait)
	o := w.outcome(ctx, p, a, j, meta.NumDelivered)
	alive()
	if ctx.Err() != nil || o.NoEngine != nil {
		m.Nak()
		return o.NoEngine
	}
	data, err := pack(o)
	if err == nil {
		_, err = w.js.Publish(ctx, resultSubject(a.Name, o.Key), data, jetstream.WithRetryAttempts(10), jetstream.WithRetryWait(poll))
	}
	if err != nil {
		w.Note("the outcome of %s cannot be sent: %v", j.Point.Label, err)
		m.Nak()
		return w.passing(ctx, err)
	}
	if err := m.DoubleAck(ctx); err != nil {
		return w.passing(ctx, err)
	}
	return nil
}

// sent reports whether the outcome of a key is on the server.
func (w *worker) sent(ctx context.Context, a announcement, key string) bool {
	s, err := w.js.Stream(ctx, resultStream(a.Name))
	if err != nil {
		return false
	}
	_, err = s.GetLastMsgForSubject(ctx, resultSubject(a.Name, key))
	return err == nil
}

// outcome computes a point on the engine of a place.
func (w *worker) outcome(ctx context.Context, p place, a announcement, j job, deliveries uint64) sweep.Outcome {
	o := sweep.Outcome{Key: j.Key, Program: w.Program, Started: time.Now(), Worker: w.Name}
	if deliveries > maxDeliveries {
		o.Error = fmt.Sprintf("given up: %d workers ended while they were at it", deliveries-1)
		return o
	}
	if s, err := scheme(j.Point); err != nil || s != p.scheme {
		o.Error = fmt.Sprintf("device %q came to a worker for %s:", j.Point.Device, p.scheme)
		return o
	}
	pt, err := w.files.localize(ctx, w.js, fileBucket(a.Name), j.Point)
	if err != nil {
		o.Error = err.Error()
		return o
	}
	if p.uri != "" {
		pt.Device = p.uri
	}
	o = sweep.Compute(ctx, &w.runner, p.slot, pt, j.Key, w.Program)
	o.Worker = w.Name
	return o
}

// heartbeat says every third of the wait that a point is still in work, until
// the function it gives is called.
func heartbeat(m jetstream.Msg, wait time.Duration) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		t := time.NewTicker(max(wait/3, time.Millisecond))
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
				m.InProgress() // if it is lost, the next one is not
			}
		}
	})
	return func() { close(done); wg.Wait() }
}
