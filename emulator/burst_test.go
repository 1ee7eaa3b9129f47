package emulator

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// A device that bursts and one that steps cannot be told apart by any sequence of
// calls: bytes, registers, counters and the cycles they count.
func TestBurstsAreInvisible(t *testing.T) {
	for i, uri := range []string{"emu:", "emu:?lanes=2&max-dim=64&tile-tokens=32&max-tokens=512", "emu:?lanes=16", "emu:?lanes=4&max-dim=128"} {
		t.Run(uri, func(t *testing.T) {
			t.Parallel()
			fast, slow := open(t, uri).(*device), open(t, uri).(*device)
			slow.steps = true
			c := calls{t: t, rng: rand.New(rand.NewPCG(uint64(i), 7)), fast: fast, slow: slow}
			for range 400 {
				c.next()
			}
		})
	}
}

// calls makes the same calls on both.
type calls struct {
	t          *testing.T
	rng        *rand.Rand
	fast, slow *device
	sent       int
}

func (c *calls) next() {
	ctx := c.t.Context()
	switch n := c.rng.IntN(40); {
	case n == 0:
		for _, d := range []*device{c.fast, c.slow} {
			if err := d.WriteReg(ctx, regmap.RegCtrl, 1<<regmap.CtrlSoftReset); err != nil {
				c.t.Fatal(err)
			}
		}
		c.sent = 0
	case n < 6:
		for _, r := range regmap.Registers {
			a, errA := c.fast.ReadReg(ctx, r.Addr)
			b, errB := c.slow.ReadReg(ctx, r.Addr)
			if a != b || (errA == nil) != (errB == nil) {
				c.t.Fatalf("register %#x: %d, %v; want %d, %v", r.Addr, a, errA, b, errB)
			}
		}
	case n < 20 && c.sent < 6:
		wire := c.packet()
		for _, d := range []*device{c.fast, c.slow} {
			if err := d.Send(ctx, wire); err != nil {
				c.t.Fatal(err)
			}
		}
		c.sent++
	case c.sent > 0:
		a, errA := c.fast.Recv(ctx, nil)
		b, errB := c.slow.Recv(ctx, nil)
		if errA != nil || errB != nil {
			c.t.Fatal(errA, errB)
		}
		if !bytes.Equal(a, b) {
			c.t.Fatalf("response\n%x, want\n%x", a, b)
		}
		c.sent--
	}
}

func (c *calls) packet() []byte {
	p := c.fast.Info().Params
	l := packet.Layout{Group: 16 << c.rng.IntN(2), Bits: []int{2, 3, 4, 8}[c.rng.IntN(4)], Axis: c.rng.Uint32N(2), Scheme: c.rng.Uint32N(2)}
	r := packet.Request{Opcode: regmap.OpQuantize, Layout: l, Rows: 32, Dims: 32 * (1 + c.rng.IntN(2)), Tag: uint16(c.rng.Uint32())}
	n := 2 * r.Rows * r.Dims
	switch c.rng.IntN(5) {
	case 0:
		r.Opcode = regmap.OpDequantize
		n = l.QuantizedBytes(r.Rows, r.Dims)
	case 1:
		r = packet.Request{Opcode: regmap.OpEcho, Rows: c.rng.IntN(5000)}
		n = r.Rows
	case 2:
		beats := (300 + p.Lanes - 1) / p.Lanes
		r.Opcode, r.Rows, r.RowDims, r.Dims, r.ValueGroup, r.Bits = regmap.OpCompress, 2, r.Dims, 300, 16, 0
		if l.Axis == regmap.AxisChannel {
			r.Bits = l.Bits
		}
		r.Selection = packet.Selection{TopK: 200, Rank: [3]int{20, 50, 100}}
		n = 2*beats*p.BeatBytes() + 4*300*r.RowDims
	case 3:
		r = packet.Request{Opcode: regmap.OpQuantize, Layout: packet.Layout{Group: 16}, Rows: 3} // refused: no dims
		n = 100
	}
	payload := make([]byte, 0, n+2)
	special := c.rng.IntN(3) == 0
	for len(payload) < n {
		h := uint16(0x2c00 + c.rng.IntN(0x1000))
		if special && c.rng.IntN(99) == 0 {
			h = uint16(c.rng.Uint32())
		}
		payload = binary.LittleEndian.AppendUint16(payload, h)
	}
	return wire(c.t, c.fast, r, payload[:n])
}
