package lab

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/link"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/usbip"
	"github.com/kvaccel/kvaccel/driver/virtual"
	"github.com/kvaccel/kvaccel/verification/rtltest"
)

// simulated is a Verilated board as a byte pipe.
type simulated struct {
	io.WriteCloser
	out io.ReadCloser
}

func (s simulated) Read(p []byte) (int, error) { return s.out.Read(p) }
func (s simulated) Close() error               { return errors.Join(s.WriteCloser.Close(), s.out.Close()) }

// bulk is a board's bulk pair as a byte pipe.
type bulk struct {
	host   *usbip.Host
	ctx    context.Context
	cancel context.CancelFunc
}

func (b bulk) Read(p []byte) (int, error)  { return b.host.Bulk(b.ctx, 0x81, p) }
func (b bulk) Write(p []byte) (int, error) { return b.host.Bulk(b.ctx, 0x01, p) }
func (b bulk) Close() error                { b.cancel(); return b.host.Close() }

// TestVerilatedPins has bytes go over USB/IP to the FT245 pins of the Verilated
// board and back, without a kernel between.
func TestVerilatedPins(t *testing.T) {
	rtltest.Verilator(t)
	build := exec.Command(filepath.Join("..", "..", "scripts", "build-board.sh"), "ft245")
	build.Env = append(os.Environ(), "LANES=2", "MAX_DIM=64", "TILE_TOKENS=16", "MAX_TOKENS=256", "FEATURES=15")
	path, err := build.Output()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join("..", "..", strings.TrimSpace(string(path))))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	board := virtual.NewNative(simulated{in, out}, "pins")
	t.Cleanup(func() { _ = board.Close(); _ = cmd.Wait() })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	server := &usbip.Server{}
	busID := server.Export(board)
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, l) }()
	t.Cleanup(func() { cancel(); <-done })
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	r, err := usbip.Import(conn, busID)
	if err != nil {
		t.Fatal(err)
	}
	b := bulk{host: usbip.NewHost(conn, r)}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	limit, stop := context.WithTimeout(t.Context(), 60*time.Second)
	defer stop()
	d, err := link.Open(limit, b, link.Options{URI: "usb:", Retry: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if info := d.Info(); info.Params.Lanes != 2 || info.SpecID != regmap.SpecID {
		t.Errorf("%+v", info)
	}
	if v, err := driver.RegReader(d).ReadReg(limit, regmap.RegMagic); v != regmap.Magic || err != nil {
		t.Errorf("magic %#x, %v", v, err)
	}
}
