package main

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/link"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/usbip"
	"github.com/kvaccel/kvaccel/driver/virtual"
	"github.com/kvaccel/kvaccel/emulator"
)

// plug serves a device from this process, which no command under test lives in,
// and attaches it.
func (m *machine) plug(d usbip.Device) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	m.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	s := &usbip.Server{}
	busID := s.Export(d)
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	m.cleanup(func() { cancel(); <-done })
	m.attach(l.Addr().String(), busID)
	m.until("the device is on the bus", func() bool { return len(devices()) == 1 })
}

// foreign is an engine of another register map.
type foreign struct{ driver.Device }

func (d foreign) ReadReg(ctx context.Context, addr uint32) (uint32, error) {
	if addr == regmap.RegSpecID {
		return regmap.SpecID ^ 0x00ff00ff, nil
	}
	return d.Device.ReadReg(ctx, addr)
}

func (d foreign) Reset(ctx context.Context) error { return d.Device.(driver.Resetter).Reset(ctx) }

// testWrongFirmware has an engine with another SPEC_ID behind the board.
func testWrongFirmware(m *machine) {
	ctx, cancel := context.WithCancel(context.Background())
	m.cleanup(cancel)
	dev, err := emulator.Open(ctx, driver.URI{Scheme: "emu"})
	m.must(err)
	ours, theirs := net.Pipe()
	go func() { _ = link.Serve(ctx, theirs, foreign{dev}, link.BoardOptions{}) }()
	d := virtual.NewNative(ours, "foreign")
	m.cleanup(func() { _ = d.Close() })
	m.plug(d)
	m.run("kvaccel", "info", "-d", "usb:"+nativeID).has(m, 8, "rebuild")
	m.run("kvaccel", "run", "-d", "usb:"+nativeID).has(m, 8)
}

// pipeOf makes a byte pipe of a reader; what is written goes nowhere.
func pipeOf(r io.Reader) io.ReadWriteCloser {
	return struct {
		io.Reader
		io.Writer
		io.Closer
	}{r, io.Discard, io.NopCloser(nil)}
}

// chatter gives bytes without end.
type chatter struct {
	rng   *rand.Rand
	until time.Time
	next  func(*rand.Rand) byte
}

func (c chatter) Read(p []byte) (int, error) {
	if time.Now().After(c.until) {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = c.next(c.rng)
	}
	return len(p), nil
}

// silent says nothing for as long as it is asked.
type silent struct{ usbip.Device }

func (d silent) In(ctx context.Context, _ byte, _ []byte) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

// stalling refuses every transfer; short ends each with no byte.
type stalling struct{ usbip.Device }

func (d stalling) In(context.Context, byte, []byte) (int, error)  { return 0, usbip.ErrStall }
func (d stalling) Out(context.Context, byte, []byte) (int, error) { return 0, usbip.ErrStall }

type empty struct{ usbip.Device }

func (d empty) In(context.Context, byte, []byte) (int, error) {
	time.Sleep(time.Millisecond) // a bus would take that long
	return 0, nil
}

// vanishing leaves at the first byte.
type vanishing struct{ usbip.Device }

func (d vanishing) Out(context.Context, byte, []byte) (int, error) { return 0, usbip.ErrGone }

// testHostile attaches devices that do not behave. The command must end with an
// error of its own: no panic, no hang, no growth.
func testHostile(m *machine) {
	talk := func(next func(*rand.Rand) byte) usbip.Device {
		return virtual.NewNative(pipeOf(chatter{rand.New(rand.NewPCG(1, 2)), time.Now().Add(40 * time.Second), next}), "hostile")
	}
	quiet := virtual.NewNative(pipeOf(strings.NewReader("")), "hostile")
	for _, h := range []struct {
		name   string
		device usbip.Device
	}{
		{"endless noise", talk(func(r *rand.Rand) byte { return byte(r.Uint32()) })},
		{"endless zeros", talk(func(*rand.Rand) byte { return 0 })},
		{"a frame without end", talk(func(*rand.Rand) byte { return 0x55 })},
		{"silence", silent{quiet}},
		{"stalls", stalling{quiet}},
		{"empty transfers", empty{quiet}},
		{"vanishes", vanishing{silent{quiet}}},
	} {
		m.scope(func() {
			m.plug(h.device)
			o := m.run("kvaccel", "info", "-d", "usb:"+nativeID)
			m.check(o.code == 6 || o.code == 3, "%s: exit code %d, want 6 (I/O) or 3 (no engine)", h.name, o.code)
			m.check(!strings.Contains(o.stderr, "goroutine "), "%s: it panicked", h.name)
		})
		m.until("the kernel has lost the device", func() bool { return len(devices()) == 0 })
	}
}
