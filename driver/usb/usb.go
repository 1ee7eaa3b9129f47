// Package usb reaches an engine over USB: kvaccel's own bulk pair, FTDI's FT232H
// and FT2232H (synchronous FIFO or UART), FT232R and FT-X (UART), FT600 and FT601.
// It turns each into a pipe of bytes and lets package link speak over that.
//
// The parts that touch USB need cgo and libusb-1.0 and are built with the tag usb;
// without it Open says so. docs/usb.md has the details.
package usb

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/link"
)

// kind is how a part carries bytes.
type kind int

const (
	native kind = iota // a bulk pair, nothing else
	ftdi               // FTDI's part with two status bytes a packet
	ft60x              // FTDI's USB 3 FIFO with its session pipe
)

// part is a USB device that can carry the link.
type part struct {
	vendor, product uint16
	name            string
	kind            kind
	fifo            bool // of kind ftdi: has a synchronous FIFO
	ports           int  // of kind ftdi
	fast            bool // of kind ftdi: high speed, with the finer baud rates
}

var parts = []part{
	{0x1209, 0x5af0, "kvaccel", native, false, 1, false},
	{0x0403, 0x6014, "FT232H", ftdi, true, 1, true},
	{0x0403, 0x6010, "FT2232H", ftdi, true, 2, true},
	{0x0403, 0x6001, "FT232R", ftdi, false, 1, false},
	{0x0403, 0x6015, "FT-X", ftdi, false, 1, false},
	{0x0403, 0x601e, "FT600", ft60x, false, 1, false},
	{0x0403, 0x601f, "FT601", ft60x, false, 1, false},
}

func findPart(vendor, product uint16) (part, bool) {
	i := slices.IndexFunc(parts, func(p part) bool { return p.vendor == vendor && p.product == product })
	if i < 0 {
		return part{}, false
	}
	return parts[i], true
}

// options of a usb: URI.
type options struct {
	vendor, product uint16 // 0: any
	path            string // bus-port.port; empty: any
	serial          string
	size, depth     int
	uart            bool
	modeGiven       bool
	baud            int
	port            int // of a part with several: 0 is A
	latency         int // ms
	clockHz         float64
	waits           link.Waits
}

// mostInFlight is what transfers may take together: usbfs gives all devices of a
// system 16 MB unless told otherwise.
const mostInFlight = 8 << 20

func parse(u driver.URI) (options, error) {
	o := options{size: 64 << 10, depth: 8, baud: 3000000, latency: 1}
	if err := o.address(u.Address); err != nil {
		return o, err
	}
	number := func(dst *int, least, most, step int) func(string) error {
		return func(v string) error {
			n, err := strconv.Atoi(v)
			if err != nil || n < least || n > most || n%step != 0 {
				what := fmt.Sprintf("a number from %d to %d", least, most)
				if step > 1 {
					what = fmt.Sprintf("a multiple of %d from %d to %d", step, least, most)
				}
				return errors.New(what)
			}
			*dst = n
			return nil
		}
	}
	set := map[string]func(string) error{
		"serial":  func(v string) error { o.serial = v; return nil },
		"size":    number(&o.size, 1024, 1<<20, 1024),
		"depth":   number(&o.depth, 1, 64, 1),
		"baud":    number(&o.baud, 300, 12000000, 1),
		"latency": number(&o.latency, 1, 255, 1),
		"mode": func(v string) error {
			if v != "fifo" && v != "uart" {
				return errors.New("fifo or uart")
			}
			o.uart, o.modeGiven = v == "uart", true
			return nil
		},
		"port": func(v string) error {
			i := slices.Index([]string{"A", "B"}, strings.ToUpper(v))
			if i < 0 {
				return errors.New("port A or B")
			}
			o.port = i
			return nil
		},
		"clock": func(v string) error {
			f, err := strconv.ParseFloat(v, 64)
			if err != nil || !(f > 0 && f <= 1e12) {
				return errors.New("a frequency in Hz above 0 and up to 1e12")
			}
			o.clockHz = f
			return nil
		},
	}
	maps.Copy(set, o.waits.Set())
	for _, name := range slices.Sorted(maps.Keys(u.Options)) {
		f, ok := set[name]
		if !ok {
			return o, fmt.Errorf("%w: usb: has no %q; there are %s", driver.ErrOption, name, strings.Join(slices.Sorted(maps.Keys(set)), ", "))
		}
		if n := len(u.Options[name]); n != 1 {
			return o, fmt.Errorf("%w: %s is given %d times, want once", driver.ErrOption, name, n)
		}
		if err := f(u.Options.Get(name)); err != nil {
			return o, fmt.Errorf("%w: %s=%q, want %w", driver.ErrOption, name, u.Options.Get(name), err)
		}
	}
	if err := o.waits.Check(); err != nil {
		return o, err
	}
	if o.size*o.depth > mostInFlight {
		return o, fmt.Errorf("%w: size=%d times depth=%d is more than %d bytes in flight", driver.ErrOption, o.size, o.depth, mostInFlight)
	}
	return o, nil
}

