package lockstep

import (
	"encoding/binary"
	"fmt"

	"github.com/kvaccel/kvaccel/emulator/core"
)

// stimulus plays everything outside the engine: the source of packets, the sink of
// responses, the register master and the reset. It sees the engine's outputs.
type stimulus struct {
	random
	cfg      Config
	program  program
	bus      bus
	coverage *Coverage

	regime regime
	left   int // clocks of the regime
	reset  int // clocks of rst_i still to come

	source throttle
	packet *sent
	at     int // bytes of it taken
	offer  bool
	gap    int
	sink   sink
}

func newStimulus(c Config) *stimulus {
	r := newRandom(c)
	s := &stimulus{random: r, cfg: c, program: program{random: r, cfg: c}, bus: bus{random: r}, coverage: newCoverage(), reset: 2}
	s.sink.init(c.Params, s.coverage)
	return s
}

// next gives the input pins of the next clock, in which the engine's outputs are
// out.
func (s *stimulus) next(in *core.Inputs, out *core.Outputs) {
	*in = core.Inputs{}
	if s.left == 0 {
		s.regime = s.random.regime(s.cfg.Regime)
		s.left = s.regime.length
		s.source.set(s.regime.streams)
		s.sink.ready.set(s.regime.streams)
		s.bus.set(&s.regime)
	}
	s.left--
	if s.reset == 0 && s.regime.reset > 0 && s.chance(s.regime.reset, 1_000_000) {
		s.reset = 1 + s.IntN(3)
		s.coverage.hit("rst_i")
		if s.at > 0 {
			s.coverage.hit("rst_i in mid-packet")
		}
	}
	s.drivePackets(in, out)
	in.MReady = s.sink.ready.goes(s.random)
	s.bus.drive(in, out, &s.regime)
	if s.reset > 0 {
		s.hold(in)
		return
	}
	if in.MReady && out.MValid {
		s.sink.take(out)
	}
}

// hold is a clock with rst_i: whatever the pins say, nothing is handed over.
func (s *stimulus) hold(in *core.Inputs) {
	in.Reset = true
	s.reset--
	s.bus.reset()
	s.sink.forget()
	s.offer = false
	if s.packet != nil && s.chance(1, 2) { // else its rest goes on, as a source that was not reset
		s.packet, s.at = nil, 0
	}
}

func (s *stimulus) drivePackets(in *core.Inputs, out *core.Outputs) {
	if s.packet == nil {
		if s.gap > 0 {
			s.gap--
			s.noise(in)
			return
		}
		s.packet, s.at = s.program.next(&s.regime), 0
		s.sink.expect(s.packet)
	}
	if !s.offer && !s.source.goes(s.random) {
		s.noise(in)
		return
	}
	n := s.cfg.Params.BeatBytes()
	in.SValid, in.SLast = true, s.at+n == len(s.packet.data)
	in.SData = beat(s.packet.data[s.at : s.at+n])
	s.offer = !out.SReady
	if s.reset > 0 || !out.SReady {
		return
	}
	if s.at += n; in.SLast {
		s.packet, s.at = nil, 0
		if int(s.Uint32()&0xFFFF) < s.regime.gap {
			s.gap = s.upTo(s.regime.gapMax)
		}
	}
}

// noise is on the pins of a stream that offers nothing.
func (s *stimulus) noise(in *core.Inputs) {
	x := s.Uint64()
	in.SLast = x&1 != 0
	for i := range 4 {
		in.SData[i] = x * uint64(2*i+3)
	}
	mask(&in.SData, s.cfg.Params.Lanes)
}

// mask clears the bits beyond the width of a beat.
func mask(b *core.Beat, lanes int) {
	for i := range b {
		switch bits := 16*lanes - 64*i; {
		case bits <= 0:
			b[i] = 0
		case bits < 64:
			b[i] &= 1<<bits - 1
		}
	}
}

func beat(b []byte) core.Beat {
	var x core.Beat
	var full [32]byte
	copy(full[:], b)
	for i := range x {
		x[i] = binary.LittleEndian.Uint64(full[8*i:])
	}
	return x
}

// underWay describes what the engine is busy with.
func (s *stimulus) underWay() []string {
	var t []string
	for _, p := range s.sink.open {
		switch {
		case p == s.packet:
			t = append(t, fmt.Sprintf("being sent, %d bytes taken: %v", s.at, p))
		default:
			t = append(t, fmt.Sprintf("unanswered: %v", p))
		}
	}
	return append(t, fmt.Sprintf("regime %s; %d beats of a response received", s.regime.name, s.sink.beats))
}
