//go:build cgo && usb

package usb

import "encoding/binary"

// The FT60x parts have a session pipe, on which the host asks for the data it will
// read.
const (
	ft60xSession = 0x01 // OUT endpoint of interface 0
	ft60xIn      = 0x82 // of interface 1
	ft60xOut     = 0x02
	ft60xRead    = 1
)

// ft60xAsk is the session request for the next n bytes of the IN pipe.
func ft60xAsk(sequence uint32, n int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, sequence)
	b = append(b, ft60xIn, ft60xRead, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	return append(b, make([]byte, 8)...)
}
