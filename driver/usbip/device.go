// Package usbip serves virtual USB devices to any Linux machine with the USB/IP
// protocol 1.1.1: the kernel's vhci-hcd is the host controller, and everything
// above it (usbfs, libusb, a program) works as with a real device.
//
// USB/IP has no authentication and no encryption: whoever reaches the port has
// the device. Keep it on loopback or inside a tunnel.
//
// A client is not trusted. Lengths are checked before memory is taken, what
// waits is bounded ([Limits]), and a client that breaks the protocol, floods
// or vanishes loses its connection; the device is then free for the next one.
package usbip

import (
	"context"
	"errors"
)

// What a Device returns beside nil. A cancelled context ends a transfer as
// cancelled; any other error reaches the client as a protocol error on the bus.
var (
	// ErrStall ends the transfer with a STALL. A bulk endpoint stays halted
	// until the host clears it.
	ErrStall = errors.New("stall")
	// ErrGone takes the device off the bus with the transfer unanswered.
	ErrGone = errors.New("device is gone")
	// ErrLeave takes the device off the bus after the transfer is answered.
	ErrLeave = errors.New("device leaves the bus")
)

// Setup is the setup packet of a control transfer.
type Setup struct {
	Type, Request        byte
	Value, Index, Length uint16
}

// In says whether data goes to the host.
func (s Setup) In() bool { return s.Type&0x80 != 0 }

// Device is a virtual USB device. The server answers the standard requests
// from the descriptors; each endpoint is served by a goroutine of its own, one
// transfer at a time in the order they came.
type Device interface {
	// Descriptors is asked at every import and list: a device may come back
	// as another.
	Descriptors() Descriptors

	// Connect tells that a host has the device (true) or lost it (false).
	Connect(on bool)

	// Control answers a class or vendor request. For an OUT request data is
	// what the host sent; for IN the result is cut to setup.Length.
	Control(ctx context.Context, setup Setup, data []byte) ([]byte, error)

	// In fills p, waiting until there is something, and gives how much there
	// was; less than len(p) ends the transfer short.
	In(ctx context.Context, endpoint byte, p []byte) (int, error)

	// Out takes p whole, or says how much it took and why not more.
	Out(ctx context.Context, endpoint byte, p []byte) (int, error)
}

// AltSetter is a Device with alternate settings.
type AltSetter interface {
	SetInterface(number, alternate byte) error
}
