package core

import (
	"encoding/binary"
	"math"

	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator/model"
)

// Ideal is the streams' side of a link that is never in the way: what is left of
// Packet is always offered, what is given is always taken, and no register is
// accessed.
type Ideal struct {
	Packet []byte // on s_axis, whole beats, TLAST with the last; empty if there is none
	At     int    // bytes of it already taken
	Got    []byte // what was given on m_axis is appended here
}

// Burst passes clock cycles at once, none if it cannot, and leaves the engine as
// Step would in that many cycles: only what nobody can look at in between may
// differ. It never passes a cycle with a TLAST on m_axis, and never takes a beat
// of a packet behind l.Packet.
//
// It can because the parts of the core look at each other seldom. While a payload
// comes in, and no response ends, the front gives beats to its unit, the unit
// schedules what the back will find, and the back gives it: the first knows
// nothing of the last. So all cycles of one go before all cycles of the next.
// DEQUANTIZE alone waits for what is behind it: see burstDequant.
func (e *Engine) Burst(l *Ideal) (clocks uint64) {
	if e.back.state != body || e.softRst || e.clearing || e.discard || e.abort || e.axil.state != 0 ||
		e.oskid.n == 2 || e.oskid.n == 1 && e.oskid.q[0].last || e.source.left > 0 {
		return 0
	}
	late := e.nonFin // is counted in the first cycle
	e.nonFin = 0
	if clocks = e.burst(l); clocks > 0 {
		e.regs.counters[cntNonFinite] += late
	} else {
		e.nonFin = late
	}
	return clocks
}

func (e *Engine) burst(l *Ideal) (clocks uint64) {
	f := &e.front
	idle := e.frontIdles(l)
	feeds := f.state == pay && l.At == (e.hb+int(f.taken)+e.iskid.n)*e.beatBytes
	switch {
	case !idle && !feeds:
		return 0
	case e.dequant.queued > 0:
		return e.burstDequant(l, !idle)
	case idle:
		return e.burstIdle(l, e.responseLimit())
	case e.iskid.n != 1 || !e.unitReady():
		return 0
	}
	// The last beat is taken by a step.
	limit := min(e.responseLimit(), f.expected-1, uint64((len(l.Packet)-l.At)/e.beatBytes))
	if limit == 0 {
		return 0
	}
	switch f.cmd.opcode {
	case regmap.OpEcho: // looks at the payload FIFO
		return 0
	case regmap.OpQuantize:
		clocks = e.burstQuant(l, limit)
	case regmap.OpSelect, regmap.OpCompress:
		clocks = e.burstSelect(l, limit)
	}
	if clocks == 0 {
		if f.cmd.opcode == regmap.OpCompress && e.sel.left == 0 { // then go on with whole rows
			limit = min(limit, uint64(e.comp.rowBeats-e.comp.beat))
		}
		clocks = e.burstFeed(l, limit)
	}
	return clocks
}

// bulk reports whether groups are coded and restored many at a time. Others are
// taken beat by beat, and restored in single steps.
func (e *Engine) bulk(c model.Coder) bool {
	return !c.Paired && c.Format == model.FP16 && e.rot.size == 0
}

// frontIdles reports that neither the front nor the input slice will move until
// a response ends or a SELECT is ready.
func (e *Engine) frontIdles(l *Ideal) bool {
	f := &e.front
	offered := l.At < len(l.Packet)
	switch f.state {
	case head:
		return f.hb == 0 && e.iskid.n == 0 && !offered
	case check:
		return f.waited && !e.mayDispatch(e.descs.n) && (e.iskid.n == 2 || !offered)
	case pay:
		return (f.cmd.opcode == regmap.OpSelect || f.cmd.opcode == regmap.OpCompress) && e.now < e.sel.readyAt && e.iskid.n == 2
	}
	return false
}

// responseLimit is how many cycles the back takes at least to come to the last
// entry of its response.
func (e *Engine) responseLimit() uint64 {
	f := &e.payload
	mask := len(f.ring) - 1
	for i := f.head; i != f.tail; i++ {
		if en := &f.ring[int(i)&mask]; en.flags&entLast != 0 {
			return max(uint64(i-f.head), en.at+1-min(e.now, en.at+1))
		}
	}
	return math.MaxUint64
}

// burstIdle passes cycles in which nothing comes in.
func (e *Engine) burstIdle(l *Ideal, limit uint64) uint64 {
	if e.front.state == pay {
		limit = min(limit, e.sel.readyAt-e.now)
	}
	if limit == 0 || limit == math.MaxUint64 {
		return 0
	}
	r := e.run(l, limit)
	r.drain()
	r.finish(0)
	return limit
}

