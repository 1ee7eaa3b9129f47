package pcie

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/drivertest"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator"
	"github.com/kvaccel/kvaccel/verification/oracle"
)

// card is an emulator behind what stands in for the nodes: registers by calls,
// streams by pipes in memory that keep the bounds of packets.
type card struct {
	t   testing.TB
	mu  sync.Mutex
	dev driver.Device
	in  io.Reader
	out io.Writer

	pending int      // requests that the engine has
	given   [][]byte // responses on the way to the host
	work    chan struct{}
	stopped chan struct{}
	dead    bool
}

func (c *card) ReadAt(b []byte, addr int64) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return copy(b, "\xff\xff\xff\xff"), nil
	}
	v, err := c.dev.ReadReg(context.Background(), uint32(addr))
	if uint32(addr) == regmap.RegStatus && c.pending > 0 {
		v |= 1 << regmap.StatBusy
	}
	binary.LittleEndian.PutUint32(b, v)
	return 4, err
}

func (c *card) WriteAt(b []byte, addr int64) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := binary.LittleEndian.Uint32(b)
	if uint32(addr) == regmap.RegCtrl && v>>regmap.CtrlSoftReset&1 != 0 {
		for ; c.pending > 0; c.pending-- { // what the engine has counted as given must come
			c.recv()
		}
	}
	return 4, c.dev.WriteReg(context.Background(), uint32(addr), v)
}

// take moves requests into the engine.
func (c *card) take() {
	buf := make([]byte, 4<<20)
	for {
		n, err := c.in.Read(buf)
		if err != nil || n == 0 {
			return
		}
		c.mu.Lock()
		if err := c.dev.Send(context.Background(), buf[:n]); err != nil {
			c.t.Errorf("Send of %d bytes: %v", n, err)
		}
		c.pending++
		c.mu.Unlock()
		select {
		case c.work <- struct{}{}:
		default:
		}
	}
}

// recv takes a response from the engine.
func (c *card) recv() {
	resp, err := c.dev.Recv(context.Background(), nil)
	if err != nil {
		c.t.Errorf("Recv: %v", err)
	}
	c.given = append(c.given, resp)
}

// give moves responses out of it.
func (c *card) give() {
	for {
		c.mu.Lock()
		if c.pending > 0 && len(c.given) == 0 {
			c.recv()
			c.pending--
		}
		var resp []byte
		if len(c.given) > 0 {
			resp, c.given = c.given[0], c.given[1:]
		}
		c.mu.Unlock()
		if resp == nil {
			select {
			case <-c.work:
			case <-c.stopped:
				return
			}
			continue
		}
		if _, err := c.out.Write(resp); err != nil {
			return
		}
	}
}

// packets is one direction: a read gives what one write put in, as the nodes do,
// and a write waits for it.
type packets struct {
	ch   chan []byte
	once *sync.Once
	end  chan struct{}
}

func newPackets() packets {
	return packets{make(chan []byte), new(sync.Once), make(chan struct{})}
}

func (p packets) Write(b []byte) (int, error) {
	select {
	case p.ch <- append([]byte(nil), b...):
		return len(b), nil
	case <-p.end:
		return 0, io.ErrClosedPipe
	}
}

func (p packets) Read(b []byte) (int, error) {
	select {
	case got := <-p.ch:
		return copy(b, got), nil
	case <-p.end:
		return 0, io.EOF
	}
}

func (p packets) stop() { p.once.Do(func() { close(p.end) }) }

func newCard(t testing.TB) (*card, ends) {
	t.Helper()
	u, err := driver.ParseURI(small)
	if err != nil {
		t.Fatal(err)
	}
	dev, err := emulator.Open(context.Background(), u)
	if err != nil {
		t.Fatal(err)
	}
	h2c, c2h := newPackets(), newPackets()
	c := &card{t: t, dev: dev, in: h2c, out: c2h, work: make(chan struct{}, 1), stopped: make(chan struct{})}
	var done sync.WaitGroup
	done.Go(c.take)
	done.Go(c.give)
	t.Cleanup(func() {
		h2c.stop()
		c2h.stop()
		close(c.stopped)
		done.Wait()
	})
	return c, ends{user: c, h2c: h2c, c2h: c2h, close: func() error { return nil }}
}

