package jtag_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/flash"
	"github.com/kvaccel/kvaccel/driver/flash/board"
	"github.com/kvaccel/kvaccel/verification/jtag"
)

const ulx3s = 0x41113043 // LFE5U-85F

// design is a file for the ULX3S: one of ecppack for the 25F, made one for the 85F by its ID. Its frames are
// compressed, so nobody counts them.
func design(t *testing.T) []byte {
	t.Helper()
	f, err := os.Open("../../driver/flash/bitstream/testdata/ecp5-25f-compressed.bit.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	small, large := []byte{0xe2, 0, 0, 0, 0x41, 0x11, 0x10, 0x43}, []byte{0xe2, 0, 0, 0, 0x41, 0x11, 0x30, 0x43}
	if bytes.Count(b, small) != 1 {
		t.Fatal("the sample names its part not once")
	}
	return bytes.Replace(b, small, large, 1)
}

// real has openFPGALoader run as it is, and keeps what it says.
type real struct{ said bytes.Buffer }

func (r *real) run(ctx context.Context, name string, args ...string) ([]byte, error) {
	out, err := flash.Run(ctx, name, args...)
	if len(args) > 1 {
		r.said.Write(bytes.ReplaceAll(out, []byte("\r"), []byte("\n")))
	}
	return out, err
}

func needLoader(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("openFPGALoader"); err != nil {
		t.Fatal("openFPGALoader is not installed: scripts/setup.sh does it")
	}
}

// plug is a part and its flash at a new cable, and the options that reach it.
func plug(t *testing.T, p *jtag.ECP5, cut int) (cable string) {
	t.Helper()
	c, err := jtag.Plug(p, cut)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Unplug(); err != nil {
			t.Error(err)
		}
	})
	host, port := c.Address()
	return "xvc://" + net.JoinHostPort(host, port)
}

func TestLoader(t *testing.T) {
	needLoader(t)
	file := design(t)
	usual := func(*jtag.ECP5) {}
	for _, c := range []struct {
		name     string
		to       flash.To
		offset   int64
		board    func(*jtag.ECP5)
		cut      int // after so many bits the cable is gone
		err      error
		verified flash.Verified
	}{
		{"into the part", flash.SRAM, -1, usual, 0, nil, flash.Unverified},
		{"into the flash", flash.Flash, -1, usual, 0, nil, flash.ByLoader},
		{"at an offset", flash.Flash, 0x200000, usual, 0, nil, flash.ByLoader},
		{"a flash it does not know", flash.Flash, -1, func(p *jtag.ECP5) { p.Flash.ID = [3]byte{0x55, 0x66, 0x18} }, 0, nil, flash.ByLoader},
		{"another part", flash.Flash, -1, func(p *jtag.ECP5) { p.ID = 0x41111043 }, 0, board.ErrRefused, ""},
		{"another family of the part", flash.SRAM, -1, func(p *jtag.ECP5) { p.ID = 0x81113043 }, 0, driver.ErrProtocol, ""},
		{"a worn cell", flash.Flash, -1, func(p *jtag.ECP5) { p.Flash.FailAt = 0x1234 }, 0, driver.ErrProtocol, ""},
		{"no flash", flash.Flash, -1, func(p *jtag.ECP5) { p.Flash.Absent = true }, 0, driver.ErrProtocol, ""},
		{"cut while it asks", flash.Flash, -1, usual, 20, driver.ErrDisconnected, ""},
		{"cut while it loads", flash.SRAM, -1, usual, 300000, driver.ErrDisconnected, ""},
		{"cut while it writes", flash.Flash, -1, usual, 300000, driver.ErrDisconnected, ""},
		{"cut while it verifies", flash.Flash, -1, usual, 1500000, driver.ErrDisconnected, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &jtag.ECP5{ID: ulx3s, Flash: jtag.NewSPIFlash()}
			c.board(p)
			b, err := board.Lookup("ulx3s-85f")
			if err != nil {
				t.Fatal(err)
			}
			o := flash.Options{To: c.to, Offset: c.offset, Verify: true, Cable: plug(t, p, c.cut)}
			plan, err := flash.Prepare(file, b, o)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var program real
			got, err := flash.WriteLoader(ctx, program.run, plan, o)
			if !errors.Is(err, c.err) || err == nil && (got.Verified != c.verified || got.Bytes != len(file)) {
				t.Errorf("%v, %+v\n%s", err, got, program.said.String())
			}
			look(t, p, plan, file, err)
		})
	}
}

