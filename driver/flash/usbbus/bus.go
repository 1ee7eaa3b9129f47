//go:build cgo && usb

// Package usbbus is the USB bus of package flash, through gousb and libusb.
package usbbus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/gousb"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/flash"
	"github.com/kvaccel/kvaccel/driver/flash/dfu"
	"github.com/kvaccel/kvaccel/driver/udev"
)

// Built says whether this build reaches USB.
const Built = true

// controlTimeout is for control transfers, which take no context. A boot loader
// may erase a sector before it answers.
const controlTimeout = 5 * time.Second

// New gives the bus.
func New() (flash.Bus, error) { return bus{}, nil }

type bus struct{}

// start makes a libusb context; it sees the devices of its time only.
func start() (c *gousb.Context, err error) {
	defer func() {
		if r := recover(); r != nil {
			c, err = nil, fmt.Errorf("%w: libusb does not start: %v", driver.ErrAccess, r)
		}
	}()
	return gousb.NewContext(), nil
}

// Find implements flash.Bus. Nothing is opened, so it needs no permission.
func (bus) Find(ctx context.Context, vendor, product uint16) ([]flash.Found, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := start()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var all []flash.Found
	_, err = c.OpenDevices(func(d *gousb.DeviceDesc) bool {
		if d.Vendor != gousb.ID(vendor) || d.Product != gousb.ID(product) {
			return false
		}
		f := flash.Found{Path: path(d), Mode: flash.Application, ID: d.Bus<<16 | d.Address}
		if b, err := os.ReadFile(filepath.Join("/sys/bus/usb/devices", f.Path, "serial")); err == nil {
			f.Serial = strings.TrimSpace(string(b))
		}
		if s, ok := dfuInterface(d, 0); ok {
			f.Mode = flash.InLoader
			if s.Protocol == dfu.ProtocolRuntime {
				f.Mode = flash.Detachable
			}
		}
		all = append(all, f)
		return false
	})
	if err != nil && len(all) == 0 {
		return nil, translate(err)
	}
	return all, nil
}

func path(d *gousb.DeviceDesc) string {
	var ports []string
	for _, n := range d.Path {
		ports = append(ports, strconv.Itoa(n))
	}
	return fmt.Sprintf("%d-%s", d.Bus, strings.Join(ports, "."))
}

// dfuInterface finds the alternate setting of the device's DFU interface.
func dfuInterface(d *gousb.DeviceDesc, alternate byte) (gousb.InterfaceSetting, bool) {
	for _, c := range d.Configs {
		for _, i := range c.Interfaces {
			for _, s := range i.AltSettings {
				if s.Class == dfu.Class && s.SubClass == dfu.SubClass && s.Alternate == int(alternate) {
					return s, true
				}
			}
		}
	}
	return gousb.InterfaceSetting{}, false
}

// Open implements flash.Bus.
func (bus) Open(ctx context.Context, f flash.Found, alternate byte) (flash.Device, error) {
	c, err := start()
	if err != nil {
		return nil, err
	}
	devices, err := c.OpenDevices(func(d *gousb.DeviceDesc) bool { return d.Bus<<16|d.Address == f.ID })
	if len(devices) == 0 {
		if err == nil {
			err = fmt.Errorf("%w: %s vanished", driver.ErrDisconnected, f.Path)
		}
		if errors.Is(err, gousb.ErrorAccess) {
			err = denied(f, err)
		}
		return nil, errors.Join(translate(err), c.Close())
	}
	d := &device{context: c, device: devices[0]}
	d.device.ControlTimeout = controlTimeout
	if err := d.claim(alternate); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", f.Path, translate(err)), d.Close())
	}
	return d, nil
}

// denied names the device's node and the rule that would open it.
func denied(f flash.Found, cause error) error {
	node := fmt.Sprintf("/dev/bus/usb/%03d/%03d", f.ID>>16, f.ID&0xffff)
	read := func(name string) uint16 {
		b, _ := os.ReadFile(filepath.Join("/sys/bus/usb/devices", f.Path, name))
		v, _ := strconv.ParseUint(strings.TrimSpace(string(b)), 16, 16)
		return uint16(v)
	}
	return udev.Denied(node, udev.USB(read("idVendor"), read("idProduct")), cause)
}

