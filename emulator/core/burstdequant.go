package core

import (
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator/model"
)

// burstItems is the most cycles of a burst of DEQUANTIZE.
const burstItems = 2048

// flow is DEQUANTIZE between front and back without the data: what is taken,
// loaded, issued and given in each cycle of a burst.
type flow struct {
	e *Engine
	l *Ideal

	// What does not change.
	feeds      bool // the front is in PAY
	need, head int  // units of an item, and before the first of a group
	room       int  // of the payload FIFO, beyond which nothing is issued
	mostTaken  uint64
	mostFed    uint64
	mostIssued uint64
	mostGave   int

	flowState
	cycle, taken, fed, issued uint64
	moved                     uint64 // as the unit's
	gave                      int
	last                      uint64 // the cycle in which the back gave a beat
	groups                    int    // begun
	restored                  uint64 // items
	cursor                    uint64 // bit of the code queue that the next group starts at
	scales                    bool   // the front takes scales or minima
	complete                  bool   // there are scales

	seen  mark // an earlier cycle
	since int  // cycles, or groups per token, since then
	until int  // and when to take a later one
}

// flowState decides, with what cannot run out soon, on all cycles to come.
type flowState struct {
	fill, item, fifo int    // as the unit's
	waiting          int    // the payload FIFO's count
	slice            int    // beats in the input slice
	pipe             uint64 // bit i: an item is pushed i cycles from now
}

// burstDequant passes cycles with packets in DEQUANTIZE's queue. Its parts wait
// for each other, so each cycle is followed, but for the data: what is restored
// is worked out when it is known how much. It ends before anything that a step
// should do: an end of a packet or response, something not finite or clamped.
func (e *Engine) burstDequant(l *Ideal, feeds bool) uint64 {
	u := &e.dequant
	if !e.bulk(u.coder) || u.queue[0].items < 2 || u.item > 0 && !u.straight() {
		return 0
	}
	base := u.unroll()
	u.makeRoom(l, e.oskid.n+int(e.payload.tail-e.payload.head), e.beatBytes)
	fl := e.newFlow(l, feeds)
	for fl.cycle < burstItems && fl.step() {
		fl.repeat()
	}
	if fl.cycle == 0 {
		u.roll(base)
		return 0
	}
	fl.restore()
	u.roll(base)
	u.fill, u.fifo, u.moved = fl.fill, fl.fifo, fl.moved
	u.queue[0].items -= fl.issued
	if u.perChannel {
		fl.groups *= u.rowBeats * u.lanes
	}
	e.regs.counters[cntGroups] += uint32(fl.groups)
	r := e.run(l, fl.cycle)
	fl.hand(&r)
	r.finish(0)
	if feeds {
		e.iskid.n = fl.slice
		e.refill(l, fl.fed, fl.taken)
	}
	return fl.cycle
}

func (e *Engine) newFlow(l *Ideal, feeds bool) flow {
	u, p := &e.dequant, &e.payload
	fl := flow{e: e, l: l, feeds: feeds, need: int(u.coder.Bits), head: u.headUnits, room: u.room}
	fl.flowState = flowState{fill: u.fill, item: u.item, fifo: u.fifo, waiting: p.count(), slice: e.iskid.n}
	fl.moved, fl.mostIssued, fl.mostGave = u.moved, u.queue[0].items-1, 1<<30
	fl.cursor = u.bits.read
	if u.item > 0 {
		fl.cursor += uint64((u.groupBeats - u.item) * u.lanes * fl.need)
	}
	fl.scales = feeds && u.perChannel && u.prefixAt < u.prefix
	fl.complete = !u.perChannel || u.banks[u.issuing].complete
	if feeds {
		fl.mostTaken = uint64((len(l.Packet) - l.At) / e.beatBytes)
		// The last beat, be it expected or not, is left to a step.
		fl.mostFed = min(e.front.expected, fl.mostTaken+uint64(fl.slice)) - 1
	}
	mask := len(p.ring) - 1
	for i := p.seen; i != p.tail; i++ {
		fl.pipe |= 1 << (p.ring[int(i)&mask].at - e.now)
	}
	for i := p.head; i != p.tail; i++ {
		if p.ring[int(i)&mask].flags&entLast != 0 {
			fl.mostGave = int(i - p.head)
			break
		}
	}
	u.lines.Cut(0)
	u.used = 0
	return fl
}

