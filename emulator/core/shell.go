package core

import "github.com/kvaccel/kvaccel/driver/regmap"

// slot is a beat with its TLAST.
type slot struct {
	data Beat
	last bool
}

// skid is a register slice of two entries. q[0] is the head and stays on the
// pins when it has been taken.
type skid struct {
	q [2]slot
	n int
}

func (s *skid) pop() {
	if s.n == 2 {
		s.q[0] = s.q[1]
	}
	s.n--
}

// push appends a beat; a pop of the same cycle goes first.
func (s *skid) push(data *Beat, last bool) {
	q := &s.q[s.n&1]
	q.data, q.last = *data, last
	s.n++
}

// Step is one clock edge: all state moves to what follows from it and the
// input pins of the cycle that ends.
func (e *Engine) Step(in *Inputs) {
	if in.Reset {
		e.reset()
		return
	}
	c := &e.regs.counters
	if e.atRest {
		if !in.SValid && !in.AWValid && !in.WValid && !in.ARValid {
			c[cntCycles]++
			e.now++
			return
		}
		e.atRest = false
	}
	soft, clearing := e.softRst, e.clearing
	e.softRst, e.clearing = false, false
	busy := e.busy()
	if e.axil.state != 0 || in.AWValid || in.WValid || in.ARValid {
		e.stepAxil(in, soft)
	}
	c[cntCycles]++
	if busy {
		c[cntActive]++
	}

	// What the pins do is settled by the registers at the start of the cycle.
	take, give := in.SValid && e.iskid.n < 2, e.oskid.n > 0 && in.MReady
	room := e.oskid.n < 2
	if give {
		c[cntBeatsOut]++
		if e.oskid.q[0].last {
			c[cntPackets]++
			e.regs.irqStatus |= 1 << regmap.IrqDone
		}
		e.oskid.pop()
	}
	switch {
	case soft:
		e.resetCore()
		e.iskid.n = 0
	case e.discard || e.abort:
		e.stepResetting(room)
	default:
		e.stepEnabled(room)
	}
	if take {
		c[cntBeatsIn]++
		e.sMid = !in.SLast
		if !soft { // else it is lost with the rest
			e.takeBeat(in)
		}
	}
	if soft {
		e.discard, e.abort = e.sMid, e.mMid
	}
	if clearing {
		e.regs.clear()
	}
	if !busy {
		e.atRest = e.resting()
	}
}

func (e *Engine) takeBeat(in *Inputs) {
	q := &e.iskid.q[e.iskid.n&1]
	q.last = in.SLast
	switch e.p.Lanes { // the words beyond the beat are never written and stay 0
	case 2:
		q.data[0] = in.SData[0] & 0xffffffff
	case 4:
		q.data[0] = in.SData[0]
	case 8:
		q.data[0], q.data[1] = in.SData[0], in.SData[1]
	default:
		q.data = in.SData
	}
	e.iskid.n++
}

// resting reports that until an input pin does something a clock cycle will
// change nothing but the counts of cycles.
func (e *Engine) resting() bool {
	return !e.busy() && e.iskid.n == 0 && e.axil.state == 0 && !e.softRst && !e.clearing &&
		e.nonFin == 0 && e.events.next == never && e.payload.next == never
}

// stepResetting is a cycle with discard or abort.
func (e *Engine) stepResetting(room bool) {
	// The core is offered nothing under discard, but runs on unless abort
	// stops it.
	drop := e.discard && e.iskid.n > 0
	if e.abort {
		if room {
			e.oskid.push(&Beat{regmap.MagicAbort << 8}, true)
			e.mMid, e.abort = false, false
		}
	} else {
		e.stepEnabled(room)
	}
	if drop {
		if e.iskid.q[0].last {
			e.discard = false
		}
		e.iskid.pop()
	}
}

// stepEnabled is a cycle in which nothing but a stream can stop the core.
func (e *Engine) stepEnabled(room bool) {
	offered := e.iskid.n > 0 && !e.discard
	if !room && e.back.wants(e) {
		e.regs.counters[cntStallOut]++
		e.stallOut++
		return
	}
	ready := e.unitReady()
	if !offered && e.front.wants(ready) {
		e.regs.counters[cntStallIn]++
		e.stallIn++
		return
	}
	e.stepCore(offered, ready)
}

// stepCore is one enabled cycle. The back goes first and the front last: each
// sees of the others what was there at the start of the cycle, because what
// they push becomes visible at its end only, and what is popped under them is
// read before.
func (e *Engine) stepCore(offered, ready bool) {
	inFlight, waiting := e.descs.n, e.payload.count()
	if e.nonFin != 0 {
		e.regs.counters[cntNonFinite] += e.nonFin
		e.nonFin = 0
	}
	if e.events.next == e.now {
		e.events.fire(e.now, &e.regs.counters)
	}
	if inFlight > 0 {
		e.stepBack(waiting)
	}
	if e.dequant.queued > 0 {
		e.stepDequant(waiting)
	}
	if e.source.left > 0 {
		e.stepSource(waiting)
	}
	if offered || e.front.state != head {
		e.stepFront(offered, ready, inFlight)
	}
	if e.payload.next == e.now {
		e.regs.counters[cntSaturations] += e.payload.publish()
	}
	e.now++
}
