package hil

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// seed is where the stream of SOURCE and SINK starts: its first bytes are those of
// the noise, so that no stream is worked out twice.
const seed = 1<<31 - 1

// oneway measures each direction by itself: the engine makes up a pseudo-random
// stream (SOURCE), or checks one (SINK).
func (b *bench) oneway() error {
	b.r.Oneway = []Transfer{}
	if !b.r.Device.Has(1 << regmap.FeatLink) {
		return nil
	}
	for _, size := range b.o.Sizes {
		for _, depth := range b.o.Depths {
			if depth > 1 && size*depth > mostInFlight {
				continue
			}
			for _, op := range []uint32{regmap.OpSource, regmap.OpSink} {
				t, err := b.stream(op, size, depth)
				if err != nil {
					return err
				}
				b.r.Oneway = append(b.r.Oneway, t)
				b.r.BitErrors += t.BitErrors
			}
		}
	}
	return nil
}

// stream runs commands of one size with some in flight.
func (b *bench) stream(op uint32, size, depth int) (Transfer, error) {
	t := Transfer{What: "source", Size: size, Depth: depth}
	var payload []byte
	if op == regmap.OpSink {
		t.What, payload = "sink", b.noise[:size]
	}
	least, most, spend := b.enough()
	least = max(least, 2*depth)
	var flying []uint16
	var cycles, stalls uint64
	start := time.Now()
	for n := 0; ; {
		for ; len(flying) < depth && (n < least || n < most && time.Since(start) < spend); n++ {
			tag, err := b.send(b.dev, packet.Request{Opcode: op, Rows: size, Seed: seed}, payload)
			if err != nil {
				return t, err
			}
			flying = append(flying, tag)
		}
		if len(flying) == 0 {
			break
		}
		r, err := b.receive(b.dev, flying[0])
		if err != nil {
			return t, err
		}
		wrong, err := b.errors(op, r.Payload, size)
		if err != nil {
			return t, err
		}
		t.BitErrors += wrong
		cycles += uint64(r.Cycles)
		stalls += uint64(r.StallIn) + uint64(r.StallOut)
		flying = flying[1:]
		t.Count++
	}
	t.finish(time.Since(start), cycles, stalls)
	return t, nil
}

// errors counts wrong bits of a SOURCE, and of a SINK the beats that the engine
// found wrong: at least a bit each.
func (b *bench) errors(op uint32, payload []byte, size int) (int64, error) {
	if op == regmap.OpSource {
		return differ(payload, b.noise[:size]), nil
	}
	const result = 8
	if size == 0 && len(payload) == 0 {
		return 0, nil // of nothing there is nothing to say
	}
	if len(payload) != result {
		return 0, fmt.Errorf("%w: SINK answers %d bytes, want %d", driver.ErrProtocol, len(payload), result)
	}
	return int64(binary.LittleEndian.Uint32(payload)), nil
}

// streamOf is n bytes of the sequence of a seed, whose bit k is the bit 31-k places
// before the first.
func streamOf(seed uint32, n int) []byte {
	b := make([]byte, n)
	s := bits.Reverse32(seed) >> 1 // the latest bit lowest
	for i := range b {
		for bit := range 8 {
			next := (s>>30 ^ s>>27) & 1
			s = (s<<1 | next) & (1<<31 - 1)
			b[i] |= byte(next) << bit
		}
	}
	return b
}
