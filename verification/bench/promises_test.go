// Package bench holds the engines of this repository to their timing promises,
// and measures how fast the host computes what they compute.
package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/rtl"
	"github.com/kvaccel/kvaccel/emulator"
	"github.com/kvaccel/kvaccel/host/bench"
	"github.com/kvaccel/kvaccel/verification/rtltest"
)

// moreRTL is the environment variable of the conformance runs that lists more
// builds of the Verilated engine.
const moreRTL = "KVACCEL_RTL"

// known lists the promises that are broken, each with its reason in
// docs/performance.md. One that is kept after all does not belong here.
var known = []string{}

// quick is the set that is compared between engines.
var quick = bench.Options{Quick: true}

// measure runs the bench on an engine.
func measure(t *testing.T, uri string, open driver.Opener, opt bench.Options) *bench.Report {
	t.Helper()
	u, err := driver.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	dev, err := open(context.Background(), u)
	switch {
	case errors.Is(err, driver.ErrNotFound) && u.Scheme == "rtl":
		t.Fatalf("%v (%s=1 leaves these tests out)", err, rtltest.LeaveOut)
	case err != nil:
		t.Fatalf("%s: %v", uri, err)
	}
	t.Cleanup(func() {
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
	})
	r, err := bench.Run(t.Context(), dev, opt)
	if err != nil {
		t.Fatalf("%s: %v", uri, err)
	}
	return r
}

func TestPromises(t *testing.T) {
	r := measure(t, "emu:", emulator.Open, quick)
	for _, row := range r.Rows {
		switch {
		case row.Absent != "":
			t.Logf("%s: %s", row.ID, row.Absent)
		default:
			t.Logf("%s: %.4g %s, %.4g promised, at %v", row.ID, row.Worst.Measured, row.Unit, row.Worst.Promised, row.Worst.Settings)
			if broken := slices.Contains(known, row.ID); row.Kept == broken {
				t.Errorf("%s: kept is %v, want %v", row.ID, row.Kept, !broken)
			}
		}
	}
	if len(r.Absent) > 0 {
		t.Errorf("not measured: %v", r.Absent)
	}
}

// Emulator and RTL give the same figures, point by point.
func TestSameOnRTL(t *testing.T) {
	if !rtltest.Wanted(t) {
		return
	}
	for _, uri := range append([]string{"rtl:"}, strings.Fields(os.Getenv(moreRTL))...) {
		t.Run(uri, func(t *testing.T) {
			got := measure(t, uri, rtl.Open, quick)
			p := got.Device.Params
			want := measure(t, fmt.Sprintf("emu:?lanes=%d&max-dim=%d&tile-tokens=%d&max-tokens=%d&features=%d",
				p.Lanes, p.MaxDim, p.TileTokens, p.MaxTokens, got.Device.Features), emulator.Open, quick)
			if got.Source != driver.RTL {
				t.Fatalf("source is %q", got.Source)
			}
			points := 0
			for i, row := range want.Rows {
				same(t, row.ID, got.Rows[i].Points, row.Points)
				same(t, row.ID, got.Rows[i].Samples, row.Samples)
				points += len(row.Points)
			}
			if points == 0 {
				t.Error("no figure was compared")
			}
		})
	}
}

func same(t *testing.T, id string, got, want []bench.Point) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d figures, the emulator has %d", id, len(got), len(want))
		return
	}
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("%s: %+v, the emulator has %+v", id, got[i], want[i])
		}
	}
}
