package usbip

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// Host is a host controller in user space: it drives an imported device
// without a kernel. It does not enumerate by itself. Its methods are safe for
// use by many goroutines.
type Host struct {
	conn net.Conn
	id   uint32

	mu   sync.Mutex
	seq  uint32
	wait map[uint32]*waiting
	err  error // why the connection ended
}

type waiting struct {
	buf  []byte // of an IN transfer
	in   bool
	done chan outcome
}

type outcome struct {
	n   int
	err error
}

// NewHost takes over a connection on which Import succeeded; Close gives it back.
func NewHost(conn net.Conn, r Record) *Host {
	h := &Host{conn: conn, id: r.DevID(), wait: map[uint32]*waiting{}}
	go h.receive()
	return h
}

// Close disconnects the device. Transfers in flight end with ErrGone.
func (h *Host) Close() error { return h.conn.Close() }

// Control does a control transfer; p is what goes out or where what comes in
// goes. Setup.Length is len(p).
func (h *Host) Control(ctx context.Context, setup Setup, p []byte) (int, error) {
	c := command{code: cmdSubmit, in: setup.In(), length: len(p)}
	c.setup[0], c.setup[1] = setup.Type, setup.Request
	binary.LittleEndian.PutUint16(c.setup[2:], setup.Value)
	binary.LittleEndian.PutUint16(c.setup[4:], setup.Index)
	binary.LittleEndian.PutUint16(c.setup[6:], uint16(len(p)))
	return h.do(ctx, c, p)
}

// Bulk does a bulk transfer; bit 7 of the endpoint makes it IN.
func (h *Host) Bulk(ctx context.Context, endpoint byte, p []byte) (int, error) {
	return h.do(ctx, command{code: cmdSubmit, in: endpoint&0x80 != 0, ep: endpoint & 0xf, length: len(p)}, p)
}

// do submits a transfer and waits. A cancelled context unlinks it.
func (h *Host) do(ctx context.Context, c command, p []byte) (int, error) {
	w := &waiting{buf: p, in: c.in, done: make(chan outcome, 1)}
	seq, err := h.send(c, p, w)
	if err != nil {
		return 0, err
	}
	select {
	case o := <-w.done:
		return o.n, o.err
	case <-ctx.Done():
	}
	if _, err := h.send(command{code: cmdUnlink, unlink: seq}, nil, nil); err != nil {
		return 0, err
	}
	o := <-w.done // the answer to the transfer or to the unlink, whichever comes
	if o.err == nil {
		return o.n, nil
	}
	return o.n, ctx.Err()
}

func (h *Host) send(c command, p []byte, w *waiting) (uint32, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return 0, h.err
	}
	h.seq++
	c.seq, c.devID = h.seq, h.id
	if w != nil {
		h.wait[c.seq] = w
	} else {
		h.wait[c.seq] = h.wait[c.unlink] // an unlink ends the same wait
	}
	b := c.append(nil)
	if c.code == cmdSubmit && !c.in {
		b = append(b, p...)
	}
	if err := h.conn.SetWriteDeadline(time.Now().Add(DefaultLimits.Write)); err != nil {
		return 0, err
	}
	if _, err := h.conn.Write(b); err != nil {
		return c.seq, fmt.Errorf("%w: %w", ErrGone, err)
	}
	return c.seq, nil
}

func (h *Host) receive() {
	err := h.replies()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = fmt.Errorf("%w: %w", ErrGone, err)
	for _, w := range h.wait {
		if w != nil {
			w.finish(0, h.err)
		}
	}
}

func (h *Host) replies() error {
	var b [headerBytes]byte
	for {
		if _, err := io.ReadFull(h.conn, b[:]); err != nil {
			return err
		}
		r, err := decodeReply(&b)
		if err != nil {
			return err
		}
		h.mu.Lock()
		w, known := h.wait[r.seq]
		delete(h.wait, r.seq)
		h.mu.Unlock()
		if !known {
			return fmt.Errorf("%w: reply to %d, which is not in flight", ErrWire, r.seq)
		}
		if err := w.take(h.conn, r); err != nil {
			return err
		}
	}
}

func (w *waiting) take(conn io.Reader, r reply) error {
	if w == nil || r.code == retUnlink && r.status == 0 {
		return nil // an unlink that came too late: the transfer's own reply was first
	}
	if r.code == retSubmit && w.in && r.actual > 0 {
		if r.actual > len(w.buf) {
			return fmt.Errorf("%w: %d bytes for a transfer of %d", ErrWire, r.actual, len(w.buf))
		}
		if _, err := io.ReadFull(conn, w.buf[:r.actual]); err != nil {
			return err
		}
	}
	switch errno := syscall.Errno(-r.status); {
	case r.status == 0:
		w.finish(r.actual, nil)
	case errno == syscall.EPIPE:
		w.finish(r.actual, ErrStall)
	default:
		w.finish(r.actual, errno)
	}
	return nil
}

// finish ends the wait, once.
func (w *waiting) finish(n int, err error) {
	select {
	case w.done <- outcome{n, err}:
	default:
	}
}
