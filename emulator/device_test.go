package emulator

import (
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/drivertest"
	"github.com/kvaccel/kvaccel/verification/oracle"
)

// The conformance suite, on all beat widths and with commands left out.
func TestConformance(t *testing.T) {
	for _, c := range []struct {
		uri   string
		lacks uint32
	}{
		{"emu:", 0},
		{"emu:?lanes=2&max-dim=32&tile-tokens=16&max-tokens=256", 0},
		{"emu:?lanes=4&max-dim=64&tile-tokens=32&max-tokens=512", 0},
		{"emu:?lanes=16&max-dim=512&tile-tokens=256&max-tokens=1024", 0},
		{"emu:?lanes=8&max-dim=64&tile-tokens=32&max-tokens=256&features=3", 12},
		{"emu:?lanes=8&max-dim=64&tile-tokens=32&max-tokens=256&features=13", 2},
	} {
		t.Run(c.uri, func(t *testing.T) {
			t.Parallel()
			drivertest.Run(t, func(t *testing.T) driver.Device {
				return open(t, c.uri)
			}, drivertest.Options{Oracle: oracle.Engine{}, Lacks: c.lacks})
		})
	}
}

func open(t testing.TB, uri string) driver.Device {
	t.Helper()
	u, err := driver.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Open(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
