package session

import (
	"context"
	"fmt"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// Stats is what the commands of one opcode cost, all together.
//
// Commands overlap, so the cycles of the single answers cannot be added;
// Cycles and the fields below it come from the engine's own counters, read
// when it was idle before and after.
type Stats struct {
	Commands      uint64 `json:"commands"`
	BytesIn       uint64 `json:"payload_bytes_in"`  // payload taken, whole beats
	BytesOut      uint64 `json:"payload_bytes_out"` // payload given, without padding
	CommandCycles uint64 `json:"command_cycles"`    // sum over the answers; overlapping cycles count in each
	Cycles        uint64 `json:"cycles"`            // cycles in which the engine was busy and not stalled
	StallIn       uint64 `json:"stall_in"`          // further cycles lost to absent input
	StallOut      uint64 `json:"stall_out"`         // further cycles lost to refused output
	BeatsIn       uint64 `json:"beats_in"`          // headers included
	BeatsOut      uint64 `json:"beats_out"`         // headers and trailers included
	NonFinite     uint64 `json:"non_finite"`        // NaN, infinite and negative-weight inputs
	Saturations   uint64 `json:"saturations"`       // restored values and scores clamped
}

// Add adds the figures of o.
func (s *Stats) Add(o Stats) {
	s.Commands += o.Commands
	s.BytesIn += o.BytesIn
	s.BytesOut += o.BytesOut
	s.CommandCycles += o.CommandCycles
	s.Cycles += o.Cycles
	s.StallIn += o.StallIn
	s.StallOut += o.StallOut
	s.BeatsIn += o.BeatsIn
	s.BeatsOut += o.BeatsOut
	s.NonFinite += o.NonFinite
	s.Saturations += o.Saturations
}

// Stats gives the figures so far by opcode.
func (s *Session) Stats() map[uint32]Stats {
	out := make(map[uint32]Stats, len(s.stats))
	for op, st := range s.stats {
		out[op] = *st
	}
	return out
}

// counters are the engine's, as far as Stats has them.
type counters struct {
	active, stallIn, stallOut, beatsIn, beatsOut, saturations, nonFinite uint32
}

func (p *pipe) readCounters(ctx context.Context) error {
	c := &p.before
	for _, r := range []struct {
		addr uint32
		dst  *uint32
	}{
		{regmap.RegActive, &c.active}, {regmap.RegStallIn, &c.stallIn}, {regmap.RegStallOut, &c.stallOut},
		{regmap.RegBeatsIn, &c.beatsIn}, {regmap.RegBeatsOut, &c.beatsOut},
		{regmap.RegSaturations, &c.saturations}, {regmap.RegNonFinite, &c.nonFinite},
	} {
		v, err := p.s.dev.ReadReg(ctx, r.addr)
		if err != nil {
			return fmt.Errorf("reading the engine's counters: %w", err)
		}
		*r.dst = v
	}
	p.beats = 0
	return nil
}

// settle adds what the counters advanced since they were last read. The engine
// is idle. The subtractions are modulo 2^32, as the counters are.
func (p *pipe) settle(ctx context.Context) error {
	b := p.before
	if err := p.readCounters(ctx); err != nil {
		return err
	}
	a, st := p.before, p.stats()
	in, out := a.stallIn-b.stallIn, a.stallOut-b.stallOut
	st.Cycles += uint64(a.active - b.active - in - out)
	st.StallIn += uint64(in)
	st.StallOut += uint64(out)
	st.BeatsIn += uint64(a.beatsIn - b.beatsIn)
	st.BeatsOut += uint64(a.beatsOut - b.beatsOut)
	st.Saturations += uint64(a.saturations - b.saturations)
	st.NonFinite += uint64(a.nonFinite - b.nonFinite)
	return nil
}

// count adds what an answer says of itself.
func (p *pipe) count(r packet.Response) {
	st := p.stats()
	st.Commands++
	st.BytesIn += uint64(r.BytesIn)
	st.BytesOut += uint64(len(r.Payload))
	st.CommandCycles += uint64(r.Cycles)
}

func (p *pipe) stats() *Stats {
	st := p.s.stats[p.op]
	if st == nil {
		st = &Stats{}
		p.s.stats[p.op] = st
	}
	return st
}
