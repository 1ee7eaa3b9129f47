package usbip

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"
)

// echo sends back what it gets; endpoint 2 stalls, and control requests leave or vanish.
type echo struct {
	mu    sync.Mutex
	on    bool
	alt   byte
	bytes chan []byte
}

func newEcho() *echo { return &echo{bytes: make(chan []byte, 64)} }

func (e *echo) Descriptors() Descriptors {
	ends := []Endpoint{{0x01, 512}, {0x81, 512}, {0x02, 512}}
	return Descriptors{Speed: HighSpeed, Vendor: 0x1209, Product: 0x0001, Manufacturer: "m", Name: "echo", Serial: "7", Interfaces: []Interface{
		{Class: 0xff, Endpoints: ends}, {Alternate: 1, Class: 0xff, Name: "alt", Extra: []byte{3, 0x21, 9}, Endpoints: ends},
	}}
}

func (e *echo) Connect(on bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.on = on
}

func (e *echo) connected() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.on
}

func (e *echo) SetInterface(_, alternate byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.alt = alternate
	return nil
}

func (e *echo) alternate() byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.alt
}

func (e *echo) Control(_ context.Context, s Setup, data []byte) ([]byte, error) {
	switch s.Request {
	case 1:
		return bytes.Repeat([]byte{0xab}, 100), nil
	case 2:
		return nil, ErrLeave
	case 3:
		return nil, ErrGone
	}
	return nil, ErrStall
}

