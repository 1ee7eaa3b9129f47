// Package emulator is the engine in Go as a device: "emu:". It gives the bytes
// and the cycle counts of the Verilog, clock by clock, without any tool.
//
// Package core is the engine behind its pins, package model the arithmetic; this
// package adds the ideal link that driver.Device describes.
package emulator

import (
	"context"
	"fmt"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator/core"
)

const (
	slice    = 1 << 12 // clocks between two looks at a context
	watchdog = 1 << 28 // clocks without a beat after which a call gives up
)

// Open makes an engine. Options: lanes, max-dim, tile-tokens, max-tokens (its
// parameters), features (mask of commands built in), build-hash, clock (stated
// Hz). Others, and values out of range, fail with driver.ErrOption.
func Open(ctx context.Context, u driver.URI) (driver.Device, error) {
	o, err := parseOptions(u)
	if err != nil {
		return nil, err
	}
	e, err := core.New(o.Params, o.Features, o.buildHash)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", driver.ErrOption, err)
	}
	d := &device{link: newLink(e)}
	d.link.reset()
	info, err := driver.Identify(ctx, d)
	if err != nil {
		return nil, err
	}
	info.URI, info.Source, info.ClockHz = o.uri, driver.Emulator, o.ClockHz
	info.Description = fmt.Sprintf("emulator l%d-d%d-t%d-n%d", o.Params.Lanes, o.Params.MaxDim, o.Params.TileTokens, o.Params.MaxTokens)
	d.info = info
	d.link.reset() // the counters start from 0, as after Reset
	return d, nil
}

// device implements driver.Device and driver.Resetter.
type device struct {
	link        *link
	info        driver.Info
	outstanding int // requests sent and not yet answered
	closed      bool
	steps       bool // every clock cycle is stepped, for comparison
}

func (d *device) Info() driver.Info { return d.info }

// usable reports why a call cannot be made.
func (d *device) usable(ctx context.Context) error {
	if d.closed {
		return driver.ErrClosed
	}
	return ctx.Err()
}

func (d *device) Reset(ctx context.Context) error {
	if err := d.usable(ctx); err != nil {
		return err
	}
	d.link.reset()
	d.outstanding = 0
	return nil
}

func (d *device) ReadReg(ctx context.Context, addr uint32) (uint32, error) {
	if err := d.access(ctx, addr); err != nil {
		return 0, err
	}
	v, resp := d.link.read(uint16(addr))
	return v, response("read", addr, resp)
}

func (d *device) WriteReg(ctx context.Context, addr, value uint32) error {
	if err := d.access(ctx, addr); err != nil {
		return err
	}
	if err := response("write", addr, d.link.write(uint16(addr), value)); err != nil {
		return err
	}
	if addr == regmap.RegCtrl && value>>regmap.CtrlSoftReset&1 != 0 {
		return d.settle(ctx)
	}
	return nil
}

// settle drops all packets and passes clocks until a soft reset is complete.
func (d *device) settle(ctx context.Context) error {
	d.link.drop()
	d.outstanding = 0
	for n := 1; d.link.resetting(); n++ {
		if n%(slice/4) != 0 { // an access takes 3 clocks
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if d.link.quiet > watchdog {
			return fmt.Errorf("%w: soft reset does not end", driver.ErrTimeout)
		}
	}
	return nil
}

func (d *device) Send(ctx context.Context, request []byte) error {
	if err := d.usable(ctx); err != nil {
		return err
	}
	if n := d.link.beat; len(request) == 0 || len(request)%n != 0 {
		return fmt.Errorf("%w: %d bytes, want one or more beats of %d", driver.ErrBadPacket, len(request), n)
	}
	d.link.send(request)
	d.outstanding++
	return nil
}

func (d *device) Recv(ctx context.Context, dst []byte) ([]byte, error) {
	if err := d.usable(ctx); err != nil {
		return dst, err
	}
	if d.outstanding == 0 {
		return dst, fmt.Errorf("%w: receive with no request outstanding", driver.ErrProtocol)
	}
	d.link.quiet = 0
	for n := 0; len(d.link.ends) == 0; {
		if n += d.pass(); n < slice {
			continue
		}
		n = 0
		if err := ctx.Err(); err != nil {
			return dst, err
		}
		if d.link.quiet >= watchdog {
			return dst, fmt.Errorf("%w: no beat moved in %d clocks", driver.ErrTimeout, watchdog)
		}
	}
	d.outstanding--
	return d.link.receive(dst), nil
}

// pass passes clock cycles.
func (d *device) pass() int {
	if d.steps {
		d.link.clock()
		return 1
	}
	return d.link.burst()
}

func (d *device) Close() error {
	if d.closed {
		return driver.ErrClosed
	}
	d.closed = true
	d.link.requests, d.link.spare = nil, nil
	return nil
}

// access refuses what the 12 address pins cannot tell from another address.
func (d *device) access(ctx context.Context, addr uint32) error {
	if err := d.usable(ctx); err != nil {
		return err
	}
	if addr > 0xfff {
		return fmt.Errorf("%w: address %#x, want at most 0xfff", driver.ErrBadRegister, addr)
	}
	return nil
}

func response(what string, addr uint32, resp uint8) error {
	if resp != 0 {
		return fmt.Errorf("%w: %s of register %#03x, response %d", driver.ErrBadRegister, what, addr, resp)
	}
	return nil
}
