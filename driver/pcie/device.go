package pcie

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// patience is how long an engine may take to come to rest: a little more than the
// kernel driver's own ten seconds.
const patience = 12 * time.Second

// ends are the nodes of one engine.
type ends struct {
	user   access
	h2c    io.Writer
	c2h    io.Reader
	events interface {
		wait(ctx context.Context) error
	} // nil: none
	close func() error
}

// device is an engine behind the DMA core.
type device struct {
	registers
	ends
	s    *stream
	info driver.Info

	outstanding int
	base        uint32 // PACKETS less the packets read, when nothing was under way
	sure        bool   // base is known
	closed      bool
}

// open makes a device of its nodes and sees to it that nothing of a former user
// is left in the engine.
func open(ctx context.Context, e ends) (*device, error) {
	d := &device{registers: registers{e.user}, ends: e}
	info, err := driver.Identify(ctx, d.registers)
	if err != nil {
		return nil, err
	}
	d.info = info
	if e.h2c == nil {
		return d, nil
	}
	d.s = newStream(e.h2c, e.c2h, largest(info.Params))
	if err := d.settleLeftovers(ctx); err != nil {
		d.s.stop()
		return nil, err
	}
	return d, nil
}

// largest is more than the bytes of any response.
func largest(p regmap.Params) int {
	most := max(regmap.MaxEchoBytes, 2*p.MaxTokens, 3*p.TileTokens*p.MaxDim)
	return (most + 2*regmap.HeaderBytes + 8192) &^ 4095
}

func (d *device) Info() driver.Info { return d.info }

func (d *device) usable(ctx context.Context) error {
	if d.closed {
		return driver.ErrClosed
	}
	return ctx.Err()
}

func (d *device) ReadReg(ctx context.Context, addr uint32) (uint32, error) {
	if err := d.usable(ctx); err != nil {
		return 0, err
	}
	return d.registers.ReadReg(ctx, addr)
}

func (d *device) WriteReg(ctx context.Context, addr, v uint32) error {
	if err := d.usable(ctx); err != nil {
		return err
	}
	ctrl := func(bit int) bool { return addr == regmap.RegCtrl && v>>bit&1 != 0 }
	if d.s == nil || !ctrl(regmap.CtrlSoftReset) && !ctrl(regmap.CtrlClear) {
		return d.registers.WriteReg(ctx, addr, v)
	}
	if ctrl(regmap.CtrlClear) {
		d.base, d.sure = -d.s.count(), d.outstanding == 0
	}
	if !ctrl(regmap.CtrlSoftReset) {
		return d.registers.WriteReg(ctx, addr, v)
	}
	return d.softReset(ctx, v)
}

// softReset writes CTRL and returns when the engine is at rest and every packet
// that it gave meanwhile has been taken and dropped.
func (d *device) softReset(ctx context.Context, ctrl uint32) error {
	d.s.forget()
	d.outstanding = 0
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%w: the soft reset does not end", driver.ErrTimeout))
	defer cancel()
	err := d.registers.WriteReg(ctx, regmap.RegCtrl, ctrl)
	if err == nil {
		err = d.rest(ctx)
	}
	if err != nil {
		return cause(ctx, err)
	}
	d.s.remember()
	return nil
}

// cause prefers our own reason to the context's.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); ctx.Err() != nil && err == ctx.Err() {
		return c
	}
	return err
}

// rest waits until the request under way is written, the engine is idle, and the
// packets that it says it gave have been read.
func (d *device) rest(ctx context.Context) error {
	if err := d.s.until(ctx, func() bool { return !d.s.writing }); err != nil {
		return err
	}
	if err := d.idle(ctx); err != nil {
		return err
	}
	packets, err := d.registers.ReadReg(ctx, regmap.RegPackets)
	if err != nil {
		return err
	}
	if d.sure {
		return d.s.until(ctx, func() bool { return packets == d.s.taken+d.base })
	}
	// The counters were cleared amid work: wait for silence instead.
	for last, quiet := d.s.count(), 0; quiet < 10; quiet++ {
		if err := sleep(ctx, 2*time.Millisecond); err != nil {
			return err
		}
		if n := d.s.count(); n != last {
			last, quiet = n, 0
		}
	}
	d.base, d.sure = packets-d.s.count(), true
	return nil
}

