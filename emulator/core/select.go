package core

import (
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator/model"
)

// selectUnit makes the scores of positions from scores, attention rows or key
// rows. What becomes of them is in emit.go.
type selectUnit struct {
	selection
	lanes   int
	scores  []uint64 // of all positions
	n       int
	words   int    // beats of a row
	left    uint64 // beats still to come
	given   int    // beats of the scores so far taken, where they are not complete
	word    int    // beat of the row
	step    int    // row of the step
	row     int    // key row
	rowDims int
	norm    model.Squares
	readyAt uint64 // first cycle in which a beat may be taken
	flags   uint8
	guess   int // digit counted while the last row comes, or noGuess
	search  model.Selector
}

// noGuess is no digit.
const noGuess = -1

func (u *selectUnit) init(p regmap.Params) {
	u.lanes = p.Lanes
	u.scores = make([]uint64, p.MaxTokens)
}

func (u *selectUnit) reset() { u.readyAt = 0 }

func (u *selectUnit) start(c *command) {
	u.selection, u.n, u.rowDims, u.left = c.selection, c.dims, c.rowDims, c.scoreBeats
	u.words, u.word, u.given, u.step, u.row, u.norm = (u.n+u.lanes-1)/u.lanes, 0, 0, 0, 0, 0
	u.readyAt, u.flags, u.guess = 0, 0, noGuess
	clear(u.scores[:u.n])
}

// feedSelect takes a beat.
func (e *Engine) feedSelect(data *Beat) {
	e.score(data)
	if e.sel.left == 0 {
		e.emit()
	}
}

// score adds a beat to the scores.
func (e *Engine) score(data *Beat) {
	u := &e.sel
	u.left--
	if u.scoresIn || u.keyNorm {
		if u.keyNorm {
			e.squares(data)
		} else {
			e.loadScores(data)
		}
		return
	}
	if u.left == uint64(u.words)-1 {
		u.lastRow()
	}
	from := u.word * u.lanes
	scores := u.scores[from:min(from+u.lanes, u.n)]
	if u.stepRows > 0 && u.step == 0 {
		model.Decay(scores, u.lambda)
	}
	bad, sat := model.Accumulate(scores, data[:])
	if bad > 0 {
		e.badElements(bad)
	}
	if sat > 0 {
		e.saturated(e.now+regmap.LatSelectAcc, sat)
	}
	if u.word++; u.word == u.words {
		u.word = 0
		u.readyAt = e.now + 1 + uint64(max(regmap.LatSelectRow-u.words, 0))
		if u.step++; u.step == u.stepRows {
			u.step = 0
		}
	}
}

// lastRow chooses, before the first beat of the last row, the digit that is counted
// while it comes.
func (u *selectUnit) lastRow() {
	if u.poolHalf == 0 {
		u.guess = max(model.TopDigit(u.scores[:u.n], u.sinks, u.recent), model.UsualDigit)
	}
}

// badElements counts non-finite elements and negative weights.
func (e *Engine) badElements(n int) {
	e.nonFin += uint32(n)
	e.sel.flags |= entNonFinite
}

// saturated counts clamped scores in a cycle to come.
func (e *Engine) saturated(at uint64, n int) {
	e.events.add(event{at: at, saturations: uint16(n)})
	e.sel.flags |= entSaturated
}

// loadScores takes a beat of the scores so far: a quarter of a word's.
func (e *Engine) loadScores(data *Beat) {
	u := &e.sel
	if u.lanes == 2 {
		if j := u.given / 2; j < u.n {
			u.scores[j] |= data[0] << (u.given % 2 * 32)
		}
	} else if from := u.given * u.lanes / 4; from < u.n {
		copy(u.scores[from:min(from+u.lanes/4, u.n)], data[:])
	}
	if u.given++; u.given%4 != 0 {
		return
	}
	from := (u.given/4 - 1) * u.lanes
	if sat := model.Clamp(u.scores[from:min(from+u.lanes, u.n)]); sat > 0 {
		e.saturated(e.now+regmap.LatSelectAcc, sat)
	}
	if u.given == 4*u.words {
		u.scoresIn = false // rows follow, if any
		u.readyAt = e.now + 1 + regmap.LatSelectRow
	}
}

// squares takes a beat of a key row.
func (e *Engine) squares(data *Beat) {
	u := &e.sel
	if bad := u.norm.Add(data[:(u.lanes+3)/4]); bad > 0 {
		e.badElements(bad)
	}
	if u.word += u.lanes; u.word == u.rowDims {
		u.scores[u.row] = u.norm.Score()
		u.word, u.norm = 0, 0
		u.row++
	}
}
