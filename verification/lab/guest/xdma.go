package main

import (
	"context"
	"encoding/binary"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator"
)

// card is an emulator behind what docs/pcie.md says of XDMA's nodes: streams are
// character devices of user space, registers a file of user space in its place.
type card struct {
	m    *machine
	dev  driver.Device
	c2h  *node
	dead bool // a link that gives all ones

	mu      sync.Mutex
	part    []byte    // of a request, in pieces
	pending int       // requests that the engine has
	last    time.Time // when the last request came
	given   [][]byte  // responses on their way; the first may be read in part
	cut     bool      // it is
}

// xdma makes /dev/xdma0_*.
func (m *machine) xdma() *card {
	dev, err := emulator.Open(context.Background(), driver.URI{Scheme: "emu"})
	m.must(err)
	c := &card{m: m, dev: dev}
	c.c2h = &node{read: c.give}
	user := &node{read: c.readRegister, write: c.writeRegister}
	h2c := &node{write: c.take}
	m.must(openCUSE("xdma0_h2c_0", h2c))
	m.must(openCUSE("xdma0_c2h_0", c.c2h))
	m.must(mountFile("/dev/xdma0_user", user))
	m.cleanup(func() {
		_ = unix.Unmount("/dev/xdma0_user", unix.MNT_DETACH)
		_ = os.Remove("/dev/xdma0_user")
		for _, n := range []*node{user, h2c, c.c2h} {
			_ = n.close()
		}
	})
	for _, node := range []string{"/dev/xdma0_h2c_0", "/dev/xdma0_c2h_0"} {
		m.until(node+" is there", func() bool { _, err := os.Stat(node); return err == nil })
	}
	return c
}

func (c *card) readRegister(offset int64, size int) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return []byte{0xff, 0xff, 0xff, 0xff}, true
	}
	v, err := c.dev.ReadReg(context.Background(), uint32(offset))
	if err != nil || size != 4 {
		c.m.logf("read of %d bytes at %#x: %v", size, offset, err)
		v = 0xffffffff
	}
	if uint32(offset) == regmap.RegStatus && c.pending > 0 {
		v |= 1 << regmap.StatBusy
	}
	return binary.LittleEndian.AppendUint32(nil, v), true
}

func (c *card) writeRegister(offset int64, b []byte) error {
	c.mu.Lock()
	v := binary.LittleEndian.Uint32(b)
	if uint32(offset) == regmap.RegCtrl && v>>regmap.CtrlSoftReset&1 != 0 {
		c.finish() // what the engine has counted must come
	}
	err := c.dev.WriteReg(context.Background(), uint32(offset), v)
	c.mu.Unlock()
	c.c2h.wake()
	return err
}

// finish has the engine answer all requests it has.
func (c *card) finish() {
	for ; c.pending > 0; c.pending-- {
		resp, err := c.dev.Recv(context.Background(), nil)
		if err != nil {
			c.m.logf("the engine gives no response: %v", err)
			return
		}
		c.given = append(c.given, resp)
	}
}

// take is a piece of a request; one that is not full ends it.
func (c *card) take(_ int64, b []byte) error {
	c.mu.Lock()
	c.part = append(c.part, b...)
	var err error
	if len(b) < fusePiece {
		err = c.dev.Send(context.Background(), c.part)
		c.part = nil
		c.pending++
		c.last = time.Now()
		time.AfterFunc(gather, c.c2h.wake)
	}
	c.mu.Unlock()
	c.c2h.wake()
	return err
}

// gather is how long nothing must have come before the engine's time moves, so that
// requests queue up as they do without nodes. (The driver reads ahead, so a read that
// waits says nothing.)
const gather = 100 * time.Millisecond

// give is a piece of the next response.
func (c *card) give(_ int64, size int) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.given) == 0 && c.pending > 0 && (c.pending >= 8 || time.Since(c.last) >= gather) {
		resp, err := c.dev.Recv(context.Background(), nil)
		if err != nil {
			c.m.logf("the engine gives no response: %v", err)
			return nil, false
		}
		c.pending--
		c.given = append(c.given, resp)
	}
	if len(c.given) == 0 {
		return nil, false
	}
	n := min(size, len(c.given[0]))
	piece := c.given[0][:n]
	if c.given[0] = c.given[0][n:]; n < size { // the end: a response that fills the piece ends with an empty one
		c.given = c.given[1:]
	}
	return piece, true
}

// testXDMA runs on a card's nodes: the same bytes as on the emulator, one user at a
// time, observers beside it, and a link that dies.
func testXDMA(m *machine) {
	c := m.xdma()
	m.run("kvaccel", "list").has(m, 0, "xdma:0")
	m.info("xdma:0")
	m.equal("xdma:0", "emu:")
	m.run("kvaccel", "bench", "-d", "xdma:0", "--link", "--quick", "--sizes", "64,4096", "--depths", "1,4").has(m, 0, "as predicted")
	m.run("kvaccel", "reset", "-d", "xdma:").has(m, 0, "idle")
	m.run("kvaccel", "monitor", "-d", "xdma:0", "--count", "1", "--interval", "50ms").has(m, 0, "beats in/s")
	m.run("kvaccel", "doctor", "-d", "xdma:0").has(m, 0, "SPEC_ID")
	m.run("kvaccel", "info", "-d", "xdma:1").has(m, 3, "xdma1_user")
	m.runAs(user, "kvaccel", "info", "-d", "xdma:0").has(m, 4, "/dev/xdma0_user", `SUBSYSTEM=="xdma"`)
	lock, err := os.Open("/dev/xdma0_user")
	m.must(err)
	defer lock.Close()
	m.must(unix.Flock(int(lock.Fd()), unix.LOCK_EX))
	m.run("kvaccel", "info", "-d", "xdma:0").has(m, 5, "observe=true")
	m.run("kvaccel", "info", "-d", "xdma:0?observe=true").has(m, 0)
	m.must(unix.Flock(int(lock.Fd()), unix.LOCK_UN))
	c.mu.Lock()
	c.dead = true
	c.mu.Unlock()
	m.run("kvaccel", "info", "-d", "xdma:0").has(m, 6, "all ones")
}