// look is at the board afterwards: what went well is there to the byte, and starts; a part that is not the right one was
// left alone.
func look(t *testing.T, p *jtag.ECP5, plan flash.Plan, file []byte, err error) {
	t.Helper()
	content := bytes.TrimRight(file, "\xff")
	switch {
	case errors.Is(err, board.ErrRefused):
		if p.Flash.Erased+p.Flash.Pages > 0 || p.Loaded != nil {
			t.Error("written all the same")
		}
	case err != nil:
		if plan.To == flash.SRAM && p.Loaded != nil {
			t.Error("it runs all the same")
		}
	case plan.To == flash.SRAM:
		if !bytes.HasSuffix(content, bytes.TrimRight(p.Loaded, "\xff")) || p.Flash.Erased > 0 {
			t.Errorf("%d bytes in the part, %d erased", len(p.Loaded), p.Flash.Erased)
		}
	default:
		// Without the comments in front.
		content = content[bytes.Index(content, []byte{0xff, 0xff, 0xff, 0xbd, 0xb3}):]
		there := p.Flash.Memory[plan.Address:]
		if !bytes.HasPrefix(there, content) {
			t.Errorf("the flash has %x at %#x, the file begins with %x", there[:16], plan.Address, content[:16])
		}
		if p.Flash.Pages != (len(content)+255)/256 || p.Refreshes != 1 {
			t.Errorf("%d pages, %d starts", p.Flash.Pages, p.Refreshes)
		}
	}
}

// TestNobodyThere: a port where nothing listens.
func TestNobodyThere(t *testing.T) {
	needLoader(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := board.Lookup("ulx3s-85f")
	if err != nil {
		t.Fatal(err)
	}
	o := flash.Options{To: flash.SRAM, Offset: -1, Cable: "xvc://" + address}
	plan, err := flash.Prepare(design(t), b, o)
	if err != nil {
		t.Fatal(err)
	}
	var program real
	if _, err := flash.WriteLoader(t.Context(), program.run, plan, o); !errors.Is(err, driver.ErrNotFound) {
		t.Errorf("%v\n%s", err, program.said.String())
	}
}

// TestCommand is the whole way: kvaccel flash, the real openFPGALoader, the cable, the part.
func TestCommand(t *testing.T) {
	needLoader(t)
	dir := t.TempDir()
	program, file := filepath.Join(dir, "kvaccel"), filepath.Join(dir, "design.bit")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/kvaccel").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.WriteFile(file, design(t), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, to string
		id       uint32
		cut      int
		code     int
		says     string
	}{
		{"sram", "sram", ulx3s, 0, 0, `"outcome": "written"`},
		{"flash", "flash", ulx3s, 0, 0, `"verified": "loader"`},
		{"another part", "flash", 0x41111043, 0, 2, "another board?"},
		{"cut", "flash", ulx3s, 300000, 6, "the cable is gone"},
	} {
		p := &jtag.ECP5{ID: c.id, Flash: jtag.NewSPIFlash()}
		cmd := exec.CommandContext(t.Context(), program, "flash", file, "--board", "ulx3s-85f", "--to", c.to, "--yes", "--json", "--cable", plug(t, p, c.cut))
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != c.code || !bytes.Contains(out, []byte(c.says)) {
			t.Errorf("%s: %v, want exit code %d\n%s", c.name, err, c.code, out)
		}
	}
}
