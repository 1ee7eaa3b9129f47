//go:build !cgo || !usb

// Package usbbus is the USB bus of package flash. This build has none.
package usbbus

import (
	"fmt"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/flash"
)

// Built says whether this build reaches USB.
const Built = false

// New fails with ErrUnsupported.
func New() (flash.Bus, error) {
	return nil, fmt.Errorf("%w: this build has no USB; install libusb-1.0-0-dev, pkg-config and gcc, then `make kvaccel` (or CGO_ENABLED=1 go build -tags usb ./cmd/kvaccel)", driver.ErrUnsupported)
}
