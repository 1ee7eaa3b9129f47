// Package link speaks the protocol of the byte link over any pipe of bytes: the
// host's side as a driver.Device ([Open]), and the device's side with a
// driver.Device behind it ([Serve]), as a virtual board has it. docs/link.md is
// the contract; package wire has the frames.
//
// The pipe may lose, change, insert and repeat bytes. Commands and register
// accesses are then repeated where that is safe, carried out exactly once, or
// reported as failed.
package link

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/wire"
)

// Pipe carries bytes both ways. One goroutine reads while another writes; Close
// makes both return.
type Pipe = io.ReadWriteCloser

// Options of a host's link. Zero values stand for the defaults.
type Options struct {
	URI         string
	Source      driver.Source // Board, unless the device says that it is a simulation
	Description string
	ClockHz     float64       // stated clock if the device states none: 100 MHz
	Retry       time.Duration // silence after which frames are repeated: 50 ms
	Patience    time.Duration // silence after which the device counts as gone: 5 s
	Timeout     time.Duration // time without progress after which a command has failed: 60 s
	Batch       int           // bytes written at once: 16 KiB
	LinkID      uint8         // of the first HELLO; should differ from run to run
}

func (o *Options) defaults() {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&o.Retry, 50*time.Millisecond)
	set(&o.Patience, 5*time.Second)
	set(&o.Timeout, time.Minute)
	if o.ClockHz == 0 {
		o.ClockHz = 100e6
	}
	if o.Description == "" {
		o.Description = "board on a byte link"
	}
	if o.Batch == 0 {
		o.Batch = 16 << 10
	}
}

// Board ids of engines that are simulated: what Serve says unless it is told
// otherwise. A host has their time move as it does without a link: when it waits
// for a response.
const (
	BoardEmulator = 0xffff0001
	BoardRTL      = 0xffff0002
)

// boards tells the sources of board ids.
var boards = map[uint32]driver.Source{BoardEmulator: driver.Emulator, BoardRTL: driver.RTL}

// Stats tell how good a line is.
type Stats struct {
	BytesOut   uint64 `json:"bytes_out"`  // written to the pipe
	BytesIn    uint64 `json:"bytes_in"`   // read from it
	FramesOut  uint64 `json:"frames_out"` // DATA sent, repeats too
	FramesIn   uint64 `json:"frames_in"`  // whole frames of any type received
	Repeated   uint64 `json:"repeated"`   // times that the host went back or asked again
	Damaged    uint64 `json:"damaged"`    // damaged frames that the host saw
	DevDamaged uint8  `json:"device_damaged"`
	DevTimeout uint8  `json:"device_timeouts"`
	Board      uint32 `json:"board"`
}

// Device is an engine at the other end of a pipe.
type Device struct {
	c    *conn
	info driver.Info

	broken bool // a soft reset was cut short: only Reset helps
	closed bool
}

// Open resets the engine at the other end of a pipe, identifies it, and takes
// over the pipe. It fails with ErrTimeout if nothing answers and with ErrVersion
// if the other end speaks another version; the pipe is then closed.
func Open(ctx context.Context, p Pipe, o Options) (*Device, error) {
	o.defaults()
	d := &Device{c: newConn(p, o)}
	err := d.c.hello(ctx)
	if err == nil {
		d.info, err = driver.Identify(ctx, d)
	}
	if err == nil && d.info.Params.BeatBytes() != d.c.beat {
		err = fmt.Errorf("%w: the link has beats of %d bytes, the engine %d", driver.ErrProtocol, d.c.beat, d.info.Params.BeatBytes())
	}
	if err != nil {
		return nil, errors.Join(err, d.c.close())
	}
	d.c.limitResponses(d.info.Params)
	d.info.URI, d.info.Source, d.info.ClockHz = o.URI, o.Source, d.c.clockHz
	if d.info.ClockHz == 0 {
		d.info.ClockHz = o.ClockHz
	}
	if d.info.Source == "" {
		d.info.Source = driver.Board
		if s, ok := boards[d.Stats().Board]; ok {
			d.info.Source = s
		}
	}
	d.info.Description = o.Description
	return d, nil
}

// Info implements driver.Device.
func (d *Device) Info() driver.Info { return d.info }

// Stats tells what the link has done since it was opened.
func (d *Device) Stats() Stats { return d.c.statistics() }

func (d *Device) usable(ctx context.Context) error {
	switch {
	case d.closed:
		return driver.ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	case d.broken:
		return fmt.Errorf("%w: a soft reset was cut short; reset or reopen the device", driver.ErrProtocol)
	}
	return nil
}

