package pcie

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"github.com/kvaccel/kvaccel/driver"
)

// stream moves whole packets between queues and two blocking ends. The engine
// may hold a request back until a response is taken, so both ends have a
// goroutine of their own. A read is started only when an answer is due: one that
// nothing answers cannot be called off.
type stream struct {
	h2c  io.Writer
	c2h  io.Reader
	beat int

	mu      sync.Mutex
	work    sync.Cond     // for the goroutines: something to do
	changed chan struct{} // for the caller: something happened
	done    sync.WaitGroup

	out     [][]byte // requests not yet begun
	writing bool
	in      [][]byte // responses not yet received
	due     int      // responses that may come
	reading bool     // the kernel has a read of ours
	taken   uint32   // packets read since the stream was made, modulo 2^32
	wrote   uint32   // beats written, likewise
	drop    bool     // what comes is of no request
	closed  bool
	err     error // what ended the stream
}

func newStream(h2c io.Writer, c2h io.Reader, beat, largest int) *stream {
	s := &stream{h2c: h2c, c2h: c2h, beat: beat, changed: make(chan struct{}, 1)}
	s.work.L = &s.mu
	s.done.Go(s.write)
	s.done.Go(func() { s.read(make([]byte, largest)) })
	return s
}

// tell wakes everybody. The lock is held.
func (s *stream) tell() {
	s.work.Broadcast()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// until waits for a state, the stream's end, or the context.
func (s *stream) until(ctx context.Context, ready func() bool) error {
	for {
		s.mu.Lock()
		ok, err := ready(), s.err
		s.mu.Unlock()
		switch {
		case ok:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-s.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// send queues a packet.
func (s *stream) send(packet []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.out = append(s.out, packet)
	s.tell()
	return nil
}

// receive appends the next response to dst.
func (s *stream) receive(ctx context.Context, dst []byte) ([]byte, error) {
	err := s.until(ctx, func() bool { return len(s.in) > 0 })
	if err != nil {
		return dst, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	dst = append(dst, s.in[0]...)
	s.in = s.in[:copy(s.in, s.in[1:])]
	return dst, nil
}

func (s *stream) write() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for len(s.out) == 0 && !s.closed && s.err == nil {
			s.work.Wait()
		}
		if s.closed || s.err != nil {
			return
		}
		packet := s.out[0]
		s.out = s.out[:copy(s.out, s.out[1:])]
		s.writing = true
		s.due++
		s.tell()
		s.mu.Unlock()
		n, err := s.h2c.Write(packet)
		s.mu.Lock()
		s.writing = false
		s.wrote += uint32(n / s.beat)
		if err == nil && n < len(packet) {
			err = io.ErrShortWrite
		}
		if err != nil {
			s.fail("writing a request", err)
		}
		s.tell()
	}
}

func (s *stream) read(buf []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for s.due == 0 && !s.closed && s.err == nil {
			s.work.Wait()
		}
		if s.closed || s.err != nil {
			return
		}
		s.reading = true
		s.mu.Unlock()
		n, err := s.c2h.Read(buf)
		s.mu.Lock()
		s.reading = false
		switch {
		case err == nil && n == 0:
			err = io.ErrUnexpectedEOF
		case err == nil && n == len(buf):
			err = fmt.Errorf("%w: a response of %d bytes or more, no command has one", driver.ErrProtocol, n)
		}
		if err != nil {
			s.fail("reading a response", err)
			s.tell()
			return
		}
		s.taken++
		s.due = max(0, s.due-1)
		if !s.drop {
			s.in = append(s.in, append([]byte(nil), buf[:n]...))
		}
		s.tell()
	}
}

// fail ends the stream. The lock is held.
func (s *stream) fail(what string, err error) {
	if s.err == nil {
		s.err = fmt.Errorf("%s: %w", what, translate(err))
	}
}

// forget drops what is queued and, until remember, what comes.
func (s *stream) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out, s.in, s.drop = nil, nil, true
}

// remember takes what comes from now on as answers.
func (s *stream) remember() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due, s.drop = 0, false
}

// expect makes room for one response to nothing we sent.
func (s *stream) expect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due = max(s.due, 1)
	s.tell()
}

// counts are how many beats were written and packets read.
func (s *stream) counts() (wrote, taken uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrote, s.taken
}

// stop ends the goroutines; one that sits in the kernel ends when that gives up.
func (s *stream) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.err == nil {
		s.err = driver.ErrClosed
	}
	s.tell()
}

// translate names an error of the kernel in the terms of package driver.
func translate(err error) error {
	for _, c := range []struct {
		from []error
		to   error
	}{
		{[]error{syscall.ETIMEDOUT, syscall.ETIME, os.ErrDeadlineExceeded, syscall.Errno(512)}, driver.ErrTimeout}, // 512: the kernel's own ERESTARTSYS, which XDMA lets out
		{[]error{syscall.ENODEV, syscall.ENXIO, syscall.EPIPE, syscall.ECONNRESET, io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, os.ErrClosed}, driver.ErrDisconnected},
		{[]error{syscall.EBUSY}, driver.ErrBusy},
		{[]error{io.ErrShortWrite, syscall.EIO}, driver.ErrProtocol},
	} {
		for _, e := range c.from {
			if errors.Is(err, e) {
				return fmt.Errorf("%w: %w", c.to, err)
			}
		}
	}
	return err
}
