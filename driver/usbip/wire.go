package usbip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrWire is wrapped by every error about bytes that are no USB/IP 1.1.1. The
// connection they came on is of no more use.
var ErrWire = errors.New("not USB/IP")

// Version is the protocol version of the operations, 1.1.1 in BCD.
const Version = 0x0111

// Port is the TCP port that IANA has for USB/IP.
const Port = 3240

// Operation codes before a device is imported. A request has bit 15 set, its reply not.
const (
	opDevList = 0x0005
	opImport  = 0x0003
	opRequest = 0x8000
)

// Status words of an operation's reply.
const (
	opOK    = 0
	opBusy  = 2
	opNoDev = 4
)

// Commands after the import.
const (
	cmdSubmit = 1
	cmdUnlink = 2
	retSubmit = 3
	retUnlink = 4
)

// Directions of a transfer.
const (
	dirOut = 0
	dirIn  = 1
)

const (
	opHeaderBytes = 8
	busIDBytes    = 32
	pathBytes     = 256
	recordBytes   = pathBytes + busIDBytes + 24
	headerBytes   = 48
)

// Speed is a USB speed as the protocol counts it.
type Speed uint32

// The speeds a device can have.
const (
	LowSpeed   Speed = 1
	FullSpeed  Speed = 2
	HighSpeed  Speed = 3
	SuperSpeed Speed = 5
)

type opHeader struct {
	version, code uint16
	status        uint32
}

func (h opHeader) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, h.version)
	b = binary.BigEndian.AppendUint16(b, h.code)
	return binary.BigEndian.AppendUint32(b, h.status)
}

func readOpHeader(r io.Reader) (opHeader, error) {
	var b [opHeaderBytes]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return opHeader{}, err
	}
	h := opHeader{binary.BigEndian.Uint16(b[0:]), binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[4:])}
	if h.version != Version {
		return h, fmt.Errorf("%w: version %#04x, want %#04x", ErrWire, h.version, Version)
	}
	return h, nil
}

// Record describes an exported device as a list or an import reply carries it.
type Record struct {
	Path, BusID                   string
	BusNum, DevNum                uint32
	Speed                         Speed
	Vendor, Product, Release      uint16
	Class, SubClass, Protocol     byte
	Configuration, Configurations byte
	NumInterfaces                 byte
	Interfaces                    [][3]byte // class, subclass, protocol; in a list only
}

// DevID is what the commands after an import call the device.
func (r Record) DevID() uint32 { return r.BusNum<<16 | r.DevNum&0xffff }

func (r Record) append(b []byte) []byte {
	b = append(b, fixed(r.Path, pathBytes)...)
	b = append(b, fixed(r.BusID, busIDBytes)...)
	for _, v := range []uint32{r.BusNum, r.DevNum, uint32(r.Speed)} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	for _, v := range []uint16{r.Vendor, r.Product, r.Release} {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return append(b, r.Class, r.SubClass, r.Protocol, r.Configuration, r.Configurations, r.NumInterfaces)
}

func readRecord(r io.Reader) (Record, error) {
	var b [recordBytes]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return Record{}, err
	}
	n := b[pathBytes+busIDBytes:]
	return Record{
		Path: text(b[:pathBytes]), BusID: text(b[pathBytes : pathBytes+busIDBytes]),
		BusNum: binary.BigEndian.Uint32(n), DevNum: binary.BigEndian.Uint32(n[4:]), Speed: Speed(binary.BigEndian.Uint32(n[8:])),
		Vendor: binary.BigEndian.Uint16(n[12:]), Product: binary.BigEndian.Uint16(n[14:]), Release: binary.BigEndian.Uint16(n[16:]),
		Class: n[18], SubClass: n[19], Protocol: n[20], Configuration: n[21], Configurations: n[22], NumInterfaces: n[23],
	}, nil
}

// fixed pads s with zeros to n bytes, the last of which stays zero.
func fixed(s string, n int) []byte {
	b := make([]byte, n)
	copy(b[:n-1], s)
	return b
}

func text(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}

// command is one header of 48 bytes, a submission or an unlink.
type command struct {
	code, seq, devID uint32
	in               bool
	ep               byte
	flags            uint32
	length           int    // of a submission's buffer
	unlink           uint32 // sequence number to unlink
	setup            [8]byte
}

// decodeCommand reads a header from the client and refuses what this server
// has no meaning for.
func decodeCommand(b *[headerBytes]byte, maxTransfer int) (command, error) {
	word := func(i int) uint32 { return binary.BigEndian.Uint32(b[4*i:]) }
	c := command{code: word(0), seq: word(1), devID: word(2), in: word(3) == dirIn, flags: word(5)}
	copy(c.setup[:], b[40:])
	switch c.code {
	case cmdUnlink:
		c.unlink = word(5)
		return c, nil
	case cmdSubmit:
	default:
		return c, fmt.Errorf("%w: command %d, want submit (%d) or unlink (%d)", ErrWire, c.code, cmdSubmit, cmdUnlink)
	}
	if d := word(3); d > dirIn {
		return c, fmt.Errorf("%w: direction %d of submission %d, want 0 or 1", ErrWire, d, c.seq)
	}
	if ep := word(4); ep > 15 {
		return c, fmt.Errorf("%w: endpoint %d of submission %d, want 0 to 15", ErrWire, ep, c.seq)
	}
	c.ep = byte(word(4))
	// the kernel's client writes 0 where the specification asks for all ones
	if p := word(8); p != 0 && p != 0xffffffff {
		return c, fmt.Errorf("%w: submission %d has %d isochronous packets; no device here has an isochronous endpoint", ErrWire, c.seq, p)
	}
	if n := word(6); n > uint32(maxTransfer) {
		return c, fmt.Errorf("%w: submission %d claims %d bytes, at most %d are taken", ErrWire, c.seq, int32(n), maxTransfer)
	}
	c.length = int(word(6))
	return c, nil
}

func (c command) append(b []byte) []byte {
	dir, tail := uint32(dirOut), [7]uint32{c.flags, uint32(c.length)}
	if c.in {
		dir = dirIn
	}
	if c.code == cmdUnlink {
		tail[0] = c.unlink
	}
	for _, v := range []uint32{c.code, c.seq, c.devID, dir, uint32(c.ep), tail[0], tail[1], 0, 0, 0} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return append(b, c.setup[:]...)
}

// reply is a header to the client.
type reply struct {
	code, seq uint32
	status    int32
	actual    int
}

func (r reply) append(b []byte) []byte {
	for _, v := range []uint32{r.code, r.seq, 0, 0, 0, uint32(r.status), uint32(r.actual), 0, 0, 0, 0, 0} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

func decodeReply(b *[headerBytes]byte) (reply, error) {
	word := func(i int) uint32 { return binary.BigEndian.Uint32(b[4*i:]) }
	r := reply{code: word(0), seq: word(1), status: int32(word(5)), actual: int(int32(word(6)))}
	if r.code != retSubmit && r.code != retUnlink {
		return r, fmt.Errorf("%w: reply %d, want %d or %d", ErrWire, r.code, retSubmit, retUnlink)
	}
	if r.actual < 0 {
		return r, fmt.Errorf("%w: reply to %d has length %d", ErrWire, r.seq, r.actual)
	}
	return r, nil
}