// device is an opened DFU interface.
type device struct {
	context    *gousb.Context
	device     *gousb.Device
	config     *gousb.Config
	face       *gousb.Interface
	number     uint16
	functional dfu.Functional
}

func (d *device) claim(alternate byte) error {
	s, ok := dfuInterface(d.device.Desc, alternate)
	if !ok {
		return fmt.Errorf("%w: no DFU interface with alternate setting %d", driver.ErrNotFound, alternate)
	}
	number, err := d.device.ActiveConfigNum()
	if err != nil {
		return err
	}
	if d.config, err = d.device.Config(number); err != nil {
		return err
	}
	if d.face, err = d.config.Interface(s.Number, s.Alternate); err != nil {
		return err
	}
	d.number = uint16(s.Number)
	return d.readFunctional()
}

// readFunctional reads the class descriptor, which gousb does not show, from the
// raw configuration.
func (d *device) readFunctional() error {
	get := func(b []byte) (int, error) { return d.device.Control(0x80, 6, 2<<8, 0, b) }
	head := make([]byte, 9)
	if n, err := get(head); err != nil || n < len(head) {
		return fmt.Errorf("reading the configuration: %d bytes, %w", n, err)
	}
	raw := make([]byte, binary.LittleEndian.Uint16(head[2:]))
	n, err := get(raw)
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	mine := false
	for b := raw[:n]; len(b) >= 2 && int(b[0]) >= 2 && int(b[0]) <= len(b); b = b[b[0]:] {
		switch {
		case b[1] == 4 && b[0] >= 9:
			mine = b[5] == dfu.Class && b[6] == dfu.SubClass
		case b[1] == dfu.DescriptorType && mine:
			d.functional, err = dfu.ParseFunctional(b[:b[0]])
			return err
		}
	}
	return fmt.Errorf("%w: the DFU interface has no functional descriptor", driver.ErrProtocol)
}

// Functional implements flash.Device.
func (d *device) Functional() dfu.Functional { return d.functional }

// Control implements dfu.Port. libusb takes no context: a call may take as long
// as controlTimeout after one is cancelled.
func (d *device) Control(ctx context.Context, in bool, request byte, value uint16, p []byte) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	kind := uint8(0x21)
	if in {
		kind |= 0x80
	}
	n, err := d.device.Control(kind, request, value, d.number, p)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, gousb.ErrorPipe):
		return n, dfu.ErrStall
	case errors.Is(err, gousb.ErrorNoDevice), errors.Is(err, gousb.ErrorIO), errors.Is(err, gousb.ErrorNotFound):
		return n, fmt.Errorf("%w: %w", dfu.ErrLeft, err)
	}
	return n, translate(err)
}

// Reset implements flash.Device.
func (d *device) Reset() error { return d.device.Reset() }

// Close implements flash.Device. The order is libusb's.
func (d *device) Close() error {
	if d.face != nil {
		d.face.Close()
	}
	var err error
	if d.config != nil {
		err = d.config.Close()
	}
	err = errors.Join(err, d.device.Close(), d.context.Close())
	return err
}

// translate names an error of libusb in the terms of package driver.
func translate(err error) error {
	for _, c := range []struct{ is, to error }{
		{gousb.ErrorAccess, driver.ErrAccess}, {gousb.ErrorNoDevice, driver.ErrDisconnected}, {gousb.ErrorIO, driver.ErrDisconnected},
		{gousb.ErrorNotFound, driver.ErrDisconnected}, {gousb.ErrorBusy, driver.ErrBusy}, {gousb.ErrorTimeout, driver.ErrTimeout}, {gousb.ErrorPipe, driver.ErrProtocol},
	} {
		if err != nil && (errors.Is(err, c.is) || strings.Contains(err.Error(), c.is.Error())) {
			return fmt.Errorf("%w: %w", c.to, err)
		}
	}
	return err
}