const small = "emu:?lanes=4&max-dim=64&tile-tokens=32&max-tokens=512"

func dial(t testing.TB) (*card, *device) {
	t.Helper()
	c, e := newCard(t)
	d, err := open(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	d.info.URI, d.info.Source, d.info.Description, d.info.ClockHz = "xdma:test", driver.Board, "test", 1e8
	return c, d
}

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

// registerFile is what the register space of an engine at rest reads.
func registerFile(t testing.TB, spec uint32, size int) []byte {
	t.Helper()
	b := make([]byte, size)
	p := regmap.DefaultParams()
	for addr, v := range map[uint32]uint32{
		regmap.RegMagic: regmap.Magic, regmap.RegABI: regmap.ABIVersion, regmap.RegSpecID: spec, regmap.RegFeatures: 15,
		regmap.RegLanes: uint32(p.Lanes), regmap.RegMaxDim: uint32(p.MaxDim), regmap.RegTileTokens: uint32(p.TileTokens), regmap.RegMaxTokens: uint32(p.MaxTokens),
		regmap.RegBuildHash: 0xb01dface,
	} {
		binary.LittleEndian.PutUint32(b[addr:], v)
	}
	return b
}

// nodes makes files in the place of the nodes of card n.
func nodes(t testing.TB, dir string, n int, user []byte) {
	t.Helper()
	for _, f := range []struct {
		name string
		data []byte
	}{{"user", user}, {"h2c_0", nil}, {"c2h_0", nil}} {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("xdma%d_%s", n, f.name)), f.data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func openURI(t testing.TB, uri string) (driver.Device, error) {
	t.Helper()
	u, err := driver.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	if u.Scheme == "pci" {
		return OpenSysfs(t.Context(), u)
	}
	return Open(t.Context(), u)
}

func TestOpenXDMA(t *testing.T) {
	dir := t.TempDir()
	at := "?observe=true&dir=" + dir
	nodes(t, dir, 0, registerFile(t, regmap.SpecID, 4096))
	d, err := openURI(t, "xdma:"+at)
	if err != nil {
		t.Fatal(err)
	}
	if i := d.Info(); i.URI != "xdma:0?dir="+strings.ReplaceAll(dir, "/", "%2F")+"&observe=true" || i.BuildHash != 0xb01dface || i.Source != driver.Board {
		t.Errorf("Info: %+v", i)
	}
	if err := d.Send(t.Context(), make([]byte, 32)); !errors.Is(err, driver.ErrUnsupported) {
		t.Errorf("Send of an observer: %v", err)
	}
	if err := d.WriteReg(t.Context(), regmap.RegCtrl, 1); !errors.Is(err, driver.ErrUnsupported) {
		t.Errorf("a soft reset by an observer: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	user, err := os.Open(filepath.Join(dir, "xdma0_user"))
	if err != nil {
		t.Fatal(err)
	}
	defer user.Close()
	if err := unix.Flock(int(user.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, err := openURI(t, "xdma:0?dir="+dir); !errors.Is(err, driver.ErrBusy) || !strings.Contains(err.Error(), "observe") {
		t.Errorf("beside another user: %v", err)
	}
	nodes(t, dir, 1, registerFile(t, 0x1234, 4096))
	nodes(t, dir, 2, []byte(strings.Repeat("\xff", 4096)))
	nodes(t, dir, 3, make([]byte, 4096))
	for _, c := range []struct {
		uri  string
		want error
		says string
	}{
		{"xdma:" + at, driver.ErrAmbiguous, "xdma:2"},
		{"xdma:1" + at, driver.ErrVersion, "0x00001234"},
		{"xdma:2" + at, ErrDeadLink, "all ones"},
		{"xdma:3" + at, driver.ErrNotFound, "magic"},
		{"xdma:9" + at, driver.ErrNotFound, "xdma9_user"},
		{"xdma:x" + at, driver.ErrOption, "xdma:N"},
		{"xdma:0" + at + "&chanel=1", driver.ErrOption, "channel"},
		{"xdma:0" + at + "&channel=7", driver.ErrOption, "0 to 3"},
		{"xdma:?dir=" + dir + "/none", driver.ErrNotFound, "kernel driver"},
	} {
		if _, err := openURI(t, c.uri); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v with %q", c.uri, err, c.want, c.says)
		}
	}
}

func TestOpenSysfs(t *testing.T) {
	sys := t.TempDir()
	dir := filepath.Join(sys, "bus/pci/devices/0000:03:00.0")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	bar := append(make([]byte, 4096), registerFile(t, regmap.SpecID, 4096)...)
	for name, b := range map[string][]byte{"resource0": bar, "resource2": []byte(strings.Repeat("\xff", 4096))} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := "&sysfs=" + sys
	d, err := openURI(t, "pci:03:00.0?offset=0x1000"+at)
	if err != nil {
		t.Fatal(err)
	}
	if d.Info().BuildHash != 0xb01dface {
		t.Errorf("Info: %+v", d.Info())
	}
	if err := d.WriteReg(t.Context(), regmap.RegScratch, 0xfeed); err != nil {
		t.Error(err)
	}
	if v, err := d.ReadReg(t.Context(), regmap.RegScratch); err != nil || v != 0xfeed {
		t.Errorf("SCRATCH reads %#x, %v", v, err)
	}
	if err := d.WriteReg(t.Context(), regmap.RegMagic, 1); !errors.Is(err, driver.ErrBadRegister) {
		t.Errorf("writing MAGIC: %v", err)
	}
	if err := d.Send(t.Context(), make([]byte, 32)); !errors.Is(err, driver.ErrUnsupported) {
		t.Errorf("Send: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := d.ReadReg(t.Context(), regmap.RegMagic); !errors.Is(err, driver.ErrClosed) {
		t.Errorf("ReadReg after Close: %v", err)
	}
	for _, c := range []struct {
		uri  string
		want error
		says string
	}{
		{"pci:0000:03:00.0?bar=0" + at, driver.ErrNotFound, "magic"},
		{"pci:0000:03:00.0?bar=1" + at, driver.ErrNotFound, "resource1"},
		{"pci:0000:03:00.0?bar=2" + at, ErrDeadLink, "all ones"},
		{"pci:0000:03:00.0?offset=0x2000" + at, driver.ErrNotFound, "offset="},
		{"pci:0000:03:00.0?offset=4" + at, driver.ErrOption, "4096"},
		{"pci:0000:04:00.0?bar=0" + at, driver.ErrNotFound, "0000:04:00.0"},
		{"pci:board?bar=0" + at, driver.ErrOption, "lspci"},
	} {
		if _, err := openURI(t, c.uri); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v with %q", c.uri, err, c.want, c.says)
		}
	}
}

// A pipe stands in for the events node: it can be read when there is a count.
func TestInterrupt(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n := eventNode{r}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := n.wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no interrupt: %v", err)
	}
	if _, err := w.Write([]byte{0, 0, 0, 0, 1, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	if err := n.wait(t.Context()); err != nil {
		t.Error(err)
	}
	w.Close()
	if err := n.wait(t.Context()); !errors.Is(err, driver.ErrDisconnected) {
		t.Errorf("a node that is gone: %v", err)
	}
	_, d := dial(t)
	defer d.Close()
	if err := d.WaitInterrupt(t.Context()); !errors.Is(err, driver.ErrUnsupported) {
		t.Errorf("without a node: %v", err)
	}
}
