// Package pcie reaches an engine behind a Xilinx DMA core: "xdma:N" through the
// character devices of the XDMA driver (AWS F2 cards have the same), and
// "pci:BDF" its identification registers through sysfs. docs/pcie.md has the
// protocol of the nodes.
//
// This package and driver/usb are the only homes of unsafe code.
package pcie

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kvaccel/kvaccel/driver"
)

// options of an xdma: or pci: URI.
type options struct {
	dir     string  // where the nodes are
	channel int     // DMA channel of both directions
	events  int     // user interrupt
	clockHz float64 // stated
	observe bool    // registers only, beside whoever uses the engine
	bar     int
	offset  int64
	sysfs   string
}

func parse(u driver.URI) (options, error) {
	o := options{dir: "/dev", clockHz: 250e6, sysfs: "/sys"}
	number := func(dst *int, most int) func(string) error {
		return func(v string) error {
			n, err := strconv.Atoi(v)
			if err != nil || n < 0 || n > most {
				return fmt.Errorf("a number from 0 to %d", most)
			}
			*dst = n
			return nil
		}
	}
	set := map[string]func(string) error{
		"clock": func(v string) error {
			f, err := strconv.ParseFloat(v, 64)
			if err != nil || !(f > 0 && f <= 1e12) {
				return errors.New("a frequency in Hz above 0 and up to 1e12")
			}
			o.clockHz = f
			return nil
		},
	}
	if u.Scheme == "xdma" {
		set["channel"], set["events"] = number(&o.channel, 3), number(&o.events, 15)
		set["observe"] = func(v string) (err error) {
			if o.observe, err = strconv.ParseBool(v); err != nil {
				err = errors.New("true or false")
			}
			return err
		}
		set["dir"] = func(v string) error { o.dir = v; return nil }
	} else {
		set["bar"] = number(&o.bar, 5)
		set["offset"] = func(v string) error {
			n, err := strconv.ParseInt(v, 0, 64)
			if err != nil || n < 0 || n%4096 != 0 {
				return errors.New("a multiple of 4096")
			}
			o.offset = n
			return nil
		}
		set["sysfs"] = func(v string) error { o.sysfs = v; return nil }
	}
	for _, name := range slices.Sorted(maps.Keys(u.Options)) {
		f, ok := set[name]
		if !ok {
			return o, fmt.Errorf("%w: %s: has no %q; there are %s", driver.ErrOption, u.Scheme, name, strings.Join(slices.Sorted(maps.Keys(set)), ", "))
		}
		if n := len(u.Options[name]); n != 1 {
			return o, fmt.Errorf("%w: %s is given %d times, want once", driver.ErrOption, name, n)
		}
		if err := f(u.Options.Get(name)); err != nil {
			return o, fmt.Errorf("%w: %s=%q, want %w", driver.ErrOption, name, u.Options.Get(name), err)
		}
	}
	return o, nil
}
