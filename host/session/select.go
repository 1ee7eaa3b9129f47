package session

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// Selection asks which of N positions to keep: the first Sinks, the last
// Recent, and of the others the TopK with the highest sum of weights, the
// lower position first if equal. Budgets beyond N count as N.
type Selection struct {
	N                   int
	Sinks, Recent, TopK int
	Weights             []uint16 // attention rows: whole rows of N binary16 weights; none is one row of zeros
}

// Select answers count selections, asking job for each in turn, and gives the
// kept positions of each, ascending.
func (s *Session) Select(ctx context.Context, count int, job func(i int) (Selection, error)) ([][]int, error) {
	if err := s.needs(regmap.FeatSelect, regmap.OpSelect); err != nil {
		return nil, err
	}
	out := make([][]int, count)
	// A job that cannot be had or does not fit leaves the engine's side in
	// order: the answers to those before are still taken.
	var jobErr error
	err := s.batch(ctx, regmap.OpSelect, func(p *pipe) error {
		var buf []byte
		for i := range count {
			var sel Selection
			if sel, jobErr = job(i); jobErr != nil {
				return nil
			}
			if jobErr = s.checkSelection(sel); jobErr != nil {
				return nil
			}
			var c command
			c, buf = s.selectCommand(sel, buf)
			c.done = func(b []byte) (err error) { out[i], err = kept(b, sel.N); return err }
			if err := p.push(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	if jobErr != nil {
		err = jobErr
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Session) checkSelection(sel Selection) error {
	if err := s.CheckSelect(sel.N); err != nil {
		return err
	}
	if min(sel.Sinks, sel.Recent, sel.TopK) < 0 {
		return fmt.Errorf("%w: sinks %d, recent %d, topk %d, want 0 or more", ErrGeometry, sel.Sinks, sel.Recent, sel.TopK)
	}
	if len(sel.Weights)%sel.N != 0 {
		return fmt.Errorf("%w: %d weights are no whole rows of %d", ErrGeometry, len(sel.Weights), sel.N)
	}
	if rows := len(sel.Weights) / sel.N; rows > regmap.MaxAttnRows {
		return fmt.Errorf("%w: %d attention rows, a selection takes up to %d; observe fewer queries", ErrGeometry, rows, regmap.MaxAttnRows)
	}
	return nil
}

// selectCommand builds the command in buf: each row padded to whole beats.
func (s *Session) selectCommand(sel Selection, buf []byte) (command, []byte) {
	n := sel.N
	beat := s.info.Params.BeatBytes()
	pad := make([]byte, (beat-2*n%beat)%beat)
	weights := sel.Weights
	if len(weights) == 0 {
		weights = make([]uint16, n)
	}
	buf = buf[:0]
	for w := weights; len(w) > 0; w = w[n:] {
		buf = append(appendWords(buf, w[:n]), pad...)
	}
	sinks, recent, topK := min(sel.Sinks, n), min(sel.Recent, n), min(sel.TopK, n)
	return command{
		request: packet.Request{Rows: len(weights) / n, Dims: n, Selection: packet.Selection{Sinks: sinks, Recent: recent, TopK: topK}},
		payload: buf,
		out:     2 * min(n, sinks+recent+topK),
	}, buf
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
