package drivertest

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

const scoreTop = 1<<regmap.ScoreBits - 1

// choice is a SELECT or COMPRESS as the request asks for it, of weights, scores so
// far and rows of all kinds.
func (s *session) choice(q packet.Request, kind weightKind) command {
	s.t.Helper()
	var payload []byte
	if q.ScoresIn {
		start := make([]byte, 4*rowBytes(q.Dims, s.p))
		for j, draw := 0, scoreKinds[s.rng.IntN(len(scoreKinds))]; j < q.Dims; j++ {
			binary.LittleEndian.PutUint64(start[8*j:], draw(s.rng))
		}
		payload = append(payload, start...)
	}
	row := make([]uint16, q.Dims)
	for range q.Rows {
		kind.fill(s.rng, row)
		payload = append(payload, pack(row)...)
		payload = append(payload, make([]byte, rowBytes(q.Dims, s.p)-2*q.Dims)...)
	}
	if q.KeyNorm {
		payload = append(payload, pack(s.normRows(q.Dims, q.RowDims))...)
	}
	if q.Opcode == regmap.OpCompress {
		payload = append(payload, s.keptRows(q)...)
	}
	c := s.command(q, payload)
	c.name += ", " + kind.name
	return c
}

// scoreKinds draw scores so far.
var scoreKinds = []func(*rand.Rand) uint64{
	func(rng *rand.Rand) uint64 { return rng.Uint64N(1 << 30) },
	func(rng *rand.Rand) uint64 { return rng.Uint64N(3) },
	func(rng *rand.Rand) uint64 { return rng.Uint64() >> rng.IntN(64) },
	func(rng *rand.Rand) uint64 { return scoreTop - 2 + rng.Uint64N(5) },
	func(rng *rand.Rand) uint64 {
		return []uint64{0, 1, scoreTop, scoreTop + 1, 1 << 63, 1<<64 - 1}[rng.IntN(6)]
	},
	func(rng *rand.Rand) uint64 { return rng.Uint64N(1<<16) << 24 },
}

// normRows are key rows whose norms lie close together, in some part of the range.
func (s *session) normRows(n, dims int) []uint16 {
	draw := []func() uint16{
		func() uint16 { return finite(s.rng.NormFloat64()) },
		func() uint16 { return signed(s.rng, uint16(0x5000+s.rng.IntN(0xe00))) }, // sums about the largest told apart
		func() uint16 { return signed(s.rng, uint16(s.rng.IntN(0x1000))) },       // squares about one unit
		func() uint16 { return uint16(s.rng.IntN(1 << 16)) },
		func() uint16 { return signed(s.rng, 0x2c01+uint16(s.rng.IntN(2))) }, // ties
	}[s.rng.IntN(5)]
	rows := make([]uint16, n*dims)
	each(rows, draw)
	return rows
}

// options are combinations of what a SELECT can be asked for, beside its form.
var options = []packet.Selection{
	{},
	{ScoresOut: true},
	{ScoresIn: true},
	{ScoresIn: true, ScoresOut: true},
	{StepRows: 1, Lambda: 0x8000, ScoresOut: true},
	{StepRows: 2, Lambda: 0xffff, ScoresIn: true, ScoresOut: true},
	{StepRows: 3, Lambda: 1, ScoresIn: true},
	{StepRows: 4095, Lambda: 0xfe00, ScoresIn: true, ScoresOut: true},
	{StepRows: 1, Lambda: 0, ScoresIn: true, ScoresOut: true},
	{StepRows: 2, Lambda: 0},
	{PoolHalf: 1},
	{PoolHalf: 7},
	{PoolHalf: 3, ScoresIn: true},
	{PoolHalf: 2, PoolMax: true},
	{PoolHalf: 7, PoolMax: true, ScoresIn: true, StepRows: 2, Lambda: 0xc000},
}

