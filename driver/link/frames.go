package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/wire"
)

const (
	readSize  = 64 << 10
	hostAhead = 127 // DATA frames that the device may send beyond what we have: any number, they are kept in memory
	ackEvery  = 4   // DATA frames, or half the device's window
)

// read takes in what the pipe brings until that ends.
func (c *conn) read() {
	buf := make([]byte, readSize)
	s := wire.Scanner{Dir: wire.ToHost}
	for {
		n, err := c.p.Read(buf)
		if n > 0 {
			c.mu.Lock()
			c.stats.BytesIn += uint64(n)
			s.Scan(buf[:n], c.handle)
			poke(c.changed)
			poke(c.wake)
			c.mu.Unlock()
		}
		if err != nil {
			c.lose(pipeError("reading", err))
			return
		}
	}
}

// pipeError names what ended a pipe in the terms of package driver.
func pipeError(what string, err error) error {
	for _, known := range []error{driver.ErrDisconnected, driver.ErrTimeout, driver.ErrProtocol, driver.ErrAccess, driver.ErrBusy} {
		if errors.Is(err, known) {
			return err
		}
	}
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, os.ErrClosed, syscall.EIO, syscall.ENXIO, syscall.ENODEV, syscall.EPIPE, syscall.ECONNRESET} {
		if errors.Is(err, end) {
			return fmt.Errorf("%w: %s the link: %w", driver.ErrDisconnected, what, err)
		}
	}
	return fmt.Errorf("%w: %s the link: %w", driver.ErrDisconnected, what, err)
}

// handle follows one frame. The lock is held.
func (c *conn) handle(f wire.Frame, err error) {
	now := time.Now()
	if err != nil {
		c.stats.Damaged++
		if !c.greeting && c.err == nil {
			c.rx.lost()
		}
		return
	}
	c.stats.FramesIn++
	if c.greeting {
		if f.Type == regmap.FrameHello && f.A == c.helloID {
			c.heard = now
			if c.hellos == 1 {
				c.rtt = now.Sub(c.greeted)
			}
			c.advance(now)
		}
		if f.Type == regmap.FrameError && f.A == regmap.LinkErrVersion {
			c.fail(fmt.Errorf("%w: the device's link has version %d, this program's %d", driver.ErrVersion, f.B, regmap.LinkVersion))
		} else if f.Type == regmap.FrameHello {
			c.greet(f)
		}
		return
	}
	if c.err != nil {
		return
	}
	c.heard = now
	switch f.Type {
	case regmap.FrameHello: // the answer to a HELLO that was repeated
	case regmap.FrameAnswer:
		c.answered(f, now)
	case regmap.FrameData:
		c.data(f, now)
	case regmap.FrameAck:
		c.acked(f, now)
	case regmap.FrameError:
		c.complained(f)
	default:
		c.fail(fmt.Errorf("%w: the device sent a frame of type %d", driver.ErrProtocol, f.Type))
	}
}

func (c *conn) answered(f wire.Frame, now time.Time) {
	if len(f.Payload) != regmap.LinkAnswerBytes {
		c.fail(fmt.Errorf("%w: ANSWER with %d bytes", driver.ErrProtocol, len(f.Payload)))
		return
	}
	c.stats.DevDamaged, c.stats.DevTimeout = f.Payload[4], f.Payload[5]
	if !c.asking || f.A != c.ask.A {
		return
	}
	c.answer = answer{binary.LittleEndian.Uint32(f.Payload), f.Resp(), f.B}
	c.asking = false
	if c.asks == 1 { // of a repeated one nobody knows which was answered
		c.rtt = max(now.Sub(c.asked), c.rtt*7/8)
	}
	c.advance(now)
}

func (c *conn) acked(f wire.Frame, now time.Time) {
	if len(f.Payload) != 0 {
		c.fail(fmt.Errorf("%w: ACK with %d bytes", driver.ErrProtocol, len(f.Payload)))
		return
	}
	if c.tx.ack(f) {
		c.advance(now)
	}
	if f.Has(regmap.FrameFlagPoll) {
		c.rx.due = true
	}
}

func (c *conn) data(f wire.Frame, now time.Time) {
	n := len(f.Payload)
	if n == 0 || n > regmap.LinkMaxPayload || n%c.beat != 0 {
		c.fail(fmt.Errorf("%w: DATA with %d bytes, want beats of %d", driver.ErrProtocol, n, c.beat))
		return
	}
	due := c.rx.due
	if c.rx.take(f.A, true) == dropped {
		return
	}
	// Not every frame needs an ACK of its own.
	if c.unacked++; !due && !f.Has(regmap.FrameFlagLast) && c.unacked < c.ackEvery {
		c.rx.due = false
	}
	c.advance(now)
	if c.drop {
		return
	}
	if n := len(c.old); c.part == nil && n > 0 {
		c.part, c.old = c.old[n-1], c.old[:n-1]
	}
	c.part = append(c.part, f.Payload...)
	if len(c.part) > c.largest {
		c.fail(fmt.Errorf("%w: a response of more than %d bytes, no command has one", driver.ErrProtocol, c.largest))
		return
	}
	if !f.Has(regmap.FrameFlagLast) {
		return
	}
	if len(c.in) >= c.outstanding {
		c.fail(fmt.Errorf("%w: a response of %d bytes to no request", driver.ErrProtocol, len(c.part)))
		return
	}
	c.in = append(c.in, c.part)
	c.part = nil
}

