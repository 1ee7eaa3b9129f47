// Package board is the table of boards that kvaccel has a design for: what they
// are made of, how they are reached, what of their memory is not to be touched, and how to
// get out of trouble. Facts are from the boards' published schematics, constraint files and boot loaders.
package board

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kvaccel/kvaccel/driver/flash/bitstream"
)

// ErrUnknown is a board that is not in the table.
var ErrUnknown = errors.New("no such board")

// Kind is a way to program a board.
type Kind string

// The ways.
const (
	DFU    Kind = "dfu"            // USB DFU 1.1, spoken by this program
	Loader Kind = "openfpgaloader" // JTAG or SPI through openFPGALoader
)

// Method is a way to program a board, with what it takes.
type Method struct {
	Kind Kind

	// DFU: the boot loader's USB IDs, the flash address that DFU's address 0 is, and how much
	// there is behind it.
	Vendor, Product uint16
	Alternate       byte
	Base, Size      int64

	// Loader: openFPGALoader's name of the board.
	Name string
	SRAM bool // can configure the part without touching the flash
}

// Region is a part of the flash, From to To exclusive.
type Region struct {
	From, To int64
	What     string
}

// Board is a board.
type Board struct {
	Name, Title string
	Format      bitstream.Format
	Parts       []string // that files for it may name
	IDCODE      uint32   // JTAG; 0: its files carry none
	FlashBytes  int64
	Reserved    []Region // boot loaders
	Offset      int64    // of the design in the flash
	Methods     []Method // the first is the usual one
	Recover     string   // how to get a board back that does not answer any more
}

const mega = 1 << 20

// Boards is the table, by name.
var Boards = []Board{
	{
		Name: "icebreaker", Title: "1BitSquared iCEBreaker", Format: bitstream.ICE40, Parts: []string{"iCE40UP5K/U4K"}, FlashBytes: 16 * mega,
		Methods: []Method{{Kind: Loader, Name: "ice40_generic"}},
		Recover: `The FT2232H programs the flash directly, whatever is in it: flash a good bitstream again with --to flash.
If the flash does not answer, hold the board's reset button (it keeps the iCE40 off the flash) while flashing.`,
	},
	{
		Name: "orangecrab-25f", Title: "OrangeCrab r0.2 with ECP5-25F", Format: bitstream.ECP5, Parts: []string{"LFE5U-25F"}, IDCODE: 0x41111043, FlashBytes: 16 * mega,
		Reserved: []Region{{0, 0x80000, "the DFU boot loader"}}, Offset: 0x80000,
		Methods: []Method{{Kind: DFU, Vendor: 0x1209, Product: 0x5af0, Base: 0x80000, Size: 16*mega - 0x80000}},
		Recover: `Hold the button (btn0) while plugging in the USB cable: the boot loader starts whatever the design does, and
kvaccel flash or dfu-util can write again. If the boot loader itself is gone, it has to be written over JTAG (pads on the underside).`,
	},
	{
		Name: "ulx3s-85f", Title: "Radiona ULX3S with ECP5-85F", Format: bitstream.ECP5, Parts: []string{"LFE5U-85F"}, IDCODE: 0x41113043, FlashBytes: 16 * mega,
		Methods: []Method{{Kind: Loader, Name: "ulx3s", SRAM: true}, {Kind: DFU, Vendor: 0x1d50, Product: 0x614b, Base: 0x200000, Size: 14 * mega}},
		Recover: `JTAG through the FT231X (connector US1) works whatever is in the flash: --to sram gets a design running, --to flash
replaces what is stored. With the DFU boot loader installed, hold BTN1 while plugging in US2 to stay in it.`,
	},
}

// Lookup finds a board by name.
func Lookup(name string) (Board, error) {
	var names []string
	for _, b := range Boards {
		if b.Name == name {
			return b, nil
		}
		names = append(names, b.Name)
	}
	return Board{}, fmt.Errorf("%w: %q; there are %s", ErrUnknown, name, strings.Join(names, ", "))
}

// ErrRefused is a file or place that the board must not get.
var ErrRefused = errors.New("refused")

// CheckPart fails with ErrRefused if a bitstream is for another part.
func (b Board) CheckPart(s bitstream.Bitstream) error {
	if s.Format != b.Format {
		return fmt.Errorf("%w: the bitstream is for %s parts (%s), %s has %s", ErrRefused, s.Format, s.Part, b.Name, strings.Join(b.Parts, " or "))
	}
	if s.IDCODE&0x0fffffff != b.IDCODE&0x0fffffff || s.Format == bitstream.ECP5 && s.IDCODE != b.IDCODE {
		return fmt.Errorf("%w: the bitstream is for %s (IDCODE %#08x), %s has %s (IDCODE %#08x)", ErrRefused, s.Part, s.IDCODE, b.Name, strings.Join(b.Parts, " or "), b.IDCODE)
	}
	for _, p := range b.Parts {
		if strings.HasPrefix(s.Part, p) {
			return nil
		}
	}
	return fmt.Errorf("%w: the bitstream is for %s, %s has %s", ErrRefused, s.Part, b.Name, strings.Join(b.Parts, " or "))
}

// CheckPlace fails with ErrRefused if n bytes at an address of the flash leave it
// or touch what is reserved.
func (b Board) CheckPlace(at, n int64) error {
	if at < 0 || n < 0 || at > b.FlashBytes-n {
		return fmt.Errorf("%w: %d bytes at %#x do not fit the flash of %s, %d bytes", ErrRefused, n, at, b.Name, b.FlashBytes)
	}
	for _, r := range b.Reserved {
		if at < r.To && at+n > r.From {
			return fmt.Errorf("%w: %#x to %#x would overwrite %s at %#x to %#x; designs go to %#x", ErrRefused, at, at+n, r.What, r.From, r.To, b.Offset)
		}
	}
	return nil
}

// Method finds a way to program the board; "" is the usual one.
func (b Board) Method(kind Kind) (Method, error) {
	var have []string
	for _, m := range b.Methods {
		if kind == "" || m.Kind == kind {
			return m, nil
		}
		have = append(have, string(m.Kind))
	}
	return Method{}, fmt.Errorf("%w: %s is not programmed by %s, but by %s", ErrUnknown, b.Name, kind, strings.Join(have, " or "))
}
