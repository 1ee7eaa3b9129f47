package usbip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// Limits bound what one client can make the server hold.
type Limits struct {
	Connections int           // at once
	Transfers   int           // submitted and not yet answered, of one client
	OutBytes    int           // of data in them
	Transfer    int           // bytes of one transfer
	Handshake   time.Duration // for a request before the import
	Write       time.Duration // for a client to take a reply
}

// DefaultLimits are well above what the kernel's client asks for: it keeps at
// most 16 MB in flight for the whole machine.
var DefaultLimits = Limits{
	Connections: 32, Transfers: 4096, OutBytes: 32 << 20, Transfer: 16 << 20,
	Handshake: 10 * time.Second, Write: 10 * time.Second,
}

// session is one import: a client that has one device.
type session struct {
	conn      net.Conn
	dev       Device
	desc      Descriptors
	record    Record
	limits    Limits
	queues    map[byte]chan *urb // by endpoint address; 0 is control
	config    byte               // config and alternate belong to the control goroutine
	alternate map[byte]byte

	// mu keeps replies in the order in which transfers leave pending: a client
	// takes an answer to a transfer it no longer has as an error.
	mu       sync.Mutex
	pending  map[uint32]*urb
	outBytes int
	halted   map[byte]bool
}

// urb is one transfer.
type urb struct {
	command
	ctx    context.Context
	cancel context.CancelFunc
	data   []byte // of an OUT transfer
}

// run serves the client until it leaves, breaks the protocol or loses the
// device. It returns when no goroutine of the session is left.
func (s *session) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(ctx, func() { _ = s.conn.Close() })
	defer stop()
	s.pending, s.halted, s.alternate = map[uint32]*urb{}, map[byte]bool{}, map[byte]byte{}
	s.queues = map[byte]chan *urb{0: make(chan *urb, s.limits.Transfers)}
	for _, i := range s.desc.Interfaces {
		for _, e := range i.Endpoints {
			if s.queues[e.Address] == nil {
				s.queues[e.Address] = make(chan *urb, s.limits.Transfers)
			}
		}
	}
	s.dev.Connect(true)
	var wg sync.WaitGroup
	for _, q := range s.queues {
		wg.Go(func() {
			for u := range q {
				if err := s.serve(u); err != nil {
					cancel(err)
				}
			}
		})
	}
	err := s.read(ctx)
	cancel(err)
	for _, q := range s.queues {
		close(q)
	}
	wg.Wait()
	s.dev.Connect(false)
	return context.Cause(ctx)
}

// read takes commands until the connection ends; io.EOF is a client that left.
func (s *session) read(ctx context.Context) error {
	var b [headerBytes]byte
	for {
		if _, err := io.ReadFull(s.conn, b[:]); err != nil {
			return err
		}
		c, err := decodeCommand(&b, s.limits.Transfer)
		if err != nil {
			return err
		}
		if c.devID != s.record.DevID() {
			return fmt.Errorf("%w: command for device %#x on the connection of %#x", ErrWire, c.devID, s.record.DevID())
		}
		if c.code == cmdUnlink {
			err = s.unlink(c)
		} else {
			err = s.submit(ctx, c)
		}
		if err != nil {
			return err
		}
	}
}

func (s *session) submit(ctx context.Context, c command) error {
	u := &urb{command: c}
	if !c.in && c.length > 0 {
		// memory is taken as the bytes come, not as they are announced
		var err error
		if u.data, err = readGrowing(s.conn, c.length); err != nil {
			return err
		}
	}
	address := c.ep
	if c.in && c.ep != 0 {
		address |= 0x80
	}
	q := s.queues[address]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending[c.seq] != nil {
		return fmt.Errorf("%w: sequence number %d is in use", ErrWire, c.seq)
	}
	switch {
	case q == nil:
		return s.write(reply{code: retSubmit, seq: c.seq, status: -int32(syscall.EPIPE)}, nil)
	case len(s.pending) >= s.limits.Transfers || s.outBytes+len(u.data) > s.limits.OutBytes:
		return s.write(reply{code: retSubmit, seq: c.seq, status: -int32(syscall.ENOMEM)}, nil)
	}
	u.ctx, u.cancel = context.WithCancel(ctx)
	s.pending[c.seq] = u
	s.outBytes += len(u.data)
	select {
	case q <- u:
		return nil
	default: // unlinked transfers still wait in the queue: their places are taken
		s.forget(u)
		return s.write(reply{code: retSubmit, seq: c.seq, status: -int32(syscall.ENOMEM)}, nil)
	}
}

