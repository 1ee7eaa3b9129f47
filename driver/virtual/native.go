package virtual

import (
	"context"
	"fmt"
	"io"

	"github.com/kvaccel/kvaccel/driver/usbip"
)

// IDs and endpoints of kvaccel's own USB interface: one vendor-specific
// interface with a bulk pair.
const (
	NativeVendor  = 0x1209
	NativeProduct = 0x5af0
	nativeOut     = 0x01
	nativeIn      = 0x81
)

// packet is the largest bulk packet of high speed.
const packet = 512

// Native is a board with kvaccel's own USB interface: what goes to the bulk
// endpoints goes to the byte pipe and back.
type Native struct {
	*pump
	serial string
}

// NewNative puts a byte pipe, which it takes over, behind the interface.
func NewNative(pipe io.ReadWriteCloser, serial string) *Native {
	return &Native{newPump(pipe), serial}
}

// Descriptors implements usbip.Device.
func (d *Native) Descriptors() usbip.Descriptors {
	return usbip.Descriptors{
		Speed: usbip.HighSpeed, Vendor: NativeVendor, Product: NativeProduct, Release: 0x0100,
		Manufacturer: "kvaccel", Name: "kvaccel engine", Serial: d.serial,
		Interfaces: []usbip.Interface{{Class: 0xff, Name: "kvaccel link", Endpoints: []usbip.Endpoint{{Address: nativeOut, MaxPacket: packet}, {Address: nativeIn, MaxPacket: packet}}}},
	}
}

// Connect implements usbip.Device. What an earlier host left is dropped.
func (d *Native) Connect(bool) {
	d.in.drop()
	d.out.drop()
}

// Control implements usbip.Device: there are no vendor requests.
func (d *Native) Control(context.Context, usbip.Setup, []byte) ([]byte, error) {
	return nil, usbip.ErrStall
}

// In implements usbip.Device: what the engine has given, at least a byte.
func (d *Native) In(ctx context.Context, _ byte, p []byte) (int, error) {
	n, err := d.in.read(ctx, p)
	return n, gone(ctx, err)
}

// Out implements usbip.Device.
func (d *Native) Out(ctx context.Context, _ byte, p []byte) (int, error) {
	n, err := d.out.write(ctx, p)
	return n, gone(ctx, err)
}

// gone makes the end of the pipe the end of the device.
func gone(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w: %w", usbip.ErrGone, err)
}
