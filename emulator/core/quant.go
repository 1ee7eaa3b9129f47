package core

import (
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator/model"
)

// quantUnit gathers groups. When a group is complete, the cycles in which it
// leaves are settled, so it is coded and scheduled at once.
type quantUnit struct {
	coder      model.Coder
	perChannel bool
	lanes      int
	dims       int
	rowBeats   int // beats of a row
	groupBeats int // beats of a group
	units      int // of L bits, that an item is
	headUnits  int // before the codes of a per-token group
	stats      int // words of a per-channel group's scales and minima

	beats     int      // of the group that is coming in
	rowAt     int      // beats of the row before the present group (per token)
	words     []uint64 // the elements, four a word
	fill      int      // units in the packer
	flags     uint8    // of this packet so far: non-finite, saturated
	out       model.Bits
	columns   *model.Columns
	statWords []uint64
}

func (u *quantUnit) init(p regmap.Params) {
	u.lanes = p.Lanes
	u.words = make([]uint64, min(128, p.TileTokens)*p.MaxDim/4)
	u.columns = model.NewColumns(p.MaxDim)
	u.statWords = make([]uint64, p.MaxDim/2)
}

func (u *quantUnit) reset() {
	u.beats, u.rowAt, u.fill, u.flags = 0, 0, 0, 0
	u.out.Reset()
}

// start sets the unit up for rows of dims elements in groups of group elements.
func (u *quantUnit) start(coder model.Coder, perChannel bool, dims, group int) {
	u.coder, u.units = coder, int(coder.Bits)
	u.perChannel, u.dims = perChannel, dims
	u.rowBeats = dims / u.lanes
	u.groupBeats, u.headUnits = group/u.lanes, 0
	statsOf := coder.Stats()
	if perChannel {
		u.groupBeats = group * u.rowBeats
	} else {
		u.headUnits = statsOf * 16 / u.lanes
	}
	u.stats = statsOf * dims / 4
	u.reset()
}

// feedQuant takes a beat.
func (e *Engine) feedQuant(data *Beat, last bool) {
	u, format := &e.quant, e.quant.coder.Format
	bad := 0
	switch {
	case e.rot.size > 0:
		var clean [4]uint64
		for i := range (u.lanes + 3) / 4 {
			w, k := format.CleanWord(data[i])
			clean[i] = w
			bad += k
		}
		e.badInput(bad)
		e.rotateIn(&clean, last)
		return
	case u.lanes == 2:
		w, n := format.CleanWord(data[0])
		bad = n
		if u.beats&1 == 0 {
			u.words[u.beats>>1] = w
		} else {
			u.words[u.beats>>1] |= w << 32
		}
	default:
		n := u.lanes / 4
		dst := u.words[u.beats*n : u.beats*n+n]
		for i := range dst {
			w, k := format.CleanWord(data[i])
			dst[i] = w
			bad += k
		}
	}
	e.badInput(bad)
	e.gather(e.now, last)
}

// badInput counts non-finite elements of a beat taken now.
func (e *Engine) badInput(n int) {
	if n > 0 {
		e.nonFin += uint32(n)
		e.quant.flags |= entNonFinite
	}
}

// gather counts a beat of a group, which was taken, or left the rotation, at a
// cycle. With its last beat the group is coded.
func (e *Engine) gather(at uint64, last bool) {
	u := &e.quant
	u.beats++
	if u.beats < u.groupBeats {
		return
	}
	u.beats = 0
	x := u.words[:u.groupBeats*u.lanes/4]
	if u.perChannel {
		e.channelGroup(at, x, last)
	} else {
		e.tokenGroup(at, x, last)
	}
}

// tokenGroup codes a per-token group whose last beat was taken at a cycle.
func (e *Engine) tokenGroup(at uint64, x []uint64, last bool) {
	u := &e.quant
	u.coder.QuantizeToken(x, &u.out)
	e.scheduleToken(at, 1, last)
}

// scheduleToken schedules a per-token group whose last beat was taken at a
// cycle, and gives that of its last ring read. groups is 0 for one that is not
// coded.
func (e *Engine) scheduleToken(at uint64, groups uint16, last bool) (lastRead uint64) {
	u := &e.quant
	first := at + regmap.LatQuantToken
	lastRead = first + uint64(u.groupBeats-1)
	u.rowAt += u.groupBeats
	ended := u.rowAt == u.rowBeats
	if ended {
		u.rowAt = 0
	}
	if ended && u.groupBeats == 1 {
		e.events.add(event{at: first, groups: groups, tokens: 1})
	} else {
		e.events.add(event{at: first, groups: groups})
		if ended {
			e.events.add(event{at: lastRead, tokens: 1})
		}
	}
	e.pack(first+regmap.LatQuantPipe, 0, last)
	return lastRead
}

// channelGroup codes and schedules a block of per-channel groups whose last beat
// was taken at a cycle, and gives that of its last ring read.
func (e *Engine) channelGroup(at uint64, x []uint64, last bool) (lastRead uint64) {
	u := &e.quant
	stats := u.statWords[:u.stats]
	u.coder.QuantizeChannel(u.columns, x, u.dims, stats, &u.out)
	e.queueScales(stats)
	first := at + regmap.LatQuantChannel + uint64(u.dims)
	for beat := 0; beat < u.groupBeats; beat += u.rowBeats {
		if beat == 0 {
			e.events.add(event{at: first, groups: uint16(u.dims)})
		}
		e.events.add(event{at: first + uint64(beat+u.rowBeats-1), tokens: 1})
	}
	e.pack(first+regmap.LatQuantPipe, entPrefix, last)
	return first + uint64(u.groupBeats-1)
}

// queueScales cuts words into the beats that the back sends.
func (e *Engine) queueScales(words []uint64) {
	if e.p.Lanes == 2 {
		for _, w := range words {
			e.scales.push(&Beat{w & 0xffffffff})
			e.scales.push(&Beat{w >> 32})
		}
		return
	}
	for n := e.p.Lanes / 4; len(words) > 0; words = words[n:] {
		var b Beat
		copy(b[:], words[:n])
		e.scales.push(&b)
	}
}

// pack follows the packer over the items of a group, which reach it one a
// cycle from cycle at on, and schedules the beats it pushes. flags go on the
// first.
func (e *Engine) pack(at uint64, flags uint8, last bool) {
	u := &e.quant
	flags |= u.flags
	u.fill += u.headUnits
	for left := u.groupBeats; left > 0 || last && u.fill > 0; at++ {
		if left > 0 {
			u.fill += u.itemUnits(u.groupBeats - left)
			left--
		}
		done := last && left == 0
		switch {
		case u.fill >= 16:
			u.fill -= 16
			e.pushPacked(at, 2*u.lanes, flags, done && u.fill == 0)
		case done:
			e.pushPacked(at, u.fill*u.lanes/8, flags, true)
			u.fill = 0
		default:
			continue
		}
		flags &^= entPrefix
	}
	u.out.Compact()
	if last {
		u.flags = 0
	}
}

// itemUnits is what item i of a group adds to the packer. Paired codes come with
// the second item of a pair.
func (u *quantUnit) itemUnits(i int) int {
	switch {
	case !u.coder.Paired:
		return u.units
	case i%2 == 0:
		return 0
	}
	return 2 * u.units
}

func (e *Engine) pushPacked(at uint64, bytes int, flags uint8, last bool) {
	if last {
		flags |= entLast
	}
	e.quant.out.Take((*[4]uint64)(&e.payload.schedule(at, bytes, flags).data), 8*bytes)
}
