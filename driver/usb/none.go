//go:build !cgo || !usb

package usb

import (
	"context"
	"fmt"

	"github.com/kvaccel/kvaccel/driver"
)

// Built says whether this build reaches USB.
const Built = false

// how is how to get a build that does.
const how = "this build has no USB; install libusb-1.0-0-dev, pkg-config and gcc, then `make kvaccel` (or CGO_ENABLED=1 go build -tags usb ./cmd/kvaccel)"

// Open fails with ErrUnsupported.
func Open(_ context.Context, u driver.URI) (driver.Device, error) {
	if _, err := parse(u); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%w: usb: %w: %s", driver.ErrNotFound, driver.ErrUnsupported, how)
}

// List fails with ErrUnsupported.
func List(context.Context) ([]driver.Candidate, error) {
	return nil, fmt.Errorf("%w: usb: %w: %s", driver.ErrNotFound, driver.ErrUnsupported, how)
}
