package flash_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/flash"
	"github.com/kvaccel/kvaccel/driver/flash/bitstream"
	"github.com/kvaccel/kvaccel/driver/flash/board"
	"github.com/kvaccel/kvaccel/driver/flash/dfu"
	"github.com/kvaccel/kvaccel/driver/usbip"
	"github.com/kvaccel/kvaccel/driver/virtual"
)

func sample(t *testing.T, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("bitstream", "testdata", name+".gz"))
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
	return b
}

func lookup(t *testing.T, name string) board.Board {
	t.Helper()
	b, err := board.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPrepare(t *testing.T) {
	crab, ulx, ice := lookup(t, "orangecrab-25f"), lookup(t, "ulx3s-85f"), lookup(t, "icebreaker")
	small, up5k := sample(t, "ecp5-25f-compressed.bit"), sample(t, "ice40-up5k.bin")
	for name, c := range map[string]struct {
		file  []byte
		board board.Board
		o     flash.Options
		err   error
		to    flash.To
		at    int64
	}{
		"dfu":            {small, crab, flash.Options{Offset: -1}, nil, flash.Flash, 0x80000},
		"suffix":         {dfu.AppendSuffix(small, dfu.Suffix{Vendor: 0x1209, Product: 0x5af0}), crab, flash.Options{Offset: -1}, nil, flash.Flash, 0x80000},
		"other suffix":   {dfu.AppendSuffix(small, dfu.Suffix{Vendor: 0x1209, Product: 0x5bf0}), crab, flash.Options{Offset: -1}, board.ErrRefused, "", 0},
		"boot loader":    {small, crab, flash.Options{Offset: 0, Force: true}, board.ErrRefused, "", 0},
		"elsewhere":      {small, crab, flash.Options{Offset: 0x100000}, board.ErrRefused, "", 0},
		"no sram":        {small, crab, flash.Options{Offset: -1, To: flash.SRAM}, board.ErrRefused, "", 0},
		"other part":     {small, ulx, flash.Options{Offset: -1}, board.ErrRefused, "", 0},
		"forced":         {small, ulx, flash.Options{Offset: -1, Force: true}, nil, flash.SRAM, 0},
		"sram offset":    {small, ulx, flash.Options{Offset: 0, Force: true}, board.ErrRefused, "", 0},
		"ice40":          {up5k, ice, flash.Options{Offset: -1}, nil, flash.Flash, 0},
		"ice40 offset":   {up5k, ice, flash.Options{Offset: 0x100000}, nil, flash.Flash, 0x100000},
		"beyond":         {up5k, ice, flash.Options{Offset: 16<<20 - 1}, board.ErrRefused, "", 0},
		"truncated":      {up5k[:1000], ice, flash.Options{Offset: -1}, bitstream.ErrInvalid, "", 0},
		"unknown method": {up5k, ice, flash.Options{Offset: -1, Method: board.DFU}, board.ErrUnknown, "", 0},
	} {
		p, err := flash.Prepare(c.file, c.board, c.o)
		if !errors.Is(err, c.err) || err == nil && (p.To != c.to || p.Address != c.at && p.To == flash.Flash) {
			t.Errorf("%s: %v, to %s at %#x", name, err, p.To, p.Address)
		}
		if name == "suffix" && !bytes.Equal(p.Image, small) {
			t.Error("the suffix would be written")
		}
	}
}

// bus has one virtual board on it, without USB between.
type bus struct {
	device *virtual.DFU
	id     int
	gone   bool // until somebody looks for it
}

func (b *bus) Find(_ context.Context, vendor, product uint16) ([]flash.Found, error) {
	if b.gone {
		b.gone = false
		b.id++
		b.device.Connect(true)
	}
	d := b.device.Descriptors()
	if d.Vendor != vendor || d.Product != product {
		return nil, nil
	}
	return []flash.Found{{Path: "1-1", Serial: d.Serial, Mode: flash.InLoader, ID: b.id}}, nil
}

func (b *bus) Open(context.Context, flash.Found, byte) (flash.Device, error) { return &face{b}, nil }

type face struct{ b *bus }

func (f *face) Functional() dfu.Functional { return f.b.device.Functional }
func (f *face) Reset() error               { return nil }
func (f *face) Close() error               { return nil }

func (f *face) Control(ctx context.Context, in bool, request byte, value uint16, p []byte) (int, error) {
	if f.b.gone {
		return 0, dfu.ErrLeft
	}
	s := usbip.Setup{Type: 0x21, Request: request, Value: value, Length: uint16(len(p))}
	if in {
		s.Type |= 0x80
	}
	out, err := f.b.device.Control(ctx, s, p)
	if errors.Is(err, usbip.ErrStall) {
		return 0, dfu.ErrStall
	}
	f.b.gone = errors.Is(err, usbip.ErrLeave) || errors.Is(err, usbip.ErrGone)
	if errors.Is(err, usbip.ErrGone) {
		return 0, dfu.ErrLeft
	}
	if in {
		return copy(p, out), nil
	}
	return len(p), nil
}

func TestWriteDFU(t *testing.T) {
	plan, err := flash.Prepare(sample(t, "ecp5-25f-compressed.bit"), lookup(t, "orangecrab-25f"), flash.Options{Offset: -1})
	if err != nil {
		t.Fatal(err)
	}
	const stays, leaves = dfu.CanDownload | dfu.CanUpload | dfu.ManifestTolerant, dfu.CanDownload | dfu.CanUpload
	for _, c := range []struct {
		attributes byte
		script     string
		err        error
		verified   flash.Verified
	}{
		{stays, "", nil, flash.ByReading},
		{leaves, "", nil, flash.ByReading},
		{dfu.CanDownload, "", nil, flash.Unverified},
		{stays, "stall@1,error@3", nil, flash.ByReading},
		{stays, "corrupt@2", driver.ErrVerify, ""},
		{stays, "short-upload", driver.ErrVerify, ""},
		{stays, "unplug@2", driver.ErrDisconnected, ""},
		{stays, "manifest", driver.ErrDisconnected, ""},
		{stays, "status-length@1", driver.ErrProtocol, ""},
		{dfu.CanUpload, "", driver.ErrProtocol, ""},
	} {
		faults, err := virtual.ParseScript(c.script)
		if err != nil {
			t.Fatal(err)
		}
		d, err := virtual.NewDFU(virtual.Loader{
			Vendor: 0x1209, Product: 0x5af0, Serial: "1", Size: 1 << 20, Memory: filepath.Join(t.TempDir(), "memory"), Faults: faults,
			Functional: dfu.Functional{Attributes: c.attributes, TransferSize: 4096, Version: 0x0110},
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := flash.WriteDFU(t.Context(), &bus{device: d}, plan, flash.Options{Verify: true})
		if !errors.Is(err, c.err) || err == nil && r.Verified != c.verified {
			t.Errorf("attributes %x, %q: %v, %+v", c.attributes, c.script, err, r)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestNoBoard(t *testing.T) {
	plan, err := flash.Prepare(sample(t, "ecp5-25f-compressed.bit"), lookup(t, "orangecrab-25f"), flash.Options{Offset: -1})
	if err != nil {
		t.Fatal(err)
	}
	d, err := virtual.NewDFU(virtual.Loader{Vendor: 1, Product: 2, Size: 1, Memory: filepath.Join(t.TempDir(), "memory"), Functional: dfu.Functional{TransferSize: 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := flash.WriteDFU(t.Context(), &bus{device: d}, plan, flash.Options{}); !errors.Is(err, driver.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// program stands in for openFPGALoader: what it says to a call with a given flag.
type program struct {
	says  map[string]string
	fails map[string]bool
	calls [][]string
}

func (p *program) run(_ context.Context, name string, args ...string) ([]byte, error) {
	p.calls = append(p.calls, args)
	for _, flag := range []string{"--Version", "--help", "--detect", "--write-flash", "--write-sram"} {
		if slices.Contains(args, flag) {
			if p.fails[flag] {
				return []byte(p.says[flag]), errors.New("exit status 1")
			}
			return []byte(p.says[flag]), nil
		}
	}
	return nil, exec.ErrNotFound
}

// help has the flags that are used here, as version 0.10 lists them.
const help = "--board arg --detect --ftdi-serial arg -f, --write-flash -m, --write-sram -o, --offset arg --verify"

func TestWriteLoader(t *testing.T) {
	plan := flash.Plan{Board: lookup(t, "ulx3s-85f"), Image: []byte("image"), To: flash.Flash}
	var err error
	if plan.Method, err = plan.Board.Method(board.Loader); err != nil {
		t.Fatal(err)
	}
	good := map[string]string{
		"--Version": "openFPGALoader v0.10.0\n", "--help": help, "--detect": "index 0:\n\tidcode 0x1113043\n\tmanufacturer lattice\n", "--write-flash": "Open file DONE\nWriting: [====] 100.00%\nDone\n",
	}
	for name, c := range map[string]struct {
		flag, says string
		fails      bool
		err        error
	}{
		"good":            {"", "", false, nil},
		"ends with 1":     {"--write-flash", "Writing\n", true, driver.ErrProtocol},
		"lies with 0":     {"--write-flash", "Done\nError: Failed to write\n", false, driver.ErrProtocol},
		"verify fails":    {"--write-flash", "Done\nVerify failed at 0x1000\n", false, driver.ErrProtocol},
		"says nothing":    {"--write-flash", "", false, driver.ErrProtocol},
		"no cable":        {"--detect", "unable to open ftdi device\n", true, driver.ErrNotFound},
		"another part":    {"--detect", "idcode 0x1111043\n", false, board.ErrRefused},
		"no part":         {"--detect", "empty\n", false, driver.ErrNotFound},
		"an old version":  {"--help", "--board arg --detect", false, driver.ErrUnsupported},
		"not this at all": {"--Version", "usage\n", false, driver.ErrUnsupported},
	} {
		p := &program{says: map[string]string{}, fails: map[string]bool{c.flag: c.fails}}
		for k, v := range good {
			p.says[k] = v
		}
		if c.flag != "" {
			p.says[c.flag] = c.says
		}
		r, err := flash.WriteLoader(t.Context(), p.run, plan, flash.Options{Verify: true, Serial: "x; rm -rf /"})
		if !errors.Is(err, c.err) || err == nil && r.Verified != flash.ByLoader {
			t.Errorf("%s: %v, %+v", name, err, r)
		}
		if name == "good" {
			args := p.calls[len(p.calls)-1]
			if got := strings.Join(args[:len(args)-1], "|"); got != "--board|ulx3s|--ftdi-serial|x; rm -rf /|--write-flash|--offset|0|--verify" {
				t.Errorf("arguments %s", got)
			}
		}
		if c.flag == "--detect" && slices.ContainsFunc(p.calls, func(a []string) bool { return slices.Contains(a, "--write-flash") }) {
			t.Errorf("%s: written all the same", name)
		}
	}
	none := func(context.Context, string, ...string) ([]byte, error) { return nil, exec.ErrNotFound }
	if _, err := flash.WriteLoader(t.Context(), none, plan, flash.Options{}); !errors.Is(err, driver.ErrUnsupported) {
		t.Errorf("not installed: %v", err)
	}
}

func TestCable(t *testing.T) {
	crab, ulx, ice := lookup(t, "orangecrab-25f"), lookup(t, "ulx3s-85f"), lookup(t, "icebreaker")
	for name, c := range map[string]struct {
		board  board.Board
		cable  string
		serial string
		err    error
		args   string
	}{
		"none":           {ulx, "", "", nil, "--board|ulx3s|--write-sram"},
		"a port":         {ulx, "xvc://bench:1234", "", nil, "--board|ulx3s|--cable|xvc-client|--ip|bench|--port|1234|--write-sram"},
		"the usual port": {ulx, "xvc://10.0.0.7", "", nil, "--board|ulx3s|--cable|xvc-client|--ip|10.0.0.7|--port|2542|--write-sram"},
		"IPv6":           {ulx, "xvc://[::1]:1", "", nil, "--board|ulx3s|--cable|xvc-client|--ip|::1|--port|1|--write-sram"},
		"an option":      {ulx, "--help", "", board.ErrRefused, ""},
		"another scheme": {ulx, "tcp://bench:1", "", board.ErrRefused, ""},
		"no host":        {ulx, "xvc://:1", "", board.ErrRefused, ""},
		"no such port":   {ulx, "xvc://bench:70000", "", board.ErrRefused, ""},
		"a path":         {ulx, "xvc://bench/1", "", board.ErrRefused, ""},
		"with a serial":  {ulx, "xvc://bench", "1", board.ErrRefused, ""},
		"by DFU":         {crab, "xvc://bench", "", board.ErrRefused, ""},
		"no JTAG":        {ice, "xvc://bench", "", board.ErrRefused, ""},
	} {
		o := flash.Options{Offset: -1, Cable: c.cable, Serial: c.serial, Force: true}
		plan, err := flash.Prepare([]byte("forced"), c.board, o)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v", name, err)
		}
		if got := strings.Join(flash.LoaderArgs(plan, o), "|"); err == nil && got != c.args {
			t.Errorf("%s: arguments %s", name, got)
		}
	}
}
