package core

import (
	"math/bits"

	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator/model"
)

// burstItems is the most cycles of a burst of DEQUANTIZE.
const burstItems = 1024

// flow is DEQUANTIZE between front and back without the data: what is taken,
// loaded, issued and given in each cycle.
type flow struct {
	e     *Engine
	l     *Ideal
	feeds bool // the front is in PAY

	cycle     uint64 // of the burst
	taken     uint64 // beats by the slice
	fed       uint64 // beats by the front
	mostTaken uint64
	mostFed   uint64
	slice     int // beats in the input slice

	issued, mostIssued uint64
	pipe               uint64 // bit i: an item is pushed i cycles from now
	waiting            int    // the payload FIFO's count
	gave, mostGave     int
	last               uint64 // the cycle the back gave a beat in
	item, rowAt        int    // as the unit's
	cursor             uint64 // bit of the code queue that the next item starts at

	seen  mark // an earlier cycle
	since int  // groups, or items per channel, since then
	until int  // and when to take a later one
}

// burstDequant passes cycles with packets in DEQUANTIZE's queue. Its parts wait
// for each other, so each cycle is followed, but for the data: what is restored
// is worked out when it is known how much. It ends before anything that a step
// should do: an end of a packet or response, something not finite or clamped.
func (e *Engine) burstDequant(l *Ideal, feeds bool) uint64 {
	u := &e.dequant
	if u.coder.Paired || u.queue[0].items < 2 {
		return 0
	}
	base := u.unroll()
	fl := e.newFlow(l, feeds)
	for fl.cycle < burstItems && fl.step() {
		if u.perChannel && fl.item == u.groupBeats {
			break // its bank may be loaded anew
		}
		fl.repeat()
	}
	if fl.cycle == 0 {
		u.roll(base)
		return 0
	}
	r := e.run(l, fl.cycle)
	u.queue[0].items -= fl.issued
	ringed := int(e.payload.tail - e.payload.head) // entries from before the burst
	r.drain()
	e.restoreItems(&r, &fl, ringed)
	u.roll(base)
	r.gave, r.last = uint64(fl.gave), e.now+fl.last
	r.finish(0)
	if feeds {
		e.iskid.n = fl.slice
		e.refill(l, fl.fed, fl.taken)
	}
	return fl.cycle
}

func (e *Engine) newFlow(l *Ideal, feeds bool) flow {
	u, p := &e.dequant, &e.payload
	fl := flow{e: e, l: l, feeds: feeds, slice: e.iskid.n, mostIssued: u.queue[0].items - 1, waiting: p.count(), item: u.item, rowAt: u.rowAt, cursor: u.bits.read}
	if feeds {
		fl.mostTaken = uint64((len(l.Packet) - l.At) / e.beatBytes)
		// The last beat, be it expected or not, is left to a step.
		fl.mostFed = min(e.front.expected, fl.mostTaken+uint64(fl.slice)) - 1
	}
	mask := len(p.ring) - 1
	for i := p.seen; i != p.tail; i++ {
		fl.pipe |= 1 << (p.ring[int(i)&mask].at - e.now)
	}
	fl.mostGave = 1 << 30
	for i := p.head; i != p.tail; i++ {
		if p.ring[int(i)&mask].flags&entLast != 0 {
			fl.mostGave = int(i - p.head)
			break
		}
	}
	u.lines.bases, u.lines.scales = u.lines.bases[:0], u.lines.scales[:0]
	return fl
}

