package pcie

import (
	"context"
	"fmt"
	"io"
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
	base        traffic // what the engine's counters were ahead of ours when nothing was on the way
	sure        bool    // base is known
	closed      bool
}

// open makes a device of its nodes: with streams a fresh engine, without them one
// as it is.
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
	d.s = newStream(e.h2c, e.c2h, info.Params.BeatBytes(), room(info.Params))
	if err := d.start(ctx); err != nil {
		d.s.stop()
		return nil, err
	}
	return d, nil
}

// room is what a read is given: more than the bytes of any response but SOURCE's,
// so that it is never full.
func room(p regmap.Params) int { return (packet.MaxResponse(p) + 8192) &^ 4095 }

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
	if d.s == nil && ctrl(regmap.CtrlSoftReset) {
		return fmt.Errorf("a soft reset: %w", registersOnly(d.info.URI))
	}
	if !ctrl(regmap.CtrlSoftReset) && !ctrl(regmap.CtrlClear) {
		return d.registers.WriteReg(ctx, addr, v)
	}
	if ctrl(regmap.CtrlClear) {
		if err := d.clearing(ctx); err != nil {
			return err
		}
	}
	if !ctrl(regmap.CtrlSoftReset) {
		return d.registers.WriteReg(ctx, addr, v)
	}
	return d.softReset(ctx, v)
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
	if n, most := packet.ResponseBound(request, d.info.Params), packet.MaxResponse(d.info.Params); n > most {
		return fmt.Errorf("%w: a response of %d bytes; over these nodes one has at most %d", driver.ErrUnsupported, n, most)
	}
	if err := d.s.send(append([]byte(nil), request...)); err != nil {
		return err
	}
	d.outstanding++
	return nil
}

func registersOnly(uri string) error {
	return fmt.Errorf("%w: %s reaches the engine's registers only, xdma: takes commands", driver.ErrUnsupported, uri)
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
// the answer to a command sent for that alone.
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
	if pending {
		_ = d.fence(ctx) // of a dead engine, the kernel's own timeout ends the read
	}
}
