package bitstream

import (
	"bytes"
	"encoding/binary"
)

// ECP5 configuration commands, of Lattice's technical note TN1260 (FPGA-TN-02039).
const (
	ecp5Dummy      = 0xff
	ecp5ResetCRC   = 0x3b
	ecp5VerifyID   = 0xe2
	ecp5Control0   = 0x22
	ecp5InitAddr   = 0x46
	ecp5WriteAddr  = 0xb4
	ecp5Frames     = 0x82
	ecp5Packed     = 0xb8
	ecp5Dictionary = 0x02
	ecp5UserCode   = 0xc2
	ecp5EBRAddr    = 0xf6
	ecp5EBRWrite   = 0xb2
	ecp5SPIMode    = 0x79
	ecp5Jump       = 0x7e
	ecp5Security   = 0xce
	ecp5Done       = 0x5e
)

// ecp5Part is a device: bytes of a frame and how many there are.
type ecp5Part struct {
	name          string
	bytes, frames int
}

var ecp5Parts = map[uint32]ecp5Part{
	0x21111043: {"LFE5U-12F", 74, 7562}, 0x41111043: {"LFE5U-25F", 74, 7562}, 0x41112043: {"LFE5U-45F", 106, 9470}, 0x41113043: {"LFE5U-85F", 142, 13294},
	0x01111043: {"LFE5UM-25F", 74, 7562}, 0x01112043: {"LFE5UM-45F", 106, 9470}, 0x01113043: {"LFE5UM-85F", 142, 13294},
	0x81111043: {"LFE5UM5G-25F", 74, 7562}, 0x81112043: {"LFE5UM5G-45F", 106, 9470}, 0x81113043: {"LFE5UM5G-85F", 142, 13294},
}

// ecp5Preamble comes after the comments and any number of FF.
var ecp5Preamble = []byte{0xff, 0xff, 0xbd, 0xb3}

func isECP5(file []byte) bool {
	_, at := comments(file)
	head := file[at:min(len(file), at+64)]
	i := bytes.Index(head, ecp5Preamble)
	return i >= 0 && len(bytes.TrimLeft(head[:i], "\x00\xff")) == 0
}

// ecp5Reader walks the commands and keeps the CRC.
type ecp5Reader struct {
	file []byte
	at   int
	crc  uint16
	err  error
}

func (r *ecp5Reader) fail(what string, args ...any) {
	if r.err == nil {
		r.err = invalid(ECP5, r.at, what, args...)
	}
}

func (r *ecp5Reader) take(n int) []byte {
	if r.err != nil || n > len(r.file)-r.at {
		r.fail("the file ends here: it is cut short")
		return make([]byte, n)
	}
	b := r.file[r.at : r.at+n]
	r.at += n
	for _, v := range b {
		r.crc = crc16(r.crc, v)
	}
	return b
}

// crc16 is the CRC of polynomial 8005, most significant bit first.
func crc16(crc uint16, b byte) uint16 {
	for i := 7; i >= 0; i-- {
		top := crc&0x8000 != 0
		crc = crc<<1 | uint16(b>>i&1)
		if top {
			crc ^= 0x8005
		}
	}
	return crc
}

func (r *ecp5Reader) checkCRC() {
	want := crc16(crc16(r.crc, 0), 0)
	got := binary.BigEndian.Uint16(r.take(2))
	if r.err == nil && got != want {
		r.fail("CRC %04x, the content has %04x: the file is damaged", got, want)
	}
	r.crc = 0
}

