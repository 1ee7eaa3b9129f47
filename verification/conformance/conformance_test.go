// Package conformance runs the conformance suite, with the oracle as its judge,
// on the engines that this repository holds.
package conformance

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/drivertest"
	"github.com/kvaccel/kvaccel/driver/rtl"
	"github.com/kvaccel/kvaccel/emulator"
	"github.com/kvaccel/kvaccel/verification/oracle"
	"github.com/kvaccel/kvaccel/verification/rtltest"
)

// moreRTL is the environment variable that lists more builds of the Verilated
// engine to test beside the default one, as in
// KVACCEL_RTL="rtl:?lanes=2 rtl:?lanes=16&max-dim=512".
const moreRTL = "KVACCEL_RTL"

// run runs the suite on the engine of a URI. An engine that cannot be opened is
// one failure, and not one of each subtest.
func run(t *testing.T, uri string, open driver.Opener, opts drivertest.Options) {
	t.Helper()
	u, err := driver.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	// Not the test's own context: that one ends before the device is closed.
	ctx := context.Background()
	dev, err := open(ctx, u)
	switch {
	case errors.Is(err, driver.ErrNotFound) && u.Scheme == "rtl":
		t.Fatalf("%v (%s=1 leaves these tests out)", err, rtltest.LeaveOut)
	case err != nil:
		t.Fatalf("%s: %v", uri, err)
	}
	if err := dev.Close(); err != nil {
		t.Fatalf("%s: Close: %v", uri, err)
	}
	opts.Oracle, opts.Lacks = oracle.Engine{}, lacks(t, u)
	drivertest.Run(t, func(t *testing.T) driver.Device {
		t.Helper()
		dev, err := open(ctx, u)
		if err != nil {
			t.Fatalf("%s: %v", uri, err)
		}
		return dev
	}, opts)
}

// lacks is the mask of features that a URI leaves out.
func lacks(t *testing.T, u driver.URI) uint32 {
	t.Helper()
	if !u.Options.Has("features") {
		return 0
	}
	mask, err := strconv.ParseUint(u.Options.Get("features"), 0, 32)
	if err != nil {
		t.Fatal(err)
	}
	return driver.AllFeatures() &^ uint32(mask)
}

func TestEmulator(t *testing.T) {
	for i, uri := range []string{
		"emu:",
		"emu:?lanes=2&max-dim=32&tile-tokens=16&max-tokens=256",
		"emu:?lanes=4&max-dim=128&tile-tokens=32&max-tokens=1024",
		"emu:?lanes=16&max-dim=512&tile-tokens=256&max-tokens=65536",
		"emu:?lanes=2&max-dim=128&features=0xb",  // no DEQUANTIZE
		"emu:?features=5",                        // ECHO and DEQUANTIZE alone
		"emu:?lanes=4&features=0x23f",            // COMPRESS, but no pooling, decay or key norms
		"emu:?lanes=16&features=0x1cf",           // these three, but no tiers, no COMPRESS and no SOURCE
		"emu:?lanes=2&max-dim=64&features=0x407", // rotation, but no bfloat16
		"emu:?lanes=4&max-dim=64&features=0xa3f", // bfloat16, but no rotation
	} {
		t.Run(uri, func(t *testing.T) { run(t, uri, emulator.Open, drivertest.Options{Seed: uint64(i)}) })
	}
}

func TestRTL(t *testing.T) {
	if !rtltest.Wanted(t) {
		return
	}
	for i, uri := range append([]string{"rtl:"}, strings.Fields(os.Getenv(moreRTL))...) {
		t.Run(uri, func(t *testing.T) { run(t, uri, rtl.Open, drivertest.Options{Seed: uint64(i)}) })
	}
}
