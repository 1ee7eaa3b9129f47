package usbip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Event is what a server tells of its clients.
type Event struct {
	Kind   string `json:"event"` // import, release, refuse
	BusID  string `json:"bus_id,omitempty"`
	Client string `json:"client"`
	Reason string `json:"reason,omitempty"` // why a session ended or was refused
}

// Server exports devices. Its methods are safe for use by many goroutines.
type Server struct {
	Limits Limits      // zero: DefaultLimits
	Log    func(Event) // may be nil; called by many goroutines

	mu      sync.Mutex
	exports []*export
}

type export struct {
	busID    string
	bus, dev uint32
	device   Device
	busy     bool
	unplug   context.CancelCauseFunc // of the session that has it
}

// Export adds a device under the next bus ID of bus 1 (1-1, 1-2, ...), which it
// returns.
func (s *Server) Export(d Device) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := uint32(len(s.exports) + 1)
	e := &export{busID: fmt.Sprintf("1-%d", n), bus: 1, dev: n + 1, device: d}
	s.exports = append(s.exports, e)
	return e.busID
}

// Unplug takes a device from the client that has it, in the middle of whatever
// it does, and reports whether one had it.
func (s *Server) Unplug(busID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.exports {
		if e.busID == busID && e.unplug != nil {
			e.unplug(ErrGone)
			return true
		}
	}
	return false
}

// Serve accepts clients until ctx ends or the listener fails, and returns when
// the last of them is gone.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	limits := s.limits()
	places := make(chan struct{}, limits.Connections)
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		select {
		case places <- struct{}{}:
		default:
			s.log(Event{Kind: "refuse", Client: conn.RemoteAddr().String(), Reason: fmt.Sprintf("%d connections are open", limits.Connections)})
			_ = conn.Close()
			continue
		}
		wg.Go(func() {
			defer func() { <-places }()
			s.ServeConn(ctx, conn)
		})
	}
}

// ServeConn serves one client and closes its connection.
func (s *Server) ServeConn(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	client := conn.RemoteAddr().String()
	for {
		if err := conn.SetDeadline(time.Now().Add(s.limits().Handshake)); err != nil {
			return
		}
		h, err := readOpHeader(conn)
		switch {
		case err == nil:
		case errors.Is(err, ErrWire):
			s.log(Event{Kind: "refuse", Client: client, Reason: err.Error()})
			return
		default:
			return
		}
		switch h.code {
		case opRequest | opDevList:
			if _, err := conn.Write(s.list()); err != nil {
				return
			}
		case opRequest | opImport:
			s.imports(ctx, conn, client)
			return
		default:
			s.log(Event{Kind: "refuse", Client: client, Reason: fmt.Sprintf("operation %#04x", h.code)})
			return
		}
	}
}

func (s *Server) list() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := opHeader{Version, opDevList, opOK}.append(nil)
	b = append(b, 0, 0, 0, byte(len(s.exports)))
	for _, e := range s.exports {
		r := e.device.Descriptors().record(e.busID, e.bus, e.dev)
		b = r.append(b)
		for _, i := range r.Interfaces {
			b = append(b, i[0], i[1], i[2], 0)
		}
	}
	return b
}

// imports hands a device to the client and serves it.
func (s *Server) imports(ctx context.Context, conn net.Conn, client string) {
	var name [busIDBytes]byte
	if _, err := io.ReadFull(conn, name[:]); err != nil {
		return
	}
	busID := text(name[:])
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	e, status := s.take(busID, cancel)
	h := opHeader{Version, opImport, status}.append(nil)
	if e == nil {
		s.log(Event{Kind: "refuse", BusID: busID, Client: client, Reason: "no such device, or another client has it"})
		_, _ = conn.Write(h) // the client is told nothing more either way
		return
	}
	ses := &session{conn: conn, dev: e.device, desc: e.device.Descriptors(), limits: s.limits()}
	ses.record = ses.desc.record(e.busID, e.bus, e.dev)
	_, err := conn.Write(ses.record.append(h))
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err == nil {
		s.log(Event{Kind: "import", BusID: busID, Client: client})
		err = ses.run(ctx)
	}
	s.release(e)
	s.log(Event{Kind: "release", BusID: busID, Client: client, Reason: reason(err)})
}

func (s *Server) take(busID string, unplug context.CancelCauseFunc) (*export, uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.exports {
		switch {
		case e.busID != busID:
		case e.busy:
			return nil, opBusy
		default:
			e.busy, e.unplug = true, unplug
			return e, opOK
		}
	}
	return nil, opNoDev
}

func (s *Server) release(e *export) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.busy, e.unplug = false, nil
}

func (s *Server) limits() Limits {
	if s.Limits == (Limits{}) {
		return DefaultLimits
	}
	return s.Limits
}

func (s *Server) log(e Event) {
	if s.Log != nil {
		s.Log(e)
	}
}

func reason(err error) string {
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, context.Canceled):
		return ""
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the client vanished"
	}
	return err.Error()
}
