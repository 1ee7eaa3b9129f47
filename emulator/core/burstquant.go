package core

import (
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator/model"
)

// burstBeats is the most beats of a burst of per-token groups: 16 KiB, so that
// what is made of them is still in the cache.
const burstBeats = 1024

// burstQuant takes up to limit beats of a QUANTIZE, all of them finite; 0 if the
// first are not.
func (e *Engine) burstQuant(l *Ideal, limit uint64) uint64 {
	u := &e.quant
	if !e.bulk(u.coder) {
		return 0
	}
	// What is there of the group is copied once more.
	most := burstBeats
	if u.perChannel {
		most = u.groupBeats
	}
	beats := min(u.beats+int(min(limit, uint64(most))), max(most, u.groupBeats), 4*len(u.words)/u.lanes)
	words := model.CopyFinite(u.words[:beats*u.lanes/4&^3], l.Packet[l.At-(1+u.beats)*e.beatBytes:])
	beats = 4 * words / u.lanes
	if beats <= u.beats {
		return 0
	}
	clocks := uint64(beats - u.beats)
	r := e.run(l, clocks)
	done := e.now + uint64(u.groupBeats-u.beats-1) // the cycle in which the first group is complete
	groups := beats / u.groupBeats
	size := u.groupBeats * u.lanes / 4
	switch {
	case groups == 0:
		r.drain()
	case u.perChannel:
		e.channelGroup(done, u.words[:size], false)
		r.drain()
	default:
		blocked := !r.drain()
		u.coder.QuantizeTokens(u.words[:groups*size], size, &u.out)
		r.tokens(groups, 1, done, blocked)
		r.unpack()
		u.out.Compact()
	}
	copy(u.words, u.words[groups*size:words])
	u.beats = beats % u.groupBeats
	r.finish(clocks)
	return clocks
}

// tokens schedules n per-token groups, coded and in the packer's queue, of which
// the first was complete in cycle done and the others follow each other, and
// gives what the back gives of them. counted is 1, or 0 for what is not coded.
// blocked says that the back is busy to the end with what came before. It gives
// the cycle of the last ring read, and whether the back is busy now.
func (r *run) tokens(n int, counted uint16, done uint64, blocked bool) (lastRead uint64, busy bool) {
	e := r.e
	u := &e.quant
	units := u.headUnits + u.groupBeats*u.units
	for ; n > 0; n-- {
		first := done + regmap.LatQuantToken
		lastRead = first + uint64(u.groupBeats-1)
		r.countToken(first, lastRead, counted)
		// If the back waits for the first push of the group it gives each
		// beat in the cycle after its push.
		pushed := lastRead + regmap.LatQuantPipe
		if !blocked && r.free <= first+regmap.LatQuantPipe+1 && pushed+2 < r.end {
			u.fill += units
			if k := u.fill / 16; k > 0 {
				r.givePacked(k, pushed+1)
			}
			u.fill %= 16
		} else {
			blocked = r.items(first+regmap.LatQuantPipe, blocked)
		}
		done += uint64(u.groupBeats)
	}
	return lastRead, blocked
}

// countToken counts a group in the cycle of its first ring read and, if it ends
// one, a row in that of its last.
func (r *run) countToken(first, lastRead uint64, counted uint16) {
	e := r.e
	u := &e.quant
	u.rowAt += u.groupBeats
	tokens := uint16(0)
	if u.rowAt == u.rowBeats {
		u.rowAt, tokens = 0, 1
	}
	if lastRead < r.end {
		e.regs.counters[cntGroups] += uint32(counted)
		e.regs.counters[cntTokens] += uint32(tokens)
		return
	}
	e.events.add(event{at: first, groups: counted})
	if tokens > 0 {
		e.events.add(event{at: lastRead, tokens: tokens})
	}
}

// items follows packer and back over the items of a group one by one.
func (r *run) items(at uint64, blocked bool) bool {
	e := r.e
	u := &e.quant
	u.fill += u.headUnits
	for range u.groupBeats {
		u.fill += u.units
		if u.fill >= 16 {
			u.fill -= 16
			give := max(r.free, at+1)
			if !blocked && give < r.end {
				r.givePacked(1, give)
			} else {
				blocked = true
				r.unpack()
				e.pushPacked(at, 2*u.lanes, u.flags, false)
			}
		}
		at++
	}
	return blocked
}

// givePacked gives beats of the packer's queue, the last in a cycle, or before it
// where the burst goes on.
func (r *run) givePacked(n int, last uint64) {
	r.packed += n
	r.gave += uint64(n)
	r.last, r.free = last, last+1
}

// unpack takes the beats given from the packer's queue.
func (r *run) unpack() {
	if r.packed == 0 {
		return
	}
	e, bytes := r.e, r.packed*r.e.beatBytes
	r.l.Got = e.quant.out.Append(r.l.Got, bytes)
	e.back.bytesOut += uint32(bytes)
	e.back.flags |= trailFlags(e.quant.flags)
	r.packed = 0
}
