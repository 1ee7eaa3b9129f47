package link

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"sync"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/wire"
)

// BoardOptions say what a served device tells of itself in HELLO. Zero values
// stand for the defaults.
type BoardOptions struct {
	Board      uint32        // board id: BoardEmulator or BoardRTL, if the device is one of those
	ClockHz    uint32        // stated engine clock; 0: not stated
	Window     int           // DATA frames that are received ahead of the engine: 64
	SendWindow int           // DATA frames sent and unacknowledged: 64
	Retry      time.Duration // silence after which DATA is repeated: 200 ms

	// Gather is for a simulated engine, whose time stands still until it is asked
	// for a response: it is asked when the host says that it waits (an ACK with Poll
	// that has all responses so far), after so much silence, or when no more
	// requests can be taken. A queue of commands then takes the same cycles as it
	// does without a link. 0: at once.
	Gather time.Duration
}

const (
	deepest     = 8        // packets that the engine is given before it has answered
	mostQueued  = 64 << 20 // bytes of requests held, beyond which the host has to wait
	longest     = 64 << 20 // bytes of one request; what comes after is dropped, so that the engine finds it cut short
	batchFrames = 64
)

// Serve answers a host on a pipe as a board would, with dev as its engine, until
// the pipe ends or ctx does. It gives nil if the host closed the pipe. The device
// must be a driver.Resetter; it is left open, the pipe is closed.
func Serve(ctx context.Context, p Pipe, dev driver.Device, o BoardOptions) error {
	reset, ok := dev.(driver.Resetter)
	if !ok {
		return errors.Join(fmt.Errorf("%w: %s cannot be reset, as HELLO asks for", driver.ErrUnsupported, dev.Info().URI), p.Close())
	}
	def := func(v *int, n int) {
		if *v == 0 {
			*v = n
		}
	}
	for id, source := range boards {
		if o.Board == 0 && source == dev.Info().Source {
			o.Board = id
		}
	}
	def(&o.Window, 64)
	def(&o.SendWindow, 64)
	if o.Retry == 0 {
		o.Retry = 200 * time.Millisecond
	}
	for _, w := range []int{o.Window, o.SendWindow} {
		if w < 2 || w > regmap.LinkMaxSlots || bits.OnesCount(uint(w)) != 1 {
			return errors.Join(fmt.Errorf("%w: a window of %d frames, want a power of two from 2 to %d", driver.ErrOption, w, regmap.LinkMaxSlots), p.Close())
		}
	}
	b := &board{p: p, dev: dev, reset: reset, o: o, beat: dev.Info().Params.BeatBytes(), wake: make(chan struct{}, 1)}
	b.chunk = chunk(b.beat)
	b.work.L = &b.mu
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b.ctx = ctx
	defer context.AfterFunc(ctx, func() { b.end(ctx.Err()) })()
	var done sync.WaitGroup
	done.Go(b.read)
	done.Go(b.write)
	b.run()
	done.Wait()
	if errors.Is(b.err, io.EOF) || errors.Is(b.err, driver.ErrDisconnected) {
		return nil
	}
	return b.err
}

// board is the device's side of a link.
type board struct {
	p     Pipe
	dev   driver.Device
	reset driver.Resetter
	o     BoardOptions
	beat  int
	chunk int
	ctx   context.Context

	mu   sync.Mutex
	work sync.Cond     // for the engine's goroutine
	wake chan struct{} // for the writer
	err  error         // what ended it

	up       bool // a HELLO came
	hello    bool // and is to be answered, when the engine is reset
	helloed  bool // the engine is reset: send it
	helloID  uint8
	stop     context.CancelFunc // of the engine's Recv
	rx       receiver
	tx       sender
	window   []wire.Frame // received, not yet taken out
	out      uint8        // frames taken out since HELLO
	moved    bool         // the limit did
	part     []byte       // request under way
	skip     bool         // the rest of it is dropped
	requests [][]byte     // for the engine
	queued   int          // bytes in them
	pending  int          // requests that the engine has
	rest     []byte       // of a response, not yet in frames
	begun    bool         // some of that response is

	asked, ask  bool // a register request is under way; was ever made
	request     wire.Frame
	answer      wire.Frame
	answerDue   bool
	trouble     wire.Frame
	troubleDue  bool
	poll        bool
	damaged     uint8
	timeouts    uint8
	silent      int       // time-outs since the last whole frame
	waited      bool      // the host waits for the next response
	lastHost    time.Time // last DATA from the host, or progress of ours to it
	repeat      time.Time
	lastAskedID uint8
}

func (b *board) end(err error) {
	b.mu.Lock()
	if b.err == nil {
		b.err = err
		_ = b.p.Close() // what it may say adds nothing
	}
	if b.stop != nil {
		b.stop()
	}
	b.tell()
	b.mu.Unlock()
}

// tell wakes both goroutines. The lock is held.
func (b *board) tell() {
	b.work.Broadcast()
	poke(b.wake)
}

