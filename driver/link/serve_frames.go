package link

import (
	"encoding/binary"
	"io"
	"time"

	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/wire"
)

func (b *board) read() {
	buf := make([]byte, readSize)
	s := wire.Scanner{Dir: wire.ToDevice}
	for {
		n, err := b.p.Read(buf)
		if n > 0 {
			b.mu.Lock()
			s.Scan(buf[:n], b.handle)
			b.takeOut()
			b.tell()
			b.mu.Unlock()
		}
		if err != nil {
			b.end(pipeError("reading", err))
			return
		}
	}
}

// handle follows one frame. The lock is held.
func (b *board) handle(f wire.Frame, err error) {
	if err != nil {
		if b.up && !b.hello {
			b.damaged++
			b.rx.lost()
		}
		return
	}
	if b.silent >= regmap.LinkRetries {
		b.repeat = time.Now().Add(b.o.Retry)
	}
	b.silent = 0
	first := f.Type | f.Flags
	if f.Type == regmap.FrameHello && len(f.Payload) == 0 {
		if f.B != regmap.LinkVersion {
			b.complain(regmap.LinkErrVersion, regmap.LinkVersion)
			return
		}
		b.restart(f.A)
		return
	}
	if !b.up {
		b.complain(regmap.LinkErrNoHello, first)
		return
	}
	if b.hello {
		return
	}
	switch n := len(f.Payload); {
	case (f.Type == regmap.FrameRead || f.Type == regmap.FrameWrite) && n == regmap.LinkRequestBytes:
		b.access(f)
	case f.Type == regmap.FrameData && n > 0 && n%b.beat == 0:
		b.data(f)
	case f.Type == regmap.FrameAck && n == 0:
		if b.tx.ack(f) {
			b.lastHost = time.Now()
			b.repeat = time.Now().Add(b.o.Retry)
		}
		if f.Has(regmap.FrameFlagPoll) {
			b.rx.due = true
			b.takeOut()
			b.waited = b.waited || f.A == b.tx.next() && len(b.rest) == 0 && len(b.part) == 0 && len(b.window) == 0
		}
	default:
		b.complain(regmap.LinkErrFrame, first)
	}
}

func (b *board) complain(code, detail uint8) {
	b.trouble, b.troubleDue = wire.Frame{Type: regmap.FrameError, A: code, B: detail}, true
}

// restart begins a new link. The engine's goroutine resets the engine and has the
// HELLO answered.
func (b *board) restart(id uint8) {
	b.up, b.hello, b.helloed, b.helloID = true, true, false, id
	b.rx, b.tx = receiver{}, sender{window: b.o.SendWindow}
	b.window, b.out, b.moved, b.part, b.skip = nil, 0, false, nil, false
	b.requests, b.queued, b.pending, b.rest, b.begun = nil, 0, 0, nil, false
	b.asked, b.ask, b.answerDue, b.troubleDue, b.poll, b.waited = false, false, false, false, false, false
	b.damaged, b.timeouts = 0, 0
	if b.stop != nil {
		b.stop() // whatever the engine is doing
	}
}

// access takes a register request, once.
func (b *board) access(f wire.Frame) {
	switch {
	case b.ask && f.A == b.lastAskedID:
		b.answerDue = !b.asked
	case b.asked:
		b.complain(regmap.LinkErrBusy, f.A)
	default:
		f.Payload = append([]byte(nil), f.Payload...)
		b.ask, b.asked, b.lastAskedID, b.request = true, true, f.A, f
	}
}

func (b *board) data(f wire.Frame) {
	switch b.rx.take(f.A, ahead(b.limit(), f.A)) {
	case noRoom:
		b.complain(regmap.LinkErrCredit, f.A)
	case taken:
		b.lastHost = time.Now()
		f.Payload = append([]byte(nil), f.Payload...)
		b.window = append(b.window, f)
	}
}

// takeOut moves frames out of the window into packets while the engine has room.
// The lock is held.
func (b *board) takeOut() {
	for len(b.window) > 0 && len(b.requests) < deepest && (b.queued < mostQueued || len(b.requests) == 0) {
		f := b.window[0]
		b.window[0] = wire.Frame{}
		b.window = b.window[1:]
		b.out++
		b.moved = true
		if !b.skip && len(b.part)+len(f.Payload) <= longest {
			b.part = append(b.part, f.Payload...)
		}
		if !f.Has(regmap.FrameFlagLast) {
			continue
		}
		if !b.skip {
			b.requests = append(b.requests, b.part)
			b.queued += len(b.part)
		}
		b.part, b.skip = nil, false
	}
}

func (b *board) write() {
	var buf []byte
	timer := time.NewTimer(b.o.Retry)
	defer timer.Stop()
	for {
		b.mu.Lock()
		if b.err != nil {
			b.mu.Unlock()
			return
		}
		buf = b.compose(buf[:0], time.Now())
		b.mu.Unlock()
		if len(buf) > 0 {
			n, err := b.p.Write(buf)
			if err == nil && n < len(buf) {
				err = io.ErrShortWrite
			}
			if err != nil {
				b.end(pipeError("writing", err))
				return
			}
			continue
		}
		timer.Reset(b.o.Retry / 2)
		select {
		case <-b.wake:
		case <-timer.C:
		}
	}
}

// compose puts together what is due: HELLO, ANSWER, ERROR, ACK, DATA.
func (b *board) compose(buf []byte, now time.Time) []byte {
	put := func(f wire.Frame) { buf = f.Append(append(buf, wire.Delimiter), wire.ToHost) }
	if b.hello && b.helloed {
		b.hello = false
		b.repeat = now.Add(b.o.Retry)
		p := []byte{uint8(b.beat), uint8(b.o.Window), uint8(b.o.SendWindow), regmap.LinkMaxPayload}
		p = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(p, b.o.Board), b.o.ClockHz)
		put(wire.Frame{Type: regmap.FrameHello, A: b.helloID, B: regmap.LinkVersion, Payload: p})
	}
	if b.answerDue {
		b.answerDue = false
		put(b.answer)
	}
	if b.troubleDue {
		b.troubleDue = false
		put(b.trouble)
	}
	if !b.up || b.hello {
		return buf
	}
	b.mindTime(now)
	if b.rx.due || b.moved || b.poll {
		put(b.rx.ack(b.limit(), b.poll))
		b.moved, b.poll = false, false
	}
	for range batchFrames {
		f, ok := b.tx.send()
		if !ok {
			had := len(b.rest)
			if b.rest = b.tx.fill(b.rest, b.chunk); len(b.rest) == had {
				break
			}
			if b.begun = len(b.rest) > 0; !b.begun {
				b.work.Broadcast() // room for the next response
			}
			continue
		}
		b.repeat = now.Add(b.o.Retry)
		put(f)
	}
	return buf
}

// mindTime is the device's timer.
func (b *board) mindTime(now time.Time) {
	if len(b.tx.frames) == 0 && len(b.rest) == 0 {
		b.repeat = now.Add(b.o.Retry)
		return
	}
	if now.Before(b.repeat) || b.silent >= regmap.LinkRetries {
		return
	}
	b.repeat = now.Add(b.o.Retry)
	b.timeouts++
	b.silent++
	b.tx.goBack()
	b.poll = true
}