// step passes a cycle, or none.
func (fl *flow) step() bool {
	e := fl.e
	u := &e.dequant
	need := u.needAt(fl.item)
	issue := u.fill >= need && fl.waiting <= e.depth-regmap.LatDequantSlack && (!u.perChannel || u.banks[u.issuing].complete)
	feed := fl.feeds && u.ready()
	switch {
	case fl.waiting > 0 && fl.gave == fl.mostGave,
		issue && (fl.issued == fl.mostIssued || !fl.straight()),
		feed && (fl.slice == 0 || fl.fed == fl.mostFed || !fl.finite()),
		fl.feeds && fl.taken == fl.mostTaken && fl.slice < 2:
		return false
	}
	if fl.waiting > 0 {
		fl.waiting--
		fl.gave++
		fl.last = fl.cycle
	}
	if issue {
		u.fill -= need
	}
	if u.fifo > 0 && u.moved < u.queue[0].mark && u.fill <= u.capacity-16 {
		u.fifo--
		u.moved++
		u.fill += 16
	}
	if issue {
		fl.issue()
	}
	take := fl.feeds && fl.slice < 2
	if feed {
		b := e.beatAt(fl.next())
		e.feedDequant(&b)
		fl.fed++
		fl.slice--
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

// next is the beat that the front takes next, and what follows.
func (fl *flow) next() []byte {
	return fl.l.Packet[fl.l.At+(int(fl.taken)-fl.slice)*fl.e.beatBytes:]
}

// finite reports that the next beat has no scale or minimum that is not finite.
func (fl *flow) finite() bool {
	u := &fl.e.dequant
	if !u.perChannel || u.prefixAt == u.prefix {
		return true
	}
	b := fl.e.beatAt(fl.next())
	return model.CountNonFinite(b[:]) == 0
}

// straight reports that the next item is restored like all of its group: scale
// and minimum are finite and no code is clamped.
func (fl *flow) straight() bool {
	u := &fl.e.dequant
	if u.perChannel {
		return u.bankLines() && !u.banks[u.issuing].nonFinite
	}
	if fl.item > 0 {
		return !u.bad && (len(u.lines.bases) > 0 || !u.coder.Clamps(u.coder.Line(u.stat)))
	}
	h := u.bits.peek(fl.cursor)
	var minimum uint16
	if u.coder.Stats() == 2 {
		minimum = uint16(h >> 16)
	}
	stat, bad := model.ReadStat(uint16(h), minimum)
	line := u.coder.Line(stat)
	if bad > 0 || u.coder.Clamps(line) {
		return false
	}
	u.lines.add(line)
	return true
}

// issue issues an item.
func (fl *flow) issue() {
	e := fl.e
	u, c := &e.dequant, &e.regs.counters
	if fl.item == 0 {
		groups := 1
		if u.perChannel {
			groups = u.rowBeats * u.lanes
		} else {
			fl.cursor += uint64(u.headUnits * u.lanes)
		}
		c[cntGroups] += uint32(groups)
	}
	fl.cursor += uint64(u.lanes) * uint64(u.coder.Bits)
	fl.pipe |= 1 << regmap.LatDequantPipe
	fl.issued++
	if fl.rowAt++; fl.rowAt == u.rowBeats {
		fl.rowAt = 0
		c[cntTokens]++
	}
	if fl.item++; fl.item == u.groupBeats && !u.perChannel {
		fl.item = 0
	}
}

// restoreItems restores what was issued, behind the ring's entries from before
// the burst, and parts it into what was given and what waits.
func (e *Engine) restoreItems(r *run, fl *flow, ringed int) {
	bytes := int(fl.issued) * e.beatBytes
	from := len(r.l.Got)
	r.l.Got = append(r.l.Got, make([]byte, bytes)...)
	dst := r.l.Got[from:]
	groups := 0
	for len(dst) > 0 {
		n := e.restoreSome(dst, &groups)
		dst = dst[n:]
	}
	given := max(fl.gave-ringed, 0)
	e.back.bytesOut += uint32(given * e.beatBytes)
	rest := r.l.Got[from+given*e.beatBytes:]
	r.l.Got = r.l.Got[:from+given*e.beatBytes]
	left := len(rest) / e.beatBytes
	coming := bits.OnesCount64(fl.pipe)
	pipe := fl.pipe
	for ; coming > left; coming-- { // scheduled before the burst
		pipe &= pipe - 1
	}
	for ; left > 0; left-- {
		at := r.end - 1
		if left <= coming {
			at = r.end + uint64(bits.TrailingZeros64(pipe))
			pipe &= pipe - 1
		}
		e.payload.schedule(at, e.beatBytes, 0).data = e.beatAt(rest)
		rest = rest[e.beatBytes:]
	}
}

// restoreSome restores an item, or as many whole groups (rows, per channel) as
// there are, and gives the bytes of them. groups counts those begun in the burst.
func (e *Engine) restoreSome(dst []byte, groups *int) (n int) {
	u := &e.dequant
	switch {
	case !u.perChannel && u.item == 0 && len(dst) >= u.groupBeats*e.beatBytes:
		size := u.groupBeats * e.beatBytes
		k := len(dst) / size
		b, s := u.lines.bases[*groups:*groups+k], u.lines.scales[*groups:*groups+k]
		*groups += k
		u.bits.read = uint64(u.coder.RestoreTokens(dst[:k*size], u.bits.ring, int(u.bits.read), size/2, b, s))
		u.rowAt = (u.rowAt + k*u.groupBeats) % u.rowBeats
		return k * size
	case u.perChannel && u.rowAt == 0 && len(dst) >= u.rowBeats*e.beatBytes:
		size := u.rowBeats * e.beatBytes
		k := len(dst) / size
		b := &u.banks[u.issuing].lines
		u.bits.read = uint64(u.coder.RestoreRows(dst[:k*size], u.bits.ring, int(u.bits.read), b.bases, b.scales))
		u.advance(k * u.rowBeats)
		return k * size
	}
	if u.item == 0 && !u.perChannel {
		e.readStat()
		*groups++
	}
	var item [4]uint64
	u.restore(&item)
	if u.rowAt++; u.rowAt == u.rowBeats {
		u.rowAt = 0
	}
	u.advance(1)
	e.putBeat(dst, (*Beat)(&item))
	return e.beatBytes
}
