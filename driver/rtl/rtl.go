// Package rtl is the engine's Verilog, compiled by Verilator, as a device: "rtl:".
//
// It runs the program that `make rtl` builds as a child process, so that neither
// cgo nor Verilator is needed here. The link is ideal, as driver.Device says, and
// cycle counts are those of the emulator.
package rtl

import (
	"context"
	"fmt"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/rtl/simulation"
)

// slice is how many clocks pass between two looks at the context, some tens of
// milliseconds.
const slice = 1 << 14

// Open starts a simulation. Options: lanes, max-dim, tile-tokens, max-tokens,
// features (the build to use), clock (stated Hz), trace (waveform file, FST), binary (a program
// to use instead of the one that would be searched for).
func Open(ctx context.Context, u driver.URI) (driver.Device, error) {
	o, err := parseOptions(u)
	if err != nil {
		return nil, err
	}
	path := o.binary
	if path == "" {
		if path, err = find(o); err != nil {
			return nil, err
		}
	}
	var args []string
	if o.trace != "" {
		args = append(args, "--trace="+o.trace)
	}
	p, err := simulation.Start(ctx, path, args...)
	if err != nil {
		return nil, err
	}
	d := &device{p: p}
	if err := d.identify(ctx, o, path); err != nil {
		_ = p.Close()
		return nil, err
	}
	return d, nil
}

type device struct {
	p           *simulation.Process
	info        driver.Info
	outstanding int // requests sent and not yet answered
	closed      bool
}

func (d *device) identify(ctx context.Context, o options, path string) error {
	if err := d.Reset(ctx); err != nil {
		return err
	}
	info, err := driver.Identify(ctx, d)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := o.check(info.Params, info.Features); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	info.URI, info.Source, info.ClockHz = o.uri, driver.RTL, o.ClockHz
	info.Description = "Verilated RTL " + BuildName(info.Params, info.Features)
	d.info = info
	return d.Reset(ctx) // the counters start from 0, as after Reset
}

func (d *device) Info() driver.Info { return d.info }

func (d *device) Reset(ctx context.Context) error {
	if d.closed {
		return driver.ErrClosed
	}
	d.outstanding = 0
	return d.p.Reset(ctx)
}

func (d *device) ReadReg(ctx context.Context, addr uint32) (uint32, error) {
	if err := d.checkAddr(addr); err != nil {
		return 0, err
	}
	resp, v, err := d.p.Read(ctx, addr)
	if err != nil {
		return 0, err
	}
	return v, response("read", addr, resp)
}

func (d *device) WriteReg(ctx context.Context, addr, value uint32) error {
	if err := d.checkAddr(addr); err != nil {
		return err
	}
	soft := addr == regmap.RegCtrl && value>>regmap.CtrlSoftReset&1 != 0
	resp, err := d.p.Write(ctx, addr, value, soft)
	if err != nil {
		return err
	}
	if err := response("write", addr, resp); err != nil || !soft {
		return err
	}
	d.outstanding = 0
	return d.settle(ctx)
}

// settle passes clocks until a soft reset is complete.
func (d *device) settle(ctx context.Context) error {
	for quiet := 0; quiet < watchdog/slice; quiet++ {
		s, err := d.p.Quiesce(ctx, regmap.RegStatus, 1<<regmap.StatResetting, slice)
		if err != nil || s == simulation.Done {
			return err
		}
		if s == simulation.Stuck {
			return fmt.Errorf("%w: STATUS cannot be read", driver.ErrTimeout)
		}
	}
	return fmt.Errorf("%w: soft reset does not end", driver.ErrTimeout)
}

// watchdog is how many clocks a call lasts when nothing happens at all.
const watchdog = 1 << 28

func (d *device) Send(ctx context.Context, request []byte) error {
	if d.closed {
		return driver.ErrClosed
	}
	if n := d.info.Params.BeatBytes(); len(request) == 0 || len(request)%n != 0 {
		return fmt.Errorf("%w: %d bytes, want one or more beats of %d", driver.ErrBadPacket, len(request), n)
	}
	if err := d.p.Send(ctx, request); err != nil {
		return err
	}
	d.outstanding++
	return nil
}

func (d *device) Recv(ctx context.Context, dst []byte) ([]byte, error) {
	if d.closed {
		return dst, driver.ErrClosed
	}
	if d.outstanding == 0 {
		return dst, fmt.Errorf("%w: receive with no request outstanding", driver.ErrProtocol)
	}
	for {
		var s simulation.State
		var err error
		dst, s, err = d.p.Receive(ctx, slice, dst)
		switch {
		case err != nil:
			return dst, err
		case s == simulation.Done:
			d.outstanding--
			return dst, nil
		case s == simulation.Stuck:
			return dst, fmt.Errorf("%w: no beat moved in %d clocks", driver.ErrTimeout, watchdog)
		}
	}
}

func (d *device) Close() error {
	if d.closed {
		return driver.ErrClosed
	}
	d.closed = true
	return d.p.Close()
}

// checkAddr keeps out what the 12 address pins cannot tell from another address.
func (d *device) checkAddr(addr uint32) error {
	switch {
	case d.closed:
		return driver.ErrClosed
	case addr > 0xFFF:
		return fmt.Errorf("%w: address %#x, want at most 0xfff", driver.ErrBadRegister, addr)
	}
	return nil
}

func response(what string, addr uint32, resp byte) error {
	switch resp {
	case 0:
		return nil
	case simulation.NoAnswer:
		return fmt.Errorf("%w: %s of register %#03x", driver.ErrTimeout, what, addr)
	}
	return fmt.Errorf("%w: %s of register %#03x, response %d", driver.ErrBadRegister, what, addr, resp)
}
