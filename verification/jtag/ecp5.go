package jtag

import "bytes"

// Instructions of an ECP5 (FPGA-TN-02039, appendix).
const (
	irIDCode     = 0xe0
	irUserCode   = 0xc0
	irStatus     = 0x3c
	irBusy       = 0xf0
	irEnable     = 0xc6
	irDisable    = 0x26
	irErase      = 0x0e
	irBurst      = 0x7a
	irProgramSPI = 0x3a
	irRefresh    = 0x79
)

// Bits of its status register.
const (
	stDone   = 1 << 8
	stEnable = 1 << 9
	stFail   = 1 << 13
	stIDErr  = 1 << 23 // three bits of error code: 1 is a wrong ID
)

// ECP5 is a part with the flash that it starts from. It takes a configuration if it begins as one and names
// this part; what the frames say is not looked at.
type ECP5 struct {
	ID    uint32
	Flash *SPIFlash

	Loaded    []byte // the last configuration taken
	UserCode  uint32
	Refreshes int

	ir       byte
	dr       uint64
	width    int
	status   uint32
	spi      bool // in background SPI mode
	selected bool
	burst    []byte
	bits     int
}

func (p *ECP5) Reset()       { p.ir, p.spi = irIDCode, false }
func (p *ECP5) Status() byte { return 1 }
func (p *ECP5) Run()         {}

// Instruction acts on those that need no data.
func (p *ECP5) Instruction(ir byte) {
	p.ir, p.spi = ir, false
	switch ir {
	case irEnable:
		p.status |= stEnable
	case irErase:
		p.status &^= stDone | stFail | 7<<23
		p.Loaded = nil
	case irBurst:
		p.burst, p.bits = nil, 0
	case irDisable:
		p.configure()
		p.status &^= stEnable
	case irRefresh:
		p.Refreshes++
		p.burst = bytes.TrimRight(p.Flash.Memory, "\xff")
		p.configure()
	}
}

func (p *ECP5) Capture() {
	p.dr, p.width = 0, 1
	switch p.ir {
	case irIDCode:
		p.dr, p.width = uint64(p.ID), 32
	case irUserCode:
		p.dr, p.width = uint64(p.UserCode), 32
	case irStatus:
		p.dr, p.width = uint64(p.status), 32
	case irBusy:
		p.width = 8
	case irProgramSPI:
		p.width = 16
	}
}

// Shift: most significant bit of a byte first in a burst and to the flash, as the SPI pins have it.
func (p *ECP5) Shift(tdi bool) (tdo bool) {
	switch {
	case p.spi:
		p.selected = true
		return p.Flash.Clock(tdi)
	case p.ir == irBurst:
		if p.bits%8 == 0 {
			p.burst = append(p.burst, 0)
		}
		if tdi {
			p.burst[len(p.burst)-1] |= 0x80 >> (p.bits % 8)
		}
		p.bits++
		return false
	}
	tdo = p.dr&1 != 0
	p.dr >>= 1
	if tdi {
		p.dr |= 1 << (p.width - 1)
	}
	return tdo
}

func (p *ECP5) Leave() {
	if p.selected {
		p.Flash.Deselect()
		p.selected = false
	}
}

// Update: the key FE 68 opens the way to the flash.
func (p *ECP5) Update() {
	if p.ir == irProgramSPI && p.dr == 0x68fe {
		p.spi = true
	}
}

// configure judges a burst: preamble, then VERIFY_ID with this part's ID, DONE at the end.
func (p *ECP5) configure() {
	if len(p.burst) == 0 {
		return
	}
	b := p.burst
	p.burst = nil
	id := []byte{0xe2, 0, 0, 0, byte(p.ID >> 24), byte(p.ID >> 16), byte(p.ID >> 8), byte(p.ID)}
	start := bytes.Index(b, []byte{0xff, 0xff, 0xbd, 0xb3})
	switch {
	case start < 0:
		p.status |= stFail
	case !bytes.Contains(b[start:min(len(b), start+64)], id):
		p.status |= stFail | stIDErr
	case !bytes.HasSuffix(bytes.TrimRight(b, "\xff\x00"), []byte{0x5e}):
		p.status |= stFail
	default:
		p.Loaded = b
		p.status |= stDone
	}
}
