// Package virtual has USB devices that exist in software only, for package
// usbip to put on a bus: a board with kvaccel's own USB interface, one behind an
// FTDI FT232H, and a boot loader that takes firmware by DFU 1.1. The boards carry the frames of
// docs/link.md to whatever is at the other end of a byte pipe: the emulator or the Verilated engine.
//
// They model what a driver can see of the protocol, not time: no figure taken
// through them says anything about USB.
package virtual

import (
	"context"
	"errors"
	"io"
	"sync"
)

// pumpBytes is what waits in each direction between the bus and the engine, as
// in the FIFOs of a real part.
const pumpBytes = 64 << 10

// pump is an engine's byte pipe with a bounded buffer each way, so that bus
// transfers can be cancelled while the pipe blocks.
type pump struct {
	pipe     io.ReadWriteCloser
	in, out  *ring // from the engine; to the engine
	finished sync.WaitGroup
}

func newPump(pipe io.ReadWriteCloser) *pump {
	p := &pump{pipe: pipe, in: newRing(pumpBytes), out: newRing(pumpBytes)}
	p.finished.Go(func() {
		b := make([]byte, 16<<10)
		for {
			n, err := pipe.Read(b)
			if _, werr := p.in.write(context.Background(), b[:n]); werr != nil {
				return
			}
			if err != nil {
				p.in.close(err)
				return
			}
		}
	})
	p.finished.Go(func() {
		b := make([]byte, 16<<10)
		for {
			n, err := p.out.read(context.Background(), b)
			if err != nil {
				return
			}
			if _, err := pipe.Write(b[:n]); err != nil {
				p.out.close(err)
				return
			}
		}
	})
	return p
}

// Close closes the pipe and waits for the goroutines at it.
func (p *pump) Close() error {
	p.in.close(errClosed)
	p.out.close(errClosed)
	err := p.pipe.Close()
	p.finished.Wait()
	return err
}

var errClosed = errors.New("virtual device is closed")

// ring is a bounded byte queue between goroutines. Waiting ends with the context.
type ring struct {
	mu      sync.Mutex
	changed chan struct{} // closed and renewed with every change
	buf     []byte
	size    int
	err     error
}

func newRing(size int) *ring { return &ring{changed: make(chan struct{}), size: size} }

func (r *ring) signal() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// read waits for at least a byte. What was queued before close is still read.
func (r *ring) read(ctx context.Context, p []byte) (int, error) {
	for {
		r.mu.Lock()
		if len(r.buf) > 0 {
			n := copy(p, r.buf)
			r.buf = r.buf[:copy(r.buf, r.buf[n:])]
			r.signal()
			r.mu.Unlock()
			return n, nil
		}
		err, changed := r.err, r.changed
		r.mu.Unlock()
		if err != nil {
			return 0, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// write queues all of p, waiting for room.
func (r *ring) write(ctx context.Context, p []byte) (int, error) {
	for n := 0; ; {
		r.mu.Lock()
		if r.err == nil {
			k := min(len(p)-n, r.size-len(r.buf))
			r.buf = append(r.buf, p[n:n+k]...)
			n += k
			if k > 0 {
				r.signal()
			}
		}
		err, changed := r.err, r.changed
		r.mu.Unlock()
		if err != nil || n == len(p) {
			return n, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return n, ctx.Err()
		}
	}
}

// drop forgets what is queued.
func (r *ring) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.buf = r.buf[:0]
	r.signal()
}

func (r *ring) close(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
		r.signal()
	}
}
