package session

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// Select answers count selections, asking job for each in turn.
func (s *Session) Select(ctx context.Context, count int, job func(i int) (Selection, error)) ([]Selected, error) {
	if err := s.Require("SELECT", regmap.FeatSelect); err != nil {
		return nil, err
	}
	out := make([]Selected, count)
	err := s.stream(ctx, regmap.OpSelect, count, func(i int, buf []byte) (command, error) {
		sel, err := job(i)
		if err != nil {
			return command{}, err
		}
		if err := s.checkSelection(sel); err != nil {
			return command{}, err
		}
		c := s.selectCommand(sel, buf)
		c.done = func(b []byte) (err error) { out[i], err = s.selected(sel, b); return err }
		return c, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// stream sends count commands that build makes, each with the buffer of the
// one before. A command that cannot be built leaves the engine's side in order: the
// answers to those before are still taken.
func (s *Session) stream(ctx context.Context, op uint32, count int, build func(i int, buf []byte) (command, error)) error {
	var jobErr error
	err := s.batch(ctx, op, func(p *pipe) error {
		var buf []byte
		for i := range count {
			var c command
			if c, jobErr = build(i, buf[:0]); jobErr != nil {
				return nil
			}
			buf = c.payload
			if err := p.push(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	if jobErr != nil {
		return jobErr
	}
	return err
}

// selectCommand builds the command in buf.
func (s *Session) selectCommand(sel Selection, buf []byte) command {
	c := command{request: sel.request(), payload: s.appendScoring(buf, sel)}
	switch sel.Form {
	case regmap.ResultList:
		c.out = 2 * sel.kept()
	case regmap.ResultBitmap:
		c.out = (sel.N + 7) / 8
	case regmap.ResultTiers:
		c.out = tierBytes(sel.N)
	}
	if sel.ScoresOut {
		c.out = s.whole(c.out) + s.scoreBytes(sel.N)
	}
	return c
}

// appendScoring appends what ranks the positions: the scores so far and the
// attention rows, or the key rows; each row and the scores padded to whole beats.
func (s *Session) appendScoring(buf []byte, sel Selection) []byte {
	if sel.KeyRows != nil {
		return s.appendRows(buf, sel.KeyRows, sel.RowDims)
	}
	if sel.ScoresIn != nil {
		end := len(buf) + s.scoreBytes(sel.N)
		for _, v := range sel.ScoresIn {
			buf = binary.LittleEndian.AppendUint64(buf, v)
		}
		buf = append(buf, make([]byte, end-len(buf))...)
	}
	weights := sel.Weights
	if sel.blank() {
		weights = make([]uint16, sel.N)
	}
	return s.appendRows(buf, weights, sel.N)
}

// appendRows appends rows of n binary16 values, each padded to whole beats.
func (s *Session) appendRows(buf []byte, data []uint16, n int) []byte {
	pad := make([]byte, s.whole(2*n)-2*n)
	for ; len(data) > 0; data = data[n:] {
		buf = append(appendWords(buf, data[:n]), pad...)
	}
	return buf
}

// whole rounds bytes up to whole beats.
func (s *Session) whole(n int) int {
	beat := s.info.Params.BeatBytes()
	return (n + beat - 1) / beat * beat
}

// scoreBytes is the size of the scores of n positions: 64 bits each for as many
// as a row of weights has in whole beats.
func (s *Session) scoreBytes(n int) int { return 4 * s.whole(2*n) }

// tierBytes is the size of a tier map.
func tierBytes(n int) int { return (n + 1) / 2 }

// selected decodes the answer to a selection and checks that it is one.
func (s *Session) selected(sel Selection, b []byte) (out Selected, err error) {
	list := b
	if sel.ScoresOut {
		at := len(b) - s.scoreBytes(sel.N)
		list, out.Scores = b[:at], scores(b[at:], sel.N)
	}
	switch sel.Form {
	case regmap.ResultTiers:
		if out.Tiers, err = tiers(list, sel); err != nil {
			return out, err
		}
		for j, t := range out.Tiers {
			if t != regmap.TierDropped {
				out.Positions = append(out.Positions, j)
			}
		}
	case regmap.ResultBitmap:
		for j := range sel.N {
			if list[j/8]>>(j%8)&1 != 0 {
				out.Positions = append(out.Positions, j)
			}
		}
	default:
		if out.Positions, err = kept(list[:2*sel.kept()], sel.N); err != nil {
			return out, err
		}
	}
	if len(out.Positions) != sel.kept() {
		return out, fmt.Errorf("%w: SELECT kept %d positions, want %d", driver.ErrProtocol, len(out.Positions), sel.kept())
	}
	return out, nil
}

// scores decodes the scores of n positions.
func scores(b []byte, n int) []uint64 {
	out := make([]uint64, n)
	for j := range out {
		out[j] = binary.LittleEndian.Uint64(b[8*j:])
	}
	return out
}

// tiers decodes a tier map and checks that as many positions are in each tier as
// were asked for.
func tiers(b []byte, sel Selection) ([]uint8, error) {
	out := make([]uint8, sel.N)
	var ranked [4]int // unprotected positions in each tier
	for j := range out {
		t := b[j/2] >> (4 * (j % 2)) & 15
		protected := j < sel.Sinks || j >= sel.N-sel.Recent
		switch {
		case t > regmap.TierDropped:
			return nil, fmt.Errorf("%w: position %d is in tier %d, want 0 to %d", driver.ErrProtocol, j, t, regmap.TierDropped)
		case protected && int(t) != sel.ProtTier:
			return nil, fmt.Errorf("%w: position %d is always kept, in tier %d, but came in tier %d", driver.ErrProtocol, j, sel.ProtTier, t)
		case !protected && t != regmap.TierDropped:
			ranked[t]++
		}
		out[j] = t
	}
	others, before := sel.N-min(sel.N, sel.Sinks+sel.Recent), 0
	for t, rank := range []int{sel.Rank[0], sel.Rank[1], sel.Rank[2], sel.TopK} {
		rank = min(rank, others)
		if ranked[t] != rank-before {
			return nil, fmt.Errorf("%w: %d positions came in tier %d, want %d", driver.ErrProtocol, ranked[t], t, rank-before)
		}
		before = rank
	}
	return out, nil
}

// kept decodes a list of positions and checks that it is one.
func kept(b []byte, n int) ([]int, error) {
	list := make([]int, 0, len(b)/2)
	last := -1
	for ; len(b) >= 2; b = b[2:] {
		j := int(binary.LittleEndian.Uint16(b))
		if j <= last || j >= n {
			return nil, fmt.Errorf("%w: SELECT kept position %d after %d, want ascending ones below %d", driver.ErrProtocol, j, last, n)
		}
		list = append(list, j)
		last = j
	}
	return list, nil
}