// address reads VID:PID, @BUS-PORT.PORT or nothing.
func (o *options) address(a string) error {
	bad := fmt.Errorf("%w: usb:%s, want usb:, usb:VVVV:PPPP or usb:@BUS-PORT[.PORT...]", driver.ErrOption, a)
	if a == "" {
		return nil
	}
	if path, ok := strings.CutPrefix(a, "@"); ok {
		bus, ports, ok := strings.Cut(path, "-")
		for _, n := range append(strings.Split(ports, "."), bus) {
			if _, err := strconv.ParseUint(n, 10, 8); err != nil || !ok {
				return bad
			}
		}
		o.path = path
		return nil
	}
	v, p, ok := strings.Cut(a, ":")
	vendor, err1 := strconv.ParseUint(v, 16, 16)
	product, err2 := strconv.ParseUint(p, 16, 16)
	if !ok || err1 != nil || err2 != nil {
		return bad
	}
	o.vendor, o.product = uint16(vendor), uint16(product)
	if _, ok := findPart(o.vendor, o.product); !ok {
		var known []string
		for _, p := range parts {
			known = append(known, fmt.Sprintf("%04x:%04x (%s)", p.vendor, p.product, p.name))
		}
		return fmt.Errorf("%w: no driver for USB device %04x:%04x; there are %s", driver.ErrOption, vendor, product, strings.Join(known, ", "))
	}
	return nil
}

// fits holds the options against the part they are to be used on.
func (o *options) fits(p part) error {
	if p.kind != ftdi {
		if o.modeGiven || o.port != 0 {
			return fmt.Errorf("%w: mode and port are for FTDI's serial and FIFO parts, this is a %s", driver.ErrOption, p.name)
		}
		return nil
	}
	if !o.modeGiven {
		o.uart = !p.fifo
	}
	if !o.uart && (!p.fifo || o.port != 0) {
		return fmt.Errorf("%w: a synchronous FIFO is at port A of FT232H and FT2232H only, not at port %c of an %s; give mode=uart", driver.ErrOption, 'A'+rune(o.port), p.name)
	}
	if o.port >= p.ports {
		return fmt.Errorf("%w: an %s has no port B", driver.ErrOption, p.name)
	}
	return nil
}

// face is what an interface of a device says of itself.
type face struct {
	class, sub byte
	in, out    bool // has a bulk endpoint that way
}

// refusal is why a device with a part's IDs is not that part, by its interfaces; empty: it is. IDs
// are shared: OrangeCrab's boot loader has the same as kvaccel's own interface.
func refusal(faces []face) string {
	const vendorSpecific, application, dfu = 0xff, 0xfe, 1
	loader := false
	for _, f := range faces {
		if f.class == vendorSpecific && f.in && f.out {
			return ""
		}
		loader = loader || f.class == application && f.sub == dfu
	}
	if loader {
		return "it is in its boot loader, without a design: kvaccel flash writes one"
	}
	return "it has no interface of bytes both ways (class ff), so it is something else"
}

// found is a device on the bus.
type found struct {
	part
	bus, address int
	path         string // bus-port.port
	serial       string
	refusal      string // why it carries no link; empty: it may
}

func (f found) candidate() driver.Candidate {
	what := fmt.Sprintf("%s %04x:%04x at %s", f.name, f.vendor, f.product, f.path)
	if f.serial != "" {
		what += ", serial " + f.serial
	}
	if f.kind != native {
		what += " (may or may not carry an engine)"
	}
	return driver.Candidate{URI: "usb:@" + f.path, Description: what}
}

// choose gives the only device that the options allow. A device that says itself
// that it carries an engine goes before those that merely could.
func (o options) choose(all []found) (found, error) {
	var fit []found
	var refused []string
	for _, f := range all {
		if o.vendor != 0 && (f.vendor != o.vendor || f.product != o.product) || o.path != "" && f.path != o.path || o.serial != "" && f.serial != o.serial {
			continue
		}
		if f.refusal != "" {
			refused = append(refused, fmt.Sprintf("%04x:%04x at %s: %s", f.vendor, f.product, f.path, f.refusal))
			continue
		}
		fit = append(fit, f)
	}
	if own := slices.DeleteFunc(slices.Clone(fit), func(f found) bool { return f.kind != native }); len(own) > 0 {
		fit = own
	}
	var list []driver.Candidate
	for _, f := range fit {
		list = append(list, f.candidate())
	}
	c, err := driver.Choose(o.wanted(len(all)), list)
	if err != nil && len(fit) == 0 && len(refused) > 0 {
		return found{}, fmt.Errorf("%w; %s", err, strings.Join(refused, "; "))
	}
	if err != nil {
		return found{}, err
	}
	return fit[slices.IndexFunc(fit, func(f found) bool { return f.candidate() == c })], nil
}

func (o options) wanted(others int) string {
	s := "USB board"
	if o.vendor != 0 {
		s += fmt.Sprintf(" %04x:%04x", o.vendor, o.product)
	}
	if o.path != "" {
		s += " at " + o.path
	}
	if o.serial != "" {
		s += " with serial " + o.serial
	}
	if others > 0 {
		s += fmt.Sprintf(" (of %d that could be one)", others)
	}
	return s
}
