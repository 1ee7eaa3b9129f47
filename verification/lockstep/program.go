package lockstep

import (
	"fmt"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// sent is a packet on its way into the engine.
type sent struct {
	tag     uint16
	request packet.Request // as it was before it was made malformed
	header  [regmap.HeaderBytes]byte
	data    []byte // whole beats, header and all
	faults  []string
}

func (s *sent) String() string {
	q := s.request
	t := fmt.Sprintf("tag %d %s rows %d dims %d", s.tag, packet.OpcodeName(q.Opcode), q.Rows, q.Dims)
	switch q.Opcode {
	case regmap.OpQuantize, regmap.OpDequantize:
		t += fmt.Sprintf(" scheme %d axis %d group %d bits %d block %v format %d rotate %d", q.Scheme, q.Axis, q.Group, q.Bits, q.Block, q.Format, q.Rotate)
	case regmap.OpSelect, regmap.OpCompress:
		t += fmt.Sprintf(" %+v row dims %d", q.Selection, q.RowDims)
		if q.Opcode == regmap.OpCompress {
			t += fmt.Sprintf(" scheme %d axis %d group %d bits %d value group %d format %d", q.Scheme, q.Axis, q.Group, q.Bits, q.ValueGroup, q.Format)
		}
	case regmap.OpSource, regmap.OpSink:
		t += fmt.Sprintf(" seed %#x", q.Seed)
	}
	t += fmt.Sprintf(", %d bytes", len(s.data))
	if len(s.faults) > 0 {
		t += fmt.Sprintf(", malformed: %v, header %x", s.faults, s.header)
	}
	return t
}

// program makes one packet after another.
type program struct {
	random
	cfg  Config
	tag  uint16
	last packet.Request // the last legal one
}

// blocks are the settings that the block layout has.
var blocks = []packet.Layout{
	{Scheme: regmap.SchemeSym, Axis: regmap.AxisToken, Group: 32, Bits: 8, Block: true},
	{Scheme: regmap.SchemeAsym, Axis: regmap.AxisToken, Group: 32, Bits: 4, Block: true},
	{Scheme: regmap.SchemeOffset, Axis: regmap.AxisToken, Group: 32, Bits: 4, Block: true},
}

var opcodes = []uint32{regmap.OpEcho, regmap.OpQuantize, regmap.OpDequantize, regmap.OpSelect, regmap.OpCompress, regmap.OpSource, regmap.OpSink}

func (g *program) next(re *regime) *sent {
	p := g.cfg.Params
	budget := g.upTo(1500)
	if re.name == "short" {
		budget = 8
	} else if g.chance(1, 60) {
		budget = max(1<<14, p.TileTokens*p.MaxDim/p.Lanes) // as large as the engine allows
	}
	if g.last.Opcode == 0 || !g.chance(re.burst, 100) {
		g.last = g.request(budget)
	} else if g.chance(1, 2) {
		g.rows(&g.last, budget)
	}
	g.tag++
	s := &sent{tag: g.tag, request: g.last}
	s.request.Tag = g.tag
	h, err := s.request.Header()
	if err != nil {
		panic(err) // the generator made what no header can hold
	}
	s.header = h
	body := g.payload(s.request, p)
	if g.chance(re.malformed, 100) {
		body = g.spoil(s, body)
	}
	if s.data == nil {
		s.data = append(s.header[:], body...)
	}
	return s
}

// request draws a legal request of at most about so many payload beats.
func (g *program) request(budget int) packet.Request {
	p := g.cfg.Params
	weights := []int{8, 22, 22, 26, 16, 2, 4}
	for i, op := range opcodes {
		if g.cfg.Only != 0 && g.cfg.Only>>op&1 == 0 {
			weights[i] = 0
		}
	}
	q := packet.Request{Opcode: opcodes[g.pick(weights...)]}
	switch q.Opcode {
	case regmap.OpSelect:
		g.selection(&q, p.MaxTokens)
	case regmap.OpCompress:
		g.compression(&q, budget)
	case regmap.OpSource, regmap.OpSink:
		q.Seed = 1 + g.Uint32N(1<<31-1)
	case regmap.OpQuantize, regmap.OpDequantize:
		q.Dims = regmap.DimStep * (1 + g.IntN(p.MaxDim/regmap.DimStep))
		if g.chance(1, 2) {
			q.Dims = regmap.DimStep << g.IntN(log2(p.MaxDim/regmap.DimStep)+1)
		}
		if g.chance(1, 3) {
			g.rotation(&q)
		} else if g.chance(1, 3) {
			q.Format = regmap.FormatBF16
		}
		q.Scheme, q.Axis = uint32(g.IntN(2)), uint32(g.IntN(2))
		q.Bits = pickOne(g.random, 2, 3, 4, 5, 6, 8)
		q.Group = g.group(q)
		if g.chance(1, 4) {
			rotate := q.Rotate
			q.Layout, q.Dims = pickOne(g.random, blocks...), ceil(q.Dims, 32)*32
			q.Rotate = rotate
		}
	}
	g.rows(&q, budget)
	return q
}

// group draws a group size that the request's axis and dims allow.
func (g *program) group(q packet.Request) int {
	if q.Axis == regmap.AxisChannel {
		return pickOne(g.random, groupsUpTo(g.cfg.Params.TileTokens, 0)...)
	}
	return pickOne(g.random, append(groupsUpTo(q.Dims, q.Dims), 0)...)
}

// groupsUpTo lists the group sizes up to limit that divide n; all divide 0.
func groupsUpTo(limit, n int) []int {
	var s []int
	for _, size := range []int{16, 32, 64, 128} {
		if size <= limit && n%size == 0 {
			s = append(s, size)
		}
	}
	return s
}

// rows draws a number of rows, or bytes for ECHO, for a packet of about so many
// beats.
func (g *program) rows(q *packet.Request, budget int) {
	p := g.cfg.Params
	switch q.Opcode {
	case regmap.OpEcho, regmap.OpSource, regmap.OpSink:
		q.Rows = g.IntN(min(budget, 4096)*p.BeatBytes() + 1)
		if g.chance(1, 8) {
			q.Rows = 0
		}
	case regmap.OpSelect, regmap.OpCompress:
		q.Rows = max(1, min(budget, 1<<14)/ceil(q.Dims, p.Lanes))
		if g.chance(1, 2) || q.Opcode == regmap.OpCompress {
			q.Rows = g.upTo(min(q.Rows, 12))
		}
		if q.KeyNorm || q.ScoresIn && q.StepRows == 0 && g.chance(1, 4) {
			q.Rows = 0
		}
	default:
		n := max(1, min(p.TileTokens, budget*p.Lanes/q.Dims))
		if q.Axis == regmap.AxisChannel {
			n = max(q.Group, n/q.Group*q.Group)
		}
		q.Rows = n
	}
}

func log2(n int) int {
	b := 0
	for ; n > 1; n >>= 1 {
		b++
	}
	return b
}