func (s *session) unlink(c command) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := int32(0) // already answered
	if u := s.pending[c.unlink]; u != nil {
		s.forget(u)
		status = -int32(syscall.ECONNRESET)
	}
	return s.write(reply{code: retUnlink, seq: c.seq, status: status}, nil)
}

// forget takes a transfer out of pending; mu is held.
func (s *session) forget(u *urb) {
	u.cancel()
	delete(s.pending, u.seq)
	s.outBytes -= len(u.data)
}

// serve carries out one transfer. An error ends the session.
func (s *session) serve(u *urb) error {
	if u.ctx.Err() != nil {
		return nil
	}
	var n int
	var in []byte
	var err error
	switch {
	case u.ep == 0:
		in, err = s.control(u)
		n = len(in)
		if !parseSetup(u.setup).In() {
			n = len(u.data)
		}
	case s.isHalted(u.address()):
		err = ErrStall
	case u.in:
		in = make([]byte, u.length)
		n, err = s.dev.In(u.ctx, u.address(), in)
		in = in[:n]
	default:
		n, err = s.dev.Out(u.ctx, u.address(), u.data)
	}
	if errors.Is(err, ErrGone) {
		return err
	}
	if err != nil && errors.Is(context.Cause(u.ctx), ErrGone) {
		return ErrGone // unplugged: what is cut short by that is not answered
	}
	if ferr := s.finish(u, status(err), n, in, errors.Is(err, ErrStall)); ferr != nil {
		return ferr
	}
	if errors.Is(err, ErrLeave) {
		return err
	}
	return nil
}

func (s *session) finish(u *urb, status int32, n int, in []byte, stalled bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stalled && u.ep != 0 {
		s.halted[u.address()] = true
	}
	if s.pending[u.seq] != u {
		return nil // unlinked meanwhile
	}
	s.forget(u)
	return s.write(reply{code: retSubmit, seq: u.seq, status: status, actual: n}, in)
}

func (s *session) control(u *urb) ([]byte, error) {
	setup := parseSetup(u.setup)
	if setup.In() != u.in && setup.Length > 0 {
		return nil, ErrStall
	}
	var in []byte
	var err error
	if setup.Type&typeMask == 0 {
		in, err = s.standard(setup)
	} else {
		in, err = s.dev.Control(u.ctx, setup, u.data)
	}
	if !setup.In() {
		return nil, err
	}
	return in[:min(len(in), int(setup.Length), u.length)], err
}

// status is what the client's kernel calls the error.
func status(err error) int32 {
	switch {
	case err == nil, errors.Is(err, ErrLeave):
		return 0
	case errors.Is(err, ErrStall):
		return -int32(syscall.EPIPE)
	case errors.Is(err, context.Canceled):
		return -int32(syscall.ECONNRESET)
	}
	return -int32(syscall.EPROTO)
}

// write sends a reply; mu is held.
func (s *session) write(r reply, data []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.limits.Write)); err != nil {
		return err
	}
	bufs := net.Buffers{r.append(make([]byte, 0, headerBytes))}
	if len(data) > 0 {
		bufs = append(bufs, data)
	}
	_, err := bufs.WriteTo(s.conn)
	return err
}

func (u *urb) address() byte {
	if u.in {
		return u.ep | 0x80
	}
	return u.ep
}

func (s *session) isHalted(address byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.halted[address]
}

func (s *session) unhalt(address byte, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.halted, address)
	if all {
		clear(s.halted)
	}
}

// readGrowing reads n bytes, taking memory in steps.
func readGrowing(r io.Reader, n int) ([]byte, error) {
	const step = 256 << 10
	b := make([]byte, 0, min(n, step))
	for len(b) < n {
		k := min(n-len(b), step)
		b = append(b, make([]byte, k)...)
		if _, err := io.ReadFull(r, b[len(b)-k:]); err != nil {
			return nil, err
		}
	}
	return b, nil
}
