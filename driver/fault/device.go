package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/kvaccel/kvaccel/driver"
)

// device is a device that a script spoils.
type device struct {
	driver.Device
	s *Script
}

// resettable is one that can be reset.
type resettable struct{ device }

// Device gives a device that does what dev does, but for the faults of a script.
func Device(dev driver.Device, s *Script) driver.Device {
	d := device{dev, s}
	if _, ok := dev.(driver.Resetter); ok {
		return resettable{d}
	}
	return d
}

// pass lets a call through, late or not at all. cut says that what it moves loses
// its end.
func (d device) pass(ctx context.Context, where place) (cut bool, err error) {
	hits, err := d.s.meet(where)
	if err != nil {
		return false, err
	}
	for _, r := range hits {
		switch r.what {
		case delay:
			select {
			case <-time.After(r.wait):
			case <-ctx.Done():
				return false, ctx.Err()
			}
		case fails:
			return false, fmt.Errorf("%w: %w at %s", r.err, ErrInjected, where)
		case disconnect:
			return false, errGone
		case short:
			cut = true
		}
	}
	return cut, nil
}

func (d device) ReadReg(ctx context.Context, addr uint32) (uint32, error) {
	if _, err := d.pass(ctx, atReg); err != nil {
		return 0, err
	}
	return d.Device.ReadReg(ctx, addr)
}

func (d device) WriteReg(ctx context.Context, addr, v uint32) error {
	if _, err := d.pass(ctx, atReg); err != nil {
		return err
	}
	return d.Device.WriteReg(ctx, addr, v)
}

func (d device) Send(ctx context.Context, request []byte) error {
	cut, err := d.pass(ctx, atSend)
	if err != nil {
		return err
	}
	if cut {
		request = request[:d.shorter(len(request))]
	}
	return d.Device.Send(ctx, request)
}

// shorter is a size of whole beats below n, but for a packet of one beat.
func (d device) shorter(n int) int {
	beat := d.Info().Params.BeatBytes()
	if n <= beat || n%beat != 0 {
		return n
	}
	return beat * (1 + d.s.pick(n/beat-1))
}

func (d device) Recv(ctx context.Context, dst []byte) ([]byte, error) {
	cut, err := d.pass(ctx, atRecv)
	if err != nil {
		return dst, err
	}
	had := len(dst)
	dst, err = d.Device.Recv(ctx, dst)
	if err == nil && cut {
		dst = dst[:had+d.shorter(len(dst)-had)]
	}
	return dst, err
}

// Reset implements driver.Resetter. It also ends a disconnect.
func (d resettable) Reset(ctx context.Context) error {
	d.s.Reconnect()
	return d.Device.(driver.Resetter).Reset(ctx)
}

// Opener makes the opener of fault:SCRIPT,URI: the device of that URI, spoiled by
// the script in a file.
func Opener(devices *driver.Registry) driver.Opener {
	return func(ctx context.Context, u driver.URI) (driver.Device, error) {
		file, inner, ok := strings.Cut(u.Address, ",")
		if !ok || file == "" || inner == "" {
			return nil, fmt.Errorf("%w: %s, want fault:SCRIPT,URI", driver.ErrOption, u)
		}
		if len(u.Options) > 0 {
			inner += "?" + u.Options.Encode()
		}
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%w: %w", driver.ErrNotFound, err)
		}
		if err != nil {
			return nil, err
		}
		s, err := Parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		dev, err := devices.Open(ctx, inner)
		if err != nil {
			return nil, err
		}
		return Device(dev, s), nil
	}
}