func (b *board) limit() uint8 { return b.out + uint8(b.o.Window) }

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

// run is the engine's goroutine.
func (b *board) run() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.err == nil {
		var err error
		switch {
		case b.hello && !b.helloed:
			err = b.engineReset()
		case b.asked:
			err = b.engineAccess()
		case len(b.requests) > 0 && b.pending < deepest:
			err = b.engineSend()
		case b.pending > 0 && len(b.rest) == 0 && b.gathered() <= 0:
			err = b.engineRecv()
		default:
			b.sleep()
		}
		if err != nil && b.err == nil {
			b.mu.Unlock()
			b.end(fmt.Errorf("engine behind the link: %w", err))
			b.mu.Lock()
		}
	}
}

// gathered is how long the engine should still wait for more requests.
func (b *board) gathered() time.Duration {
	switch {
	case b.o.Gather == 0 || b.waited || b.pending >= deepest && len(b.requests) >= deepest:
		return 0
	case len(b.tx.frames) > 0 || len(b.part) > 0 && len(b.requests) < deepest:
		return b.o.Gather
	}
	return b.o.Gather - time.Since(b.lastHost)
}

// sleep waits for something to do. The lock is held.
func (b *board) sleep() {
	if b.pending > 0 && len(b.rest) == 0 && b.err == nil {
		if t := b.gathered(); t > 0 {
			defer time.AfterFunc(t, func() {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.work.Broadcast()
			}).Stop()
		}
	}
	b.work.Wait()
}

func (b *board) engineReset() error {
	id := b.helloID
	b.mu.Unlock()
	err := b.reset.Reset(b.ctx)
	b.mu.Lock()
	if err == nil && id == b.helloID && b.hello {
		b.helloed = true
		b.tell()
	}
	return err
}

// position is the number of the first frame in which nothing can be that the
// engine has given so far.
func (b *board) position() uint8 {
	return b.tx.next() + uint8((len(b.rest)+b.chunk-1)/b.chunk)
}

func (b *board) engineAccess() error {
	f := b.request
	addr, v := uint32(binary.LittleEndian.Uint16(f.Payload)), binary.LittleEndian.Uint32(f.Payload[2:])
	soft := f.Type == regmap.FrameWrite && addr == regmap.RegCtrl && v>>regmap.CtrlSoftReset&1 != 0
	if soft {
		b.abort()
	}
	busy := b.pending > 0 || len(b.requests) > 0
	b.mu.Unlock()
	var err error
	if f.Type == regmap.FrameRead {
		v, err = b.dev.ReadReg(b.ctx, addr)
	} else {
		err = b.dev.WriteReg(b.ctx, addr, v)
		v = 0
	}
	b.mu.Lock()
	if b.hello && !b.helloed {
		return nil // a HELLO came between
	}
	resp := uint8(0)
	switch {
	case addr > 0xfff:
		resp, err, v = 3, nil, 0
	case errors.Is(err, driver.ErrBadRegister):
		resp, err, v = 2, nil, 0
	case err == nil && f.Type == regmap.FrameRead && addr == regmap.RegStatus && busy:
		v |= 1 << regmap.StatBusy // packets on this side of the engine are as good as in it
	}
	payload := append(binary.LittleEndian.AppendUint32(nil, v), b.damaged, b.timeouts)
	b.answer = wire.Frame{Type: regmap.FrameAnswer, Flags: resp << regmap.FrameFlagResp, A: f.A, B: b.position(), Payload: payload}
	b.asked, b.answerDue = false, true
	b.tell()
	return err
}

// abort drops, at a soft reset, what the engine has: a response under way ends as
// the engine would end it, the rest of a request begun is skipped.
func (b *board) abort() {
	b.requests, b.queued, b.pending = nil, 0, 0
	b.skip = b.skip || len(b.part) > 0
	b.part = nil
	if b.rest = nil; b.begun {
		b.rest = make([]byte, b.beat)
		b.rest[1] = regmap.MagicAbort
	}
	b.takeOut()
}

func (b *board) engineSend() error {
	r := b.requests[0]
	b.requests = b.requests[1:]
	b.queued -= len(r)
	b.pending++
	b.takeOut()
	b.tell()
	b.mu.Unlock()
	err := b.dev.Send(b.ctx, r)
	b.mu.Lock()
	return err
}

func (b *board) engineRecv() error {
	ctx, stop := context.WithCancel(b.ctx)
	b.stop = stop
	id := b.helloID
	b.mu.Unlock()
	resp, err := b.dev.Recv(ctx, nil)
	cut := ctx.Err() != nil
	stop()
	b.mu.Lock()
	b.stop = nil
	if b.hello && !b.helloed || id != b.helloID || cut {
		return nil
	}
	if err != nil {
		return err
	}
	b.pending--
	b.rest, b.waited = resp, false
	b.tell()
	return nil
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
