package bitstream

import (
	"bytes"
	"encoding/binary"
)

// ice40Preamble starts the commands, of Lattice's technical note TN1248 as far as
// published and Project IceStorm's description of the rest.
var ice40Preamble = []byte{0x7e, 0xaa, 0x99, 0x7e}

// ice40Dies by the width and height of a configuration bank. These are dies: the UP5K is
// one with 692 columns and 336 rows.
var ice40Dies = map[[2]int]string{
	{182, 80}: "iCE40LP384", {332, 144}: "iCE40LP1K/HX1K", {872, 272}: "iCE40LP8K/HX8K", {692, 336}: "iCE40UP5K/U4K", {656, 176}: "iCE5LP4K",
}

// Commands of opcode 0.
const (
	iceCRAM     = 1
	iceBRAM     = 3
	iceResetCRC = 5
	iceWakeUp   = 6
	iceReboot   = 8
)

func isICE40(file []byte) bool {
	_, at := comments(file)
	head := file[at:min(len(file), at+16)]
	i := bytes.Index(head, ice40Preamble)
	return i >= 0 && len(bytes.TrimLeft(head[:i], "\x00\xff")) == 0
}

// iceReader walks the commands and keeps the CRC and the bank's shape.
type iceReader struct {
	file          []byte
	at            int
	crc           uint16
	width, height int
	cram          [2]int // the shape of the CRAM banks
	banks, bank   int    // banks seen, as bits
	checked       bool
	err           error
}

func (r *iceReader) fail(what string, args ...any) {
	if r.err == nil {
		r.err = invalid(ICE40, r.at, what, args...)
	}
}

func (r *iceReader) take(n int) []byte {
	if r.err != nil || n > len(r.file)-r.at {
		r.fail("the file ends here: it is cut short")
		return make([]byte, n)
	}
	b := r.file[r.at : r.at+n]
	r.at += n
	for _, v := range b {
		r.crc ^= uint16(v) << 8
		for range 8 { // CRC-CCITT
			top := r.crc&0x8000 != 0
			r.crc <<= 1
			if top {
				r.crc ^= 0x1021
			}
		}
	}
	return b
}

func parseICE40(file []byte) (Bitstream, error) {
	b := Bitstream{Format: ICE40}
	var at int
	b.Comments, at = comments(file)
	r := &iceReader{file: file, at: at + bytes.Index(file[at:], ice40Preamble) + len(ice40Preamble)}
	for r.err == nil {
		head := r.take(1)[0]
		n := int(head & 0x0f)
		if n > 4 {
			r.fail("a command %#02x with %d bytes, at most 4", head, n)
			break
		}
		arg := uint32(0)
		for _, v := range r.take(n) {
			arg = arg<<8 | uint32(v)
		}
		switch head >> 4 {
		case 0:
			if r.command(arg) {
				return r.end(b)
			}
		case 1:
			r.bank = int(arg)
		case 2:
			r.check(arg)
		case 6:
			r.width = int(arg) + 1
		case 7:
			r.height = int(arg)
		case 4, 5, 8, 9: // boot address, oscillator, bank offset, options
		default:
			r.fail("no command %#02x", head)
		}
	}
	return Bitstream{}, r.err
}

// command carries out one of opcode 0; it is true for the last one.
func (r *iceReader) command(arg uint32) bool {
	switch arg {
	case iceCRAM, iceBRAM:
		if arg == iceCRAM {
			r.cram = [2]int{r.width, max(r.cram[1], r.height)} // banks of the UP5K differ
			r.banks |= 1 << (r.bank & 7)
		}
		r.take(r.width * r.height / 8)
		if z := r.take(2); r.err == nil && binary.BigEndian.Uint16(z) != 0 {
			r.fail("no zeros after the data of bank %d", r.bank)
		}
	case iceResetCRC:
		r.crc = 0xffff
	case iceWakeUp:
		return true
	case iceReboot:
		r.fail("a warm-boot header, not a design: flash the images it leads to by themselves")
	default:
		r.fail("no command 0 %d", arg)
	}
	return false
}

// check compares the CRC: over everything with the CRC itself it is 0.
func (r *iceReader) check(arg uint32) {
	if r.err == nil && r.crc != 0 {
		r.fail("CRC %04x does not fit the content: the file is damaged", arg)
	}
	r.checked = r.err == nil
}

func (r *iceReader) end(b Bitstream) (Bitstream, error) {
	die, ok := ice40Dies[r.cram]
	switch {
	case r.err != nil:
	case !ok:
		r.fail("banks of %d columns and %d rows, which no iCE40 has", r.cram[0], r.cram[1])
	case r.banks != 0xf:
		r.fail("configuration of banks %04b, want all four", r.banks)
	case len(bytes.Trim(r.file[r.at:], "\x00\xff")) > 0:
		r.fail("%d bytes after the end of the configuration", len(r.file)-r.at)
	}
	if r.err != nil {
		return Bitstream{}, r.err
	}
	b.Part, b.Checked = die, r.checked
	return b, nil
}
