//go:build cgo && usb

package usb

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/gousb"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/udev"
)

// TestDeniedOnce: what is refused is said once, and remains what it is.
func TestDeniedOnce(t *testing.T) {
	err := translate(udev.Denied("/dev/bus/usb/001/002", udev.USB(0x0403, 0x6014), gousb.ErrorAccess))
	if !errors.Is(err, driver.ErrAccess) || strings.Count(err.Error(), driver.ErrAccess.Error()) != 1 {
		t.Errorf("%v", err)
	}
	if err := translate(gousb.ErrorAccess); !errors.Is(err, driver.ErrAccess) {
		t.Errorf("%v", err)
	}
}
