package core

import (
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator/model"
)

// bank holds the scales of one per-channel group.
type bank struct {
	busy      bool
	complete  bool
	nonFinite bool
	stats     []model.Stat
	words     []uint64
	table     []uint32 // of all channels, where tabled and steps began to issue it

	lines  model.Lines // for bursts
	lined  bool        // they are there
	clamps bool        // one of them has codes beyond the range
}

// restoring is a packet in DEQUANTIZE's queue.
type restoring struct {
	items uint64 // still to be issued
	mark  uint64 // code beats loaded up to and with its last
}

// dequantUnit loads code beats into a FIFO and scales into two banks, and
// restores one item a cycle. Packets that overlap are of one kind, so there is
// one configuration.
type dequantUnit struct {
	codeDepth  int
	room       int // most entries in the payload FIFO with which an item is issued
	lanes      int
	capacity   int // of the bit buffer, in units of L bits
	coder      model.Coder
	perChannel bool
	rowBeats   int
	groupBeats int // items of a group
	headUnits  int
	prefix     int    // beats of scales and minima of a per-channel group
	groupCodes uint64 // code beats of a per-channel group
	tabled     bool   // groups are so large that a table of all codes pays

	// Loading.
	fifo     int    // code beats in the FIFO
	prefixAt int    // scale and minimum beats of the group taken
	codesAt  uint64 // code beats of the group taken
	loading  int    // bank

	// Issuing.
	queue   [regmap.MaxInFlight]restoring
	queued  int
	marked  uint64 // the mark of the last packet queued
	moved   uint64 // code beats moved into the bit buffer
	fill    int    // units in it
	item    int    // of the group
	rowAt   int    // item of the row
	issuing int    // bank
	stat    model.Stat
	table   []uint32
	high    [8]uint64 // paired codes of the second half of the group
	bad     bool      // the group's scale or minimum is non-finite
	banks   [2]bank
	bits    codeBits
	flat    codeBits    // what stands in for bits in a burst
	lines   model.Lines // of the groups that a burst began
	used    int         // of them, by what was restored
	made    []byte      // what a burst restored
}

func (u *dequantUnit) init(p regmap.Params) {
	u.codeDepth, u.lanes = p.CodeDepth(), p.Lanes
	u.capacity = 32
	if p.Lanes == 2 {
		u.capacity = 48
	}
	for i := range u.banks {
		u.banks[i].stats = make([]model.Stat, p.MaxDim)
		u.banks[i].words = make([]uint64, p.MaxDim/2)
	}
	u.bits.init((u.codeDepth + 4) * 16 * p.Lanes)
}

func (u *dequantUnit) reset() {
	u.fifo, u.prefixAt, u.codesAt, u.loading = 0, 0, 0, 0
	u.queued, u.marked, u.moved, u.fill = 0, 0, 0, 0
	u.item, u.rowAt, u.issuing = 0, 0, 0
	for i := range u.banks {
		u.banks[i].busy, u.banks[i].complete = false, false
	}
	u.bits.write, u.bits.read = 0, 0
}

// start queues a packet. One that overlaps another has the same configuration.
// depth is that of the payload FIFO.
func (u *dequantUnit) start(c *command, depth int) {
	u.room = depth - regmap.LatDequantSlack
	if c.rotate > 0 {
		u.room -= regmap.LatRotate + 2*c.rotate/u.lanes
	}
	u.coder = c.coder
	u.perChannel, u.prefix = c.perChannel, c.prefixBeats
	u.rowBeats = c.dims / u.lanes
	u.groupBeats, u.headUnits = c.group/u.lanes, 0
	bits := int(c.coder.Bits)
	u.tabled = bits <= 5 && c.group >= 2<<bits
	if c.perChannel {
		u.groupBeats = c.group * u.rowBeats
		u.groupCodes = uint64(c.group*c.dims*bits) / uint64(16*u.lanes)
	} else {
		u.headUnits = c.coder.Stats() * 16 / u.lanes
	}
	u.marked += c.codeBeats
	u.queue[u.queued] = restoring{items: uint64(c.rows * u.rowBeats), mark: u.marked}
	u.queued++
}

// ready reports whether a beat is taken in this cycle.
func (u *dequantUnit) ready() bool {
	switch {
	case !u.perChannel || u.prefixAt == u.prefix:
		return u.fifo < u.codeDepth
	case u.prefixAt == 0:
		return !u.banks[0].busy || !u.banks[1].busy
	}
	return true
}

// feedDequant takes a beat.
func (e *Engine) feedDequant(data *Beat) {
	u := &e.dequant
	if u.perChannel && u.prefixAt < u.prefix {
		e.feedScales(data)
		return
	}
	u.fifo++
	u.bits.put(data, 16*u.lanes)
	if u.perChannel {
		u.codesAt++
		if u.codesAt == u.groupCodes {
			u.codesAt, u.prefixAt = 0, 0
			u.loading ^= 1
		}
	}
}

// feedScales takes a beat of scales or minima.
func (e *Engine) feedScales(data *Beat) {
	u := &e.dequant
	b := &u.banks[u.loading]
	if u.prefixAt == 0 {
		b.busy, b.complete, b.nonFinite, b.lined = true, false, false, false
		b.table = b.table[:0]
	}
	putBeat(b.words, u.prefixAt, u.lanes, (*[4]uint64)(data))
	if bad := u.coder.Format.CountNonFinite(data[:(u.lanes+3)/4]); bad > 0 {
		e.nonFin += uint32(bad)
		b.nonFinite = true
	}
	u.prefixAt++
	b.complete = u.prefixAt == u.prefix
	if b.complete {
		u.coder.Format.LoadStats(b.stats[:u.rowBeats*u.lanes], b.words[:u.prefix*u.lanes/4])
	}
}

