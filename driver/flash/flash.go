// Package flash programs boards: it checks what is to be written against the
// board, writes it by DFU or has openFPGALoader do it, verifies it, and finds out what came
// of it. It speaks to hardware through the interfaces [Bus] and [Runner] only.
package flash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/flash/bitstream"
	"github.com/kvaccel/kvaccel/driver/flash/board"
	"github.com/kvaccel/kvaccel/driver/flash/dfu"
)

// To is where a design goes.
type To string

// The places.
const (
	SRAM  To = "sram"  // the part itself: gone with the power
	Flash To = "flash" // stored; the board starts with it
)

// Options say what to do beside the file and the board.
type Options struct {
	To     To
	Method board.Kind // "": the board's usual one
	Offset int64      // in the flash; negative: the board's own
	Verify bool
	Force  bool   // take a file that fails a check of part or content
	Serial string // of the board, if there are several
	Cable  string // openFPGALoader: another cable than the board's own, xvc://HOST:PORT

	// Progress, if not nil, hears of stages and of bytes done in them.
	Progress func(stage string, done, total int)
}

// Plan is what would be done.
type Plan struct {
	Board     board.Board
	Method    board.Method
	Bitstream bitstream.Bitstream
	Image     []byte // what is written
	To        To
	Address   int64 // in the flash
	Warnings  []string
}

// Prepare checks a file against a board and says how it would be written. It
// touches no hardware. Errors wrap bitstream.ErrInvalid, board.ErrRefused or
// board.ErrUnknown.
func Prepare(file []byte, b board.Board, o Options) (Plan, error) {
	p := Plan{Board: b, To: o.To, Address: b.Offset}
	var err error
	if p.Method, err = b.Method(o.Method); err != nil {
		return p, err
	}
	if p.To == "" {
		p.To = Flash
		if p.Method.SRAM {
			p.To = SRAM
		}
	}
	if err := checkCable(p, o); err != nil {
		return p, err
	}
	if p.To == SRAM && !p.Method.SRAM {
		return p, fmt.Errorf("%w: %s by %s writes the flash only: --to flash", board.ErrRefused, b.Name, p.Method.Kind)
	}
	var suffix dfu.Suffix
	if p.Image, suffix, _, err = dfu.SplitSuffix(file); err != nil {
		return p, fmt.Errorf("%w: %w", bitstream.ErrInvalid, err)
	}
	if p.Method.Kind == board.DFU && !suffix.Matches(p.Method.Vendor, p.Method.Product) {
		return p, fmt.Errorf("%w: the file's DFU suffix is for %04x:%04x, the boot loader of %s is %04x:%04x", board.ErrRefused, suffix.Vendor, suffix.Product, b.Name, p.Method.Vendor, p.Method.Product)
	}
	if err := p.checkContent(o.Force); err != nil {
		return p, err
	}
	return p, p.checkPlace(o.Offset)
}

// checkContent parses the image. Force turns what it finds into a warning.
func (p *Plan) checkContent(force bool) error {
	var err error
	if p.Bitstream, err = bitstream.Parse(p.Image); err == nil {
		err = p.Board.CheckPart(p.Bitstream)
	}
	if err != nil && force {
		p.Warnings = append(p.Warnings, err.Error()+" (forced)")
		return nil
	}
	return err
}

// checkPlace is not for force to overrule: a boot loader that is gone cannot be
// brought back by this program.
func (p *Plan) checkPlace(offset int64) error {
	if p.To == SRAM {
		if offset >= 0 {
			return fmt.Errorf("%w: an offset is for --to flash", board.ErrRefused)
		}
		return nil
	}
	if offset >= 0 {
		p.Address = offset
	}
	n := int64(len(p.Image))
	if err := p.Board.CheckPlace(p.Address, n); err != nil {
		return err
	}
	if p.Method.Kind != board.DFU {
		return nil
	}
	if offset < 0 {
		p.Address = p.Method.Base
	}
	if p.Address != p.Method.Base {
		return fmt.Errorf("%w: the boot loader of %s writes at %#x and nowhere else", board.ErrRefused, p.Board.Name, p.Method.Base)
	}
	if n > p.Method.Size {
		return fmt.Errorf("%w: %d bytes, the boot loader of %s has room for %d", board.ErrRefused, n, p.Board.Name, p.Method.Size)
	}
	return nil
}

