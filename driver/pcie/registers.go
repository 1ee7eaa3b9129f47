package pcie

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// ErrDeadLink says that every read gives all ones, as a PCIe root port answers
// for a device that is not there any more. It is a driver.ErrDisconnected.
var ErrDeadLink = fmt.Errorf("%w: the PCIe link is dead (reads give all ones); reload the bitstream, then remove and rescan the device or restart the machine", driver.ErrDisconnected)

const dead = 0xffffffff

// access is where the engine's registers are seen: 4 bytes at an address.
type access interface {
	io.ReaderAt
	io.WriterAt
}

// registers are the engine's, behind an access.
type registers struct{ at access }

func (r registers) ReadReg(ctx context.Context, addr uint32) (uint32, error) {
	if err := check(ctx, addr); err != nil {
		return 0, err
	}
	v, err := r.word(addr)
	if err != nil || v != dead {
		return v, err
	}
	if magic, err := r.word(regmap.RegMagic); err != nil || magic == dead {
		return 0, errors.Join(ErrDeadLink, err)
	}
	return v, nil
}

func (r registers) word(addr uint32) (uint32, error) {
	var b [4]byte
	if _, err := r.at.ReadAt(b[:], int64(addr)); err != nil {
		return 0, fmt.Errorf("reading register %#03x: %w", addr, translate(err))
	}
	return binary.LittleEndian.Uint32(b[:]), nil
}

func (r registers) WriteReg(ctx context.Context, addr, v uint32) error {
	if err := check(ctx, addr); err != nil {
		return err
	}
	if !writable(addr) {
		return fmt.Errorf("%w: write of register %#03x", driver.ErrBadRegister, addr)
	}
	_, err := r.at.WriteAt(binary.LittleEndian.AppendUint32(nil, v), int64(addr))
	if err != nil {
		return fmt.Errorf("writing register %#03x: %w", addr, translate(err))
	}
	return nil
}

// check refuses what the engine would answer with an error: the DMA core turns
// that into all ones or drops it, so nobody would know.
func check(ctx context.Context, addr uint32) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, ok := find(addr); !ok {
		return fmt.Errorf("%w: there is no register at %#x", driver.ErrBadRegister, addr)
	}
	return nil
}

func find(addr uint32) (regmap.Register, bool) {
	for _, r := range regmap.Registers {
		if r.Addr == addr {
			return r, true
		}
	}
	return regmap.Register{}, false
}

func writable(addr uint32) bool {
	r, ok := find(addr)
	return ok && r.Access != "RO"
}
