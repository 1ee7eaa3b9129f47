package core

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// requests makes legal requests of all kinds.
type requests struct {
	t   testing.TB
	rng *rand.Rand
	p   regmap.Params
}

func (g *requests) next() (packet.Request, []byte) {
	switch g.rng.IntN(10) {
	case 0:
		n := g.rng.IntN(3000)
		return packet.Request{Opcode: regmap.OpEcho, Rows: n}, g.data(n)
	case 1:
		return g.sel()
	case 2, 3:
		return g.compress()
	case 4:
		n := g.rng.IntN(3000)
		return packet.Request{Opcode: regmap.OpSink, Rows: n, Seed: 5}, g.data(n)
	case 5, 6, 7:
		r := g.tile(regmap.OpQuantize)
		return r, g.data(2 * r.Rows * r.Dims)
	}
	r := g.tile(regmap.OpDequantize)
	n := r.QuantizedBytes(r.Rows, r.Dims)
	if g.rng.IntN(3) == 0 {
		return r, g.data(n)
	}
	q := r
	q.Opcode = regmap.OpQuantize
	return r, answer(g.t, g.p, request(g.t, g.p, q, g.data(2*r.Rows*r.Dims))).Payload
}

func (g *requests) tile(op uint32) packet.Request {
	l := packet.Layout{Bits: []int{2, 3, 4, 5, 6, 8}[g.rng.IntN(6)], Scheme: g.rng.Uint32N(2), Axis: g.rng.Uint32N(2)}
	r := packet.Request{Opcode: op, Rows: 1 + g.rng.IntN(g.p.TileTokens)}
	if l.Axis == regmap.AxisChannel {
		l.Group = 16 << g.rng.IntN(min(4, powers(g.p.TileTokens/16)))
		r.Rows = max(1, r.Rows/l.Group) * l.Group
		r.Dims = 16 * (1 + g.rng.IntN(g.p.MaxDim/16))
	} else {
		l.Group = 16 << g.rng.IntN(min(4, powers(g.p.MaxDim/16)))
		r.Dims = l.Group * (1 + g.rng.IntN(g.p.MaxDim/l.Group))
		if g.rng.IntN(5) == 0 {
			l.Group = 0
		}
	}
	if g.rng.IntN(12) == 0 {
		l = []packet.Layout{
			{Scheme: regmap.SchemeSym, Group: 32, Bits: 8, Block: true},
			{Scheme: regmap.SchemeOffset, Group: 32, Bits: 4, Block: true},
			{Group: 32, Bits: 4, Block: true},
		}[g.rng.IntN(3)]
		r.Dims = 32
	}
	switch {
	case !l.Block && g.rng.IntN(8) == 0:
		l.Format = regmap.FormatBF16
	case r.Dims%32 == 0 && g.rng.IntN(8) == 0:
		l.Rotate = 32
	}
	r.Layout = l
	return r
}

// powers is the number of powers of two up to n.
func powers(n int) (b int) {
	for ; n > 0; n /= 2 {
		b++
	}
	return b
}

func (g *requests) selection(n int) (s packet.Selection) {
	s.Sinks, s.Recent, s.TopK = g.rng.IntN(n/4+1), g.rng.IntN(n/4+1), g.rng.IntN(n+1)
	if g.rng.IntN(4) == 0 {
		s.StepRows, s.Lambda = 1+g.rng.IntN(3), uint16(g.rng.Uint32())
	}
	if g.rng.IntN(4) == 0 {
		s.PoolHalf = g.rng.IntN(4)
	}
	s.ScoresIn = g.rng.IntN(4) == 0
	s.ScoresOut = s.PoolHalf == 0 && g.rng.IntN(4) == 0
	return s
}

// scores gives the payload that makes n scores.
func (g *requests) scores(s packet.Selection, n, rows int) []byte {
	beats := (n + g.p.Lanes - 1) / g.p.Lanes
	var b []byte
	if s.ScoresIn {
		b = g.data(4 * beats * g.p.BeatBytes())
		for i := 5; i < len(b); i += 8 {
			b[i], b[i+1], b[i+2] = b[i]%2*b[i]%3, 0, 0
		}
	}
	w := g.data(rows * beats * g.p.BeatBytes())
	if g.rng.IntN(3) > 0 {
		for i := 1; i < len(w); i += 2 {
			w[i] &= 0x3f
		}
	}
	return append(b, w...)
}

func (g *requests) sel() (packet.Request, []byte) {
	n, rows := 1+g.rng.IntN(g.p.MaxTokens), 1+g.rng.IntN(20)
	r := packet.Request{Opcode: regmap.OpSelect, Rows: rows, Dims: n, Selection: g.selection(n)}
	if g.rng.IntN(6) == 0 {
		r.Selection = packet.Selection{TopK: n / 2, KeyNorm: true}
		r.Rows, r.RowDims = 0, 16
		return r, g.data(n * 32)
	}
	return r, g.scores(r.Selection, n, rows)
}

func (g *requests) compress() (packet.Request, []byte) {
	n, rows := 1+g.rng.IntN(g.p.MaxTokens), 1+g.rng.IntN(4)
	s := g.selection(n)
	for i := range s.Rank {
		s.Rank[i] = g.rng.IntN(s.TopK + 1)
	}
	slices.Sort(s.Rank[:])
	s.ProtTier = g.rng.IntN(4)
	t := g.tile(regmap.OpQuantize)
	for t.Block || t.Axis == regmap.AxisChannel && t.Group > g.p.TileTokens {
		t = g.tile(regmap.OpQuantize)
	}
	t.Rotate = 0
	r := packet.Request{Opcode: regmap.OpCompress, Rows: rows, Dims: n, RowDims: t.Dims, Layout: t.Layout, Selection: s}
	if r.Axis == regmap.AxisToken {
		r.Bits, r.ValueGroup = 0, t.Group
	} else if t.Dims%32 == 0 {
		r.ValueGroup = 32 * g.rng.IntN(2)
	}
	return r, append(g.scores(s, n, rows), g.data(4*n*t.Dims)...)
}

// data gives n bytes of elements of one of several kinds.
func (g *requests) data(n int) []byte {
	kind := g.rng.IntN(6)
	scale := []float64{1, 1, 1, 1e-6, 3e4, 1}[kind]
	b := make([]byte, 0, n+2)
	for len(b) < n {
		h := fp16.FromFloat64(scale * g.rng.NormFloat64())
		if kind == 5 && g.rng.IntN(50) == 0 {
			h = uint16(g.rng.Uint32())
		}
		b = binary.LittleEndian.AppendUint16(b, h)
	}
	return b[:n]
}
