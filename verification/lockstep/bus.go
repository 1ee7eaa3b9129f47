package lockstep

import (
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator/core"
)

// bus is the master on the register port: reads and writes at random, address and
// data of a write at different times, answers taken late.
type bus struct {
	random
	plan             []write // writes whose address or data is yet to be given
	awBusy, wBusy    bool    // offered and not yet taken
	awDone, wDone    bool    // taken, of plan[0]
	arBusy           bool
	arAddr           uint16
	aw, w, ar, b, rr throttle
	soft             int // soft resets asked for
}

type write struct {
	addr   uint16
	data   uint32
	strobe uint8
}

func (u *bus) set(g *regime) {
	for _, t := range []*throttle{&u.aw, &u.w, &u.ar, &u.b, &u.rr} {
		t.set(g.bus)
	}
}

// reset forgets what was under way, as rst_i does.
func (u *bus) reset() {
	u.plan = u.plan[:0]
	u.awBusy, u.wBusy, u.awDone, u.wDone, u.arBusy = false, false, false, false, false
}

// drive sets the port's input pins; handshakes follow from out.
func (u *bus) drive(in *core.Inputs, out *core.Outputs, g *regime) {
	in.BReady, in.RReady = u.b.goes(u.random), u.rr.goes(u.random)
	noise := u.Uint64()
	in.AWAddr, in.ARAddr, in.WStrb = uint16(noise)&0xFFF, uint16(noise>>16)&0xFFF, uint8(noise>>12)&0xF
	in.WData = uint32(noise >> 32)
	starts := g.registers > 0 && int(u.Uint32()&0xFFFF) < g.registers
	if len(u.plan) == 0 && starts && u.chance(1, 2) {
		u.plan = append(u.plan, u.write(g))
	}
	u.offerWrite(in, out)
	if !u.arBusy && starts && u.ar.goes(u.random) {
		u.arBusy, u.arAddr = true, u.address()
	}
	if u.arBusy {
		in.ARValid, in.ARAddr = true, u.arAddr
		u.arBusy = !out.ARReady
	}
}

func (u *bus) offerWrite(in *core.Inputs, out *core.Outputs) {
	if len(u.plan) == 0 {
		return
	}
	x := &u.plan[0]
	u.awBusy = u.awBusy || !u.awDone && u.aw.goes(u.random)
	u.wBusy = u.wBusy || !u.wDone && u.w.goes(u.random)
	if u.awBusy {
		in.AWValid, in.AWAddr = true, x.addr
		u.awBusy, u.awDone = !out.AWReady, out.AWReady
	}
	if u.wBusy {
		in.WValid, in.WData, in.WStrb = true, x.data, x.strobe
		u.wBusy, u.wDone = !out.WReady, out.WReady
	}
	if u.awDone && u.wDone {
		u.plan, u.awDone, u.wDone = u.plan[:0], false, false
	}
}

func (u *bus) write(g *regime) write {
	x := write{addr: u.address(), data: u.Uint32(), strobe: 0xF}
	if u.chance(1, 16) {
		x.strobe = uint8(u.Uint32()) & 0xF
	}
	switch u.IntN(8) {
	case 0, 1:
		x.addr = regmap.RegIrqEnable
	case 2:
		x.addr = regmap.RegIrqStatus
	case 3:
		x.addr = regmap.RegErrors
	case 4:
		x.addr = regmap.RegCtrl
	}
	if x.addr == regmap.RegCtrl {
		// Every other bit may be anything; these two act.
		x.data &^= 1<<regmap.CtrlSoftReset | 1<<regmap.CtrlClear
		if int(u.Uint32()&0xFFFF) < 8*g.soft {
			x.data |= 1 << regmap.CtrlSoftReset
		}
		if u.chance(1, 8) {
			x.data |= 1 << regmap.CtrlClear
		}
		if x.strobe == 0xF && x.data>>regmap.CtrlSoftReset&1 != 0 {
			u.soft++
		}
	}
	return x
}

func (u *bus) address() uint16 {
	a := uint16(regmap.Registers[u.IntN(len(regmap.Registers))].Addr)
	switch u.IntN(12) {
	case 0:
		return uint16(u.Uint32()) & 0xFFF // mostly unmapped or unaligned
	case 1:
		return a ^ 1<<u.IntN(12)
	}
	return a
}
