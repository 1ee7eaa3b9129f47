package bench

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/session"
)

// mixture is a way to share positions out among the tiers: ranks up to which
// they are in tier 0, in 0 or 1, in 0 to 2, and up to which they are kept, in
// quarters of all.
type mixture struct {
	name  string
	ranks [4]int
}

var mixtures = []mixture{
	{"fp16", [4]int{4, 4, 4, 4}},
	{"2 bits", [4]int{0, 0, 0, 4}},
	{"a quarter each", [4]int{1, 2, 3, 4}},
	{"half dropped", [4]int{0, 1, 1, 2}},
}

// compressRows measures the rows of V and K. What those of n positions take is what
// a COMPRESS of one attention row takes beyond the SELECT that gives the same tier
// map; the rate is that of n further positions: twice as many and just as many. So the
// choice is left out, and the start and end of the sections, once a head, cancel.
func compressRows(b *bench) error {
	dims := b.opt.Dims
	rng := rand.New(rand.NewPCG(4, 4))
	sizes := []int{256, 1024}
	if b.opt.Quick {
		sizes = sizes[:1]
	}
	for _, n := range sizes {
		if 2*n > b.p.MaxTokens {
			continue
		}
		row := each(2*n, quarters)
		values := normal(rng, 2*n*dims)
		for _, m := range b.mixtures() {
			for _, l := range layouts(b.p.TileTokens, dims, b.opt.Quick) {
				if l.Axis == regmap.AxisToken && l.Bits != allBits[0] {
					continue // the tiers have the widths
				}
				s := layoutSettings(l)
				if l.Axis == regmap.AxisToken {
					s = s[:len(s)-1]
				}
				some, err := b.rowCycles(row[:n], values[:2*n*dims], m, l)
				if err != nil {
					return err
				}
				twice, err := b.rowCycles(row, values, m, l)
				if err != nil {
					return err
				}
				s = append(s, Setting{"tiers", m.name}, Setting{"n", n}, Setting{"dims", dims})
				if err := b.rate(2*n*dims/b.p.Lanes, twice-some, s); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// quarters gives position j the weight that puts every fourth position into each
// quarter of the ranks, the last one of each four into the best: tiers
// alternate, and the last row of all is kept, so that where a section ends does not
// depend on the choice.
func quarters(j int) uint16 { return []uint16{0, 2, 1, 3}[j%4]*0x0e00 + uint16(j) }

// rowCycles is what the rows of all positions take beyond their choice.
func (b *bench) rowCycles(row []uint16, values []byte, m mixture, l packet.Layout) (int, error) {
	all, err := b.compress(row, values, m, l)
	if err != nil {
		return 0, err
	}
	choice, err := b.compress(row, nil, m, l)
	return all - choice, err
}

func (b *bench) mixtures() []mixture {
	if b.opt.Quick {
		return mixtures[:3]
	}
	return mixtures
}

// compress sends one COMPRESS, or without rows the SELECT of its choice, and
// gives the cycles it took. Keys and values are the same rows, values grouped as
// keys are, per channel by 16.
func (b *bench) compress(row []uint16, rows []byte, m mixture, keys packet.Layout) (int, error) {
	n := len(row)
	r := packet.Request{
		Opcode: regmap.OpSelect, Rows: 1, Dims: n,
		Selection: packet.Selection{TopK: n * m.ranks[3] / 4, Result: regmap.ResultTiers},
	}
	for i := range r.Rank {
		r.Rank[i] = n * m.ranks[i] / 4
	}
	payload := make([]byte, 0, b.words(n)*b.p.BeatBytes())
	for _, w := range row {
		payload = binary.LittleEndian.AppendUint16(payload, w)
	}
	size := (n + 1) / 2
	if rows != nil {
		dims := b.opt.Dims
		values := packet.Layout{Scheme: keys.Scheme, Axis: regmap.AxisToken, Group: keys.Group}
		if keys.Axis == regmap.AxisToken {
			keys.Bits = 0
		} else {
			values.Group = regmap.DimStep
		}
		r.Opcode, r.Layout, r.ValueGroup, r.RowDims, r.Result = regmap.OpCompress, keys, values.Group, dims, 0
		payload = append(append(append(payload, make([]byte, cap(payload)-len(payload))...), rows...), rows...)
		whole := func(n int) int { return (n + b.p.BeatBytes() - 1) / b.p.BeatBytes() * b.p.BeatBytes() }
		size = whole(whole(size)+m.section(values, n, dims)) + m.section(keys, n, dims)
	}
	resp, err := b.exchange(r, payload, 1, size)
	return int(resp.Cycles), err
}

// section is the size of a section of n positions.
func (m mixture) section(l packet.Layout, n, dims int) int {
	kept := n * m.ranks[3] / 4
	if l.Axis == regmap.AxisChannel {
		coded := kept - kept%l.Group
		return l.QuantizedBytes(coded, dims) + 2*(kept-coded)*dims
	}
	size, before := 0, 0
	for t, rank := range m.ranks {
		upTo := n * rank / 4
		size += (upTo - before) * session.RowBytes(l, dims, uint8(t))
		before = upTo
	}
	return size
}
