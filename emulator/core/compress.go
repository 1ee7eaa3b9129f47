package core

import (
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator/model"
)

// compressUnit passes the rows of a COMPRESS that are kept to QUANTIZE's unit:
// first the values, then the keys.
type compressUnit struct {
	tiers    []uint8 // of the positions
	keys     bool
	row      int
	beat     int    // of the row
	rowBeats int    // beats of a row
	lastRead uint64 // the latest ring read of the section, 0 for none
}

// tierBits are the bits of a code by tier; tier 0 is not coded.
var tierBits = [model.NumTiers]uint{1: 8, 2: 4, 3: 2}

// feedCompress takes a beat.
func (e *Engine) feedCompress(data *Beat) {
	if e.sel.left > 0 {
		e.score(data)
		if e.sel.left == 0 {
			e.startRows()
		}
		return
	}
	u := &e.comp
	if u.tiers[u.row] != regmap.TierDropped {
		e.keep(data)
	}
	if u.beat++; u.beat < u.rowBeats {
		return
	}
	u.beat = 0
	if u.row++; u.row == len(u.tiers) {
		e.endSection()
	}
}

// startRows selects; value rows follow.
func (e *Engine) startRows() {
	end, tiers := e.emit()
	e.sel.readyAt = end + regmap.LatCompressRows
	c := &e.front.cmd
	e.comp = compressUnit{tiers: tiers, rowBeats: c.rowDims / e.p.Lanes}
	e.quant.start(model.Coder{Symmetric: c.coder.Symmetric, Format: c.coder.Format}, false, c.rowDims, c.valueGroup)
}

// keep takes a beat of a kept row, uncleaned: it may leave as it came.
func (e *Engine) keep(data *Beat) {
	q := &e.quant
	if bad := q.coder.Format.CountNonFinite(data[:]); bad > 0 {
		e.badElements(bad)
	}
	putBeat(q.words, q.beats, q.lanes, (*[4]uint64)(data))
	if q.beats++; q.beats < q.groupBeats {
		return
	}
	u, x := &e.comp, q.words[:q.groupBeats*q.lanes/4]
	q.beats = 0
	if q.perChannel {
		q.coder.Format.CleanWords(x)
		u.lastRead = e.channelGroup(e.now, x, false)
		return
	}
	tier := u.tiers[u.row]
	if tier == 0 {
		q.unchanged(x)
		u.lastRead = e.scheduleToken(e.now, 0, false)
		return
	}
	q.coder.Format.CleanWords(x)
	q.coder.Bits = tierBits[tier]
	q.units, q.headUnits = int(q.coder.Bits), q.coder.Stats()*16/q.lanes
	q.coder.QuantizeToken(x, &q.out)
	u.lastRead = e.scheduleToken(e.now, 1, false)
}

// unchanged sets the packer to items of whole beats, and appends elements.
func (u *quantUnit) unchanged(x []uint64) {
	u.units, u.headUnits = 16, 0
	for _, w := range x {
		u.out.Put(w, 64)
	}
}

// endSection ends the values or the keys, whose last beat was taken now.
func (e *Engine) endSection() {
	u, q := &e.comp, &e.quant
	if q.beats > 0 {
		e.leftOver()
	}
	at := max(e.now, u.lastRead) + regmap.LatCompressFlush
	if u.keys {
		e.pushPacked(at, q.fill*q.lanes/8, e.sel.flags, true)
		return
	}
	if q.fill > 0 {
		e.pushPacked(at, e.beatBytes, 0, false)
	}
	e.sel.readyAt = at + 1
	c := &e.front.cmd
	u.keys, u.row, u.lastRead = true, 0, 0
	q.start(c.coder, c.perChannel, c.rowDims, c.group)
}

// leftOver schedules the kept rows that fill no per-channel group.
func (e *Engine) leftOver() {
	u, q := &e.comp, &e.quant
	q.unchanged(q.words[:q.beats*q.lanes/4])
	first := max(e.now, u.lastRead) + regmap.LatQuantToken
	for beat := u.rowBeats; beat <= q.beats; beat += u.rowBeats {
		e.events.add(event{at: first + uint64(beat-1), tokens: 1})
	}
	q.groupBeats = q.beats
	u.lastRead = first + uint64(q.beats-1)
	e.pack(first+regmap.LatQuantPipe, 0, false)
}
