// Package driver is the contract between a kvaccel engine and everything that
// uses one.
//
// A [Device] is an engine: the Go emulator (emu:), the Verilated RTL (rtl:) or
// a board. All of them implement the same six methods, pass the same
// conformance suite (package drivertest) and give the same bytes and the same
// cycle counts. What only some devices can do is an optional interface beside
// Device ([Resetter], [Tracer]); ask for it with a type assertion.
//
// Packets are built and read with package packet; registers, limits and codes
// are in package regmap.
package driver

import (
	"context"
	"fmt"

	"github.com/kvaccel/kvaccel/driver/regmap"
)

// Device is one engine. Its methods are safe for use by one goroutine at a
// time; cancelling a context stops the call and leaves the device closable.
//
// Time in a simulated device moves only inside Recv, ReadReg and WriteReg.
// There the link is ideal: queued request beats are always offered and response
// beats always taken, so cycle counts depend on the calls alone.
type Device interface {
	// Info tells what the device is and can do. It is read once, when the
	// device is opened.
	Info() Info

	// ReadReg reads the 32-bit register at a byte address.
	ReadReg(ctx context.Context, addr uint32) (uint32, error)

	// WriteReg writes the 32-bit register at a byte address. A write of
	// CtrlSoftReset returns when the engine has finished the reset; requests
	// and responses outstanding by then are lost, unread ones too. A request
	// of which the engine has taken a beat is given to its end first.
	WriteReg(ctx context.Context, addr, value uint32) error

	// Send queues one whole request packet (header and payload, a whole
	// number of beats). It does not wait for the answer; several packets may
	// be queued and are answered in order. The device keeps no reference to
	// the slice after Send returns.
	Send(ctx context.Context, request []byte) error

	// Recv waits for the next response packet and appends it to dst, which
	// may be nil. With nothing outstanding it fails with ErrProtocol.
	Recv(ctx context.Context, dst []byte) ([]byte, error)

	// Close releases the device. Every later call fails with ErrClosed.
	Close() error
}

// Resetter is a Device that can be reset from outside, as by its rst_i pin:
// registers, counters and streams all start anew.
type Resetter interface {
	Reset(ctx context.Context) error
}

// Source says what kind of thing computed a result.
type Source string

// The sources a result can have.
const (
	Emulator Source = "emulator"
	RTL      Source = "rtl"
	Board    Source = "board"
)

// Info identifies a device and lists its capabilities.
type Info struct {
	URI         string        `json:"uri"`
	Source      Source        `json:"source"`
	Description string        `json:"description"`
	ABI         uint32        `json:"abi"`
	SpecID      uint32        `json:"spec_id"`
	BuildHash   uint32        `json:"build_hash"`
	Features    uint32        `json:"features"`
	Params      regmap.Params `json:"params"`
	ClockHz     float64       `json:"clock_hz"` // stated clock: what times are reckoned at, not a measurement
}

// Has reports whether the device has every feature bit in mask.
func (i Info) Has(mask uint32) bool { return i.Features&mask == mask }

// RegReader is the part of a Device that Identify needs.
type RegReader interface {
	ReadReg(ctx context.Context, addr uint32) (uint32, error)
}

// Identify reads the identification registers. It fails with ErrNotFound when
// the magic number is not there and with ErrVersion when the engine was built
// from another register map than this program.
func Identify(ctx context.Context, r RegReader) (Info, error) {
	var info Info
	for _, f := range []struct {
		addr uint32
		dst  *uint32
	}{
		{regmap.RegABI, &info.ABI},
		{regmap.RegSpecID, &info.SpecID},
		{regmap.RegBuildHash, &info.BuildHash},
		{regmap.RegFeatures, &info.Features},
	} {
		v, err := r.ReadReg(ctx, f.addr)
		if err != nil {
			return Info{}, err
		}
		*f.dst = v
	}
	for _, f := range []struct {
		addr uint32
		dst  *int
	}{
		{regmap.RegLanes, &info.Params.Lanes},
		{regmap.RegMaxDim, &info.Params.MaxDim},
		{regmap.RegTileTokens, &info.Params.TileTokens},
		{regmap.RegMaxTokens, &info.Params.MaxTokens},
	} {
		v, err := r.ReadReg(ctx, f.addr)
		if err != nil {
			return Info{}, err
		}
		*f.dst = int(v)
	}
	magic, err := r.ReadReg(ctx, regmap.RegMagic)
	if err != nil {
		return Info{}, err
	}
	if magic != regmap.Magic {
		return Info{}, fmt.Errorf("%w: no kvaccel engine answers (magic register reads %#08x, want %#08x)", ErrNotFound, magic, uint32(regmap.Magic))
	}
	if info.SpecID != regmap.SpecID {
		return Info{}, fmt.Errorf("%w: the engine was built from register map %#08x, this program from %#08x: rebuild one of them", ErrVersion, info.SpecID, uint32(regmap.SpecID))
	}
	return info, info.Params.Validate()
}
