//go:build !linux

package uart

import (
	"context"
	"fmt"

	"github.com/kvaccel/kvaccel/driver"
)

// Open fails: this driver sets up terminals as Linux wants it.
func Open(_ context.Context, u driver.URI) (driver.Device, error) {
	if _, err := parse(u); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%w: uart: needs Linux", driver.ErrUnsupported)
}

// List finds nothing.
func List(context.Context) ([]driver.Candidate, error) { return nil, nil }
