package drivertest

import (
	"fmt"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// testPadding: what a request holds beyond its payload, or beyond the last
// weight of an attention row, is no element and no byte of anything.
func testPadding(s *session) {
	want := tally{}
	for _, op := range commands {
		for range 8 {
			good := s.varying(op)
			dirty, spoilt := s.again(good), 0
			for _, gap := range s.gaps(good.wire[:regmap.HeaderBytes]) {
				for i := gap.from; i < gap.to; i++ {
					dirty.wire[regmap.HeaderBytes+i] = byte(0xfc + i%2*3) // NaN where it is read as a weight
					spoilt++
				}
			}
			dirty.name += fmt.Sprintf(", padding of %d bytes not zero", spoilt)
			s.run(good, dirty)
			want.add(good)
			want.add(dirty)
			s.check("after "+dirty.name, want)
		}
	}
}

// gap is a range of bytes of a payload that mean nothing.
type gap struct{ from, to int }

// gaps lists the padding of a command whose header is accepted.
func (s *session) gaps(header []byte) (list []gap) {
	beat, size := s.p.BeatBytes(), payloadSize(header, s.p)
	op := regmap.ReqOpcode.Get(header)
	if op != regmap.OpSelect && op != regmap.OpCompress || regmap.ReqKeyNorm.Get(header) == 1 {
		return []gap{{size, (size + beat - 1) / beat * beat}}
	}
	n, at := int(regmap.ReqDims.Get(header)), 0
	if regmap.ReqScoresIn.Get(header) == 1 {
		at = 4 * rowBytes(n, s.p)
		list = append(list, gap{8 * n, at})
	}
	for range regmap.ReqRows.Get(header) {
		list = append(list, gap{at + 2*n, at + rowBytes(n, s.p)})
		at += rowBytes(n, s.p)
	}
	return list
}

// varying is a command of a random size that does not fill its last beat, where
// the command has such sizes.
func (s *session) varying(op uint32) command {
	s.t.Helper()
	switch op {
	case regmap.OpEcho:
		n := 1 + s.rng.IntN(200)
		return s.command(packet.Request{Opcode: op, Rows: n}, s.randomBytes(n))
	case regmap.OpSelect:
		return s.choice(s.budget(options[s.rng.IntN(len(options))], 1+s.rng.IntN(60), 1+s.rng.IntN(4)), weightKinds[0])
	case regmap.OpCompress:
		return s.choice(s.compression(packet.Layout{Group: 16}, 16, 1+s.rng.IntN(20), 16, options[s.rng.IntN(len(options))]), weightKinds[0])
	case regmap.OpSource:
		return s.source(1+s.rng.IntN(200), 7)
	case regmap.OpSink:
		return s.sink(1+s.rng.IntN(200), 7)
	}
	sh := shape{packet.Layout{Scheme: uint32(s.rng.IntN(2)), Group: 16, Bits: 2 + s.rng.IntN(5)}, 1, 16}
	if s.rng.IntN(3) == 0 {
		sh = shape{blocks[s.rng.IntN(len(blocks))], 1, 32}
	}
	if op == regmap.OpQuantize {
		return s.command(sh.request(op), pack(s.tile(sh.Layout, sh.rows, sh.dims)))
	}
	return s.command(sh.request(op), s.foreignTile(sh))
}
