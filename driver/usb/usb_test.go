package usb

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
)

func options1(t testing.TB, uri string) (options, error) {
	t.Helper()
	u, err := driver.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	return parse(u)
}

func TestURI(t *testing.T) {
	o, err := options1(t, "usb:1209:5AF0?serial=7&size=131072&depth=16&clock=5e7")
	if err != nil || o.vendor != 0x1209 || o.product != 0x5af0 || o.serial != "7" || o.size != 131072 || o.depth != 16 || o.clockHz != 5e7 {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err := options1(t, "usb:@1-2.3"); err != nil || o.path != "1-2.3" || o.size != 65536 || o.depth != 8 {
		t.Errorf("%+v, %v", o, err)
	}
	for _, c := range []struct{ uri, says string }{
		{"usb:1209", "VVVV:PPPP"},
		{"usb:xyz:1", "VVVV:PPPP"},
		{"usb:@1", "BUS-PORT"},
		{"usb:@1-", "BUS-PORT"},
		{"usb:@1-2.x", "BUS-PORT"},
		{"usb:1234:5678", "1209:5af0 (kvaccel)"},
		{"usb:?sise=4", "size"},
		{"usb:?size=1000", "multiple of 1024"},
		{"usb:?depth=0", "1 to 64"},
		{"usb:?size=1048576&depth=64", "in flight"},
		{"usb:?mode=spi", "fifo or uart"},
		{"usb:?port=C", "A or B"},
		{"usb:?serial=1&serial=2", "once"},
		{"usb:?clock=-1", "frequency"},
		{"usb:?retry=50", "1ms to 1m0s"},
		{"usb:?patience=2h", "100ms to 1h0m0s"},
		{"usb:?retry=1s&patience=1s", "less than twice"},
	} {
		if _, err := options1(t, c.uri); !errors.Is(err, driver.ErrOption) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.uri, err, c.says)
		}
	}
}

func TestChoose(t *testing.T) {
	own, _ := findPart(0x1209, 0x5af0)
	chip, _ := findPart(0x0403, 0x6014)
	all := []found{
		{chip, 1, 4, "1-1", "FT1", ""},
		{own, 1, 5, "1-2.1", "A1", ""},
		{own, 1, 6, "1-2.2", "B2", ""},
		{chip, 2, 2, "2-1", "", ""},
	}
	loader := found{own, 1, 7, "1-3", "C3", refusal([]face{{class: 0xfe, sub: 1}})}
	for _, c := range []struct {
		uri  string
		all  []found
		path string
		want error
		says []string
	}{
		{"usb:?serial=B2", all, "1-2.2", nil, nil},
		{"usb:@1-2.1", all, "1-2.1", nil, nil},
		{"usb:@2-1", all, "2-1", nil, nil},
		{"usb:", all[:2], "1-2.1", nil, nil}, // says itself that it is one
		{"usb:", all[:1], "1-1", nil, nil},
		{"usb:", all, "", driver.ErrAmbiguous, []string{"usb:@1-2.1", "usb:@1-2.2", "serial B2"}},
		{"usb:0403:6014", all, "", driver.ErrAmbiguous, []string{"usb:@1-1", "usb:@2-1"}},
		{"usb:?serial=none", all, "", driver.ErrNotFound, []string{"serial none", "of 4"}},
		{"usb:", nil, "", driver.ErrNotFound, nil},
		{"usb:", []found{loader}, "", driver.ErrNotFound, []string{"1-3", "boot loader", "kvaccel flash"}},
		{"usb:", []found{loader, all[1]}, "1-2.1", nil, nil},
		{"usb:", []found{loader, all[0]}, "1-1", nil, nil},
	} {
		o, err := options1(t, c.uri)
		if err != nil {
			t.Fatal(err)
		}
		f, err := o.choose(c.all)
		if f.path != c.path || !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v; want %s, %v", c.uri, f, err, c.path, c.want)
		}
		for _, s := range c.says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%s: no %q in %v", c.uri, s, err)
			}
		}
	}
}

func TestFits(t *testing.T) {
	for _, c := range []struct {
		uri             string
		vendor, product uint16
		uart, ok        bool
	}{
		{"usb:", 0x1209, 0x5af0, false, true},
		{"usb:?mode=uart", 0x1209, 0x5af0, true, false},
		{"usb:", 0x0403, 0x6014, false, true},
		{"usb:?mode=uart", 0x0403, 0x6014, true, true},
		{"usb:", 0x0403, 0x6001, true, true},
		{"usb:?mode=fifo", 0x0403, 0x6001, false, false},
		{"usb:?mode=uart&port=B", 0x0403, 0x6010, true, true},
		{"usb:?port=B", 0x0403, 0x6010, false, false},
		{"usb:?mode=uart&port=B", 0x0403, 0x6014, true, false},
		{"usb:?mode=fifo", 0x0403, 0x601f, false, false},
		{"usb:", 0x0403, 0x601e, false, true},
	} {
		o, err := options1(t, c.uri)
		if err != nil {
			t.Fatal(err)
		}
		p, ok := findPart(c.vendor, c.product)
		if !ok {
			t.Fatalf("%04x:%04x is no part", c.vendor, c.product)
		}
		if err := o.fits(p); (err == nil) != c.ok || err != nil && !errors.Is(err, driver.ErrOption) || o.uart != c.uart {
			t.Errorf("%s on %s: %v, uart %v", c.uri, p.name, err, o.uart)
		}
	}
}