// burstFeed passes cycles in which the unit at work gets one beat after another.
func (e *Engine) burstFeed(l *Ideal, limit uint64) uint64 {
	from, n := e.now, uint64(0)
	at := l.At - e.beatBytes // of the beat in the slice
	for ; n < min(limit, 64) && (n == 0 || e.unitReady()); n++ {
		if e.nonFin != 0 {
			e.regs.counters[cntNonFinite] += e.nonFin
			e.nonFin = 0
		}
		b := e.beatAt(l.Packet[at:])
		e.feed(&b, false)
		at += e.beatBytes
		e.now++
	}
	e.now = from
	r := e.run(l, n)
	r.drain()
	r.finish(n)
	return n
}

// beatAt reads a beat.
func (e *Engine) beatAt(p []byte) (b Beat) {
	if e.beatBytes == 4 {
		b[0] = uint64(binary.LittleEndian.Uint32(p))
		return b
	}
	for i := range e.beatBytes / 8 {
		b[i&3] = binary.LittleEndian.Uint64(p[8*i:])
	}
	return b
}

// run is a burst: how the back goes over its cycles.
type run struct {
	e      *Engine
	l      *Ideal
	end    uint64 // the first cycle after it
	free   uint64 // the first cycle in which the back has nothing to do yet
	gave   uint64 // beats given
	last   uint64 // the cycle of the last of them
	packed int    // of them, beats still in the packer's queue
}

func (e *Engine) run(l *Ideal, clocks uint64) run {
	r := run{e: e, l: l, end: e.now + clocks, free: e.now}
	if e.oskid.n > 0 {
		r.put(&e.oskid.q[0].data)
	}
	return r
}

// put appends a beat to what was given.
func (r *run) put(b *Beat) {
	got := r.l.Got
	switch r.e.beatBytes {
	case 4:
		got = binary.LittleEndian.AppendUint32(got, uint32(b[0]))
	case 16:
		got = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(got, b[0]), b[1])
	default:
		for _, w := range b[:r.e.beatBytes/8] {
			got = binary.LittleEndian.AppendUint64(got, w)
		}
	}
	r.l.Got = got
}

// give gives a beat in a cycle.
func (r *run) give(b *Beat, at uint64) {
	r.put(b)
	r.gave++
	r.last, r.free = at, at+1
}

// drain follows the back over the entries of the payload FIFO. It reports
// whether the back came through them all.
func (r *run) drain() bool {
	e := r.e
	f, b := &e.payload, &e.back
	r.publish()
	mask := len(f.ring) - 1
	for f.head != f.tail {
		en := &f.ring[int(f.head)&mask]
		at := max(r.free, en.at+1)
		if en.flags&entPrefix != 0 {
			n := e.descs.descs[e.descs.oldest()].prefix
			for ; at < r.end && b.prefix < regmap.LatPrefix+n; at++ {
				if b.prefix++; b.prefix > regmap.LatPrefix {
					r.give(e.scales.pop(), at)
					b.bytesOut += uint32(e.beatBytes)
				}
			}
			r.free = max(r.free, min(at, r.end))
		}
		if at >= r.end {
			return false
		}
		b.prefix = 0
		f.head++
		r.give(&en.data, at)
		b.bytesOut += uint32(en.bytes)
		b.flags |= trailFlags(en.flags)
	}
	return true
}

// trailFlags are an entry's flags as the trailer has them.
func trailFlags(flags uint8) (t uint8) {
	if flags&entNonFinite != 0 {
		t |= 1 << regmap.FlagNonFinite
	}
	if flags&entSaturated != 0 {
		t |= 1 << regmap.FlagSaturated
	}
	return t
}

// publish pushes all entries that are due.
func (r *run) publish() {
	f := &r.e.payload
	for f.next < r.end {
		r.e.regs.counters[cntSaturations] += f.publish()
	}
}

// finish ends a burst in which the front took so many beats, one a cycle from the
// slice, which the link filled again.
func (r *run) finish(fed uint64) {
	e, l := r.e, r.l
	c, clocks := &e.regs.counters, r.end-e.now
	if fed > 0 {
		e.front.expected -= fed
		e.front.taken += uint32(fed)
		l.At += int(fed) * e.beatBytes
		c[cntBeatsIn] += uint32(fed)
		e.sMid = l.At < len(l.Packet)
		e.iskid.q[0] = slot{e.beatAt(l.Packet[l.At-e.beatBytes:]), !e.sMid}
	}
	r.settle()
	c[cntCycles] += uint32(clocks)
	c[cntActive] += uint32(clocks)
	for e.events.next < r.end {
		e.events.fire(e.events.next, c)
	}
	r.publish()
	e.now = r.end
}

// settle leaves in the output slice what was given in the last cycle.
func (r *run) settle() {
	e := r.e
	e.regs.counters[cntBeatsOut] += uint32(e.oskid.n) + uint32(r.gave)
	e.oskid.n = 0
	if r.gave == 0 {
		return
	}
	e.mMid = true
	at := len(r.l.Got) - e.beatBytes
	e.oskid.q[0] = slot{data: e.beatAt(r.l.Got[at:])}
	if r.last == r.end-1 {
		e.oskid.n = 1
		r.l.Got = r.l.Got[:at]
		e.regs.counters[cntBeatsOut]--
	}
}
