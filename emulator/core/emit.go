package core

import (
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator/model"
)

// emit selects and schedules the result; the last beat that makes the scores was
// taken now. It gives the first cycle after the emission, z of a COMPRESS, and the
// tiers, where they count, which are valid until the next call.
func (e *Engine) emit() (end uint64, tiers []uint8) {
	u := &e.sel
	at := e.now + regmap.LatSelectSettle
	if u.keyNorm {
		at += regmap.LatSelectNorm
	}
	scores := u.scores[:u.n]
	if u.poolHalf > 0 {
		pooled, full := u.search.Pool(scores, u.poolHalf, u.poolMax)
		for _, j := range full {
			e.saturated(at+uint64(j)+regmap.LatSelectPoolSat, 1)
		}
		scores = pooled
		at += uint64(u.n) + regmap.LatSelectPool
	}
	right := u.guess != noGuess && u.guess == model.TopDigit(scores, u.sinks, u.recent)
	more := u.scoresOut || e.front.cmd.opcode == regmap.OpCompress
	if u.tiered {
		var passes [model.NumTiers]int
		tiers, passes = u.search.Tiers(scores, u.sinks, u.recent, u.ranks, u.protTier)
		for i, n := range passes {
			if n != model.NoSearch {
				at += u.searchTime(n, right)
				right = right && n == 0
				if i < model.NumTiers-1 {
					at += uint64(u.words) + regmap.LatSelectTier
				}
			}
		}
		e.emitMap(at, 4, more, func(j int) uint64 { return uint64(tiers[j]) })
	} else {
		kept, passes := u.search.Select(scores, u.sinks, u.recent, u.ranks[model.NumTiers-1])
		at += u.searchTime(passes, right)
		if u.form == regmap.ResultList {
			e.emitList(at+regmap.LatSelectEmit, kept, more)
		} else {
			e.emitMap(at, 1, more, func(j int) uint64 {
				if len(kept) > 0 && int(kept[0]) == j {
					kept = kept[1:]
					return 1
				}
				return 0
			})
		}
	}
	at += uint64(u.words)
	if u.scoresOut {
		e.emitScores(at + regmap.LatSelectEmit + regmap.LatSelectScores)
		at += uint64(4*u.words) + regmap.LatSelectScores
	}
	return at, tiers
}

// searchTime is how long so many radix passes take, the first of which may have
// been counted ahead.
func (u *selectUnit) searchTime(passes int, ahead bool) uint64 {
	pass := (u.words+1)/2 + regmap.LatSelectPass
	if ahead && passes > 0 {
		return uint64(regmap.LatSelectFirst + (passes-1)*pass)
	}
	return uint64(passes * pass)
}

// emitList schedules a list of positions, whose first word is packed at a cycle.
func (e *Engine) emitList(at uint64, kept []uint16, more bool) {
	u := &e.sel
	given, arrived := 0, 0 // positions pushed, and appended so far
	for word := 0; ; word++ {
		end := (word + 1) * u.lanes
		for arrived < len(kept) && int(kept[arrived]) < end {
			arrived++
		}
		held, complete := arrived-given, word >= u.words-1
		if held >= u.lanes || complete {
			n := min(held, u.lanes)
			if en := e.result(at, 2*n, complete && n == held, more); en != nil {
				for i, j := range kept[given : given+n] {
					en.data[i>>2&3] |= uint64(j) << (i & 3 * 16)
				}
			}
			given += n
			if complete && n == held {
				return
			}
		}
		at++
	}
}

// emitMap schedules a field of so many bits for each position, as value gives
// them in turn; the first word is read at a cycle.
func (e *Engine) emitMap(at uint64, bits int, more bool, value func(j int) uint64) {
	u := &e.sel
	at += regmap.LatSelectEmit
	perBeat := 16 * u.lanes / bits // positions
	for from := 0; from < u.n; from += perBeat {
		to := min(from+perBeat, u.n)
		// It is pushed with the last word it has bits of.
		pushed := at + uint64((to-1)/u.lanes)
		en := e.result(pushed, ((to-from)*bits+7)/8, to == u.n, more)
		for j := from; j < to; j++ {
			bit := (j - from) * bits
			en.data[bit>>6&3] |= value(j) << (bit & 63)
		}
	}
}

// result schedules an empty beat of a selection, if more follows a full one,
// or nil for none.
func (e *Engine) result(at uint64, bytes int, last, more bool) *entry {
	var flags uint8
	switch {
	case last && more && bytes == 0:
		return nil
	case last && more:
		bytes = e.beatBytes
	case last:
		flags = entLast | e.sel.flags
	}
	en := e.payload.schedule(at, bytes, flags)
	en.data = Beat{}
	return en
}

// emitScores schedules the scores, one beat a cycle.
func (e *Engine) emitScores(at uint64) {
	u := &e.sel
	beats := 4 * u.words
	for i := range beats {
		var flags uint8
		if i == beats-1 && e.front.cmd.opcode == regmap.OpSelect {
			flags = entLast | u.flags
		}
		en := e.payload.schedule(at+uint64(i), e.beatBytes, flags)
		en.data = Beat{}
		if u.lanes == 2 {
			if j := i / 2; j < u.n {
				en.data[0] = u.scores[j] >> (i % 2 * 32) & 0xffffffff
			}
		} else if from := i * u.lanes / 4; from < u.n {
			copy(en.data[:], u.scores[from:min(from+u.lanes/4, u.n)])
		}
	}
}