func (e *echo) In(ctx context.Context, _ byte, p []byte) (int, error) {
	select {
	case b := <-e.bytes:
		return copy(p, b), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (e *echo) Out(ctx context.Context, ep byte, p []byte) (int, error) {
	if ep == 2 {
		return 0, ErrStall
	}
	select {
	case e.bytes <- p:
		return len(p), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// start serves one echo device on loopback and checks at the end that the
// server leaves no goroutine behind.
func start(t *testing.T, limits Limits) (*Server, *echo, string) {
	t.Helper()
	before := runtime.NumGoroutine()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, d := &Server{Limits: limits}, newEcho()
	s.Export(d)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
			}
		}
	})
	return s, d, l.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// imported takes the device, which is free a moment after its last client left.
func imported(t *testing.T, addr string) (net.Conn, Record) {
	t.Helper()
	var last error
	for range 500 {
		c := dial(t, addr)
		r, err := Import(c, "1-1")
		if err == nil {
			return c, r
		}
		last = err
		_ = c.Close()
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal(last)
	return nil, Record{}
}

func attach(t *testing.T, addr string) *Host {
	t.Helper()
	return NewHost(imported(t, addr))
}

func (h *Host) descriptor(t *testing.T, kind, index byte) []byte {
	t.Helper()
	b := make([]byte, 255)
	n, err := h.Control(t.Context(), Setup{Type: 0x80, Request: reqGetDescriptor, Value: uint16(kind)<<8 | uint16(index)}, b)
	if err != nil {
		t.Fatalf("descriptor %d.%d: %v", kind, index, err)
	}
	return b[:n]
}

func TestListAndEnumerate(t *testing.T) {
	_, d, addr := start(t, Limits{})
	all, err := List(dial(t, addr))
	if err != nil || len(all) != 1 || all[0].BusID != "1-1" || all[0].Product != 1 || all[0].Interfaces[0][0] != 0xff {
		t.Fatalf("list %+v, %v", all, err)
	}
	h := attach(t, addr)
	if b := h.descriptor(t, descDevice, 0); len(b) != 18 || binary.LittleEndian.Uint16(b[8:]) != 0x1209 || b[15] != 2 {
		t.Errorf("device % x", b)
	}
	c := h.descriptor(t, descConfig, 0)
	if int(binary.LittleEndian.Uint16(c[2:])) != len(c) || c[4] != 1 || len(c) != 9+2*(9+3*7)+3 {
		t.Errorf("configuration % x", c)
	}
	if b := h.descriptor(t, descString, 2); string(b) != "\x0a\x03e\x00c\x00h\x00o\x00" {
		t.Errorf("string % x", b)
	}
	if b := h.descriptor(t, 0x21, 0); !bytes.Equal(b, []byte{3, 0x21, 9}) {
		t.Errorf("class descriptor % x", b)
	}
	if _, err := h.Control(t.Context(), Setup{Type: 1, Request: reqSetInterface, Value: 1}, nil); err != nil || d.alternate() != 1 {
		t.Errorf("alternate %d, %v", d.alternate(), err)
	}
	if _, err := h.Control(t.Context(), Setup{Type: 1, Request: reqSetInterface, Value: 5}, nil); !errors.Is(err, ErrStall) {
		t.Errorf("alternate that is not there: %v", err)
	}
	if n, err := h.Control(t.Context(), Setup{Type: 0xc0, Request: 1}, make([]byte, 8)); n != 8 || err != nil {
		t.Errorf("vendor request: %d, %v", n, err)
	}
}

func TestTransfers(t *testing.T) {
	_, _, addr := start(t, Limits{})
	h := attach(t, addr)
	want := bytes.Repeat([]byte("kvaccel "), 1000)
	if n, err := h.Bulk(t.Context(), 1, want); n != len(want) || err != nil {
		t.Fatalf("out: %d, %v", n, err)
	}
	got := make([]byte, 9000)
	if n, err := h.Bulk(t.Context(), 0x81, got); err != nil || !bytes.Equal(got[:n], want) {
		t.Fatalf("in: %d, %v", n, err)
	}
	// a cancelled transfer neither hangs nor takes what comes later
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := h.Bulk(ctx, 0x81, got); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("cancelled: %v", err)
	}
	if _, err := h.Bulk(t.Context(), 1, want[:8]); err != nil {
		t.Fatal(err)
	}
	if n, err := h.Bulk(t.Context(), 0x81, got); n != 8 || err != nil {
		t.Fatalf("after a cancelled one: %d, %v", n, err)
	}
	if _, err := h.Bulk(t.Context(), 5, nil); !errors.Is(err, ErrStall) {
		t.Errorf("endpoint that is not there: %v", err)
	}
}

func TestStallHaltsUntilCleared(t *testing.T) {
	_, _, addr := start(t, Limits{})
	h := attach(t, addr)
	status := func() byte {
		b := make([]byte, 2)
		if _, err := h.Control(t.Context(), Setup{Type: 0x82, Request: reqGetStatus, Index: 2}, b); err != nil {
			t.Fatal(err)
		}
		return b[0]
	}
	for range 2 {
		if _, err := h.Bulk(t.Context(), 2, []byte{1}); !errors.Is(err, ErrStall) {
			t.Fatal(err)
		}
	}
	if status() != 1 {
		t.Error("not halted")
	}
	if _, err := h.Control(t.Context(), Setup{Type: 2, Request: reqClearFeature, Index: 2}, nil); err != nil || status() != 0 {
		t.Errorf("not cleared: %v", err)
	}
}

func TestUnplug(t *testing.T) {
	s, d, addr := start(t, Limits{})
	for name, unplug := range map[string]func(h *Host) error{
		"server": func(h *Host) error {
			time.AfterFunc(20*time.Millisecond, func() { s.Unplug("1-1") })
			_, err := h.Bulk(t.Context(), 0x81, make([]byte, 8))
			return err
		},
		"gone": func(h *Host) error {
			_, err := h.Control(t.Context(), Setup{Type: 0x40, Request: 3}, nil)
			return err
		},
		"leave": func(h *Host) error {
			if _, err := h.Control(t.Context(), Setup{Type: 0x40, Request: 2}, nil); err != nil {
				t.Errorf("the last request got no answer: %v", err)
			}
			_, err := h.Bulk(t.Context(), 0x81, make([]byte, 8))
			return err
		},
	} {
		if err := unplug(attach(t, addr)); !errors.Is(err, ErrGone) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h := attach(t, addr)
	if h.descriptor(t, descDevice, 0); !d.connected() {
		t.Error("not back")
	}
}

func TestOneClientAtATime(t *testing.T) {
	_, _, addr := start(t, Limits{})
	attach(t, addr)
	if _, err := Import(dial(t, addr), "1-1"); !errors.Is(err, ErrImport) {
		t.Errorf("second client: %v", err)
	}
	if _, err := Import(dial(t, addr), "9-9"); !errors.Is(err, ErrImport) {
		t.Errorf("no such device: %v", err)
	}
}

// TestHostileClients has clients break the protocol in every way; the device
// must be there for the next one.
func TestHostileClients(t *testing.T) {
	limits := DefaultLimits
	limits.Handshake, limits.Write, limits.Transfers, limits.OutBytes = 300*time.Millisecond, 300*time.Millisecond, 64, 1<<20
	_, _, addr := start(t, limits)
	submit := func(id uint32, c command) []byte { c.code, c.devID = cmdSubmit, id; return c.append(nil) }
	for _, h := range []struct {
		name   string
		before bool // the import
		do     func(c net.Conn, id uint32)
	}{
		{"garbage", true, func(c net.Conn, _ uint32) { _, _ = c.Write(bytes.Repeat([]byte{0x5a}, 4096)) }},
		{"half a header, then silence", true, func(c net.Conn, _ uint32) { _, _ = c.Write([]byte{1}) }},
		{"half a submission", false, func(c net.Conn, id uint32) {
			_, _ = c.Write(submit(id, command{ep: 1, seq: 1, length: 1000})[:20])
			_ = c.Close()
		}},
		{"vanishes in a payload", false, func(c net.Conn, id uint32) {
			_, _ = c.Write(submit(id, command{ep: 1, seq: 1, length: 1 << 20}))
			_ = c.Close()
		}},
		{"length -1", false, func(c net.Conn, id uint32) { _, _ = c.Write(submit(id, command{ep: 1, seq: 1, length: -1})) }},
		{"huge length", false, func(c net.Conn, id uint32) {
			_, _ = c.Write(submit(id, command{ep: 1, in: true, seq: 1, length: 1 << 30}))
		}},
		{"wrong device", false, func(c net.Conn, id uint32) { _, _ = c.Write(submit(id+1, command{ep: 1, seq: 1})) }},
		{"sequence number twice", false, func(c net.Conn, id uint32) {
			b := submit(id, command{ep: 1, in: true, seq: 1, length: 8})
			_, _ = c.Write(append(b, b...))
		}},
		{"garbage after import", false, func(c net.Conn, _ uint32) { _, _ = c.Write(bytes.Repeat([]byte{0xff}, 480)) }},
		{"takes no replies", false, func(c net.Conn, id uint32) {
			for seq := uint32(1); ; seq++ { // until the server gives up
				if _, err := c.Write(submit(id, command{in: true, seq: seq, length: 255, setup: [8]byte{0x80, 6, 0, 2, 0, 0, 255}})); err != nil {
					return
				}
			}
		}},
	} {
		t.Run(h.name, func(t *testing.T) {
			c, r := dial(t, addr), Record{}
			if !h.before {
				c, r = imported(t, addr)
			}
			h.do(c, r.DevID())
			_, err := io.Copy(io.Discard, c)
			if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
				t.Error("the server keeps the connection")
			}
			_ = c.Close()
			good := attach(t, addr)
			defer good.Close()
			if _, err := good.Bulk(t.Context(), 1, []byte{1}); err != nil {
				t.Errorf("the device does not work any more: %v", err)
			}
			if n, err := good.Bulk(t.Context(), 0x81, make([]byte, 8)); n != 1 || err != nil {
				t.Errorf("the device gave %d bytes, %v", n, err)
			}
		})
	}
}

// TestFlood submits without end to an endpoint that never answers: what is
// over the limits is refused, what is held stays bounded.
func TestFlood(t *testing.T) {
	limits := DefaultLimits
	limits.Transfers, limits.OutBytes = 64, 1<<20
	_, _, addr := start(t, limits)
	h := attach(t, addr)
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	refused := make(chan error, 400)
	for range 400 {
		wg.Go(func() {
			if _, err := h.Bulk(ctx, 0x81, make([]byte, 64)); err != nil && ctx.Err() == nil {
				refused <- err
			}
		})
	}
	for range 400 - 64 {
		<-refused
	}
	cancel()
	wg.Wait()
	// and with data: a device that takes nothing holds at most OutBytes
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	for range 63 {
		wg.Go(func() { _, _ = h.Bulk(ctx, 1, make([]byte, 256<<10)) })
	}
	wg.Wait()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<20 {
		t.Errorf("%d bytes are held", grown)
	}
}
