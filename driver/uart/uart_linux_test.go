package uart

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/link"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator"
)

// terminal makes a pseudo-terminal and gives its board's side and its node.
func terminal(t *testing.T) (master *os.File, node string) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "ptmx"), fmt.Sprintf("/dev/pts/%d", n)
}

func openURI(t *testing.T, uri string) (driver.Device, error) {
	t.Helper()
	u, err := driver.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	return Open(t.Context(), u)
}

func TestTerminal(t *testing.T) {
	master, node := terminal(t)
	u, err := driver.ParseURI("emu:?lanes=4")
	if err != nil {
		t.Fatal(err)
	}
	dev, err := emulator.Open(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	hold, err := os.OpenFile(node, os.O_RDWR|unix.O_NOCTTY, 0) // a master without its terminal open reads errors
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- link.Serve(context.Background(), master, dev, link.BoardOptions{}) }()
	for round := range 3 { // opened again, it works again
		d, err := openURI(t, "uart:"+node+"?baud=12000000")
		if err != nil {
			t.Fatal(err)
		}
		if i := d.Info(); i.Params.Lanes != 4 || !strings.Contains(i.Description, node) {
			t.Errorf("Info: %+v", i)
		}
		if _, err := openURI(t, "uart:"+node); !errors.Is(err, driver.ErrBusy) {
			t.Errorf("opened twice: %v", err)
		}
		payload := make([]byte, 50000) // every value, those that a terminal would act on too
		for i := range payload {
			payload[i] = uint8(i * 7 >> 3)
		}
		request, err := packet.Request{Opcode: regmap.OpEcho, Rows: len(payload)}.Append(nil, d.Info().Params, payload)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Send(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		raw, err := d.Recv(t.Context(), nil)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if r, err := packet.ParseResponse(raw, d.Info().Params); err != nil || !bytes.Equal(r.Payload, payload) {
			t.Errorf("round %d: %d bytes, %v", round, len(r.Payload), err)
		}
		if s := d.(*link.Device).Stats(); s.Damaged+uint64(s.DevDamaged) > 1 {
			t.Errorf("a pseudo-terminal damages frames: %+v", s)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	master.Close()
	hold.Close()
	<-served
	dev.Close()
}

func TestRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		uri  string
		want error
		says string
	}{
		{"uart:", driver.ErrOption, "uart:/dev/NODE"},
		{"uart:ttyUSB0", driver.ErrOption, "uart:/dev/NODE"},
		{"uart:/dev/ttyUSB0?baud=7", driver.ErrOption, "300"},
		{"uart:/dev/ttyUSB0?speed=7", driver.ErrOption, "baud, clock, patience, retry, rtscts"},
		{"uart:" + file + "-none", driver.ErrNotFound, "none"},
		{"uart:" + file, driver.ErrNotFound, "no terminal"},
		{"uart:/dev/null", driver.ErrNotFound, "no terminal"},
	} {
		if _, err := openURI(t, c.uri); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v with %q", c.uri, err, c.want, c.says)
		}
	}
}
