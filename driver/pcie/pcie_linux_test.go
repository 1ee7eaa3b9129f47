package pcie

import (
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/drivertest"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/verification/oracle"
)

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) driver.Device {
		_, d := dial(t)
		return d
	}, drivertest.Options{Oracle: oracle.Engine{}, Seed: 8, Live: true, NoReset: true})
}

// What an ECHO of some bytes is on the wire.
func echo(t testing.TB, d *device, n int) []byte {
	t.Helper()
	b, err := packet.Request{Opcode: regmap.OpEcho, Rows: n}.Append(nil, d.info.Params, make([]byte, n))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A new user of a card that was left at work finds it at rest.
func TestLeftovers(t *testing.T) {
	c, e := newCard(t)
	d, err := open(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Send(t.Context(), echo(t, d, 1000)); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if d.s.reading {
		t.Error("a read is left in the kernel")
	}
	for range 3 { // and these are of somebody who died
		if _, err := e.h2c.Write(echo(t, d, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	second, err := open(t.Context(), ends{user: c, h2c: e.h2c, c2h: e.c2h, close: func() error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if err := second.Send(t.Context(), echo(t, second, 10+i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		raw, err := second.Recv(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := packet.ParseResponse(raw, second.info.Params); err != nil || len(r.Payload) != 10+i {
			t.Errorf("answer %d: %d bytes, %v", i, len(r.Payload), err)
		}
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
}

// One read is one response, so a SOURCE longer than a read is refused.
func TestLongSource(t *testing.T) {
	_, d := dial(t)
	defer d.Close()
	long, err := packet.Request{Opcode: regmap.OpSource, Rows: regmap.MaxLinkBytes, Seed: 1}.Append(nil, d.info.Params, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Send(t.Context(), long); !errors.Is(err, driver.ErrUnsupported) {
		t.Errorf("a SOURCE of %d bytes: %v", regmap.MaxLinkBytes, err)
	}
}

// A soft reset right after a clear amid work cannot count packets, and still
// drops them all.
func TestSoftResetAfterClear(t *testing.T) {
	_, d := dial(t)
	defer d.Close()
	for range 20 {
		for range 4 {
			if err := d.Send(t.Context(), echo(t, d, 3000)); err != nil {
				t.Fatal(err)
			}
		}
		for _, bit := range []int{regmap.CtrlClear, regmap.CtrlSoftReset} {
			if err := d.WriteReg(t.Context(), regmap.RegCtrl, 1<<bit); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Send(t.Context(), echo(t, d, 7)); err != nil {
			t.Fatal(err)
		}
		raw, err := d.Recv(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := packet.ParseResponse(raw, d.info.Params); err != nil || len(r.Payload) != 7 {
			t.Fatalf("%d bytes, %v: an answer from before the reset", len(r.Payload), err)
		}
	}
}

func TestDeadLink(t *testing.T) {
	c, d := dial(t)
	if err := d.WriteReg(t.Context(), regmap.RegScratch, dead); err != nil {
		t.Fatal(err)
	}
	if v, err := d.ReadReg(t.Context(), regmap.RegScratch); err != nil || v != dead {
		t.Errorf("a register that holds all ones: %#x, %v", v, err)
	}
	c.mu.Lock()
	c.dead = true
	c.mu.Unlock()
	if _, err := d.ReadReg(t.Context(), regmap.RegScratch); !errors.Is(err, ErrDeadLink) || !errors.Is(err, driver.ErrDisconnected) {
		t.Errorf("all ones everywhere: %v", err)
	}
	start := time.Now()
	if err := d.Close(); err != nil || time.Since(start) > 2*time.Second {
		t.Errorf("Close: %v after %v", err, time.Since(start))
	}
}

// failing is an end that gives an error of the kernel when it is told to.
type failing struct {
	packets
	now *atomic.Bool
	err error
}

func (f failing) Write(b []byte) (int, error) {
	if f.now.Load() {
		return 0, f.err
	}
	return f.packets.Write(b)
}

func (f failing) Read(b []byte) (int, error) {
	if f.now.Load() {
		return 0, f.err
	}
	return f.packets.Read(b)
}

func TestStreamErrors(t *testing.T) {
	for _, c := range []struct{ cause, write, read error }{
		{unix.ETIMEDOUT, driver.ErrTimeout, driver.ErrTimeout},
		{unix.Errno(512), driver.ErrTimeout, driver.ErrTimeout},
		{unix.ENODEV, driver.ErrDisconnected, driver.ErrDisconnected},
		{unix.EBUSY, driver.ErrBusy, driver.ErrBusy},
		{unix.EIO, driver.ErrProtocol, driver.ErrProtocol},
		{nil, driver.ErrProtocol, driver.ErrDisconnected}, // a short write, an end of file
	} {
		for _, writing := range []bool{true, false} {
			_, e := newCard(t)
			bad, want := new(atomic.Bool), c.read
			if writing {
				e.h2c, want = failing{e.h2c.(packets), bad, c.cause}, c.write
			} else {
				e.c2h = failing{e.c2h.(packets), bad, c.cause}
			}
			d, err := open(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			bad.Store(true)
			if err := d.Send(t.Context(), echo(t, d, 5)); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err := d.Recv(t.Context(), nil); !errors.Is(err, want) {
					t.Errorf("%v (writing: %v): %v, want %v", c.cause, writing, err, want)
				}
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 10 {
		t.Run("", func(t *testing.T) {
			_, d := dial(t)
			if err := d.Send(t.Context(), echo(t, d, 100)); err != nil {
				t.Fatal(err)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	for wait := time.Millisecond; runtime.NumGoroutine() > before; wait *= 2 {
		if wait > time.Second {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		time.Sleep(wait)
	}
}