// idle waits until STATUS reads 0, taking what the engine still has to give.
func (d *device) idle(ctx context.Context) error {
	for pause := 10 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		v, err := d.registers.ReadReg(ctx, regmap.RegStatus)
		if err != nil || v == 0 {
			return err
		}
		d.s.expect()
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, t time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(t):
		return nil
	}
}

// settleLeftovers resets an engine that somebody left at work. One at rest keeps
// its counters.
func (d *device) settleLeftovers(ctx context.Context) error {
	v, err := d.registers.ReadReg(ctx, regmap.RegStatus)
	if err != nil {
		return err
	}
	if v != 0 {
		return d.softReset(ctx, 1<<regmap.CtrlSoftReset)
	}
	packets, err := d.registers.ReadReg(ctx, regmap.RegPackets)
	d.base, d.sure = packets, true
	return err
}

func (d *device) Send(ctx context.Context, request []byte) error {
	if err := d.usable(ctx); err != nil {
		return err
	}
	if d.s == nil {
		return registersOnly(d.info.URI)
	}
	if n := d.info.Params.BeatBytes(); len(request) == 0 || len(request)%n != 0 {
		return fmt.Errorf("%w: %d bytes, want one or more beats of %d", driver.ErrBadPacket, len(request), n)
	}
	if err := d.s.send(append([]byte(nil), request...)); err != nil {
		return err
	}
	d.outstanding++
	return nil
}

func registersOnly(uri string) error {
	return fmt.Errorf("%w: %s reaches the engine's registers only; commands go through xdma:", driver.ErrUnsupported, uri)
}

func (d *device) Recv(ctx context.Context, dst []byte) ([]byte, error) {
	if err := d.usable(ctx); err != nil {
		return dst, err
	}
	if d.s == nil {
		return dst, registersOnly(d.info.URI)
	}
	if d.outstanding == 0 {
		return dst, fmt.Errorf("%w: receive with no request outstanding", driver.ErrProtocol)
	}
	dst, err := d.s.receive(ctx, dst)
	if err == nil {
		d.outstanding--
	}
	return dst, err
}

// WaitInterrupt implements driver.Interrupter.
func (d *device) WaitInterrupt(ctx context.Context) error {
	if err := d.usable(ctx); err != nil {
		return err
	}
	if d.events == nil {
		return fmt.Errorf("%w: %s has no events node", driver.ErrUnsupported, d.info.URI)
	}
	return d.events.wait(ctx)
}

// Close leaves the engine at rest. A read that the kernel still has is ended by
// an answer: an ECHO of nothing, sent for that alone.
func (d *device) Close() error {
	if d.closed {
		return driver.ErrClosed
	}
	d.closed = true
	if d.s != nil {
		d.quit()
	}
	return d.ends.close()
}

func (d *device) quit() {
	defer d.s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if d.outstanding > 0 && d.softReset(ctx, 1<<regmap.CtrlSoftReset) != nil {
		return
	}
	d.s.mu.Lock()
	pending := d.s.reading
	d.s.mu.Unlock()
	if !pending || !d.info.Has(1<<regmap.FeatEcho) {
		return
	}
	fence, err := packet.Request{Opcode: regmap.OpEcho, Tag: uint16(rand.Uint32())}.Append(nil, d.info.Params, nil)
	if err != nil || d.s.send(fence) != nil {
		return
	}
	_ = d.s.until(ctx, func() bool { return len(d.s.in) > 0 }) // a dead engine ends it by the kernel's own timeout
}
