//go:build !cgo || !usb

package usb

import (
	"context"

	"github.com/kvaccel/kvaccel/driver"
)

// Built says whether this build reaches USB.
const Built = false

// missing is the error of a build without USB: no board is found with it.
type missing struct{}

func (missing) Error() string {
	return "this build has no USB; install libusb-1.0-0-dev, pkg-config and gcc, then `make kvaccel` (or CGO_ENABLED=1 go build -tags usb ./cmd/kvaccel)"
}

func (missing) Unwrap() []error { return []error{driver.ErrNotFound, driver.ErrUnsupported} }

// Open fails with ErrNotFound and ErrUnsupported.
func Open(_ context.Context, u driver.URI) (driver.Device, error) {
	if _, err := parse(u); err != nil {
		return nil, err
	}
	return nil, missing{}
}

// List fails likewise.
func List(context.Context) ([]driver.Candidate, error) { return nil, missing{} }
