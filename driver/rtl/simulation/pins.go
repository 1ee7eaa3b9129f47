package simulation

import (
	"context"
	"encoding/binary"
	"fmt"
)

// Bits of PinsIn.Flags. Bits 15:12 are wstrb.
const (
	InReset = 1 << iota
	InSValid
	InSLast
	InMReady
	InAWValid
	InWValid
	InBReady
	InARValid
	InRReady
	InStrobeShift = 12
)

// Bits of PinsOut.Flags. Bits 13:12 are bresp, 15:14 rresp.
const (
	OutSReady = 1 << iota
	OutMValid
	OutMLast
	OutAWReady
	OutWReady
	OutBValid
	OutARReady
	OutRValid
	OutIRQ
	OutBRespShift = 12
	OutRRespShift = 14
)

// Sizes of the encoded records.
const (
	PinsInSize  = 44
	PinsOutSize = 104
)

// MaxReplay is the most clocks that one Replay can take.
const MaxReplay = 1 << 16

// PinsIn are the input pins of one clock.
type PinsIn struct {
	Data   [4]uint64 // s_axis_tdata; the low 16*Lanes bits are used
	WData  uint32
	AWAddr uint16
	ARAddr uint16
	Flags  uint16
}

// Append encodes the record.
func (p *PinsIn) Append(dst []byte) []byte {
	for _, w := range p.Data {
		dst = binary.LittleEndian.AppendUint64(dst, w)
	}
	dst = binary.LittleEndian.AppendUint32(dst, p.WData)
	dst = binary.LittleEndian.AppendUint16(dst, p.AWAddr)
	dst = binary.LittleEndian.AppendUint16(dst, p.ARAddr)
	dst = binary.LittleEndian.AppendUint16(dst, p.Flags)
	return append(dst, 0, 0)
}

// Decode reads a record of PinsInSize bytes.
func (p *PinsIn) Decode(b []byte) {
	_ = b[PinsInSize-1]
	for i := range p.Data {
		p.Data[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	p.WData = binary.LittleEndian.Uint32(b[32:])
	p.AWAddr = binary.LittleEndian.Uint16(b[36:])
	p.ARAddr = binary.LittleEndian.Uint16(b[38:])
	p.Flags = binary.LittleEndian.Uint16(b[40:])
}

// PinsOut are the output pins of one clock, and registers inside, all sampled
// before the clock edge with that clock's inputs applied.
type PinsOut struct {
	Data  [4]uint64 // m_axis_tdata, upper bits 0
	RData uint32
	Taps  [16]uint32 // the counters, ERRORS, IRQ_STATUS, IRQ_ENABLE, SCRATCH, STATUS
	Flags uint16
}

// Append encodes the record.
func (p *PinsOut) Append(dst []byte) []byte {
	for _, w := range p.Data {
		dst = binary.LittleEndian.AppendUint64(dst, w)
	}
	dst = binary.LittleEndian.AppendUint32(dst, p.RData)
	for _, w := range p.Taps {
		dst = binary.LittleEndian.AppendUint32(dst, w)
	}
	dst = binary.LittleEndian.AppendUint16(dst, p.Flags)
	return append(dst, 0, 0)
}

// Decode reads a record of PinsOutSize bytes.
func (p *PinsOut) Decode(b []byte) {
	_ = b[PinsOutSize-1]
	for i := range p.Data {
		p.Data[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	p.RData = binary.LittleEndian.Uint32(b[32:])
	for i := range p.Taps {
		p.Taps[i] = binary.LittleEndian.Uint32(b[36+4*i:])
	}
	p.Flags = binary.LittleEndian.Uint16(b[100:])
}

// Replay drives encoded PinsIn records, one a clock, and returns as many encoded
// PinsOut records. The slice is valid until the next call.
func (p *Process) Replay(ctx context.Context, in []byte) ([]byte, error) {
	n := len(in) / PinsInSize
	if len(in)%PinsInSize != 0 || n > MaxReplay {
		return nil, fmt.Errorf("replay of %d bytes, want whole records of %d bytes, at most %d of them", len(in), PinsInSize, MaxReplay)
	}
	return p.call(ctx, kindPins, in, n*PinsOutSize)
}
