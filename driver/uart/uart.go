// Package uart reaches an engine over a serial port, or a pseudo-terminal:
// "uart:/dev/ttyUSB0?baud=3000000". It carries the byte link, eight bits without
// parity, hardware flow control if asked for.
package uart

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/link"
)

// options of a uart: URI.
type options struct {
	path    string
	baud    int
	rts     bool
	clockHz float64
	waits   link.Waits
}

func parse(u driver.URI) (options, error) {
	o := options{path: u.Address, baud: 3000000}
	if !strings.HasPrefix(o.path, "/") {
		return o, fmt.Errorf("%w: uart:%s, want uart:/dev/NODE[?baud=3000000]", driver.ErrOption, o.path)
	}
	set := map[string]func(string) error{
		"baud": func(v string) error {
			n, err := strconv.Atoi(v)
			if err != nil || n < 300 || n > 12000000 {
				return errors.New("a number from 300 to 12000000")
			}
			o.baud = n
			return nil
		},
		"rtscts": func(v string) (err error) {
			if o.rts, err = strconv.ParseBool(v); err != nil {
				err = errors.New("true or false")
			}
			return err
		},
		"clock": func(v string) error {
			f, err := strconv.ParseFloat(v, 64)
			if err != nil || !(f > 0 && f <= 1e12) {
				return errors.New("a frequency in Hz above 0 and up to 1e12")
			}
			o.clockHz = f
			return nil
		},
	}
	maps.Copy(set, o.waits.Set())
	for _, name := range slices.Sorted(maps.Keys(u.Options)) {
		f, ok := set[name]
		if !ok {
			return o, fmt.Errorf("%w: uart: has no %q; there are %s", driver.ErrOption, name, strings.Join(slices.Sorted(maps.Keys(set)), ", "))
		}
		if n := len(u.Options[name]); n != 1 {
			return o, fmt.Errorf("%w: %s is given %d times, want once", driver.ErrOption, name, n)
		}
		if err := f(u.Options.Get(name)); err != nil {
			return o, fmt.Errorf("%w: %s=%q, want %w", driver.ErrOption, name, u.Options.Get(name), err)
		}
	}
	return o, o.waits.Check()
}
