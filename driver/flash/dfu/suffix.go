package dfu

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// suffixBytes is the length of the suffix of appendix B.
const suffixBytes = 16

// Any stands for every vendor or product in a suffix.
const Any = 0xffff

// Suffix says what a DFU file is for.
type Suffix struct {
	Vendor, Product uint16
}

// Matches reports whether the file is for a device with these IDs.
func (s Suffix) Matches(vendor, product uint16) bool {
	return (s.Vendor == Any || s.Vendor == vendor) && (s.Product == Any || s.Product == product)
}

// SplitSuffix takes the suffix off a file, if it has one (ok).
func SplitSuffix(file []byte) (image []byte, s Suffix, ok bool, err error) {
	all := Suffix{Any, Any}
	if len(file) < suffixBytes {
		return file, all, false, nil
	}
	b := file[len(file)-suffixBytes:]
	if string(b[8:11]) != "UFD" {
		return file, all, false, nil
	}
	n := int(b[11])
	if n < suffixBytes || n > len(file) {
		return nil, all, true, fmt.Errorf("%w: a DFU suffix of %d bytes in a file of %d", ErrProtocol, n, len(file))
	}
	// the CRC is that of zlib without the final inversion
	if want, got := binary.LittleEndian.Uint32(b[12:]), ^crc32.ChecksumIEEE(file[:len(file)-4]); got != want {
		return nil, all, true, fmt.Errorf("%w: the DFU suffix has CRC %08x, the file %08x: it is damaged", ErrProtocol, want, got)
	}
	return file[:len(file)-n], Suffix{Vendor: binary.LittleEndian.Uint16(b[4:]), Product: binary.LittleEndian.Uint16(b[2:])}, true, nil
}

// AppendSuffix makes a DFU file of an image.
func AppendSuffix(image []byte, s Suffix) []byte {
	f := append([]byte{}, image...)
	for _, v := range []uint16{0xffff, s.Product, s.Vendor, 0x0100} {
		f = binary.LittleEndian.AppendUint16(f, v)
	}
	f = append(f, 'U', 'F', 'D', suffixBytes)
	return binary.LittleEndian.AppendUint32(f, ^crc32.ChecksumIEEE(f))
}
