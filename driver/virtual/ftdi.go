package virtual

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/kvaccel/kvaccel/driver/usbip"
)

// Vendor requests of FTDI's parts, as the libraries for them use.
const (
	ftdiReset      = 0x00
	ftdiModem      = 0x01
	ftdiFlow       = 0x02
	ftdiBaud       = 0x03
	ftdiData       = 0x04
	ftdiPollModem  = 0x05
	ftdiEventChar  = 0x06
	ftdiErrorChar  = 0x07
	ftdiSetLatency = 0x09
	ftdiGetLatency = 0x0a
	ftdiSetMode    = 0x0b
	ftdiReadPins   = 0x0c
	ftdiReadEEPROM = 0x90
)

const (
	ftdiOut        = 0x02
	ftdiIn         = 0x81
	ftdiModeReset  = 0x00
	ftdiModeFIFO   = 0x40
	ftdiStatus     = 2    // bytes of status in front of every packet
	ftdiLineStatus = 0x60 // transmitter empty
	ftdiModem0     = 0x01 // reserved, always 1
)

// FTDI is an FT232H with the engine at its pins, either at the synchronous
// FIFO or at the UART. Bytes flow only in the mode that fits the wires.
type FTDI struct {
	*pump
	serial string
	uart   bool

	mu      sync.Mutex
	mode    byte
	latency time.Duration
	baud    bool // a baud rate was set
}

// NewFTDI puts a byte pipe, which it takes over, at the part's FIFO pins, or at
// its UART pins.
func NewFTDI(pipe io.ReadWriteCloser, serial string, uart bool) *FTDI {
	return &FTDI{pump: newPump(pipe), serial: serial, uart: uart, latency: 16 * time.Millisecond}
}

// Descriptors implements usbip.Device.
func (d *FTDI) Descriptors() usbip.Descriptors {
	return usbip.Descriptors{
		Speed: usbip.HighSpeed, Vendor: 0x0403, Product: 0x6014, Release: 0x0900,
		Manufacturer: "FTDI", Name: "kvaccel FT232H", Serial: d.serial,
		Interfaces: []usbip.Interface{{Class: 0xff, SubClass: 0xff, Protocol: 0xff, Endpoints: []usbip.Endpoint{{Address: ftdiIn, MaxPacket: packet}, {Address: ftdiOut, MaxPacket: packet}}}},
	}
}

// Connect implements usbip.Device: the part powers up.
func (d *FTDI) Connect(bool) {
	d.mu.Lock()
	d.mode, d.latency, d.baud = ftdiModeReset, 16*time.Millisecond, false
	d.mu.Unlock()
	d.in.drop()
	d.out.drop()
}

// Control implements usbip.Device.
func (d *FTDI) Control(_ context.Context, s usbip.Setup, _ []byte) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch s.Request {
	case ftdiReset:
		// 0 resets the part, 1 drops what is for the host's OUT side, 2 what is for its IN side
		if s.Value > 2 {
			return nil, usbip.ErrStall
		}
		if s.Value != 2 {
			d.out.drop()
		}
		if s.Value != 1 {
			d.in.drop()
		}
	case ftdiSetMode:
		d.mode = byte(s.Value >> 8)
	case ftdiBaud:
		d.baud = true
	case ftdiSetLatency:
		if s.Value == 0 || s.Value > 255 {
			return nil, usbip.ErrStall
		}
		d.latency = time.Duration(s.Value) * time.Millisecond
	case ftdiGetLatency:
		return []byte{byte(d.latency / time.Millisecond)}, nil
	case ftdiPollModem:
		return []byte{ftdiModem0, ftdiLineStatus}, nil
	case ftdiReadPins:
		return []byte{0xff}, nil
	case ftdiReadEEPROM:
		return []byte{0xff, 0xff}, nil
	case ftdiModem, ftdiFlow, ftdiData, ftdiEventChar, ftdiErrorChar:
	default:
		return nil, usbip.ErrStall
	}
	return nil, nil
}

// wired says whether the mode fits the wires, and the latency timer.
func (d *FTDI) wired() (bool, time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.uart {
		return d.mode == ftdiModeReset && d.baud, d.latency
	}
	return d.mode == ftdiModeFIFO, d.latency
}

// In implements usbip.Device: every packet of the transfer begins with two
// bytes of status. It ends with a packet that is not full, at the latest when the
// latency timer runs out.
func (d *FTDI) In(ctx context.Context, _ byte, p []byte) (int, error) {
	wired, latency := d.wired()
	wait, cancel := context.WithTimeout(ctx, latency)
	defer cancel()
	n := 0
	for len(p)-n >= ftdiStatus {
		at := p[n:min(n+packet, len(p))]
		at[0], at[1] = ftdiModem0, ftdiLineStatus
		k, err := 0, error(nil)
		if wired {
			k, err = d.fill(wait, at[ftdiStatus:])
		} else {
			<-wait.Done()
		}
		if ctx.Err() != nil {
			return n, ctx.Err()
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return n, gone(ctx, err)
		}
		n += ftdiStatus + k
		if ftdiStatus+k < packet {
			break
		}
	}
	return n, nil
}

// fill reads until p is full or the pipe has been quiet till the end of wait.
func (d *FTDI) fill(wait context.Context, p []byte) (int, error) {
	n := 0
	for n < len(p) {
		k, err := d.in.read(wait, p[n:])
		n += k
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Out implements usbip.Device. In a mode that does not fit the wires the bytes
// go nowhere.
func (d *FTDI) Out(ctx context.Context, _ byte, p []byte) (int, error) {
	if wired, _ := d.wired(); !wired {
		return len(p), nil
	}
	n, err := d.out.write(ctx, p)
	return n, gone(ctx, err)
}
