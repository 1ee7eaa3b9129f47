package drivertest

import (
	"bytes"
	"fmt"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// source asks for n bytes of a stream.
func (s *session) source(n int, seed uint32) command {
	s.t.Helper()
	return s.command(packet.Request{Opcode: regmap.OpSource, Rows: n, Seed: seed}, nil)
}

// sink sends n bytes of a stream, with bits of some bytes changed.
func (s *session) sink(n int, seed uint32, spoilt ...int) command {
	s.t.Helper()
	stream := bytes.Clone(s.opts.Oracle.Stream(seed, n))
	for _, at := range spoilt {
		stream[at] ^= 1 << s.rng.IntN(8)
	}
	c := s.command(packet.Request{Opcode: regmap.OpSink, Rows: n, Seed: seed}, stream)
	c.name += fmt.Sprintf(", spoilt at %v", spoilt)
	return c
}

// testLink: streams of every seed bit and of sizes about beats, checked whole and
// spoilt.
func testLink(s *session) {
	beat := s.p.BeatBytes()
	var cmds []command
	for bit := range 31 {
		cmds = append(cmds, s.source(40, 1<<bit), s.sink(40, 1<<bit))
	}
	for _, n := range []int{0, 1, 2, 3, 4, 5, beat - 1, beat, beat + 1, 2 * beat, 3*beat - 1, 1000, 12345, 3 * s.p.PayloadDepth(s.info.Features) * beat} {
		seed := 1 + s.rng.Uint32N(1<<31-1)
		cmds = append(cmds, s.source(n, seed), s.sink(n, seed))
		if n > 0 {
			cmds = append(cmds, s.sink(n, seed, 0), s.sink(n, seed, n-1), s.sink(n, seed, s.rng.IntN(n)), s.sink(n, seed, 0, n/2, n-1))
		}
		if n > beat {
			cmds = append(cmds, s.sink(n, seed, n-1, n-2), s.sink(n, seed, beat-1, beat))
		}
	}
	// Another stream altogether, and one of zeros.
	other := s.sink(1000, 5)
	cmds = append(cmds, s.edited(other, "checked as of another seed", field(regmap.ReqSeed, 6)))
	clear(other.wire[regmap.HeaderBytes:])
	cmds = append(cmds, s.raw("SINK of zeros", other.wire))
	s.each(cmds)
}
