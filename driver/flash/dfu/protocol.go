// Package dfu speaks USB Device Firmware Upgrade 1.1 from the host's side: the
// whole state machine, over an interface that does control transfers and
// nothing else. It knows no USB library and no board.
//
// Names, numbers and transitions are those of the USB-IF's "Device Class
// Specification for Device Firmware Upgrade", version 1.1, chapters 4 to 6.
package dfu

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Requests of the class.
const (
	ReqDetach    = 0
	ReqDownload  = 1
	ReqUpload    = 2
	ReqGetStatus = 3
	ReqClrStatus = 4
	ReqGetState  = 5
	ReqAbort     = 6
)

// State is a state of the device.
type State byte

// The states of appendix A.
const (
	AppIdle State = iota
	AppDetach
	Idle
	DownloadSync
	DownloadBusy
	DownloadIdle
	ManifestSync
	Manifest
	ManifestWaitReset
	UploadIdle
	Error
)

var stateNames = []string{
	"appIDLE", "appDETACH", "dfuIDLE", "dfuDNLOAD-SYNC", "dfuDNBUSY", "dfuDNLOAD-IDLE",
	"dfuMANIFEST-SYNC", "dfuMANIFEST", "dfuMANIFEST-WAIT-RESET", "dfuUPLOAD-IDLE", "dfuERROR",
}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state %d", byte(s))
}

// Code is why a device is in dfuERROR.
type Code byte

// Codes of section 6.1.2 that have a use here.
const (
	OK         Code = 0x00
	ErrTarget  Code = 0x01
	ErrWrite   Code = 0x03
	ErrAddress Code = 0x08
	ErrNotDone Code = 0x09
	ErrFile    Code = 0x02
	ErrStalled Code = 0x0f
)

var codeNames = []string{
	"OK", "errTARGET: file is not for this device", "errFILE: file fails a check of the vendor's", "errWRITE: memory cannot be written",
	"errERASE: memory cannot be erased", "errCHECK_ERASED: memory is not erased", "errPROG: memory cannot be programmed", "errVERIFY: memory was programmed wrongly",
	"errADDRESS: address out of range or protected", "errNOTDONE: too little data", "errFIRMWARE: firmware is corrupt", "errVENDOR: vendor-specific error",
	"errUSBR: unexpected USB reset", "errPOR: unexpected power-on reset", "errUNKNOWN: unknown error", "errSTALLEDPKT: unexpected request",
}

func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return fmt.Sprintf("status %#02x", byte(c))
}

// Status is the answer to GETSTATUS.
type Status struct {
	Code  Code
	Poll  time.Duration // to wait before the next GETSTATUS
	State State
}

// ParseStatus reads the six bytes of an answer; the poll time-out is 24 bits of
// milliseconds.
func ParseStatus(b []byte) (Status, error) {
	if len(b) != 6 {
		return Status{}, fmt.Errorf("%w: GETSTATUS gave %d bytes, want 6", ErrProtocol, len(b))
	}
	s := Status{Code(b[0]), time.Duration(uint32(b[1])|uint32(b[2])<<8|uint32(b[3])<<16) * time.Millisecond, State(b[4])}
	if s.State > Error {
		return s, fmt.Errorf("%w: GETSTATUS gave %v", ErrProtocol, s.State)
	}
	return s, nil
}

// Bytes is the status as a device sends it.
func (s Status) Bytes() []byte {
	ms := uint32(s.Poll / time.Millisecond)
	return []byte{byte(s.Code), byte(ms), byte(ms >> 8), byte(ms >> 16), byte(s.State), 0}
}

// Attributes of the functional descriptor.
const (
	CanDownload = 1 << iota
	CanUpload
	ManifestTolerant // speaks on after manifest, without a reset
	WillDetach       // leaves the bus by itself after DETACH
)

// DescriptorType is the functional descriptor's.
const DescriptorType = 0x21

// Class, subclass and protocols of a DFU interface.
const (
	Class           = 0xfe
	SubClass        = 0x01
	ProtocolRuntime = 1
	ProtocolDFU     = 2
)

// Functional is the functional descriptor.
type Functional struct {
	Attributes    byte
	DetachTimeout time.Duration
	TransferSize  int    // most bytes of a DNLOAD or UPLOAD
	Version       uint16 // BCD
}

// Has reports whether the device has an attribute.
func (f Functional) Has(attribute byte) bool { return f.Attributes&attribute != 0 }

// ParseFunctional reads a functional descriptor. Version 1.0 devices have seven bytes.
func ParseFunctional(b []byte) (Functional, error) {
	if len(b) < 7 || b[1] != DescriptorType || int(b[0]) > len(b) || b[0] < 7 {
		return Functional{}, fmt.Errorf("%w: functional descriptor % x", ErrProtocol, b)
	}
	f := Functional{b[2], time.Duration(binary.LittleEndian.Uint16(b[3:])) * time.Millisecond, int(binary.LittleEndian.Uint16(b[5:])), 0x0100}
	if b[0] >= 9 && len(b) >= 9 {
		f.Version = binary.LittleEndian.Uint16(b[7:])
	}
	switch {
	case f.Version == 0x011a:
		return f, fmt.Errorf("%w: the device speaks DfuSe (1.1a), which is ST's own and not DFU 1.1", ErrProtocol)
	case f.TransferSize == 0:
		return f, fmt.Errorf("%w: transfer size 0", ErrProtocol)
	}
	return f, nil
}

// Bytes is the descriptor as a device has it.
func (f Functional) Bytes() []byte {
	b := []byte{9, DescriptorType, f.Attributes}
	for _, v := range []uint16{uint16(f.DetachTimeout / time.Millisecond), uint16(f.TransferSize), f.Version} {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	return b
}

// Errors of this package; test with errors.Is. What the Port returns is wrapped too.
var (
	ErrProtocol = errors.New("not as DFU 1.1 says")
	ErrRefused  = errors.New("the device refused")
	ErrStuck    = errors.New("the device does not get done")
	ErrStall    = errors.New("request stalled") // a Port returns it for a STALL
	ErrLeft     = errors.New("device left")     // a Port returns it when the device is off the bus
)