// Reset implements driver.Resetter: link and engine start anew. It is also the
// way on after a time-out.
func (d *Device) Reset(ctx context.Context) error {
	if d.closed {
		return driver.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := d.c.hello(ctx); err != nil {
		return err
	}
	d.broken = false
	return nil
}

// ReadReg implements driver.Device.
func (d *Device) ReadReg(ctx context.Context, addr uint32) (uint32, error) {
	a, err := d.access(ctx, regmap.FrameRead, addr, 0)
	return a.value, err
}

// WriteReg implements driver.Device.
func (d *Device) WriteReg(ctx context.Context, addr, v uint32) error {
	if addr == regmap.RegCtrl && v>>regmap.CtrlSoftReset&1 != 0 {
		return d.softReset(ctx, v)
	}
	_, err := d.access(ctx, regmap.FrameWrite, addr, v)
	return err
}

func (d *Device) access(ctx context.Context, kind uint8, addr, v uint32) (answer, error) {
	if err := d.usable(ctx); err != nil {
		return answer{}, err
	}
	what := "read"
	if kind == regmap.FrameWrite {
		what = "write"
	}
	if addr > 0xfff {
		return answer{}, fmt.Errorf("%w: %s of address %#x, want at most 0xfff", driver.ErrBadRegister, what, addr)
	}
	payload := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint16(nil, uint16(addr)), v)
	a, err := d.c.request(ctx, wire.Frame{Type: kind, Payload: payload})
	if err != nil {
		return a, fmt.Errorf("%s of register %#03x: %w", what, addr, err)
	}
	if a.resp != 0 {
		return a, fmt.Errorf("%w: %s of register %#03x, response %d", driver.ErrBadRegister, what, addr, a.resp)
	}
	return a, nil
}

// softReset follows docs/link.md, section 4.
func (d *Device) softReset(ctx context.Context, v uint32) error {
	if err := d.usable(ctx); err != nil {
		return err
	}
	d.c.forget()
	d.broken = true
	if _, err := d.c.request(ctx, wire.Frame{Type: regmap.FrameWrite, Payload: binary.LittleEndian.AppendUint32([]byte{regmap.RegCtrl, 0}, v)}); err != nil {
		return err
	}
	if err := d.c.until(ctx, d.c.allTaken); err != nil {
		return err
	}
	start := time.Now()
	for {
		a, err := d.c.request(ctx, wire.Frame{Type: regmap.FrameRead, Payload: []byte{regmap.RegStatus, 0, 0, 0, 0, 0}})
		switch {
		case err != nil:
			return err
		case a.resp != 0:
			return fmt.Errorf("%w: STATUS cannot be read, response %d", driver.ErrProtocol, a.resp)
		case a.value&(1<<regmap.StatBusy|1<<regmap.StatResetting) == 0:
			if err := d.c.until(ctx, func() bool { return !ahead(a.position, d.c.rx.next) }); err != nil {
				return err
			}
			d.c.remember()
			d.broken = false
			return nil
		case time.Since(start) > d.c.o.Timeout:
			return fmt.Errorf("%w: soft reset does not end, STATUS reads %#x", driver.ErrTimeout, a.value)
		}
	}
}

// Send implements driver.Device.
func (d *Device) Send(ctx context.Context, request []byte) error {
	if err := d.usable(ctx); err != nil {
		return err
	}
	if n := d.c.beat; len(request) == 0 || len(request)%n != 0 {
		return fmt.Errorf("%w: %d bytes, want one or more beats of %d", driver.ErrBadPacket, len(request), n)
	}
	return d.c.send(append([]byte(nil), request...))
}

// Recv implements driver.Device.
func (d *Device) Recv(ctx context.Context, dst []byte) ([]byte, error) {
	if err := d.usable(ctx); err != nil {
		return dst, err
	}
	return d.c.receive(ctx, dst)
}

// Close implements driver.Device. It returns when nothing of the link is left.
func (d *Device) Close() error {
	if d.closed {
		return driver.ErrClosed
	}
	d.closed = true
	return d.c.close()
}

// UARTRetry is a time of silence that fits a serial line: what the kernel and the
// part may hold has to pass first.
func UARTRetry(baud int) time.Duration {
	const held = 8 << 10
	return 50*time.Millisecond + time.Duration(held*10)*time.Second/time.Duration(baud)
}
