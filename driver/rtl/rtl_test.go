package rtl

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/rtl/simulation/simulationtest"
)

func TestMain(m *testing.M) {
	simulationtest.Main()
	os.Exit(m.Run())
}

func openFake(t *testing.T, mode, options string) (driver.Device, error) {
	t.Helper()
	uri, err := driver.ParseURI("rtl:?binary=" + url.QueryEscape(simulationtest.Program(t, mode)) + options)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Open(t.Context(), uri)
	if err == nil {
		t.Cleanup(func() { d.Close() })
	}
	return d, err
}

func mustOpen(t *testing.T, mode string) driver.Device {
	t.Helper()
	d, err := openFake(t, mode, "")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestInfo(t *testing.T) {
	d, err := openFake(t, simulationtest.Good, "&clock=5e7&lanes=8&features=0xf")
	if err != nil {
		t.Fatal(err)
	}
	i := d.Info()
	if i.Source != driver.RTL || i.ClockHz != 5e7 || i.Params != regmap.DefaultParams() || i.Features != 15 || i.BuildHash != 0xABCD ||
		!strings.HasPrefix(i.URI, "rtl:?") || !strings.Contains(i.Description, "l8-d256-t128-n4096") {
		t.Errorf("%+v", i)
	}
}

func TestPackets(t *testing.T) {
	d := mustOpen(t, simulationtest.Good)
	ctx := t.Context()
	if _, err := d.Recv(ctx, nil); !errors.Is(err, driver.ErrProtocol) {
		t.Errorf("nothing outstanding: %v", err)
	}
	for _, n := range []int{0, 1, 15, 17} {
		if err := d.Send(ctx, make([]byte, n)); !errors.Is(err, driver.ErrBadPacket) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	a, b := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 48)
	for _, p := range [][]byte{a, b} {
		if err := d.Send(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range [][]byte{a, b} {
		if got, err := d.Recv(ctx, []byte("x")); err != nil || string(got) != "x"+string(p) {
			t.Errorf("%v, %v", got, err)
		}
	}
	if _, err := d.Recv(ctx, nil); !errors.Is(err, driver.ErrProtocol) {
		t.Errorf("nothing left: %v", err)
	}
}

func TestRegisters(t *testing.T) {
	d := mustOpen(t, simulationtest.Good)
	ctx := t.Context()
	if v, err := d.ReadReg(ctx, regmap.RegMagic); err != nil || v != regmap.Magic {
		t.Errorf("%#x, %v", v, err)
	}
	if err := d.WriteReg(ctx, regmap.RegScratch, 1); err != nil {
		t.Error(err)
	}
	for _, addr := range []uint32{0x03C, 0x001, 0x1000, 0x1054, 1 << 31} {
		if _, err := d.ReadReg(ctx, addr); !errors.Is(err, driver.ErrBadRegister) {
			t.Errorf("read %#x: %v", addr, err)
		}
		if err := d.WriteReg(ctx, addr, 0); !errors.Is(err, driver.ErrBadRegister) {
			t.Errorf("write %#x: %v", addr, err)
		}
	}
}

// A soft reset or a reset leaves nothing outstanding.
func TestResets(t *testing.T) {
	d := mustOpen(t, simulationtest.Resetting)
	ctx := t.Context()
	for name, reset := range map[string]func() error{
		"soft": func() error { return d.WriteReg(ctx, regmap.RegCtrl, 1<<regmap.CtrlSoftReset|1<<regmap.CtrlClear) },
		"pin":  func() error { return d.(driver.Resetter).Reset(ctx) },
	} {
		if err := d.Send(ctx, make([]byte, 32)); err != nil {
			t.Fatal(err)
		}
		if err := reset(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := d.Recv(ctx, nil); !errors.Is(err, driver.ErrProtocol) {
			t.Errorf("after %s reset: %v", name, err)
		}
	}
	if err := d.Send(ctx, make([]byte, 32)); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteReg(ctx, regmap.RegCtrl, 1<<regmap.CtrlClear); err != nil {
		t.Error(err)
	}
	if _, err := d.Recv(ctx, nil); err != nil {
		t.Errorf("after a clear, which resets nothing: %v", err)
	}
}

func TestStuckEngine(t *testing.T) {
	d := mustOpen(t, simulationtest.Stuck)
	if err := d.Send(t.Context(), make([]byte, 32)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Recv(t.Context(), nil); !errors.Is(err, driver.ErrTimeout) {
		t.Error(err)
	}
}

func TestCancelReceive(t *testing.T) {
	d := mustOpen(t, simulationtest.Busy)
	if err := d.Send(t.Context(), make([]byte, 32)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := d.Recv(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if _, err := d.ReadReg(t.Context(), regmap.RegMagic); err != nil {
		t.Errorf("the device is of no use after a cancelled call: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestClosed(t *testing.T) {
	d := mustOpen(t, simulationtest.Good)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	_, read := d.ReadReg(ctx, 0)
	_, recv := d.Recv(ctx, nil)
	for name, err := range map[string]error{
		"read": read, "recv": recv, "write": d.WriteReg(ctx, regmap.RegScratch, 0),
		"send": d.Send(ctx, make([]byte, 32)), "reset": d.(driver.Resetter).Reset(ctx),
	} {
		if !errors.Is(err, driver.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	for _, c := range []struct {
		mode, options string
		want          error
		about         string
	}{
		{simulationtest.SpecDrift, "", driver.ErrVersion, "register map"},
		{simulationtest.Good, "&lanes=4", driver.ErrNotFound, "LANES=8, want 4"},
		{simulationtest.Good, "&features=7", driver.ErrNotFound, "FEATURES=15, want 7"},
		{simulationtest.Crash, "", driver.ErrDisconnected, "assertion failed"},
		{simulationtest.Garbage, "", driver.ErrProtocol, "does not speak"},
		{simulationtest.Good, "&lanes=3", regmap.ErrParams, "lanes=3"},
		{simulationtest.Good, "&lanes=x", driver.ErrOption, "want a number"},
		{simulationtest.Good, "&features=4096", driver.ErrOption, "0 to 0xfff"},
		{simulationtest.Good, "&clock=-1", driver.ErrOption, "frequency"},
		{simulationtest.Good, "&trace=", driver.ErrOption, "file name"},
		{simulationtest.Good, "&lane=8", driver.ErrOption, "there are"},
	} {
		_, err := openFake(t, c.mode, c.options)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.about) {
			t.Errorf("%s%s: %v, want %v and %q", c.mode, c.options, err, c.want, c.about)
		}
	}
	if _, err := Open(t.Context(), driver.URI{Scheme: "rtl", Address: "x"}); !errors.Is(err, driver.ErrOption) {
		t.Errorf("address: %v", err)
	}
}

func TestNotBuilt(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("KVACCEL_BUILD", t.TempDir())
	for uri, command := range map[string]string{
		"rtl:":                                   "`make rtl`",
		"rtl:?lanes=4":                           "`make rtl LANES=4`",
		"rtl:?max-tokens=256&max-dim=64&trace=a": "`make rtl-trace MAX_DIM=64 MAX_TOKENS=256`",
		"rtl:?tile-tokens=32&features=7&lanes=16": "`make rtl LANES=16 TILE_TOKENS=32 FEATURES=7`",
	} {
		u, err := driver.ParseURI(uri)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), u); !errors.Is(err, driver.ErrNotFound) || !strings.Contains(err.Error(), command) {
			t.Errorf("%s: %v, want %s", uri, err, command)
		}
	}
}

func TestFind(t *testing.T) {
	o, err := parseOptions(driver.URI{Scheme: "rtl", Options: url.Values{"lanes": {"2"}, "features": {"5"}}})
	if err != nil {
		t.Fatal(err)
	}
	put := func(root string) string {
		p := filepath.Join(root, "rtl", "l2-d256-t128-n4096-f5", "kv_rtl")
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, nil, 0o755); err != nil {
			t.Fatal(err)
		}
		return p
	}
	module, env := t.TempDir(), t.TempDir()
	sub := filepath.Join(module, "a", "b")
	if err := os.MkdirAll(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(module, "go.mod"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(sub)
	t.Setenv("KVACCEL_BUILD", "")
	// Each place that is filled comes before the ones filled earlier.
	for _, root := range []string{filepath.Join(module, "build"), filepath.Join(sub, "build"), env} {
		want := put(root)
		if root == env {
			t.Setenv("KVACCEL_BUILD", env)
		}
		if got, err := find(o); err != nil || got != want {
			t.Errorf("found %s, %v, want %s", got, err, want)
		}
	}
}
