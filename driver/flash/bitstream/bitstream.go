// Package bitstream reads FPGA configuration files as far as it takes to know what
// a file is for and that it is whole: ECP5, iCE40 and Xilinx 7 series. It
// configures nothing.
package bitstream

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrInvalid is wrapped by every error about a file that is no whole bitstream.
var ErrInvalid = errors.New("not a usable bitstream")

// Format is a family's file format.
type Format string

// The formats.
const (
	ECP5   Format = "ecp5"
	ICE40  Format = "ice40"
	Xilinx Format = "xilinx"
)

// Bitstream is what a file says of itself.
type Bitstream struct {
	Format   Format
	Part     string // as vendors name it; of iCE40 the die, which is all there is
	IDCODE   uint32 // what the part answers over JTAG; 0: not in this format
	UserCode uint32 // ECP5: what the builder put in
	Design   string // Xilinx: name of the design
	Comments []string
	Checked  bool // a CRC covers the content, and is right
}

// formats by what a file begins with, after comments.
var formats = []struct {
	is    func([]byte) bool
	parse func([]byte) (Bitstream, error)
}{
	{isXilinx, parseXilinx},
	{isECP5, parseECP5},
	{isICE40, parseICE40},
}

// Parse reads a file. It fails with ErrInvalid for one that is cut short,
// damaged, or of no format it knows.
func Parse(file []byte) (Bitstream, error) {
	for _, f := range formats {
		if f.is(file) {
			return f.parse(file)
		}
	}
	what := "it begins with no preamble of ECP5 (BD B3), iCE40 (7E AA 99 7E) or Xilinx (.bit header)"
	switch {
	case len(file) == 0:
		what = "it is empty"
	case bytes.HasPrefix(file, []byte(".comment")), bytes.HasPrefix(file, []byte(".device")):
		what = "it is text (.asc or .config): icepack or ecppack make a bitstream of it"
	case bytes.HasPrefix(file, []byte("\x7fELF")):
		what = "it is a program"
	}
	return Bitstream{}, fmt.Errorf("%w: %s", ErrInvalid, what)
}

// invalid makes an error that names the place.
func invalid(format Format, at int, what string, args ...any) error {
	return fmt.Errorf("%w: %s, at byte %#x: %s", ErrInvalid, format, at, fmt.Sprintf(what, args...))
}

// comments reads the strings in front of a preamble: FF 00, strings that end
// with 00, then FF or 00 FF. rest is where they end.
func comments(file []byte) (all []string, rest int) {
	if !bytes.HasPrefix(file, []byte{0xff, 0x00}) {
		return nil, 0
	}
	for at := 2; at < len(file); {
		if file[at] == 0xff || file[at] == 0 {
			return all, at
		}
		n := bytes.IndexByte(file[at:], 0)
		if n < 0 || n > 4096 {
			return nil, 0
		}
		all = append(all, string(file[at:at+n]))
		at += n + 1
	}
	return all, len(file)
}
