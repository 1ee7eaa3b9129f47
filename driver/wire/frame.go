// Package wire is the frame codec of the byte link: frames to bytes and back,
// without any input or output. docs/link.md, section 1, is its contract; package
// link has the protocol that the frames carry.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/kvaccel/kvaccel/driver/regmap"
)

// Direction says which of the two codings a frame has.
type Direction int

// The directions of a link.
const (
	ToDevice Direction = iota // distance first
	ToHost                    // distance last
)

// Delimiter ends a coded frame; no other byte of it has this value.
const Delimiter = 0

// MaxCoded is the most bytes between two delimiters of a whole frame.
const MaxCoded = regmap.LinkHeaderBytes + regmap.LinkMaxPayload + regmap.LinkCRCBytes + 1

// Frame is a frame's content. Payload may alias what it was decoded from.
type Frame struct {
	Type    uint8 // regmap.FrameHello ...
	Flags   uint8 // bits 7:4 of the first byte, where they stand there
	A, B    uint8
	Payload []byte // at most regmap.LinkMaxPayload bytes
}

// Has reports whether the flag at a bit position of the first byte is set.
func (f Frame) Has(flag int) bool { return f.Flags>>flag&1 != 0 }

// Resp is the AXI response of an ANSWER.
func (f Frame) Resp() uint8 { return f.Flags >> regmap.FrameFlagResp & 3 }

// ErrDamaged says that what stood between two delimiters is no whole frame.
var ErrDamaged = errors.New("damaged frame")

// Append appends the coded frame and its delimiter to dst. A payload that is too
// long is a programming error.
func (f Frame) Append(dst []byte, dir Direction) []byte {
	if len(f.Payload) > regmap.LinkMaxPayload {
		panic(fmt.Sprintf("wire: payload of %d bytes, a frame has at most %d", len(f.Payload), regmap.LinkMaxPayload))
	}
	var raw [MaxCoded]byte
	raw[0] = f.Type&0x0f | f.Flags&0xf0
	raw[1], raw[2], raw[3] = f.A, f.B, uint8(len(f.Payload))
	n := regmap.LinkHeaderBytes + copy(raw[regmap.LinkHeaderBytes:], f.Payload)
	binary.LittleEndian.PutUint32(raw[n:], crc32.ChecksumIEEE(raw[:n]))
	n += regmap.LinkCRCBytes
	return append(stuff(dst, raw[:n], dir), Delimiter)
}

// Decode reads the frame between two delimiters. It works in place: the bytes of
// coded are overwritten and the payload lies in them. What is no whole frame
// fails with ErrDamaged.
func Decode(coded []byte, dir Direction) (Frame, error) {
	if len(coded) > MaxCoded {
		return Frame{}, fmt.Errorf("%w: %d coded bytes, at most %d", ErrDamaged, len(coded), MaxCoded)
	}
	raw, ok := unstuff(coded, dir)
	if !ok {
		return Frame{}, fmt.Errorf("%w: its distances lead beyond it", ErrDamaged)
	}
	const least = regmap.LinkHeaderBytes + regmap.LinkCRCBytes
	if len(raw) < least || len(raw) != least+int(raw[3]) {
		return Frame{}, fmt.Errorf("%w: %d bytes, not what its length says", ErrDamaged, len(raw))
	}
	n := len(raw) - regmap.LinkCRCBytes
	if crc := crc32.ChecksumIEEE(raw[:n]); crc != binary.LittleEndian.Uint32(raw[n:]) {
		return Frame{}, fmt.Errorf("%w: CRC %08x, want %08x", ErrDamaged, binary.LittleEndian.Uint32(raw[n:]), crc)
	}
	return Frame{Type: raw[0] & 0x0f, Flags: raw[0] & 0xf0, A: raw[1], B: raw[2], Payload: raw[regmap.LinkHeaderBytes:n]}, nil
}
