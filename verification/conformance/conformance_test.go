// Package conformance runs the conformance suite, with the oracle as its judge,
// on the engines that this repository holds.
package conformance

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/drivertest"
	"github.com/kvaccel/kvaccel/driver/rtl"
	"github.com/kvaccel/kvaccel/verification/oracle"
)

// leaveOutRTL is the environment variable that leaves the Verilated engine out.
const leaveOutRTL = "KVACCEL_NO_RTL"

func run(t *testing.T, uri string, open driver.Opener, opts drivertest.Options) {
	t.Helper()
	opts.Oracle = oracle.Engine{}
	drivertest.Run(t, func(t *testing.T) driver.Device {
		t.Helper()
		u, err := driver.ParseURI(uri)
		if err != nil {
			t.Fatal(err)
		}
		// Not the test's own context: that one ends before the device is closed.
		dev, err := open(context.Background(), u)
		if err != nil {
			if errors.Is(err, driver.ErrNotFound) && u.Scheme == "rtl" {
				t.Fatalf("%s: %v (or set %s=1 to leave these tests out)", uri, err, leaveOutRTL)
			}
			t.Fatalf("%s: %v", uri, err)
		}
		return dev
	}, opts)
}

func TestRTL(t *testing.T) {
	if os.Getenv(leaveOutRTL) == "1" {
		t.Logf("%s=1: conformance of rtl: is left out", leaveOutRTL)
		return
	}
	run(t, "rtl:", rtl.Open, drivertest.Options{})
}
