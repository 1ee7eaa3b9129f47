package drivertest

import (
	"fmt"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// keptRows are the value and key rows of a COMPRESS, in groups of every
// distribution.
func (s *session) keptRows(q packet.Request) (b []byte) {
	values := packet.Layout{Scheme: q.Scheme, Format: q.Format, Group: q.ValueGroup, Bits: 4}
	b = pack(s.tile(values, q.Dims, q.RowDims))
	keys := packet.Layout{Scheme: q.Scheme, Format: q.Format, Group: 16, Bits: 4} // which rows will be a group is not known yet
	return append(b, pack(s.tile(keys, q.Dims, q.RowDims))...)
}

// compression is a COMPRESS of n positions with random budgets.
func (s *session) compression(keys packet.Layout, valueGroup, n, rowDims int, o packet.Selection) packet.Request {
	q := s.budget(o, n, 1)
	q.Opcode, q.Layout, q.ValueGroup, q.RowDims = regmap.OpCompress, keys, valueGroup, rowDims
	s.ranks(&q.Selection)
	if o.KeyNorm || o.ScoresIn && o.StepRows == 0 && s.rng.IntN(2) == 0 {
		q.Rows = 0
	}
	return q
}

// keyLayouts lists every way to code keys in rows of so many elements.
func (s *session) keyLayouts(rowDims int) (list []packet.Layout) {
	for scheme := range uint32(2) {
		list = append(list, packet.Layout{Scheme: scheme})
		for _, g := range []int{16, 32, 64, 128} {
			if rowDims%g == 0 {
				list = append(list, packet.Layout{Scheme: scheme, Group: g})
			}
			if g <= s.p.TileTokens {
				for _, bits := range []int{2, 3, 4, 5, 6, 8} {
					list = append(list, packet.Layout{Scheme: scheme, Axis: regmap.AxisChannel, Group: g, Bits: bits})
				}
			}
		}
	}
	return list
}

// testCompress: every coding of keys and values, with numbers of kept rows that
// fill groups and such that do not, and every option of the selection.
func testCompress(s *session) {
	var cmds []command
	for _, dims := range []int{16, 32, 48, 128, s.p.MaxDim} {
		if dims > s.p.MaxDim {
			continue
		}
		for i, keys := range s.keyLayouts(dims) {
			groups := []int{0}
			for _, g := range []int{16, 32, 64, 128} {
				if dims%g == 0 {
					groups = append(groups, g)
				}
			}
			n := max(2, keys.Group) + s.rng.IntN(24)
			if dims*n > 4096 {
				n = 1 + s.rng.IntN(1+4096/dims)
			}
			q := s.compression(keys, groups[i%len(groups)], n, dims, options[s.rng.IntN(len(options))])
			cmds = append(cmds, s.choice(q, weightKinds[s.rng.IntN(len(weightKinds))]))
		}
	}
	s.each(append(cmds, s.compressEdges()...))
}

// compressEdges keep none, all, one row more or less than a group, rows of one
// tier alone, and the first or last rows alone.
func (s *session) compressEdges() (cmds []command) {
	const n, dims = 35, 16
	for _, keys := range []packet.Layout{{Group: 16}, {Scheme: regmap.SchemeSym, Axis: regmap.AxisChannel, Group: 16, Bits: 3}} {
		add := func(name string, o packet.Selection) {
			q := packet.Request{Opcode: regmap.OpCompress, Layout: keys, ValueGroup: 16, Rows: 1, Dims: n, RowDims: dims, Selection: o}
			if o.KeyNorm {
				q.Rows = 0
			}
			c := s.choice(q, weightKinds[s.rng.IntN(len(weightKinds))])
			c.name += ", " + name
			cmds = append(cmds, c)
		}
		for _, k := range []int{0, 1, 15, 16, 17, 31, 32, 33, 34, 35} {
			add(fmt.Sprintf("%d kept", k), packet.Selection{TopK: k})
		}
		for tier := range 4 {
			add(fmt.Sprintf("all in tier %d", tier), packet.Selection{Sinks: n, ProtTier: tier})
			add(fmt.Sprintf("the first in tier %d", tier), packet.Selection{Sinks: 3, ProtTier: tier})
			add(fmt.Sprintf("the last in tier %d", tier), packet.Selection{Recent: 17, ProtTier: tier, ScoresOut: true})
		}
		add("key norms", packet.Selection{KeyNorm: true, TopK: 20, Rank: [3]int{3, 6, 9}})
		add("key norms, scores out", packet.Selection{KeyNorm: true, ScoresOut: true, TopK: 20, Rank: [3]int{3, 6, 9}})
	}
	return cmds
}