func (c *conn) complained(f wire.Frame) {
	if f.A == regmap.LinkErrNoHello {
		c.fail(fmt.Errorf("%w: the board was reset or powered up meanwhile", driver.ErrDisconnected))
		return
	}
	what, ok := map[uint8]string{
		regmap.LinkErrVersion: "a HELLO of another version",
		regmap.LinkErrFrame:   "a frame of unknown type or wrong length",
		regmap.LinkErrCredit:  "DATA beyond its limit",
		regmap.LinkErrBusy:    "a register request while another is under way",
	}[f.A]
	if !ok {
		what = fmt.Sprintf("error %d", f.A)
	}
	c.fail(fmt.Errorf("%w: the device reports %s, detail %#02x", driver.ErrProtocol, what, f.B))
}

// write sends what is due until the pipe ends.
func (c *conn) write() {
	var buf []byte
	timer := time.NewTimer(c.o.Retry)
	defer timer.Stop()
	for {
		c.mu.Lock()
		if c.gone != nil || c.closed {
			c.mu.Unlock()
			return
		}
		var wait time.Duration
		buf, wait = c.compose(buf[:0], time.Now())
		c.stats.BytesOut += uint64(len(buf))
		c.mu.Unlock()
		if len(buf) > 0 {
			n, err := c.p.Write(buf)
			if err == nil && n < len(buf) {
				err = io.ErrShortWrite
			}
			if err != nil {
				c.lose(pipeError("writing", err))
				return
			}
			continue
		}
		timer.Reset(wait)
		select {
		case <-c.wake:
		case <-timer.C:
		}
	}
}

// compose puts together what is to be written now, and says how long it can wait
// if that is nothing. The lock is held.
func (c *conn) compose(b []byte, now time.Time) ([]byte, time.Duration) {
	if c.err != nil {
		return b, time.Hour
	}
	wait := c.mindTime(now)
	if c.err != nil {
		return b, time.Hour
	}
	put := func(f wire.Frame) { b = f.Append(b, wire.ToDevice) }
	if c.greeting {
		if now.Sub(c.greeted) >= c.later(c.hellos) {
			c.greeted = now
			c.hellos++
			b = append(b, wire.Delimiter) // whatever stood on the line before
			put(wire.Frame{Type: regmap.FrameHello, A: c.helloID, B: regmap.LinkVersion})
		}
		return b, wait
	}
	if c.asking && now.Sub(c.asked) >= c.later(c.asks) {
		if c.asks++; c.asks > 1 {
			c.stats.Repeated++
		}
		c.asked = now
		put(c.ask)
	}
	if c.rx.due || c.poll {
		put(c.rx.ack(c.rx.next+hostAhead, c.poll))
		c.poll, c.unacked = false, 0
	}
	for len(b) < c.o.Batch {
		f, ok := c.tx.send()
		if !ok && !c.more() {
			if c.waiting && len(c.out) == 0 && c.tx.cursor == len(c.tx.frames) {
				put(c.rx.ack(c.rx.next+hostAhead, true))
				c.waiting = false
			}
			break
		}
		if ok {
			c.stats.FramesOut++
			c.repeat = now.Add(c.pause)
			put(f)
		}
	}
	return b, wait
}

// more makes further DATA frames and reports whether it made any.
func (c *conn) more() (made bool) {
	for c.tx.room() {
		if len(c.rest) == 0 {
			if len(c.out) == 0 {
				return made
			}
			c.rest = c.out[0]
		}
		c.rest = c.tx.fill(c.rest, c.chunk)
		made = true
		if len(c.rest) == 0 {
			c.out = c.out[:copy(c.out, c.out[1:])]
		}
	}
	return made
}

// later is how long to wait before something is sent again that was sent so often:
// longer each time, and never less than answers take on this line.
func (c *conn) later(times int) time.Duration {
	grown := max(c.o.Retry, 4*c.rtt) << min(max(times-1, 0), 5)
	return max(c.o.Retry, min(grown, c.o.Patience/4))
}

// advance notes that something came on.
func (c *conn) advance(now time.Time) {
	c.progress, c.pause = now, c.later(0)
	c.repeat = now.Add(c.pause)
}

// mindTime repeats what needs it, gives up what is hopeless, and says when to look
// again.
func (c *conn) mindTime(now time.Time) time.Duration {
	stream := c.streaming()
	if !c.greeting && !c.asking && !stream {
		c.heard = now
		c.advance(now)
		return time.Hour
	}
	if c.expire(now, stream); c.err == nil && stream && !c.greeting && now.After(c.repeat) {
		c.poll = true
		c.stats.Repeated++
		c.tx.goBack()
		c.pause = min(2*c.pause, 20*c.later(0))
		c.repeat = now.Add(c.pause)
	}
	return c.o.Retry / 2
}

// streaming reports whether the stream has something to do.
func (c *conn) streaming() bool {
	return len(c.tx.frames) > 0 || len(c.out) > 0 || c.outstanding > len(c.in) && (c.inRecv || !c.eager)
}

// expire gives up a link on which nothing comes, or nothing comes on.
func (c *conn) expire(now time.Time, stream bool) {
	switch {
	case now.Sub(c.heard) >= c.o.Patience:
		c.fail(fmt.Errorf("%w: nothing was heard for %v", driver.ErrTimeout, c.o.Patience))
	case c.asking && now.Sub(c.askFrom) >= c.o.Timeout, stream && !c.asking && now.Sub(c.progress) >= c.o.Timeout:
		c.fail(fmt.Errorf("%w: no progress for %v though the device is there", driver.ErrTimeout, c.o.Timeout))
	}
}

// watch does so while a write does not return either: a pipe may take nothing more.
func (c *conn) watch() {
	tick := time.NewTicker(max(c.o.Patience/10, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-c.quit:
			return
		case now := <-tick.C:
			c.mu.Lock()
			if stream := c.streaming(); c.err == nil && (c.greeting || c.asking || stream) {
				c.expire(now, stream)
			}
			c.mu.Unlock()
		}
	}
}
