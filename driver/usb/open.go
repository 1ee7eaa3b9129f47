//go:build cgo && usb

package usb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/gousb"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/link"
	"github.com/kvaccel/kvaccel/driver/udev"
)

// Built says whether this build reaches USB.
const Built = true

// controlTimeout is for control transfers, which take no context.
const controlTimeout = 2 * time.Second

// Open opens the one USB board that a URI allows. Options: serial, size (bytes of
// a transfer), depth (transfers in flight each way), mode (fifo or uart), port (A
// or B), baud, latency (ms), clock (stated Hz), retry and patience (link.Waits).
func Open(ctx context.Context, u driver.URI) (driver.Device, error) {
	o, err := parse(u)
	if err != nil {
		return nil, err
	}
	usb, err := start()
	if err != nil {
		return nil, err
	}
	p, f, err := openPipe(usb, o)
	if err != nil {
		return nil, errors.Join(err, usb.Close())
	}
	lo := link.Options{
		URI: u.String(), Description: fmt.Sprintf("USB board, %s at %s", f.name, f.path), ClockHz: o.clockHz,
		Batch: o.size, LinkID: uint8(rand.Uint32()),
	}
	if o.uart {
		lo.Retry = link.UARTRetry(o.baud)
	}
	o.waits.Apply(&lo)
	d, err := link.Open(ctx, p, lo)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	return d, nil
}

// start starts libusb. A context sees the devices of its time only, so everybody
// makes one anew.
func start() (c *gousb.Context, err error) {
	defer func() {
		if r := recover(); r != nil {
			c, err = nil, fmt.Errorf("%w: libusb does not start: %v", driver.ErrAccess, r)
		}
	}()
	return gousb.NewContext(), nil
}

// scan lists the parts on the bus without opening one.
func scan(usb *gousb.Context) ([]found, error) {
	var list []found
	_, err := usb.OpenDevices(func(d *gousb.DeviceDesc) bool {
		p, ok := findPart(uint16(d.Vendor), uint16(d.Product))
		if !ok {
			return false
		}
		var ports []string
		for _, n := range d.Path {
			ports = append(ports, strconv.Itoa(n))
		}
		f := found{refusal: refusal(faces(d)), part: p, bus: d.Bus, address: d.Address, path: fmt.Sprintf("%d-%s", d.Bus, strings.Join(ports, "."))}
		if b, err := os.ReadFile(filepath.Join("/sys/bus/usb/devices", f.path, "serial")); err == nil {
			f.serial = strings.TrimSpace(string(b))
		}
		list = append(list, f)
		return false
	})
	if err != nil && len(list) == 0 {
		return nil, fmt.Errorf("looking for USB devices: %w", translate(err))
	}
	return list, nil
}

// faces are the interfaces of a device, all settings of all configurations.
func faces(d *gousb.DeviceDesc) (list []face) {
	for _, c := range d.Configs {
		for _, i := range c.Interfaces {
			for _, s := range i.AltSettings {
				f := face{class: byte(s.Class), sub: byte(s.SubClass)}
				for _, e := range s.Endpoints {
					if e.TransferType == gousb.TransferTypeBulk {
						f.in = f.in || e.Direction == gousb.EndpointDirectionIn
						f.out = f.out || e.Direction == gousb.EndpointDirectionOut
					}
				}
				list = append(list, f)
			}
		}
	}
	return list
}

func (f found) node() string { return fmt.Sprintf("/dev/bus/usb/%03d/%03d", f.bus, f.address) }

// List finds boards on USB.
func List(context.Context) ([]driver.Candidate, error) {
	usb, err := start()
	if err != nil {
		return nil, err
	}
	defer usb.Close()
	all, err := scan(usb)
	if err != nil {
		return nil, err
	}
	var list []driver.Candidate
	for _, f := range all {
		c := f.candidate()
		if file, err := os.OpenFile(f.node(), os.O_RDWR, 0); err == nil {
			file.Close()
		} else if errors.Is(err, fs.ErrPermission) {
			c.Problem = "no permission for " + f.node()
		}
		if f.refusal != "" {
			c.Problem = f.refusal
		}
		list = append(list, c)
	}
	return list, nil
}

// openPipe opens the device that the options allow as a pipe of bytes, which then
// owns the context.
func openPipe(usb *gousb.Context, o options) (*pipe, found, error) {
	all, err := scan(usb)
	if err != nil {
		return nil, found{}, err
	}
	f, err := o.choose(all)
	if err != nil {
		return nil, f, err
	}
	if err := o.fits(f.part); err != nil {
		return nil, f, err
	}
	devices, err := usb.OpenDevices(func(d *gousb.DeviceDesc) bool { return d.Bus == f.bus && d.Address == f.address })
	if len(devices) == 0 {
		if err == nil {
			err = fmt.Errorf("%w: %s vanished", driver.ErrDisconnected, f.path)
		}
		if errors.Is(err, gousb.ErrorAccess) {
			err = udev.Denied(f.node(), udev.USB(f.vendor, f.product), err)
		}
		return nil, f, translate(err)
	}
	dev := devices[0] // bus and address name one device
	dev.ControlTimeout = controlTimeout
	p, err := newPipe(dev, f.part, o)
	if err != nil {
		return nil, f, errors.Join(fmt.Errorf("%s: %w", f.path, translate(err)), dev.Close())
	}
	p.usb = usb
	return p, f, nil
}

// translate names an error of libusb in the terms of package driver. Some come
// wrapped so that only their text is left.
func translate(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, driver.ErrAccess) { // has been told already, with what to do about it
		return err
	}
	for _, c := range []struct {
		is error
		to error
	}{
		{gousb.ErrorAccess, driver.ErrAccess},
		{gousb.ErrorNoDevice, driver.ErrDisconnected},
		{gousb.ErrorNotFound, driver.ErrNotFound},
		{gousb.ErrorBusy, driver.ErrBusy},
		{gousb.ErrorTimeout, driver.ErrTimeout},
		{gousb.ErrorPipe, driver.ErrProtocol},
		{gousb.ErrorOverflow, driver.ErrProtocol},
		{gousb.ErrorIO, driver.ErrDisconnected},
		{gousb.TransferNoDevice, driver.ErrDisconnected},
		{gousb.TransferCancelled, driver.ErrClosed},
		{gousb.TransferTimedOut, driver.ErrTimeout},
		{gousb.TransferStall, driver.ErrProtocol},
		{gousb.TransferOverflow, driver.ErrProtocol},
		{gousb.TransferError, driver.ErrDisconnected},
	} {
		if errors.Is(err, c.is) || strings.Contains(err.Error(), c.is.Error()) {
			return fmt.Errorf("%w: %w", c.to, err)
		}
	}
	return err
}