func parseECP5(file []byte) (Bitstream, error) {
	b := Bitstream{Format: ECP5}
	var at int
	b.Comments, at = comments(file)
	r := &ecp5Reader{file: file, at: at + bytes.Index(file[at:], ecp5Preamble) + len(ecp5Preamble)}
	for r.err == nil {
		switch op := r.take(1)[0]; op {
		case ecp5Dummy:
		case ecp5ResetCRC:
			r.take(3)
			r.crc = 0
		case ecp5VerifyID:
			r.take(3)
			b.IDCODE = binary.BigEndian.Uint32(r.take(4))
			p, ok := ecp5Parts[b.IDCODE]
			if !ok {
				r.fail("it is for a part with IDCODE %#08x, which is no ECP5 known here", b.IDCODE)
			}
			b.Part = p.name
		case ecp5Control0, ecp5WriteAddr, ecp5EBRAddr:
			r.take(7)
		case ecp5InitAddr, ecp5SPIMode, ecp5Jump, ecp5Security:
			r.argument(op)
		case ecp5Dictionary:
			r.take(3 + 8)
		case ecp5Frames:
			r.frames(b, &b.Checked)
		case ecp5Packed:
			r.packed()
		case ecp5EBRWrite:
			r.memory()
		case ecp5UserCode:
			check := r.take(3)[0]&0x80 != 0
			b.UserCode = binary.BigEndian.Uint32(r.take(4))
			r.skipCRC(check)
		case ecp5Done:
			r.take(3)
			if r.err == nil && b.IDCODE == 0 {
				r.fail("it names no part (no VERIFY_ID command): it could be for any")
			}
			if rest := bytes.Trim(file[r.at:], "\x00\xff"); r.err == nil && len(rest) > 0 {
				r.fail("%d bytes after the end of the configuration", len(file)-r.at)
			}
			return b, r.err
		default:
			r.fail("no command %#02x", op)
		}
	}
	return Bitstream{}, r.err
}

// argument skips what follows the commands of no interest here.
func (r *ecp5Reader) argument(op byte) {
	r.take(3)
	if op == ecp5Jump {
		r.take(4)
	}
}

// frames reads the configuration frames, each with its CRC and padding.
func (r *ecp5Reader) frames(b Bitstream, checked *bool) {
	p := r.take(3)
	n, pad := int(binary.BigEndian.Uint16(p[1:])), int(p[0]&0x0f)
	part, ok := ecp5Parts[b.IDCODE]
	if !ok || n != part.frames {
		r.fail("%d frames for part %q, want %d", n, b.Part, part.frames)
	}
	for i := 0; i < n && r.err == nil; i++ {
		r.take(part.bytes)
		if p[0]&0x80 != 0 {
			r.checkCRC()
			*checked = r.err == nil
		}
		r.take(pad)
	}
}

// memory reads the content of block RAMs: frames of 72 bits.
func (r *ecp5Reader) memory() {
	p := r.take(3)
	r.take(9 * int(binary.BigEndian.Uint16(p[1:])))
	r.skipCRC(p[0]&0x80 != 0)
	r.take(int(p[0] & 0x0f))
}

// skipCRC passes over a CRC behind block RAMs or the user code.
func (r *ecp5Reader) skipCRC(there bool) {
	if there {
		r.take(2)
	}
}

// packed passes over compressed frames, whose length nothing tells: the
// configuration goes on with the user code, if there is one, and ends with DONE.
func (r *ecp5Reader) packed() {
	r.take(3)
	end := len(bytes.TrimRight(r.file, "\xff"))
	done := []byte{ecp5Done, 0, 0, 0}
	if end-len(done) < r.at || !bytes.Equal(r.file[end-len(done):end], done) {
		r.fail("its compressed frames do not end with DONE: it is cut short")
		return
	}
	// Behind the frames and their fill stands the user code, then come block RAMs.
	code := []byte{0xff, 0xff, 0xff, 0xff, ecp5UserCode, 0x80, 0, 0}
	if u := bytes.LastIndex(r.file[r.at:end-len(done)], code); u >= 0 {
		r.at += u + 4
		return
	}
	r.at = end - len(done)
	if u := r.at - 10; u >= 0 && r.file[u] == ecp5UserCode && r.file[u+1] == 0x80 {
		r.at = u
	}
}