// Verified says how it is known that the right thing was written.
type Verified string

// The ways, the best first.
const (
	ByReading  Verified = "read back"  // every byte was read back
	ByBuild    Verified = "build hash" // the engine that answers has the file's build hash
	ByLoader   Verified = "loader"     // openFPGALoader compared, and says so
	Unverified Verified = "not verified"
)

// Result is what came of it.
type Result struct {
	Bytes    int
	Verified Verified
	CameBack string // DFU: as what the board came back, or "" if it never left
	Seconds  float64
}

// Mode is what a device on the bus is.
type Mode string

// The modes.
const (
	InLoader    Mode = "boot loader"               // speaks DFU
	Detachable  Mode = "design that can be left"   // has a DFU run-time interface
	Application Mode = "design without DFU at all" // has not
)

// Found is a device on the bus with the IDs that were looked for.
type Found struct {
	Path   string // of the port, 1-2.3
	Serial string
	Mode   Mode
	ID     int // the bus's own
}

// Device is an opened DFU interface.
type Device interface {
	dfu.Port
	Functional() dfu.Functional
	Reset() error // a USB reset
	Close() error
}

// Bus finds devices and opens their DFU interface.
type Bus interface {
	Find(ctx context.Context, vendor, product uint16) ([]Found, error)
	Open(ctx context.Context, f Found, alternate byte) (Device, error)
}

// backWithin is how long a board may take to come back after a reset.
const backWithin = 15 * time.Second

// WriteDFU carries out a plan over a bus.
func WriteDFU(ctx context.Context, bus Bus, p Plan, o Options) (r Result, err error) {
	start := time.Now()
	defer func() { r.Seconds = time.Since(start).Seconds() }()
	w := writer{bus: bus, plan: p, options: o}
	f, err := w.loader(ctx)
	if err != nil {
		return r, err
	}
	r.Bytes, r.Verified = len(p.Image), Unverified
	left, err := w.download(ctx, f)
	if err != nil {
		return r, classify(err)
	}
	if left {
		o.tell("waiting for the board", 0, 0)
		if f, err = w.wait(ctx, f, func(Found) bool { return true }); err != nil {
			return r, fmt.Errorf("the board left in manifest, as it may, and did not come back: %w; %s", err, "kvaccel flash --recover tells how to get it back")
		}
		r.CameBack = string(f.Mode)
	}
	if !o.Verify || f.Mode != InLoader {
		return r, nil
	}
	same, possible, err := w.verify(ctx, f)
	switch {
	case err != nil:
		return r, classify(err)
	case !possible:
	case !same:
		return r, fmt.Errorf("%w: what was read back is not what was written", driver.ErrVerify)
	default:
		r.Verified = ByReading
	}
	return r, nil
}

type writer struct {
	bus     Bus
	plan    Plan
	options Options
}

func (o Options) tell(stage string, done, total int) {
	if o.Progress != nil {
		o.Progress(stage, done, total)
	}
}

// loader finds the one boot loader, and brings a design that can be left to it.
func (w *writer) loader(ctx context.Context) (Found, error) {
	w.options.tell("looking for the board", 0, 0)
	m := w.plan.Method
	all, err := w.bus.Find(ctx, m.Vendor, m.Product)
	if err != nil {
		return Found{}, err
	}
	var some []driver.Candidate
	var last Found
	for _, f := range all {
		if f.Mode == Application || w.options.Serial != "" && f.Serial != w.options.Serial {
			continue
		}
		last = f
		some = append(some, driver.Candidate{URI: "--serial " + f.Serial, Description: string(f.Mode) + " at " + f.Path})
	}
	if len(some) == 0 {
		return Found{}, fmt.Errorf("%w: no boot loader of %s (%04x:%04x) on USB; %s", driver.ErrNotFound, w.plan.Board.Name, m.Vendor, m.Product, "kvaccel flash --recover tells how to start it")
	}
	if len(some) > 1 {
		_, err := driver.Choose("several boards are on USB", some)
		return Found{}, err
	}
	if last.Mode == InLoader {
		return last, nil
	}
	return w.detach(ctx, last)
}

