//go:build !linux

package pcie

import (
	"context"
	"fmt"

	"github.com/kvaccel/kvaccel/driver"
)

// Open fails: the XDMA driver is Linux's.
func Open(_ context.Context, u driver.URI) (driver.Device, error) {
	return nil, fmt.Errorf("%w: %s: needs Linux", driver.ErrUnsupported, u.Scheme)
}

// OpenSysfs fails: sysfs is Linux's.
func OpenSysfs(ctx context.Context, u driver.URI) (driver.Device, error) { return Open(ctx, u) }

// List finds nothing.
func List(context.Context) ([]driver.Candidate, error) { return nil, nil }
