package core

import (
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator/model"
)

// selectUnit sums attention rows and lists the positions to keep.
type selectUnit struct {
	lanes   int
	scores  []uint64 // of all positions
	n       int
	words   int // beats of a row
	word    int // beat of the row
	sinks   int
	recent  int
	topK    int
	readyAt uint64 // first cycle in which a beat may be taken
	flags   uint8
	search  model.Selector
}

func (u *selectUnit) init(p regmap.Params) {
	u.lanes = p.Lanes
	u.scores = make([]uint64, p.MaxTokens)
}

func (u *selectUnit) reset() { u.readyAt = 0 }

func (u *selectUnit) start(c *command) {
	u.n, u.sinks, u.recent, u.topK = c.dims, c.sinks, c.recent, c.topK
	u.words, u.word = (u.n+u.lanes-1)/u.lanes, 0
	u.readyAt, u.flags = 0, 0
	clear(u.scores[:u.n])
}

// feedSelect takes a beat.
func (e *Engine) feedSelect(data *Beat, last bool) {
	u := &e.sel
	from := u.word * u.lanes
	bad, sat := model.Accumulate(u.scores[from:min(from+u.lanes, u.n)], data[:])
	if bad > 0 {
		e.nonFin += uint32(bad)
		u.flags |= entNonFinite
	}
	if sat > 0 {
		e.events.add(event{at: e.now + regmap.LatSelectAcc, saturations: uint16(sat)})
		u.flags |= entSaturated
	}
	if u.word++; u.word == u.words {
		u.word = 0
		u.readyAt = e.now + 1 + uint64(max(regmap.LatSelectRow-u.words, 0))
	}
	if last {
		e.emit()
	}
}

// abortSelect answers a SELECT whose rows ended too early.
func (e *Engine) abortSelect() {
	e.payload.schedule(e.now+regmap.LatSelectSettle, 0, entLast|e.sel.flags).data = Beat{}
}

// emit selects and schedules the keep list; the last beat was taken now.
func (e *Engine) emit() {
	u := &e.sel
	kept, passes := u.search.Select(u.scores[:u.n], u.sinks, u.recent, u.topK)
	at := e.now + regmap.LatSelectSettle + regmap.LatSelectEmit
	at += uint64(passes * ((u.words+1)/2 + regmap.LatSelectPass))
	given, arrived := 0, 0 // positions pushed, and appended so far
	for word := 0; ; word++ {
		end := (word + 1) * u.lanes
		for arrived < len(kept) && int(kept[arrived]) < end {
			arrived++
		}
		held, complete := arrived-given, word >= u.words-1
		if held >= u.lanes || complete {
			n := min(held, u.lanes)
			e.pushKept(at, kept[given:given+n], complete && n == held)
			given += n
			if complete && n == held {
				return
			}
		}
		at++
	}
}

// pushKept schedules a beat of positions.
func (e *Engine) pushKept(at uint64, kept []uint16, last bool) {
	var flags uint8
	if last {
		flags = entLast | e.sel.flags
	}
	en := e.payload.schedule(at, 2*len(kept), flags)
	en.data = Beat{}
	for i, j := range kept {
		en.data[i>>2&3] |= uint64(j) << (i & 3 * 16)
	}
}
