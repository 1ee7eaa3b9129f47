package core

import "github.com/kvaccel/kvaccel/driver/regmap"

// The counters, in the order of their addresses.
const (
	cntCycles = iota
	cntActive
	cntStallIn
	cntStallOut
	cntBeatsIn
	cntBeatsOut
	cntPackets
	cntTokens
	cntGroups
	cntSaturations
	cntNonFinite
	numCounters
)

type counters [numCounters]uint32

type registers struct {
	counters  counters
	errors    uint32
	irqStatus uint32
	irqEnable uint32
	scratch   uint32
}

// clear is CtrlClear.
func (r *registers) clear() {
	r.counters, r.errors, r.irqStatus = counters{}, 0, 0
}

// Bits of axil.state.
const (
	awValid = 1 << iota
	wValid
	bValid
	arValid
	rValid
)

const (
	respOkay   = 0
	respSlvErr = 2
	addrMask   = 0xfff
)

// axil is the AXI4-Lite slave: one register deep in every channel.
type axil struct {
	state        uint8
	bresp, rresp uint8
	strb         uint8
	awaddr       uint16
	araddr       uint16
	wdata        uint32
	rdata        uint32
}

// stepAxil is a clock cycle of the AXI4-Lite slave. It reads registers as they
// are at the start of the cycle, so it runs before anything else changes them,
// and clears W1C bits before the cycle's events set them. soft tells that a
// soft reset acts in this cycle.
func (e *Engine) stepAxil(in *Inputs, soft bool) {
	a := &e.axil
	was := a.state
	if was&(arValid|rValid) == arValid {
		a.rdata, a.rresp = e.readReg(a.araddr, soft)
		a.state = a.state&^arValid | rValid
	}
	if was&(awValid|wValid|bValid) == awValid|wValid {
		a.bresp = e.writeReg(a.awaddr, a.wdata, a.strb)
		a.state = a.state&^(awValid|wValid) | bValid
	}
	if was&rValid != 0 && in.RReady {
		a.state &^= rValid
	}
	if was&bValid != 0 && in.BReady {
		a.state &^= bValid
	}
	if was&awValid == 0 && in.AWValid {
		a.state |= awValid
		a.awaddr = in.AWAddr & addrMask
	}
	if was&wValid == 0 && in.WValid {
		a.state |= wValid
		a.wdata, a.strb = in.WData, in.WStrb
	}
	if was&arValid == 0 && in.ARValid {
		a.state |= arValid
		a.araddr = in.ARAddr & addrMask
	}
}

func (e *Engine) readReg(addr uint16, soft bool) (uint32, uint8) {
	r := &e.regs
	if addr >= regmap.RegCycles && addr < regmap.RegCycles+4*numCounters && addr&3 == 0 {
		return r.counters[(addr-regmap.RegCycles)/4], respOkay
	}
	switch addr {
	case regmap.RegMagic:
		return regmap.Magic, respOkay
	case regmap.RegABI:
		return regmap.ABIVersion, respOkay
	case regmap.RegSpecID:
		return regmap.SpecID, respOkay
	case regmap.RegBuildHash:
		return e.buildHash, respOkay
	case regmap.RegFeatures:
		return e.features, respOkay
	case regmap.RegLanes:
		return uint32(e.p.Lanes), respOkay
	case regmap.RegMaxDim:
		return uint32(e.p.MaxDim), respOkay
	case regmap.RegTileTokens:
		return uint32(e.p.TileTokens), respOkay
	case regmap.RegMaxTokens:
		return uint32(e.p.MaxTokens), respOkay
	case regmap.RegCtrl:
		return 0, respOkay
	case regmap.RegStatus:
		s := e.status()
		if soft {
			s |= 1 << regmap.StatResetting
		}
		return s, respOkay
	case regmap.RegErrors:
		return r.errors, respOkay
	case regmap.RegIrqStatus:
		return r.irqStatus, respOkay
	case regmap.RegIrqEnable:
		return r.irqEnable, respOkay
	case regmap.RegScratch:
		return r.scratch, respOkay
	}
	return 0, respSlvErr
}

func (e *Engine) writeReg(addr uint16, v uint32, strb uint8) uint8 {
	if strb&0xf != 0xf {
		return respSlvErr
	}
	r := &e.regs
	switch addr {
	case regmap.RegCtrl:
		e.softRst = v>>regmap.CtrlSoftReset&1 != 0
		e.clearing = v>>regmap.CtrlClear&1 != 0
	case regmap.RegErrors:
		r.errors &^= v
	case regmap.RegIrqStatus:
		r.irqStatus &^= v
	case regmap.RegIrqEnable:
		r.irqEnable = v
	case regmap.RegScratch:
		r.scratch = v
	default:
		return respSlvErr
	}
	return respOkay
}