func (w *writer) detach(ctx context.Context, f Found) (Found, error) {
	w.options.tell("leaving the design", 0, 0)
	d, err := w.bus.Open(ctx, f, 0)
	if err != nil {
		return f, err
	}
	t := dfu.Target{Port: d, Functional: d.Functional()}
	err = t.Detach(ctx)
	if err == nil && !t.Functional.Has(dfu.WillDetach) {
		_ = d.Reset() // it may be gone by now
	}
	if err := errors.Join(err, d.Close()); err != nil {
		return f, classify(err)
	}
	return w.wait(ctx, f, func(f Found) bool { return f.Mode == InLoader })
}

// wait polls the bus for the board to come back. Boards are told apart by their
// serial number, if they have one.
func (w *writer) wait(ctx context.Context, before Found, want func(Found) bool) (Found, error) {
	m := w.plan.Method
	ctx, cancel := context.WithTimeout(ctx, backWithin)
	defer cancel()
	for {
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return Found{}, ctx.Err()
			}
			return Found{}, fmt.Errorf("%w: nothing on the bus after %v", driver.ErrDisconnected, backWithin)
		}
		all, err := w.bus.Find(ctx, m.Vendor, m.Product)
		if err != nil {
			continue // a device in the middle of appearing
		}
		for _, f := range all {
			if (f.Serial == before.Serial || before.Serial == "") && f.ID != before.ID && want(f) {
				return f, nil
			}
		}
	}
}

func (w *writer) download(ctx context.Context, f Found) (left bool, err error) {
	d, err := w.bus.Open(ctx, f, w.plan.Method.Alternate)
	if err != nil {
		return false, err
	}
	t := dfu.Target{Port: d, Functional: d.Functional(), Progress: func(done, total int) { w.options.tell("writing", done, total) }}
	left, err = t.Download(ctx, w.plan.Image)
	if errors.Is(err, context.Canceled) {
		// leave a device that can be used at once
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = t.Idle(clean)
	}
	if err == nil && left {
		_ = d.Reset() // dfuMANIFEST-WAIT-RESET; a device that is gone already needs none
	}
	cerr := d.Close()
	if left {
		cerr = nil
	}
	return left, errors.Join(err, cerr)
}

func (w *writer) verify(ctx context.Context, f Found) (same, possible bool, err error) {
	d, err := w.bus.Open(ctx, f, w.plan.Method.Alternate)
	if err != nil {
		return false, false, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	t := dfu.Target{Port: d, Functional: d.Functional(), Progress: func(done, total int) { w.options.tell("reading back", done, total) }}
	if !t.Functional.Has(dfu.CanUpload) {
		return false, false, nil
	}
	b, err := t.Upload(ctx, len(w.plan.Image))
	return bytes.Equal(b, w.plan.Image), true, err
}

// classify names errors of DFU in the terms of package driver.
func classify(err error) error {
	for _, c := range []struct{ from, to error }{
		{dfu.ErrLeft, driver.ErrDisconnected}, {dfu.ErrStuck, driver.ErrTimeout}, {dfu.ErrRefused, driver.ErrProtocol}, {dfu.ErrProtocol, driver.ErrProtocol}, {dfu.ErrStall, driver.ErrProtocol},
	} {
		if errors.Is(err, c.from) {
			return fmt.Errorf("%w: %w", c.to, err)
		}
	}
	return err
}
