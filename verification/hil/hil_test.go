//go:build hil

package hil

import (
	"context"
	"flag"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/drivertest"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/pcie"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/rtl"
	"github.com/kvaccel/kvaccel/driver/uart"
	"github.com/kvaccel/kvaccel/driver/usb"
	"github.com/kvaccel/kvaccel/emulator"
	"github.com/kvaccel/kvaccel/host/hil"
	"github.com/kvaccel/kvaccel/verification/oracle"
)

var (
	device = flag.String("device", os.Getenv("KVACCEL_DEVICE"), "device URI")
	seed   = flag.Uint64("seed", 1, "of the random inputs")
)

func open(t *testing.T) driver.Device {
	t.Helper()
	if *device == "" {
		t.Fatal("no device: give -device URI, or $KVACCEL_DEVICE")
	}
	var reg driver.Registry
	for scheme, open := range map[string]driver.Opener{"emu": emulator.Open, "rtl": rtl.Open, "usb": usb.Open, "uart": uart.Open, "xdma": pcie.Open} {
		reg.Register(scheme, open)
	}
	d, err := reg.Open(context.Background(), *device)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// simulated says that no real link is between: then there are no stalls.
func simulated(i driver.Info) bool {
	u, err := driver.ParseURI(i.URI)
	return err == nil && (u.Scheme == "emu" || u.Scheme == "rtl")
}

func TestConformance(t *testing.T) {
	d := open(t)
	info := d.Info()
	_, resets := d.(driver.Resetter)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", info)
	drivertest.Run(t, open, drivertest.Options{
		Oracle: oracle.Engine{}, Seed: *seed, Lacks: driver.AllFeatures() &^ info.Features, NoReset: !resets, Live: !simulated(info),
	})
}

// What the device takes and gives is what the emulator predicts.
func TestPrediction(t *testing.T) {
	d := open(t)
	defer d.Close()
	u := driver.URI{Scheme: "emu", Options: map[string][]string{}}
	p := d.Info().Params
	for _, b := range driver.BuildParams {
		u.Options.Set(b.Option, strconv.Itoa(*b.Field(&p)))
	}
	twin, err := emulator.Open(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	defer twin.Close()
	r, err := hil.Run(t.Context(), d, hil.Options{Quick: true, Predict: twin})
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	t.Log(table.String())
	if err := r.Err(); err != nil {
		t.Error(err)
	}
}

// A device that is opened and closed, at rest and amid work, leaves nothing behind
// in this program and works the next time.
func TestReopen(t *testing.T) {
	once := func(work bool) {
		d := open(t)
		p := d.Info().Params
		request, err := packet.Request{Opcode: regmap.OpEcho, Rows: 5000}.Append(nil, p, make([]byte, 5000))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Send(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		if raw, err := d.Recv(t.Context(), nil); err != nil {
			t.Fatal(err)
		} else if r, err := packet.ParseResponse(raw, p); err != nil || len(r.Payload) != 5000 {
			t.Fatalf("%d bytes, %v", len(r.Payload), err)
		}
		if work {
			for range 10 {
				if err := d.Send(t.Context(), request); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	once(false)
	before := runtime.NumGoroutine()
	for i := range 20 {
		once(i%2 == 0)
	}
	for wait := time.Millisecond; runtime.NumGoroutine() > before; wait *= 2 {
		if wait > 2*time.Second {
			t.Fatalf("%d goroutines after opening 20 times, %d after the first", runtime.NumGoroutine(), before)
		}
		time.Sleep(wait)
	}
}
