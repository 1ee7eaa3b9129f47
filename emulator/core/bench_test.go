package core

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// BenchmarkStep passes single clock cycles, pins looked at in each, with
// always-ready links; one iteration is one clock.
func BenchmarkStep(b *testing.B) {
	p := regmap.DefaultParams()
	asym4 := packet.Layout{Group: 32, Bits: 4}
	channel := packet.Layout{Group: 32, Bits: 4, Axis: regmap.AxisChannel}
	sym8 := packet.Layout{Scheme: regmap.SchemeSym, Group: 32, Bits: 8}
	tile := func(op uint32, l packet.Layout) []byte {
		r := packet.Request{Opcode: op, Layout: l, Rows: 128, Dims: 128}
		if op == regmap.OpDequantize {
			return request(b, p, r, quantized(b, p, l))
		}
		return request(b, p, r, normal(128*128))
	}
	for _, c := range []struct {
		name   string
		packet []byte
	}{
		{"idle", nil},
		{"echo", request(b, p, packet.Request{Opcode: regmap.OpEcho, Rows: 65536}, normal(32768))},
		{"quantize-token-4", tile(regmap.OpQuantize, asym4)},
		{"quantize-channel-4", tile(regmap.OpQuantize, channel)},
		{"quantize-token-sym8", tile(regmap.OpQuantize, sym8)},
		{"dequantize-token-4", tile(regmap.OpDequantize, asym4)},
		{"dequantize-channel-4", tile(regmap.OpDequantize, channel)},
		{"dequantize-token-sym8", tile(regmap.OpDequantize, sym8)},
		{"quantize-rotated-4", tile(regmap.OpQuantize, packet.Layout{Group: 32, Bits: 4, Rotate: 128})},
		{"dequantize-rotated-4", tile(regmap.OpDequantize, packet.Layout{Group: 32, Bits: 4, Rotate: 128})},
		{"quantize-bf16-4", tile(regmap.OpQuantize, packet.Layout{Group: 32, Bits: 4, Format: regmap.FormatBF16})},
		{"dequantize-bf16-sym8", tile(regmap.OpDequantize, packet.Layout{Scheme: regmap.SchemeSym, Group: 32, Bits: 8, Format: regmap.FormatBF16})},
		{"select", request(b, p, packet.Request{Opcode: regmap.OpSelect, Rows: 32, Dims: 4096, Selection: packet.Selection{Sinks: 4, Recent: 64, TopK: 512}}, weights(32*4096))},
		{"compress", request(b, p, packet.Request{
			Opcode: regmap.OpCompress, Rows: 4, Dims: 512, RowDims: 128, ValueGroup: 32, Layout: packet.Layout{Group: 32},
			Selection: packet.Selection{Sinks: 4, Recent: 64, TopK: 300, Rank: [3]int{16, 64, 150}},
		}, append(weights(4*512), normal(2*512*128)...))},
		{"source", request(b, p, packet.Request{Opcode: regmap.OpSource, Rows: 65536, Seed: 1}, nil)},
	} {
		b.Run(c.name, func(b *testing.B) {
			e, err := New(p, allFeatures, 0)
			if err != nil {
				b.Fatal(err)
			}
			f := newFeeder(p, c.packet)
			b.ReportAllocs()
			for b.Loop() {
				f.clock(e)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mclocks/s")
		})
	}
}

// feeder offers one packet over and over and takes all answers.
type feeder struct {
	in    Inputs
	beats []Beat
	at    int
	sum   uint64
}

func newFeeder(p regmap.Params, wire []byte) *feeder {
	f := &feeder{beats: beatsOf(p, wire)}
	f.in.MReady = true
	f.offer()
	return f
}

func (f *feeder) offer() {
	if len(f.beats) == 0 {
		return
	}
	f.in.SValid, f.in.SData, f.in.SLast = true, f.beats[f.at], f.at == len(f.beats)-1
}

func (f *feeder) clock(e *Engine) {
	out := e.Outputs()
	e.Step(&f.in)
	if out.MValid {
		f.sum += out.MData[0]
	}
	if f.in.SValid && out.SReady {
		if f.at++; f.at == len(f.beats) {
			f.at = 0
		}
		f.offer()
	}
}

func beatsOf(p regmap.Params, wire []byte) []Beat {
	var beats []Beat
	for n := p.BeatBytes(); len(wire) > 0; wire = wire[n:] {
		var b Beat
		for i, v := range wire[:n] {
			b[i/8] |= uint64(v) << (i % 8 * 8)
		}
		beats = append(beats, b)
	}
	return beats
}

func request(t testing.TB, p regmap.Params, r packet.Request, payload []byte) []byte {
	t.Helper()
	wire, err := r.Append(nil, p, payload)
	if err != nil {
		t.Fatal(err)
	}
	return wire
}

// normal gives n normally distributed elements.
func normal(n int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for range n {
		b = binary.LittleEndian.AppendUint16(b, fp16.FromFloat64(rng.NormFloat64()))
	}
	return b
}

// weights gives n attention weights.
func weights(n int) []byte {
	rng := rand.New(rand.NewPCG(3, 4))
	var b []byte
	for range n {
		b = binary.LittleEndian.AppendUint16(b, fp16.FromFloat64(rng.ExpFloat64()/4096))
	}
	return b
}

// quantized gives a tile of 128 x 128 as the engine codes it.
func quantized(t testing.TB, p regmap.Params, l packet.Layout) []byte {
	t.Helper()
	wire := request(t, p, packet.Request{Opcode: regmap.OpQuantize, Layout: l, Rows: 128, Dims: 128}, normal(128*128))
	r := answer(t, p, wire)
	if r.Status != regmap.StOK {
		t.Fatal(r.Status)
	}
	return r.Payload
}

// answer runs one packet on a fresh engine over an ideal link.
func answer(t testing.TB, p regmap.Params, wire []byte) packet.Response {
	t.Helper()
	return answerOf(t, p, allFeatures, wire)
}

// answerOf is answer of an engine with some features.
func answerOf(t testing.TB, p regmap.Params, features uint32, wire []byte) packet.Response {
	t.Helper()
	e, err := New(p, features, 0)
	if err != nil {
		t.Fatal(err)
	}
	beats := beatsOf(p, wire)
	in := Inputs{MReady: true}
	var got []byte
	for clock := 0; clock < 1<<22; clock++ {
		out := e.Outputs()
		in.SValid = len(beats) > 0
		if in.SValid {
			in.SData, in.SLast = beats[0], len(beats) == 1
		}
		e.Step(&in)
		if in.SValid && out.SReady {
			beats = beats[1:]
		}
		if !out.MValid {
			continue
		}
		for i := range p.BeatBytes() {
			got = append(got, byte(out.MData[i/8]>>(i%8*8)))
		}
		if out.MLast {
			r, err := packet.ParseResponse(got, p)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
	}
	t.Fatal("no response")
	return packet.Response{}
}