// tabulate makes the table of a bank.
func (u *dequantUnit) tabulate(b *bank) {
	for _, s := range b.stats[:u.rowBeats*u.lanes] {
		b.table = u.coder.AppendTable(b.table, s)
	}
}

// stepDequant is one enabled cycle of issue and refill; waiting is the payload
// FIFO's count.
func (e *Engine) stepDequant(waiting int) {
	u := &e.dequant
	pkt := &u.queue[0]
	need := u.needAt(u.item)
	issue := u.fill >= need && waiting <= u.room &&
		(!u.perChannel || u.banks[u.issuing].complete)
	if !issue {
		need = 0
	}
	u.fill -= need
	if u.fifo > 0 && u.moved < pkt.mark && u.fill <= u.capacity-16 {
		u.fifo--
		u.moved++
		u.fill += 16
	}
	if issue {
		pkt.items--
		e.issue(pkt.items == 0)
		if pkt.items == 0 {
			u.endPacket()
		}
	}
}

// needAt is what an item of a group takes of the bit buffer. Paired codes are
// taken with the items of the first half of a group.
func (u *dequantUnit) needAt(item int) int {
	n := int(u.coder.Bits)
	if u.coder.Paired {
		n *= 2
		if item >= u.groupBeats/2 {
			n = 0
		}
	}
	if item == 0 {
		n += u.headUnits
	}
	return n
}

// endPacket forgets what is left of the packet's last beat.
func (u *dequantUnit) endPacket() {
	u.fill = 0
	u.bits.read = u.moved * uint64(16*u.lanes)
	copy(u.queue[:], u.queue[1:u.queued])
	u.queued--
}

// issue restores an item; it is pushed LatDequantPipe cycles later.
func (e *Engine) issue(last bool) {
	u := &e.dequant
	var v event
	if u.item == 0 {
		v.groups = 1
		if u.perChannel {
			v.groups = uint16(u.rowBeats * u.lanes)
			if u.tabled {
				u.tabulate(&u.banks[u.issuing])
			}
		} else {
			e.readStat()
		}
	}
	if e.rot.size > 0 {
		var item [4]uint64
		sat, bad := u.restore(&item)
		e.rotateOut(&item, itemFlags(last, bad, sat > 0), sat)
	} else {
		en := e.payload.schedule(e.now+regmap.LatDequantPipe, 2*u.lanes, 0)
		sat, bad := u.restore((*[4]uint64)(&en.data))
		en.sat = uint8(sat)
		en.flags = itemFlags(last, bad, sat > 0)
	}
	if u.rowAt++; u.rowAt == u.rowBeats {
		u.rowAt = 0
		v.tokens = 1
	}
	u.advance(1)
	e.regs.counters[cntGroups] += uint32(v.groups)
	e.regs.counters[cntTokens] += uint32(v.tokens)
}

// restore takes the codes of an item from the bit buffer. It counts the clamped
// elements and reports whether scale or minimum were non-finite.
func (u *dequantUnit) restore(dst *[4]uint64) (saturated int, bad bool) {
	var src [4]uint64
	switch half := u.groupBeats / 2; {
	case !u.coder.Paired:
		u.bits.take(&src, u.lanes*int(u.coder.Bits))
	case u.item < half:
		u.bits.take(&src, 8*u.lanes)
		src[0], u.high[u.item] = model.SplitPairs(&src, u.lanes)
	default:
		src[0] = u.high[u.item-half]
	}
	if !u.perChannel {
		if u.tabled {
			return u.coder.LookUp(dst, &src, u.lanes, u.table, 0), u.bad
		}
		return u.coder.RestoreToken(dst, &src, u.lanes, u.stat), u.bad
	}
	b, at := &u.banks[u.issuing], u.rowAt*u.lanes
	if len(b.table) > 0 {
		codes := 1 << u.coder.Bits
		return u.coder.LookUp(dst, &src, u.lanes, b.table[at*codes:], codes), b.nonFinite
	}
	return u.coder.RestoreChannel(dst, &src, b.stats[at:at+u.lanes]), b.nonFinite
}

// readStat takes scale and minimum of a per-token group from the bit buffer.
func (e *Engine) readStat() {
	u := &e.dequant
	var w [4]uint64
	var minimum uint16
	if u.coder.Stats() == 1 {
		u.bits.take(&w, 16)
	} else {
		u.bits.take(&w, 32)
		minimum = uint16(w[0] >> 16)
	}
	stat, bad := u.coder.Format.ReadStat(uint16(w[0]), minimum)
	u.stat, u.bad = stat, bad > 0
	if u.tabled {
		u.table = u.coder.AppendTable(u.table[:0], stat)
	}
	e.nonFin += uint32(bad)
}

func itemFlags(last, nonFinite, saturated bool) (f uint8) {
	if last {
		f |= entLast
	}
	if nonFinite {
		f |= entNonFinite
	}
	if saturated {
		f |= entSaturated
	}
	return f
}
