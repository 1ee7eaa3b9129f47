package core

import "github.com/kvaccel/kvaccel/driver/regmap"

// descriptor is a command dispatched and not yet answered.
type descriptor struct {
	tagged uint32 // word 0 of the request
	status uint8  // at dispatch
	start  stamps
	prefix int // beats of scales before each group that has them
}

// outcome is how a command's input ended.
type outcome struct {
	status  uint8
	bytesIn uint32
}

// descFIFO holds descriptors and, behind them, outcomes, both in order.
type descFIFO struct {
	descs    [regmap.MaxInFlight]descriptor
	outcomes [regmap.MaxInFlight]outcome
	n        int    // in flight
	pushed   uint32 // descriptors so far
	finished uint32 // outcomes so far
}

func (q *descFIFO) push(d descriptor) {
	q.descs[q.pushed%regmap.MaxInFlight] = d
	q.pushed++
	q.n++
}

func (q *descFIFO) finish(status uint8, bytesIn uint32) {
	q.outcomes[q.finished%regmap.MaxInFlight] = outcome{status, bytesIn}
	q.finished++
}

func (q *descFIFO) oldest() uint32 { return (q.pushed - uint32(q.n)) % regmap.MaxInFlight }

// States of the back.
const (
	respHead uint8 = iota
	body
	tail
)

// back puts responses together.
type back struct {
	state     uint8
	flags     uint8 // of the entries so far, as in the trailer
	beat      int   // of header or trailer
	prefix    int   // cycles spent on the scales of the entry at the head
	words     [8]uint32
	firstBeat uint32 // cycle of the first header beat
	bytesOut  uint32
}

// wants reports out_want: the back may give a beat in this cycle.
func (b *back) wants(e *Engine) bool {
	switch b.state {
	case respHead:
		return e.descs.n > 0 // it is while the header is given
	case body:
		return e.payload.count() > 0
	}
	return true
}

// stepBack is one enabled cycle with a descriptor in flight; waiting is the
// payload FIFO's count.
func (e *Engine) stepBack(waiting int) {
	b := &e.back
	switch b.state {
	case respHead:
		if b.beat == 0 {
			d := &e.descs.descs[e.descs.oldest()]
			b.firstBeat = uint32(e.now)
			b.words = [8]uint32{d.tagged&^0xff00 | regmap.MagicResponse<<8, uint32(d.status)}
			b.flags, b.bytesOut = 0, 0
		}
		if e.giveWords(false) {
			b.state, b.prefix = body, 0
		}
	case body:
		if waiting > 0 {
			e.stepBody()
		}
	case tail:
		if b.beat == 0 {
			e.composeTrailer()
		}
		if e.giveWords(true) {
			b.state = respHead
			e.descs.n--
		}
	}
}

// giveWords gives the next beat of a header or trailer; true with the last.
func (e *Engine) giveWords(trailer bool) bool {
	b := &e.back
	var data Beat
	per := e.beatBytes / 4
	for i, w := range b.words[b.beat*per : (b.beat+1)*per] {
		data[i/2] |= uint64(w) << (i % 2 * 32)
	}
	b.beat++
	done := b.beat == e.hb
	if done {
		b.beat = 0
	}
	e.give(&data, trailer && done)
	return done
}

// give pushes a beat into oskid.
func (e *Engine) give(data *Beat, last bool) {
	e.oskid.push(data, last)
	e.mMid = !last
}

// stepBody handles the entry at the head of the payload FIFO.
func (e *Engine) stepBody() {
	b, en := &e.back, e.payload.first()
	if en.flags&entPrefix != 0 {
		n := e.descs.descs[e.descs.oldest()].prefix
		if b.prefix < regmap.LatPrefix+n {
			b.prefix++
			if b.prefix > regmap.LatPrefix {
				e.give(e.scales.pop(), false)
				b.bytesOut += uint32(e.beatBytes)
			}
			return
		}
		b.prefix = 0
	}
	e.payload.head++
	if en.bytes > 0 {
		e.give(&en.data, false)
		b.bytesOut += uint32(en.bytes)
	}
	if en.flags&entNonFinite != 0 {
		b.flags |= 1 << regmap.FlagNonFinite
	}
	if en.flags&entSaturated != 0 {
		b.flags |= 1 << regmap.FlagSaturated
	}
	if en.flags&entLast != 0 {
		b.state = tail
	}
}

// composeTrailer has the last word on a command.
func (e *Engine) composeTrailer() {
	b := &e.back
	i := e.descs.oldest()
	d, o := &e.descs.descs[i], &e.descs.outcomes[i]
	b.words = [8]uint32{
		d.tagged&^0xff00 | regmap.MagicTrailer<<8,
		uint32(o.status) | uint32(b.flags)<<8,
		o.bytesIn,
		b.bytesOut,
		uint32(e.now) - d.start.cycle + uint32(e.hb) + 2,
		e.stallIn - d.start.stallIn,
		e.stallOut - d.start.stallOut,
	}
	if o.status != regmap.StOK {
		e.regs.errors |= 1 << o.status
		e.regs.irqStatus |= 1 << regmap.IrqError
	}
}
