package link

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/wire"
)

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
