package hil

import (
	"bytes"
	"math/bits"
	"time"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// phases is how many places the noise of a command may start at, so that two
// commands in flight never look alike.
const phases = 1 << 16

// prbs is n bytes of the 31-bit sequence x^31 + x^28 + 1.
func prbs(n int) []byte { return streamOf(seed, n) }

// loopback sends noise through ECHO and looks at every bit that comes back.
func (b *bench) loopback() error {
	b.r.Loopback = []Transfer{}
	if !b.r.Device.Has(1 << regmap.FeatEcho) {
		return nil
	}
	for _, size := range b.o.Sizes {
		for _, depth := range b.o.Depths {
			if depth > 1 && size*depth > mostInFlight {
				continue
			}
			t, err := b.echo(size, depth)
			if err != nil {
				return err
			}
			b.r.Loopback = append(b.r.Loopback, t)
			b.r.BitErrors += t.BitErrors
		}
	}
	return nil
}

// enough says how many commands to send at least and for how long.
func (b *bench) enough() (least, most int, spend time.Duration) {
	if b.o.Quick {
		return 4, 1000, 30 * time.Millisecond
	}
	return 8, 100000, 250 * time.Millisecond
}

func (b *bench) echo(size, depth int) (Transfer, error) {
	t := Transfer{What: "echo", Size: size, Depth: depth}
	type sent struct {
		tag     uint16
		payload []byte
	}
	least, most, spend := b.enough()
	least = max(least, 2*depth)
	var flying []sent
	var cycles, stalls uint64
	start := time.Now()
	for n := 0; ; {
		for len(flying) < depth && (n < least || n < most && time.Since(start) < spend) {
			at := n * 4099 % phases
			payload := b.noise[at : at+size]
			tag, err := b.send(b.dev, packet.Request{Opcode: regmap.OpEcho, Rows: size}, payload)
			if err != nil {
				return t, err
			}
			flying = append(flying, sent{tag, payload})
			n++
		}
		if len(flying) == 0 {
			break
		}
		r, err := b.receive(b.dev, flying[0].tag)
		if err != nil {
			return t, err
		}
		t.BitErrors += differ(r.Payload, flying[0].payload)
		cycles += uint64(r.Cycles)
		stalls += uint64(r.StallIn) + uint64(r.StallOut)
		flying = flying[1:]
		t.Count++
	}
	t.finish(time.Since(start), cycles, stalls)
	return t, nil
}

// finish works out the rates.
func (t *Transfer) finish(spent time.Duration, cycles, stalls uint64) {
	t.Seconds = spent.Seconds()
	t.BytesRate = float64(t.Count) * float64(t.Size) / t.Seconds
	t.EngineHz = float64(cycles) / t.Seconds
	if cycles+stalls > 0 {
		t.LostShare = float64(stalls) / float64(cycles+stalls)
	}
}

// differ counts the bits in which two payloads differ; bytes that only one has
// count whole.
func differ(a, b []byte) (n int64) {
	if bytes.Equal(a, b) {
		return 0
	}
	common := min(len(a), len(b))
	for i := range common {
		n += int64(bits.OnesCount8(a[i] ^ b[i]))
	}
	return n + int64(8*(max(len(a), len(b))-common))
}
