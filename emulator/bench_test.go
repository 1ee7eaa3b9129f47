package emulator

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// BenchmarkTraffic streams packets of a kind through the emulator, once as the
// Device passes them and once by single steps, and tells the engine cycles a
// second. Bytes are those of the fp16 elements.
func BenchmarkTraffic(b *testing.B) {
	asym4 := packet.Layout{Group: 32, Bits: 4}
	channel := packet.Layout{Group: 32, Bits: 4, Axis: regmap.AxisChannel}
	sym8 := packet.Layout{Scheme: regmap.SchemeSym, Group: 32, Bits: 8}
	for _, c := range []struct {
		name string
		r    packet.Request
	}{
		{"quantize-token-4", tile(regmap.OpQuantize, asym4)},
		{"quantize-channel-4", tile(regmap.OpQuantize, channel)},
		{"quantize-token-sym8", tile(regmap.OpQuantize, sym8)},
		{"dequantize-token-4", tile(regmap.OpDequantize, asym4)},
		{"dequantize-channel-4", tile(regmap.OpDequantize, channel)},
		{"dequantize-token-sym8", tile(regmap.OpDequantize, sym8)},
		{"compress-token", compress(packet.Layout{Group: 32})},
		{"compress-channel-4", compress(channel)},
		{"select", packet.Request{Opcode: regmap.OpSelect, Rows: 32, Dims: 4096, Selection: packet.Selection{Sinks: 4, Recent: 64, TopK: 512}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.Run("burst", func(b *testing.B) { benchDevice(b, c.r, false) })
			b.Run("steps", func(b *testing.B) { benchDevice(b, c.r, true) })
		})
	}
}

func tile(op uint32, l packet.Layout) packet.Request {
	return packet.Request{Opcode: op, Layout: l, Rows: 128, Dims: 128}
}

func compress(l packet.Layout) packet.Request {
	return packet.Request{
		Opcode: regmap.OpCompress, Rows: 4, Dims: 512, RowDims: 128, ValueGroup: 32, Layout: l,
		Selection: packet.Selection{Sinks: 4, Recent: 64, TopK: 300, Rank: [3]int{16, 64, 150}},
	}
}

func benchDevice(b *testing.B, r packet.Request, steps bool) {
	d := open(b, "emu:").(*device)
	d.steps = steps
	wires, elements := benchPackets(b, d, r)
	before, err := d.ReadReg(b.Context(), regmap.RegCycles)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(2 * elements))
	b.ReportAllocs()
	var answer []byte
	sent, got := 0, 0
	for b.Loop() { // an answer each, four packets ahead
		for ; sent < got+4; sent++ {
			if err := d.Send(b.Context(), wires[sent%len(wires)]); err != nil {
				b.Fatal(err)
			}
		}
		if answer, err = d.Recv(b.Context(), answer[:0]); err != nil {
			b.Fatal(err)
		}
		got++
	}
	after, err := d.ReadReg(b.Context(), regmap.RegCycles)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(after-before)/b.Elapsed().Seconds()/1e6, "Mcycles/s")
}

// benchPackets gives a few packets, and how many fp16 elements each is about.
func benchPackets(b testing.TB, d driver.Device, r packet.Request) (wires [][]byte, elements int) {
	rng := rand.New(rand.NewPCG(1, 2))
	normal := func(n int, spread float64) (x []byte) {
		for range n {
			v := rng.NormFloat64()
			if spread < 1 {
				v = rng.ExpFloat64()
			}
			x = binary.LittleEndian.AppendUint16(x, fp16.FromFloat64(v*spread))
		}
		return x
	}
	for range 8 {
		var payload []byte
		switch r.Opcode {
		case regmap.OpSelect:
			elements = r.Rows * r.Dims
			payload = normal(elements, 1./4096)
		case regmap.OpCompress:
			elements = r.Rows*r.Dims + 2*r.Dims*r.RowDims
			payload = append(normal(r.Rows*r.Dims, 1./4096), normal(2*r.Dims*r.RowDims, 1)...)
		default:
			elements = r.Rows * r.Dims
			payload = normal(elements, 1)
		}
		if r.Opcode == regmap.OpDequantize {
			q := r
			q.Opcode = regmap.OpQuantize
			payload = exchange(b, d, wire(b, d, q, payload))[0].Payload
		}
		wires = append(wires, wire(b, d, r, payload))
	}
	return wires, elements
}

func wire(t testing.TB, d driver.Device, r packet.Request, payload []byte) []byte {
	t.Helper()
	w, err := r.Append(nil, d.Info().Params, payload)
	if err != nil {
		t.Fatal(err)
	}
	return w
}
