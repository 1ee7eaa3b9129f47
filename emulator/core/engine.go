// Package core is the engine clock by clock: what every pin, register and
// counter of kv_engine shows at every clock edge, as docs/engine.md, section 5,
// lays down. What is computed comes from package model; this package decides
// when.
//
// A value is computed as soon as its inputs are complete and then waits in a
// queue for the cycle it is due in. That is invisible from outside: the
// contract fixes the latency of every path in enabled cycles, so the cycle is
// known at that moment, and only a reset can take it back.
package core

import (
	"fmt"

	"github.com/kvaccel/kvaccel/driver/regmap"
)

// Beat is the data of one transfer: the low 16*Lanes bits, word 0 lowest.
type Beat [4]uint64

// Inputs are the input pins in one clock cycle.
type Inputs struct {
	Reset         bool // rst_i: every register takes its reset value
	SValid, SLast bool
	SData         Beat
	MReady        bool
	AWValid       bool
	AWAddr        uint16
	WValid        bool
	WData         uint32
	WStrb         uint8
	BReady        bool
	ARValid       bool
	ARAddr        uint16
	RReady        bool
}

// Outputs are the output pins.
type Outputs struct {
	SReady        bool
	MValid, MLast bool
	MData         Beat
	AWReady       bool
	WReady        bool
	BValid        bool
	BResp         uint8
	ARReady       bool
	RValid        bool
	RData         uint32
	RResp         uint8
	IRQ           bool
}

// Engine is one engine. It holds no goroutine and takes no lock: use it from
// one goroutine at a time.
type Engine struct {
	p         regmap.Params
	features  uint32
	buildHash uint32
	hb        int // beats of a header or trailer
	beatBytes int // bytes of a beat
	depth     int // of the payload FIFO

	// The shell: runs every clock cycle.
	iskid, oskid skid
	sMid, mMid   bool // inside a packet on s_axis, on the pushing side of oskid
	softRst      bool // soft reset acts in this cycle
	clearing     bool // CtrlClear acts in this cycle
	discard      bool
	abort        bool
	atRest       bool // nothing happens until an input pin does something
	axil         axil
	regs         registers

	// The core: runs in enabled cycles.
	now      uint64 // enabled cycles since the core was reset
	stallIn  uint32 // the core's own counts
	stallOut uint32
	nonFin   uint32 // non-finite elements counted one cycle late
	front    front
	back     back
	descs    descFIFO
	payload  payloadFIFO
	scales   beatQueue
	events   eventQueue
	rot      rotateUnit
	quant    quantUnit
	dequant  dequantUnit
	sel      selectUnit
	comp     compressUnit
	echo     echoUnit
	source   sourceUnit
	sink     sinkUnit
}

// allFeatures is the mask of everything that can be built in.
const allFeatures = 1<<regmap.FeatEcho | 1<<regmap.FeatQuantize | 1<<regmap.FeatDequantize | 1<<regmap.FeatSelect | 1<<regmap.FeatCompress |
	1<<regmap.FeatLink | 1<<regmap.FeatPool | 1<<regmap.FeatDecay | 1<<regmap.FeatKeyNorm | 1<<regmap.FeatTiers |
	1<<regmap.FeatRotate | 1<<regmap.FeatBF16

// New returns an engine in the state after rst_i. features is the mask of
// commands and options built in.
func New(p regmap.Params, features, buildHash uint32) (*Engine, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if features&^allFeatures != 0 {
		return nil, fmt.Errorf("%w: features=%#x, want a mask within %#x", regmap.ErrParams, features, allFeatures)
	}
	const needed = 1<<regmap.FeatQuantize | 1<<regmap.FeatSelect | 1<<regmap.FeatTiers
	if features>>regmap.FeatCompress&1 != 0 && features&needed != needed {
		return nil, fmt.Errorf("%w: features=%#x, want those of mask %#x beside COMPRESS", regmap.ErrParams, features, needed)
	}
	e := &Engine{p: p, features: features, buildHash: buildHash, hb: p.HeaderBeats(), beatBytes: p.BeatBytes(), depth: p.PayloadDepth(features)}
	e.rot.init(p)
	e.quant.init(p)
	e.dequant.init(p)
	e.sel.init(p)
	e.reset()
	return e, nil
}

// Params are the parameters the engine was built with.
func (e *Engine) Params() regmap.Params { return e.p }

// reset is rst_i.
func (e *Engine) reset() {
	e.iskid, e.oskid = skid{}, skid{}
	e.sMid, e.mMid = false, false
	e.softRst, e.clearing, e.discard, e.abort = false, false, false, false
	e.axil, e.regs = axil{}, registers{}
	e.atRest = false
	e.resetCore()
}

// resetCore is what rst_i and a soft reset do to the core.
func (e *Engine) resetCore() {
	e.now, e.stallIn, e.stallOut, e.nonFin = 0, 0, 0, 0
	e.front, e.back, e.descs = front{}, back{}, descFIFO{}
	e.payload.reset()
	e.scales.reset()
	e.events.reset()
	e.rot.reset()
	e.quant.reset()
	e.dequant.reset()
	e.sel.reset()
	e.source.left = 0
}

// Outputs gives the pins, which are functions of registers alone: the value
// holds until the next Step.
func (e *Engine) Outputs() Outputs {
	a, m := &e.axil, &e.oskid.q[0]
	return Outputs{
		SReady: e.iskid.n < 2,
		MValid: e.oskid.n > 0, MLast: m.last, MData: m.data,
		AWReady: a.state&awValid == 0, WReady: a.state&wValid == 0, ARReady: a.state&arValid == 0,
		BValid: a.state&bValid != 0, BResp: a.bresp,
		RValid: a.state&rValid != 0, RData: a.rdata, RResp: a.rresp,
		IRQ: e.regs.irqStatus&e.regs.irqEnable != 0,
	}
}

// Taps gives the 11 counters in the order of their addresses, then ERRORS,
// IRQ_STATUS, IRQ_ENABLE, SCRATCH and STATUS.
func (e *Engine) Taps() (t [16]uint32) {
	copy(t[:], e.regs.counters[:])
	t[11], t[12], t[13], t[14], t[15] = e.regs.errors, e.regs.irqStatus, e.regs.irqEnable, e.regs.scratch, e.status()
	return t
}

func (e *Engine) busy() bool {
	return e.front.state != head || e.front.hb != 0 || e.descs.n > 0 || e.oskid.n > 0 || e.discard || e.abort
}

func (e *Engine) status() uint32 {
	s := uint32(e.descs.n) << regmap.StatInFlight
	if e.busy() {
		s |= 1 << regmap.StatBusy
	}
	if e.softRst || e.discard || e.abort {
		s |= 1 << regmap.StatResetting
	}
	return s
}
