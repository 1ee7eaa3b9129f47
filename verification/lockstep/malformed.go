package lockstep

import (
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// spoil makes a packet malformed, in one way or in two, and returns its payload.
// It sets the packet's data where the header does not end whole.
func (g *program) spoil(s *sent, body []byte) []byte {
	for range 1 + g.IntN(2) {
		name := ""
		switch g.IntN(8) {
		case 0:
			name = "magic"
			s.header[1] ^= 1 << g.IntN(8)
		case 1:
			name = "opcode"
			s.header[0] = pickOne(g.random, 0, 8, 9, 10, 0x11, 0x81, byte(g.Uint32()))
		case 2:
			name = "bit"
			at := 32 + g.IntN(224)
			s.header[at/8] ^= 1 << (at % 8)
		case 3:
			name = "option"
			g.badOption(s.header[:])
		case 4:
			name = "geometry"
			g.badGeometry(s)
		default:
			name, body = g.badEnd(s, body)
		}
		s.faults = append(s.faults, name)
	}
	if s.data == nil && g.chance(1, 4) {
		body = body[:g.IntN(len(body)/g.beat()+1)*g.beat()]
		s.faults = append(s.faults, "short")
	}
	if s.data == nil && g.chance(1, 30) {
		g.bytes(s.header[4:])
		s.faults = append(s.faults, "noise")
	}
	g.bound(s.header[:])
	return body
}

func (g *program) beat() int { return g.cfg.Params.BeatBytes() }

func (g *program) badOption(h []byte) {
	if uint32(h[0]) == regmap.OpCompress && g.chance(1, 4) {
		if g.chance(1, 2) {
			regmap.ReqRotate.Put(h, 1+g.Uint32N(3))
			return
		}
		regmap.ReqFormat.Put(h, regmap.FormatBF16)
		regmap.ReqKeyNorm.Put(h, 1)
		return
	}
	if op := uint32(h[0]); (op == regmap.OpSelect || op == regmap.OpCompress) && g.chance(3, 4) {
		f := pickOne(g.random, regmap.ReqPoolHalf, regmap.ReqPoolMax, regmap.ReqScoresIn, regmap.ReqScoresOut, regmap.ReqResult, regmap.ReqProtTier, regmap.ReqKeyNorm,
			regmap.ReqRank0, regmap.ReqRank1, regmap.ReqRank2, regmap.ReqStepRows, regmap.ReqLambda, regmap.ReqRowDims, regmap.ReqValueGroup, regmap.ReqFormat, regmap.ReqRotate)
		f.Put(h, pickOne(g.random, 0, 1, f.Get(h)+1, g.Uint32()))
		return
	}
	switch g.IntN(11) {
	case 7, 8, 9, 10:
		g.badFormat(h)
	case 0:
		regmap.ReqScheme.Put(h, 2+g.Uint32()&1)
	case 4: // a block, or no longer one
		regmap.ReqLayout.Put(h, 1^regmap.ReqLayout.Get(h))
	case 5, 6: // beside a legal block: one field drawn anew, which may make it another
		l := pickOne(g.random, blocks...)
		regmap.ReqLayout.Put(h, regmap.LayoutBlock)
		regmap.ReqScheme.Put(h, l.Scheme)
		regmap.ReqAxis.Put(h, l.Axis)
		regmap.ReqGroup.Put(h, regmap.Group32)
		regmap.ReqBits.Put(h, uint32(l.Bits))
		pickOne(g.random, regmap.ReqScheme, regmap.ReqAxis, regmap.ReqGroup, regmap.ReqBits, regmap.ReqLayout).Put(h, g.Uint32())
	case 1:
		regmap.ReqGroup.Put(h, 5+g.Uint32N(3))
	case 2:
		regmap.ReqBits.Put(h, pickOne(g.random, uint32(0), 1, 7, 9, 10, 15))
	case 3:
		regmap.ReqAxis.Put(h, regmap.AxisChannel)
		regmap.ReqGroup.Put(h, regmap.GroupRow)
	}
}

// badGeometry puts a value that is too large, too small or just beside a legal one
// into a field that the command reads. Some of them turn out to be legal.
func (g *program) badGeometry(s *sent) {
	p, h := g.cfg.Params, s.header[:]
	limits := []uint32{0, 1, uint32(p.MaxDim), uint32(p.TileTokens), uint32(p.MaxTokens), regmap.MaxAttnRows, regmap.MaxEchoBytes, 1 << 16, 1 << 24, 1 << 31}
	v := pickOne(g.random, limits...) + g.Uint32N(5) - 1
	if g.chance(1, 3) { // a legal value with a high bit
		field := regmap.ReqRows
		if g.chance(1, 2) {
			field = regmap.ReqDims
		}
		field.Put(h, field.Get(h)|1<<(9+g.IntN(23)))
		return
	}
	fields := []regmap.Field{regmap.ReqRows, regmap.ReqDims}
	if op := s.request.Opcode; op == regmap.OpSource || op == regmap.OpSink {
		fields, v = fields[:1], pickOne(g.random, regmap.MaxLinkBytes+1+g.Uint32N(3), 1<<31, 1<<32-1)
	} else if op == regmap.OpSelect || op == regmap.OpCompress {
		fields = append(fields, regmap.ReqSinks, regmap.ReqRecent, regmap.ReqTopK, regmap.ReqRowDims, regmap.ReqRank0, regmap.ReqRank1, regmap.ReqRank2, regmap.ReqStepRows)
		if g.chance(1, 2) {
			v = uint32(s.request.Dims) + g.Uint32N(4)
		}
	} else if g.chance(1, 2) {
		v = g.Uint32N(2 * uint32(p.MaxDim))
	}
	pickOne(g.random, fields...).Put(h, v)
}

// bound keeps a spoilt request from taking for ever: an ECHO cut short is filled up
// with zeros, a SOURCE gives all it is asked for.
func (g *program) bound(h []byte) {
	limit := map[byte]uint32{regmap.OpEcho: regmap.MaxEchoBytes, regmap.OpSource: regmap.MaxLinkBytes}[h[0]]
	if n := regmap.ReqRows.Get(h); n > 1<<14 && n <= limit && (limit == regmap.MaxLinkBytes || !g.chance(1, 50)) {
		regmap.ReqRows.Put(h, limit+n)
	}
}

// badEnd moves the packet's TLAST.
func (g *program) badEnd(s *sent, body []byte) (string, []byte) {
	beat := g.beat()
	total := regmap.HeaderBytes + len(body)
	switch g.IntN(4) {
	case 0: // within the header
		if s.data == nil {
			s.data = append(s.header[:], body...)
		}
		s.data = s.data[:beat*(1+g.IntN(regmap.HeaderBytes/beat))]
		return "header cut", body
	case 1:
		return "payload cut", body[:g.IntN(len(body)/beat+1)*beat]
	case 2: // one beat less
		if len(body) > 0 {
			return "beat less", body[:len(body)-beat]
		}
		fallthrough
	default:
		n := pickOne(g.random, 1, 2, 1+g.IntN(20), 1+g.IntN(200))
		more := make([]byte, n*beat)
		g.bytes(more)
		if g.chance(1, 3) { // what follows looks like a request
			h, err := packet.Request{Opcode: regmap.OpEcho, Rows: total}.Header()
			if err == nil {
				copy(more, h[:])
			}
		}
		return "overlong", append(body, more...)
	}
}
