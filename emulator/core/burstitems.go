package core

import (
	"math/bits"
	"slices"
)

// straight reports that the codes of the group at work restore by lines.
func (u *dequantUnit) straight() bool {
	if u.perChannel {
		return u.bankLines() && !u.banks[u.issuing].nonFinite
	}
	return !u.bad && u.coder.Straight(u.stat)
}

// makeRoom lets what a burst restores lie where it is given, behind some beats
// that are given before.
func (u *dequantUnit) makeRoom(l *Ideal, before, beatBytes int) {
	l.Got = slices.Grow(l.Got, (before+burstItems)*beatBytes)
	at := len(l.Got) + before*beatBytes
	u.made = l.Got[at:at:cap(l.Got)]
}

// restore restores what was issued and is not restored yet.
func (fl *flow) restore() {
	e := fl.e
	u := &e.dequant
	from := len(u.made)
	n := int(fl.issued-fl.restored) * e.beatBytes
	fl.restored = fl.issued
	u.made = u.made[:from+n]
	for dst := u.made[from:]; len(dst) > 0; {
		dst = dst[e.restoreSome(dst):]
	}
}

// restoreSome restores an item, or as many whole groups (rows, per channel) as
// there are, and gives the bytes of them.
func (e *Engine) restoreSome(dst []byte) (n int) {
	u := &e.dequant
	switch {
	case !u.perChannel && u.item == 0 && len(dst) >= u.groupBeats*e.beatBytes:
		size := u.groupBeats * e.beatBytes
		k := len(dst) / size
		u.bits.read = uint64(u.coder.RestoreTokens(dst[:k*size], u.bits.ring, int(u.bits.read), size/2, &u.lines, u.used, k))
		u.used += k
		e.countRows(k * u.groupBeats)
		return k * size
	case u.perChannel && u.rowAt == 0 && len(dst) >= u.rowBeats*e.beatBytes:
		size := u.rowBeats * e.beatBytes
		k := len(dst) / size
		u.bits.read = uint64(u.coder.RestoreRows(dst[:k*size], u.bits.ring, int(u.bits.read), &u.banks[u.issuing].lines))
		e.regs.counters[cntTokens] += uint32(k)
		u.advance(k * u.rowBeats)
		return k * size
	}
	if u.item == 0 && !u.perChannel {
		e.readStat()
		u.used++
	}
	var item [4]uint64
	u.restore(&item)
	e.countRows(1)
	u.advance(1)
	e.putBeat(dst, (*Beat)(&item))
	return e.beatBytes
}

// countRows counts the rows that end with some more items.
func (e *Engine) countRows(items int) {
	u := &e.dequant
	at := u.rowAt + items
	u.rowAt = at % u.rowBeats
	e.regs.counters[cntTokens] += uint32(at / u.rowBeats)
}

// hand gives the back what it takes in the burst, of the entries from before and
// of what was restored, and schedules the rest.
func (fl *flow) hand(r *run) {
	e := fl.e
	given := max(fl.gave-int(e.payload.tail-e.payload.head), 0) * e.beatBytes
	r.drain()
	made := e.dequant.made
	r.l.Got = r.l.Got[:len(r.l.Got)+given] // made is there
	e.back.bytesOut += uint32(given)
	r.gave, r.last = uint64(fl.gave), e.now+fl.last
	made = made[given:]
	left, coming, pipe := len(made)/e.beatBytes, bits.OnesCount64(fl.pipe), fl.pipe
	for ; coming > left; coming-- { // scheduled before the burst
		pipe &= pipe - 1
	}
	for ; left > 0; left-- {
		at := r.end - 1
		if left <= coming {
			at = r.end + uint64(bits.TrailingZeros64(pipe))
			pipe &= pipe - 1
		}
		e.payload.schedule(at, e.beatBytes, 0).data = e.beatAt(made)
		made = made[e.beatBytes:]
	}
}