// step passes a cycle, or none.
func (fl *flow) step() bool {
	u := &fl.e.dequant
	need := fl.need
	if fl.item == 0 {
		need += fl.head
	}
	issue := fl.fill >= need && fl.waiting <= fl.room && fl.complete
	feed := fl.feeds && (fl.fifo < u.codeDepth || fl.scales)
	if fl.scales {
		feed = u.ready()
	}
	take := fl.feeds && fl.slice < 2
	if fl.waiting > 0 && fl.gave == fl.mostGave || issue && fl.issued == fl.mostIssued ||
		feed && (fl.slice == 0 || fl.fed == fl.mostFed || fl.scales && !fl.finite()) ||
		take && fl.taken == fl.mostTaken || issue && fl.item == 0 && !fl.straight() {
		return false
	}
	if fl.waiting > 0 {
		fl.waiting--
		fl.gave++
		fl.last = fl.cycle
	}
	if issue {
		fl.fill -= need
	}
	if fl.fifo > 0 && fl.moved < u.queue[0].mark && fl.fill <= u.capacity-16 {
		fl.fifo--
		fl.moved++
		fl.fill += 16
	}
	if issue {
		fl.issue()
	}
	if feed {
		fl.feed()
	}
	if take {
		fl.slice++
		fl.taken++
	}
	fl.waiting += int(fl.pipe & 1)
	fl.pipe >>= 1
	fl.cycle++
	return true
}

// issue issues an item.
func (fl *flow) issue() {
	u := &fl.e.dequant
	if fl.item == 0 {
		fl.groups++
	}
	fl.pipe |= 1 << regmap.LatDequantPipe
	fl.issued++
	if fl.item++; fl.item < u.groupBeats {
		return
	}
	fl.item = 0
	if u.perChannel { // its bank may be loaded anew
		fl.restore()
		fl.complete = u.banks[u.issuing].complete
	}
}

// feed gives a beat to the unit.
func (fl *flow) feed() {
	e := fl.e
	u := &e.dequant
	b := e.beatAt(fl.next())
	u.fifo = fl.fifo
	e.feedDequant(&b)
	fl.fifo = u.fifo
	fl.fed++
	fl.slice--
	if u.perChannel {
		fl.scales = u.prefixAt < u.prefix
		fl.complete = u.banks[u.issuing].complete
	}
}

// next is the beat that the front takes next, and what follows.
func (fl *flow) next() []byte {
	return fl.l.Packet[fl.l.At+(int(fl.taken)-fl.slice)*fl.e.beatBytes:]
}

// finite reports that the next beat has no scale or minimum that is not finite.
func (fl *flow) finite() bool {
	b := fl.e.beatAt(fl.next())
	bad := 0
	for _, w := range b[:(fl.e.dequant.lanes+3)/4] {
		_, n := model.CleanWord(w)
		bad += n
	}
	return bad == 0
}

// straight reports that all codes of the next group restore by a line: scale and
// minimum are finite and no code is clamped.
func (fl *flow) straight() bool {
	u := &fl.e.dequant
	if u.perChannel {
		return u.straight()
	}
	return fl.begin(1) == 1
}

// begin reads scale and minimum of the next per-token groups, up to n, and gives
// how many of them are straight.
func (fl *flow) begin(n int) int {
	u := &fl.e.dequant
	size := uint64((u.headUnits + u.groupBeats*fl.need) * u.lanes)
	n = u.lines.Read(u.coder, u.bits.ring, fl.cursor, size, n)
	fl.cursor += uint64(n) * size
	return n
}
