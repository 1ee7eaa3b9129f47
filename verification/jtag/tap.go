// Package jtag is a board's programming side in software: a JTAG port of IEEE 1149.1 with an ECP5 and a
// serial flash behind it, at the end of a network cable that speaks the Xilinx Virtual Cable protocol. It is
// there for programs that write boards: the real openFPGALoader drives it as it would a ULX3S.
//
// Written from the standard's state diagram, Lattice's sysCONFIG guide (FPGA-TN-02039), the command set of common serial
// flashes (W25Q128) and the protocol's text; it shares no code with what it tests.
package jtag

// state is one of the sixteen of the TAP controller.
type state int

const (
	reset state = iota
	idle
	selectDR
	captureDR
	shiftDR
	exit1DR
	pauseDR
	exit2DR
	updateDR
	selectIR
	captureIR
	shiftIR
	exit1IR
	pauseIR
	exit2IR
	updateIR
)

// next is where TMS 0 and 1 lead to.
var next = [...][2]state{
	reset: {idle, reset}, idle: {idle, selectDR},
	selectDR: {captureDR, selectIR}, captureDR: {shiftDR, exit1DR}, shiftDR: {shiftDR, exit1DR}, exit1DR: {pauseDR, updateDR},
	pauseDR: {pauseDR, exit2DR}, exit2DR: {shiftDR, updateDR}, updateDR: {idle, selectDR},
	selectIR: {captureIR, reset}, captureIR: {shiftIR, exit1IR}, shiftIR: {shiftIR, exit1IR}, exit1IR: {pauseIR, updateIR},
	pauseIR: {pauseIR, exit2IR}, exit2IR: {shiftIR, updateIR}, updateIR: {idle, selectDR},
}

// Part is what is behind a TAP with an instruction register of 8 bits.
type Part interface {
	Reset()              // Test-Logic-Reset
	Instruction(ir byte) // Update-IR
	Capture()            // Capture-DR
	Shift(tdi bool) bool // a bit in Shift-DR; what is on TDO before the edge
	Leave()              // Shift-DR is left
	Update()             // Update-DR
	Run()                // a cycle in Run-Test/Idle
	Status() (bits byte) // what Capture-IR takes; the lowest two bits are 01
}

// TAP is a port with one part.
type TAP struct {
	Part  Part
	state state
	ir    byte
}

// Clock is one cycle of TCK: TDO before the edge, then the step.
func (t *TAP) Clock(tms, tdi bool) (tdo bool) {
	switch t.state {
	case captureIR:
		t.ir = t.Part.Status()
	case shiftIR:
		tdo = t.ir&1 != 0
		t.ir >>= 1
		if tdi {
			t.ir |= 0x80
		}
	case captureDR:
		t.Part.Capture()
	case shiftDR:
		tdo = t.Part.Shift(tdi)
	case idle:
		t.Part.Run()
	}
	way := 0
	if tms {
		way = 1
	}
	from := t.state
	t.state = next[from][way]
	if from == shiftDR && t.state != shiftDR {
		t.Part.Leave()
	}
	if t.state != from {
		switch t.state {
		case reset:
			t.Part.Reset()
		case updateIR:
			t.Part.Instruction(t.ir)
		case updateDR:
			t.Part.Update()
		}
	}
	return tdo
}
