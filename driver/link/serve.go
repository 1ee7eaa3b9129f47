package link

import (
	"context"
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
