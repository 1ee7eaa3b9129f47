package core

import "github.com/kvaccel/kvaccel/driver/regmap"

// States of the front.
const (
	head uint8 = iota
	check
	pay
	pad
	drain
)

// front takes packets apart: header, checks, dispatch, payload.
type front struct {
	state     uint8
	endless   bool // the header had no TLAST
	waited    bool // CHECK has lasted a cycle
	hb        int  // header beat index
	words     [8]uint32
	cmd       command
	start     stamps
	expected  uint64 // payload beats still to come
	taken     uint32 // payload beats taken
	last      kind   // what was dispatched last
	lastValid bool   // and was it accepted
}

// stamps are the core's counts when the first header beat was taken.
type stamps struct{ cycle, stallIn, stallOut uint32 }

// kind is what must not differ for commands to overlap.
type kind struct{ opcode, options, dims uint32 }

// wants reports want_in: the front cannot go on without a beat.
func (f *front) wants(ready bool) bool {
	return f.state == pay && ready || f.state == head && f.hb > 0
}

// stepFront is one enabled cycle. offered tells that a beat is there, ready
// that the unit takes one, inFlight how many descriptors were in flight at the
// start of the cycle.
func (e *Engine) stepFront(offered, ready bool, inFlight int) {
	f := &e.front
	switch f.state {
	case head:
		e.takeHeader()
	case check:
		if !f.waited {
			f.waited = true
		} else if e.mayDispatch(inFlight) {
			e.dispatch()
		}
	case pay:
		if ready {
			e.takePayload()
		}
	case pad:
		if ready {
			f.expected--
			e.feed(&Beat{}, f.expected == 0)
			if f.expected == 0 {
				e.finishInput(regmap.StTruncated, head)
			}
		}
	case drain:
		if offered {
			if e.iskid.q[0].last {
				f.state = head
			}
			e.iskid.pop()
		}
	}
}

// takeHeader takes a header beat. The core is enabled, so it is there.
func (e *Engine) takeHeader() {
	f, in := &e.front, &e.iskid.q[0]
	if f.hb == 0 {
		f.words = [8]uint32{}
		f.start = stamps{uint32(e.now), e.stallIn, e.stallOut}
	}
	per := e.beatBytes / 4 // 1, 2, 4 or 8 words a beat
	for i := range per {
		f.words[f.hb*per+i] = uint32(in.data[i/2] >> (i % 2 * 32))
	}
	last := in.last
	e.iskid.pop()
	f.hb++
	if !last && f.hb < e.hb {
		return
	}
	f.cmd = e.decode(&f.words, f.hb == e.hb, last)
	f.state, f.hb, f.waited, f.endless = check, 0, false, !last
}

// mayDispatch holds back a command that must not meet its predecessors.
func (e *Engine) mayDispatch(inFlight int) bool {
	f := &e.front
	if inFlight == 0 {
		return true
	}
	return f.cmd.status == regmap.StOK && f.cmd.opcode <= regmap.OpDequantize &&
		f.lastValid && f.last == f.cmd.kind && inFlight < regmap.MaxInFlight
}

// dispatch pushes the descriptor and starts the unit.
func (e *Engine) dispatch() {
	f := &e.front
	c := &f.cmd
	accepted := c.status == regmap.StOK
	e.descs.push(descriptor{tagged: f.words[0], status: c.status, start: f.start, prefix: c.prefixBeats})
	f.last, f.lastValid = c.kind, accepted
	f.expected, f.taken = c.beats, 0
	if !accepted || c.beats == 0 {
		e.descs.finish(c.status, 0)
		if accepted && c.opcode == regmap.OpSource && c.rows > 0 {
			e.startSource(c)
		} else {
			e.payload.schedule(e.now+1, 0, entLast)
		}
		f.state = head
		if f.endless {
			f.state = drain
		}
		return
	}
	f.state = pay
	e.rot.start(c)
	switch c.opcode {
	case regmap.OpEcho:
		e.echo.start(c)
	case regmap.OpQuantize:
		e.quant.start(c.coder, c.perChannel, c.dims, c.group)
	case regmap.OpDequantize:
		e.dequant.start(c, e.depth)
	case regmap.OpSelect, regmap.OpCompress:
		e.sel.start(c)
	case regmap.OpSink:
		e.sink.start(c)
	}
}

// takePayload takes a payload beat. The core is enabled, so it is there.
func (e *Engine) takePayload() {
	f, in := &e.front, &e.iskid.q[0]
	last := in.last
	f.expected--
	f.taken++
	aborted := last && f.expected > 0 && e.aborts()
	if aborted {
		e.abortUnit(&in.data)
	} else {
		e.feed(&in.data, f.expected == 0)
	}
	e.iskid.pop()
	switch {
	case f.expected == 0 && last:
		e.finishInput(regmap.StOK, head)
	case f.expected == 0:
		e.finishInput(regmap.StOverlong, drain)
	case aborted:
		e.finishInput(regmap.StTruncated, head)
	case last:
		f.state = pad
	}
}

// aborts reports that a payload which ends too early is not filled up.
func (e *Engine) aborts() bool {
	switch e.front.cmd.opcode {
	case regmap.OpSelect, regmap.OpSink:
		return true
	case regmap.OpCompress:
		return e.sel.left > 0
	}
	return false
}

// abortUnit takes the beat with which a payload ends too early, and answers.
func (e *Engine) abortUnit(data *Beat) {
	if e.front.cmd.opcode == regmap.OpSink {
		e.payload.schedule(e.now+regmap.LatSink, 0, entLast).data = Beat{}
		return
	}
	e.score(data)
	e.payload.schedule(e.now+regmap.LatSelectSettle, 0, entLast|e.sel.flags).data = Beat{}
}

// finishInput pushes the outcome of a command whose input is complete.
func (e *Engine) finishInput(status uint8, next uint8) {
	e.descs.finish(status, e.front.taken*uint32(e.beatBytes))
	e.front.state = next
}

// unitReady reports whether the unit at work takes a beat in this cycle.
func (e *Engine) unitReady() bool {
	f := &e.front
	if f.state != pay && f.state != pad {
		return false
	}
	switch f.cmd.opcode {
	case regmap.OpEcho:
		return e.payload.count() <= e.depth-4
	case regmap.OpDequantize:
		return e.dequant.ready()
	case regmap.OpSelect, regmap.OpCompress:
		return e.now >= e.sel.readyAt
	}
	return true
}

// feed gives a beat to the unit at work; last marks the last expected one.
func (e *Engine) feed(data *Beat, last bool) {
	switch e.front.cmd.opcode {
	case regmap.OpEcho:
		e.feedEcho(data, last)
	case regmap.OpQuantize:
		e.feedQuant(data, last)
	case regmap.OpDequantize:
		e.feedDequant(data)
	case regmap.OpSelect:
		e.feedSelect(data)
	case regmap.OpCompress:
		e.feedCompress(data)
	case regmap.OpSink:
		e.feedSink(data, last)
	}
}