// testOptions: every option of SELECT with every form of result, at sizes about
// words, beats of the map and windows of pooling.
func testOptions(s *session) {
	lanes := s.p.Lanes
	var cmds []command
	for _, o := range options {
		for form := range uint32(3) {
			o.Result = form
			sizes := []int{1, 2, lanes, lanes + 1, 4*lanes - 1, 4 * lanes, 16*lanes + 1, 1 + s.rng.IntN(200)}
			for i, n := range sizes {
				rows := 1 + s.rng.IntN(5)
				if o.ScoresIn && o.StepRows == 0 && i%2 == 0 {
					rows = 0
				}
				cmds = append(cmds, s.choice(s.budget(o, n, rows), weightKinds[s.rng.IntN(len(weightKinds))]))
			}
		}
	}
	for _, kind := range weightKinds { // pooled sums of every kind of weight
		cmds = append(cmds, s.choice(s.budget(packet.Selection{PoolHalf: 1 + s.rng.IntN(7)}, 70, 2), kind))
	}
	s.each(append(cmds, s.tierEdges()...))
	n := s.p.MaxTokens
	for _, o := range []packet.Selection{
		{Result: regmap.ResultTiers, ScoresIn: true, ScoresOut: true},
		{Result: regmap.ResultBitmap, PoolHalf: 7},
		{Result: regmap.ResultTiers, PoolHalf: 3, PoolMax: true},
	} {
		s.run(s.choice(s.budget(o, n, 1), weightKinds[s.rng.IntN(len(weightKinds))]), s.choice(s.budget(o, n-1, 2), weightKinds[0]))
	}
}

// budget is a SELECT of n positions with random budgets, and ranks if it has
// tiers.
func (s *session) budget(o packet.Selection, n, rows int) packet.Request {
	o.Sinks, o.Recent, o.TopK = min(n, s.rng.IntN(5)), s.rng.IntN(n/3+1), s.rng.IntN(n+1)
	if o.Result == regmap.ResultTiers {
		s.ranks(&o)
	}
	return packet.Request{Opcode: regmap.OpSelect, Rows: rows, Dims: n, Selection: o}
}

// ranks draws rising ranks, equal ones often.
func (s *session) ranks(o *packet.Selection) {
	const most = 1<<16 - 1 // of a rank's field
	for i := range o.Rank {
		o.Rank[i] = min(most, s.rng.IntN(o.TopK+1))
		if s.rng.IntN(4) == 0 {
			o.Rank[i] = []int{0, min(most, o.TopK), o.Rank[0]}[s.rng.IntN(3)]
		}
	}
	slices.Sort(o.Rank[:])
	o.ProtTier = s.rng.IntN(4)
}

// tierEdges are tiers that are empty, full, or of protected positions alone.
func (s *session) tierEdges() (cmds []command) {
	const n = 37
	for _, ranks := range [][4]int{{}, {n, n, n, n}, {0, 0, 0, n}, {0, 0, 9, 9}, {0, 9, 9, 9}, {9, 9, 9, 9}, {1, 2, 3, 4}, {1, 1, 30, 30}, {5, 5, 5, 36}, {28, 29, 30, 31}} {
		for prot := range 4 {
			for _, ends := range [][2]int{{0, 0}, {4, 3}, {n, 0}, {20, 20}} {
				q := packet.Request{Opcode: regmap.OpSelect, Rows: 1, Dims: n, Selection: packet.Selection{
					Sinks: ends[0], Recent: ends[1], TopK: ranks[3], Rank: [3]int(ranks[:3]), ProtTier: prot, Result: regmap.ResultTiers,
				}}
				cmds = append(cmds, s.choice(q, weightKinds[s.rng.IntN(len(weightKinds))]))
			}
		}
	}
	return cmds
}

// testKeyNorms: scores from norms, in every form and size, pooled and given out.
func testKeyNorms(s *session) {
	var cmds []command
	for _, dims := range []int{16, 32, 48, s.p.MaxDim} {
		if dims > s.p.MaxDim {
			continue
		}
		for form := range uint32(3) {
			for _, o := range []packet.Selection{{}, {ScoresOut: true}, {ScoresOut: true}, {PoolHalf: 2}, {PoolHalf: 7, PoolMax: true}} {
				o.KeyNorm, o.Result = true, form
				for range 5 {
					q := s.budget(o, 1+s.rng.IntN(60), 0)
					q.RowDims = dims
					cmds = append(cmds, s.choice(q, weightKind{name: "key rows"}))
				}
			}
		}
	}
	s.each(cmds)
}