// Baud rates as FTDI's application note AN120 codes them, and the rest near what is
// asked for.
func TestBaud(t *testing.T) {
	for _, c := range []struct {
		baud         int
		fast         bool
		value, index uint16
	}{
		{3000000, false, 0, 0}, {2000000, false, 1, 0}, {1500000, false, 2, 0}, {115200, false, 0x001a, 0}, {9600, false, 0x4138, 0},
		{921600, false, 0x8003, 0}, {12000000, true, 0, 2}, {3000000, true, 4, 2}, {115200, true, 0xc068, 2},
	} {
		v, i, err := ftdiBaud(c.baud, c.fast)
		if err != nil || v != c.value || i != c.index {
			t.Errorf("%d baud: %#x, %#x, %v; want %#x, %#x", c.baud, v, i, err, c.value, c.index)
		}
	}
	for _, b := range []int{7000000, 5000000} {
		if _, _, err := ftdiBaud(b, false); !errors.Is(err, driver.ErrOption) {
			t.Errorf("%d baud: %v", b, err)
		}
	}
	fractions := [8]float64{0, 0.5, 0.25, 0.125, 0.375, 0.625, 0.75, 0.875}
	for baud := 1200; baud < 1000000; baud += 1 + baud/37 {
		v, i, err := ftdiBaud(baud, true)
		if err != nil {
			t.Fatalf("%d baud: %v", baud, err)
		}
		real := 12e6 / (float64(v&0x3fff) + fractions[v>>14|(i&1)<<2])
		if math.Abs(real/float64(baud)-1) > 0.03 {
			t.Errorf("%d baud: %#x, %#x is %.0f", baud, v, i, real)
		}
	}
}

func TestSetup(t *testing.T) {
	find := func(list []request, r uint8, value uint16) int {
		for i, q := range list {
			if q.request == r && q.value == value {
				return i
			}
		}
		return -1
	}
	chip, _ := findPart(0x0403, 0x6014)
	list, err := ftdiSetup(chip, options{latency: 2})
	if err != nil {
		t.Fatal(err)
	}
	order := []int{find(list, ftdiReset, 0), find(list, ftdiBitMode, 0x00ff), find(list, ftdiLatency, 2), find(list, ftdiBitMode, 0x40ff), find(list, ftdiReset, 1), find(list, ftdiReset, 2)}
	for i := range order {
		if order[i] < 0 || i > 0 && order[i] < order[i-1] {
			t.Fatalf("steps %v of %+v", order, list)
		}
	}
	dual, _ := findPart(0x0403, 0x6010)
	list, err = ftdiSetup(dual, options{latency: 1, uart: true, port: 1, baud: 3000000})
	if err != nil || find(list, ftdiBitMode, 0x40ff) >= 0 || find(list, ftdiSetBaud, 4) < 0 {
		t.Errorf("%+v, %v", list, err)
	}
	for _, r := range list {
		if r.index&0xff != 2 {
			t.Errorf("%+v is not for port B", r)
		}
	}
}

func TestStrip(t *testing.T) {
	const packet = 8
	for _, c := range []struct{ transfer, want string }{
		{"", ""},
		{"3160", ""},
		{"31600102", "0102"},
		{"3160010203040506" + "316007", "01020304050607"},
		{"3160010203040506" + "3160" + "", "010203040506"},
		{"3160010203040506" + "3160111213141516" + "31", "010203040506111213141516"},
	} {
		b, err := hex.DecodeString(c.transfer)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(strip(bytes.Clone(b), packet)); got != c.want {
			t.Errorf("%s: %s, want %s", c.transfer, got, c.want)
		}
	}
}

// Without a board, or without USB in the build, the error says what to do.
func TestOpenWithoutBoard(t *testing.T) {
	u, err := driver.ParseURI("usb:?serial=a-serial-that-no-board-has")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), u)
	switch {
	case Built && !errors.Is(err, driver.ErrNotFound) && !errors.Is(err, driver.ErrAccess):
		t.Errorf("no such board: %v", err)
	case !Built && (!errors.Is(err, driver.ErrUnsupported) || !strings.Contains(err.Error(), "libusb-1.0-0-dev")):
		t.Errorf("no USB in this build: %v", err)
	}
}

func TestRefusal(t *testing.T) {
	link, runtime, loader := face{0xff, 0, true, true}, face{0xfe, 1, false, false}, face{0xfe, 1, false, false}
	for _, c := range []struct {
		faces []face
		says  string
	}{
		{[]face{link}, ""},
		{[]face{runtime, link}, ""}, // a design that can be left
		{[]face{loader}, "boot loader"},
		{[]face{{0xff, 0, true, false}}, "no interface of bytes"},
		{[]face{{0x08, 6, true, true}}, "something else"}, // a memory stick
		{nil, "no interface of bytes"},
	} {
		if got := refusal(c.faces); (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
			t.Errorf("%v: %q, want %q", c.faces, got, c.says)
		}
	}
}
