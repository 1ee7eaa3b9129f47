package pcie

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// registerFile is what the register space of an engine at rest reads.
func registerFile(t testing.TB, spec uint32, size int) []byte {
	t.Helper()
	b := make([]byte, size)
	p := regmap.DefaultParams()
	for addr, v := range map[uint32]uint32{
		regmap.RegMagic: regmap.Magic, regmap.RegABI: regmap.ABIVersion, regmap.RegSpecID: spec, regmap.RegFeatures: 15,
		regmap.RegLanes: uint32(p.Lanes), regmap.RegMaxDim: uint32(p.MaxDim), regmap.RegTileTokens: uint32(p.TileTokens), regmap.RegMaxTokens: uint32(p.MaxTokens),
		regmap.RegBuildHash: 0xb01dface,
	} {
		binary.LittleEndian.PutUint32(b[addr:], v)
	}
	return b
}

// nodes makes files in the place of the nodes of card n.
func nodes(t testing.TB, dir string, n int, user []byte) {
	t.Helper()
	for _, f := range []struct {
		name string
		data []byte
	}{{"user", user}, {"h2c_0", nil}, {"c2h_0", nil}} {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("xdma%d_%s", n, f.name)), f.data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func openURI(t testing.TB, uri string) (driver.Device, error) {
	t.Helper()
	u, err := driver.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	if u.Scheme == "pci" {
		return OpenSysfs(t.Context(), u)
	}
	return Open(t.Context(), u)
}

func TestOpenXDMA(t *testing.T) {
	dir := t.TempDir()
	at := "?observe=true&dir=" + dir
	nodes(t, dir, 0, registerFile(t, regmap.SpecID, 4096))
	d, err := openURI(t, "xdma:"+at)
	if err != nil {
		t.Fatal(err)
	}
	if i := d.Info(); i.URI != "xdma:0?dir="+strings.ReplaceAll(dir, "/", "%2F")+"&observe=true" || i.BuildHash != 0xb01dface || i.Source != driver.Board {
		t.Errorf("Info: %+v", i)
	}
	if err := d.Send(t.Context(), make([]byte, 32)); !errors.Is(err, driver.ErrUnsupported) {
		t.Errorf("Send of an observer: %v", err)
	}
	if err := d.WriteReg(t.Context(), regmap.RegCtrl, 1); !errors.Is(err, driver.ErrUnsupported) {
		t.Errorf("a soft reset by an observer: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	user, err := os.Open(filepath.Join(dir, "xdma0_user"))
	if err != nil {
		t.Fatal(err)
	}
	defer user.Close()
	if err := unix.Flock(int(user.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, err := openURI(t, "xdma:0?dir="+dir); !errors.Is(err, driver.ErrBusy) || !strings.Contains(err.Error(), "observe") {
		t.Errorf("beside another user: %v", err)
	}
	nodes(t, dir, 1, registerFile(t, 0x1234, 4096))
	nodes(t, dir, 2, []byte(strings.Repeat("\xff", 4096)))
	nodes(t, dir, 3, make([]byte, 4096))
	for _, c := range []struct {
		uri  string
		want error
		says string
	}{
		{"xdma:" + at, driver.ErrAmbiguous, "xdma:2"},
		{"xdma:1" + at, driver.ErrVersion, "0x00001234"},
		{"xdma:2" + at, ErrDeadLink, "all ones"},
		{"xdma:3" + at, driver.ErrNotFound, "magic"},
		{"xdma:9" + at, driver.ErrNotFound, "xdma9_user"},
		{"xdma:x" + at, driver.ErrOption, "xdma:N"},
		{"xdma:0" + at + "&chanel=1", driver.ErrOption, "channel"},
		{"xdma:0" + at + "&channel=7", driver.ErrOption, "0 to 3"},
		{"xdma:?dir=" + dir + "/none", driver.ErrNotFound, "kernel driver"},
	} {
		if _, err := openURI(t, c.uri); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v with %q", c.uri, err, c.want, c.says)
		}
	}
}

func TestOpenSysfs(t *testing.T) {
	sys := t.TempDir()
	dir := filepath.Join(sys, "bus/pci/devices/0000:03:00.0")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	bar := append(make([]byte, 4096), registerFile(t, regmap.SpecID, 4096)...)
	for name, b := range map[string][]byte{"resource0": bar, "resource2": []byte(strings.Repeat("\xff", 4096))} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := "&sysfs=" + sys
	d, err := openURI(t, "pci:03:00.0?offset=0x1000"+at)
	if err != nil {
		t.Fatal(err)
	}
	if d.Info().BuildHash != 0xb01dface {
		t.Errorf("Info: %+v", d.Info())
	}
	if err := d.WriteReg(t.Context(), regmap.RegScratch, 0xfeed); err != nil {
		t.Error(err)
	}
	if v, err := d.ReadReg(t.Context(), regmap.RegScratch); err != nil || v != 0xfeed {
		t.Errorf("SCRATCH reads %#x, %v", v, err)
	}
	if err := d.WriteReg(t.Context(), regmap.RegMagic, 1); !errors.Is(err, driver.ErrBadRegister) {
		t.Errorf("writing MAGIC: %v", err)
	}
	if err := d.Send(t.Context(), make([]byte, 32)); !errors.Is(err, driver.ErrUnsupported) {
		t.Errorf("Send: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := d.ReadReg(t.Context(), regmap.RegMagic); !errors.Is(err, driver.ErrClosed) {
		t.Errorf("ReadReg after Close: %v", err)
	}
	for _, c := range []struct {
		uri  string
		want error
		says string
	}{
		{"pci:0000:03:00.0?bar=0" + at, driver.ErrNotFound, "magic"},
		{"pci:0000:03:00.0?bar=1" + at, driver.ErrNotFound, "resource1"},
		{"pci:0000:03:00.0?bar=2" + at, ErrDeadLink, "all ones"},
		{"pci:0000:03:00.0?offset=0x2000" + at, driver.ErrNotFound, "offset="},
		{"pci:0000:03:00.0?offset=4" + at, driver.ErrOption, "4096"},
		{"pci:0000:04:00.0?bar=0" + at, driver.ErrNotFound, "0000:04:00.0"},
		{"pci:board?bar=0" + at, driver.ErrOption, "lspci"},
	} {
		if _, err := openURI(t, c.uri); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v with %q", c.uri, err, c.want, c.says)
		}
	}
}

// A pipe stands in for the events node: it can be read when there is a count.
func TestInterrupt(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n := eventNode{r}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := n.wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no interrupt: %v", err)
	}
	if _, err := w.Write([]byte{0, 0, 0, 0, 1, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	if err := n.wait(t.Context()); err != nil {
		t.Error(err)
	}
	w.Close()
	if err := n.wait(t.Context()); !errors.Is(err, driver.ErrDisconnected) {
		t.Errorf("a node that is gone: %v", err)
	}
	_, d := dial(t)
	defer d.Close()
	if err := d.WaitInterrupt(t.Context()); !errors.Is(err, driver.ErrUnsupported) {
		t.Errorf("without a node: %v", err)
	}
}
