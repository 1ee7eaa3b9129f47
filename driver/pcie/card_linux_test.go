package pcie

import (
	"context"
	"encoding/binary"
	"io"
	"sync"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator"
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
