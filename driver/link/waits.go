package link

import (
	"fmt"
	"time"

	"github.com/kvaccel/kvaccel/driver"
)

// Waits are the two times that a URI of a byte link may set, for devices that are slow to answer: zero is the default.
type Waits struct{ Retry, Patience time.Duration }

// Set are the options by name, each with what reads its value; errors say what is wanted.
func (w *Waits) Set() map[string]func(string) error {
	within := func(dst *time.Duration, least, most time.Duration) func(string) error {
		return func(v string) error {
			d, err := time.ParseDuration(v)
			if err != nil || d < least || d > most {
				return fmt.Errorf("a time from %v to %v", least, most)
			}
			*dst = d
			return nil
		}
	}
	return map[string]func(string) error{
		"retry":    within(&w.Retry, time.Millisecond, time.Minute),
		"patience": within(&w.Patience, 100*time.Millisecond, time.Hour),
	}
}

// Check fails with ErrOption if a device would be given up before it was asked twice.
func (w Waits) Check() error {
	if w.Retry != 0 && w.Patience != 0 && w.Patience < 2*w.Retry {
		return fmt.Errorf("%w: patience=%v is less than twice retry=%v", driver.ErrOption, w.Patience, w.Retry)
	}
	return nil
}

// Apply sets what was given, and leaves the patience to reach over two retries.
func (w Waits) Apply(o *Options) {
	if w.Retry != 0 {
		o.Retry = w.Retry
	}
	if w.Patience != 0 {
		o.Patience = w.Patience
	} else if w.Retry != 0 {
		o.Patience = max(5*time.Second, 4*w.Retry)
	}
	if 2*o.Patience > time.Minute {
		o.Timeout = 2 * o.Patience
	}
}
