package core

import (
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator/model"
)

// burstSelect takes up to limit beats of a SELECT or a COMPRESS, 0 if they are
// not of a kind that is taken together.
func (e *Engine) burstSelect(l *Ideal, limit uint64) uint64 {
	if e.sel.left > 0 {
		return e.burstWeights(l, min(limit, e.sel.left))
	}
	return e.burstRows(l, limit)
}

// burstWeights takes beats of an attention row, but for its last.
func (e *Engine) burstWeights(l *Ideal, limit uint64) uint64 {
	u := &e.sel
	if u.scoresIn || u.keyNorm || u.stepRows > 0 && u.step == 0 {
		return 0
	}
	if u.left == uint64(u.words) {
		u.lastRow()
	}
	beats := min(int(min(limit, burstBeats)), u.words-1-u.word)
	from := u.word * u.lanes
	beats = model.AccumulateFinite(u.scores[from:from+beats*u.lanes], l.Packet[l.At-e.beatBytes:], u.lanes)
	if beats == 0 {
		return 0
	}
	u.word += beats
	u.left -= uint64(beats)
	r := e.run(l, uint64(beats))
	r.drain()
	r.finish(uint64(beats))
	return uint64(beats)
}

// burstRows takes whole rows of a COMPRESS, but for the last of a section.
func (e *Engine) burstRows(l *Ideal, limit uint64) uint64 {
	u, q := &e.comp, &e.quant
	rows := min(int(min(limit, burstBeats))/u.rowBeats, len(u.tiers)-1-u.row)
	if !e.bulk(q.coder) || u.beat > 0 || rows <= 0 || !q.perChannel && q.beats > 0 {
		return 0
	}
	if q.perChannel {
		return e.burstKeys(l, rows)
	}
	return e.burstValues(l, rows)
}

// burstKeys takes rows that are grouped per channel.
func (e *Engine) burstKeys(l *Ideal, rows int) uint64 {
	u, q := &e.comp, &e.quant
	size := u.rowBeats * q.lanes / 4
	at, n := l.At-e.beatBytes, 0
	for ; n < rows; n++ {
		if u.tiers[u.row] != regmap.TierDropped {
			x := q.words[q.beats*q.lanes/4:][:size]
			if model.CopyFinite(x, l.Packet[at:]) < size {
				break
			}
			q.beats += u.rowBeats
			if q.beats == q.groupBeats {
				group := q.words[:q.groupBeats*q.lanes/4]
				if e.sel.flags&entNonFinite != 0 { // perhaps in a row that came beat by beat
					for i, w := range group {
						group[i], _ = model.CleanWord(w)
					}
				}
				u.lastRead = e.channelGroup(e.now+uint64((n+1)*u.rowBeats-1), group, false)
				q.beats = 0
			}
		}
		at += u.rowBeats * e.beatBytes
		u.row++
	}
	clocks := uint64(n * u.rowBeats)
	if n > 0 {
		r := e.run(l, clocks)
		r.drain()
		r.finish(clocks)
	}
	return clocks
}

// burstValues takes rows that are grouped per token.
func (e *Engine) burstValues(l *Ideal, rows int) uint64 {
	u, q := &e.comp, &e.quant
	size, group := u.rowBeats*q.lanes/4, q.groupBeats*q.lanes/4
	at := l.At - e.beatBytes
	n := 0
	for ; n < rows; n++ { // the end must be known before the first
		if u.tiers[u.row+n] != regmap.TierDropped && model.CopyFinite(q.words[:size], l.Packet[at:]) < size {
			break
		}
		at += u.rowBeats * e.beatBytes
	}
	if n == 0 {
		return 0
	}
	clocks := uint64(n * u.rowBeats)
	r := e.run(l, clocks)
	blocked := !r.drain()
	at = l.At - e.beatBytes
	done := e.now + uint64(q.groupBeats-1)
	for ; n > 0; n-- {
		if tier := u.tiers[u.row]; tier != regmap.TierDropped {
			x, counted := q.words[:size], uint16(1)
			model.CopyFinite(x, l.Packet[at:])
			if tier == 0 {
				q.unchanged(x)
				counted = 0
			} else {
				q.coder.Bits = tierBits[tier]
				q.units, q.headUnits = int(q.coder.Bits), q.coder.Stats()*16/q.lanes
				q.coder.QuantizeTokens(x, group, &q.out)
			}
			u.lastRead, blocked = r.tokens(u.rowBeats/q.groupBeats, counted, done, blocked)
		}
		at += u.rowBeats * e.beatBytes
		done += uint64(u.rowBeats)
		u.row++
	}
	r.unpack()
	q.out.Compact()
	r.finish(clocks)
	return clocks
}
