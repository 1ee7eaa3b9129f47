package bitstream

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// xilinxHeader starts a .bit file: a field of nine bytes, then the length 1 of the key "a".
var xilinxHeader = []byte{0x00, 0x09, 0x0f, 0xf0, 0x0f, 0xf0, 0x0f, 0xf0, 0x0f, 0xf0, 0x00, 0x00, 0x01}

// xilinxSync is the word after which a 7-series part listens.
var xilinxSync = []byte{0xaa, 0x99, 0x55, 0x66}

// xilinxIDs are JTAG IDCODEs without the revision in the top four bits, by what the part's name begins with.
var xilinxIDs = []struct {
	prefix string
	id     uint32
}{
	{"7a15t", 0x0362e093}, {"7a35t", 0x0362d093}, {"7a50t", 0x0362c093}, {"7a75t", 0x03632093}, {"7a100t", 0x03631093}, {"7a200t", 0x03636093},
}

func isXilinx(file []byte) bool { return bytes.HasPrefix(file, xilinxHeader) }

func parseXilinx(file []byte) (Bitstream, error) {
	b := Bitstream{Format: Xilinx}
	at := len(xilinxHeader)
	for _, key := range []byte("abcd") {
		if at >= len(file) || file[at] != key {
			return Bitstream{}, invalid(Xilinx, at, "want field %q of the header", string(key))
		}
		if at+3 > len(file) || at+3+int(binary.BigEndian.Uint16(file[at+1:])) > len(file) {
			return Bitstream{}, invalid(Xilinx, at, "the file ends in its header: it is cut short")
		}
		n := int(binary.BigEndian.Uint16(file[at+1:]))
		value := strings.TrimRight(string(file[at+3:at+3+n]), "\x00")
		at += 3 + n
		switch key {
		case 'a':
			b.Design, _, _ = strings.Cut(value, ";")
			b.Comments = []string{value}
		case 'b':
			b.Part = value
		}
	}
	if at+5 > len(file) || file[at] != 'e' {
		return Bitstream{}, invalid(Xilinx, at, "want field \"e\", the data")
	}
	n := int64(binary.BigEndian.Uint32(file[at+1:]))
	data := file[at+5:]
	switch {
	case n > int64(len(data)):
		return Bitstream{}, invalid(Xilinx, at, "%d bytes of data, the header says %d: it is cut short", len(data), n)
	case n < int64(len(data)):
		return Bitstream{}, invalid(Xilinx, at, "%d bytes of data, the header says %d", len(data), n)
	case !bytes.Contains(data[:min(len(data), 4096)], xilinxSync):
		return Bitstream{}, invalid(Xilinx, at, "no sync word AA 99 55 66 in its data")
	}
	for _, p := range xilinxIDs {
		if strings.HasPrefix(b.Part, p.prefix) {
			b.IDCODE = p.id
		}
	}
	return b, nil
}
