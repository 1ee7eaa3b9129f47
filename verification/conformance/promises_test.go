package conformance

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/rtl"
	"github.com/kvaccel/kvaccel/emulator"
	"github.com/kvaccel/kvaccel/verification/rtltest"
)

// The promises of docs/engine.md that a user plans with, in beats per cycle and
// cycles, measured as a user would: by the engine's own counters.
const (
	streaming     = 0.98 // beats per cycle of QUANTIZE, DEQUANTIZE, attention rows, rows of COMPRESS, SOURCE and SINK, headers and all
	rowLatency    = 32   // cycles from a per-token group's last beat taken to its first codes, which then flow
	selectPerWord = 6    // cycles per n/Lanes from the last attention beat to the end of the keep list, at worst
	selectFixed   = 300
)

// bench is an engine under measurement.
type bench struct {
	t   *testing.T
	ctx context.Context
	dev driver.Device
	p   regmap.Params
	rng *rand.Rand
}

func promises(t *testing.T, uri string, open driver.Opener) {
	u, err := driver.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	dev, err := open(context.Background(), u)
	if err != nil {
		t.Fatalf("%s: %v", uri, err)
	}
	b := &bench{t, t.Context(), dev, dev.Info().Params, rand.New(rand.NewPCG(1, 1))}
	t.Cleanup(func() {
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, op := range []uint32{regmap.OpQuantize, regmap.OpDequantize} {
		worst := math.Inf(1)
		for _, axis := range []uint32{regmap.AxisToken, regmap.AxisChannel} {
			for _, scheme := range []uint32{regmap.SchemeAsym, regmap.SchemeSym} {
				for _, bits := range []int{2, 3, 4, 5, 6, 8} {
					for _, group := range []int{16, 32, 128} {
						worst = min(worst, b.tiles(op, packet.Layout{Scheme: scheme, Axis: axis, Group: group, Bits: bits}))
					}
				}
				for _, bits := range []int{2, 8} {
					for _, size := range []int{32, 64, 128} {
						worst = min(worst, b.tiles(op, packet.Layout{Scheme: scheme, Axis: axis, Group: 32, Bits: bits, Rotate: size}))
					}
					worst = min(worst, b.tiles(op, packet.Layout{Scheme: scheme, Axis: axis, Group: 32, Bits: bits, Format: regmap.FormatBF16}))
				}
			}
		}
		t.Logf("%s: %.4f beats of rows per cycle at worst", packet.OpcodeName(op), worst)
	}
	b.latency()
	for _, n := range []int{64, 1000, b.p.MaxTokens} {
		b.selection(n)
	}
	for _, l := range []packet.Layout{{Group: 32}, {Axis: regmap.AxisChannel, Group: 32, Bits: 2}} {
		b.compression(l)
	}
	b.stream()
}

// compression measures what further elements of kept rows cost in a COMPRESS.
func (b *bench) compression(l packet.Layout) {
	b.t.Helper()
	n, spent := 256, map[int]int{}
	for _, dims := range []int{b.p.MaxDim / 2, b.p.MaxDim} {
		r := packet.Request{
			Opcode: regmap.OpCompress, Layout: l, ValueGroup: 32, Rows: 1, Dims: n, RowDims: dims,
			Selection: packet.Selection{Sinks: n, ProtTier: 2},
		}
		resp, _ := b.exchange(b.request(r, b.weights(n+2*n*dims)))
		spent[dims] = int(resp.Cycles)
	}
	drain := 0 // of the last group of keys, which is longer by the elements and beats it has more
	if l.Axis == regmap.AxisChannel {
		drain = b.p.MaxDim/2 + l.Group*b.p.MaxDim/2/b.p.Lanes
	}
	rate := float64(n*b.p.MaxDim/b.p.Lanes) / float64(spent[b.p.MaxDim]-spent[b.p.MaxDim/2]-drain)
	b.t.Logf("rows of COMPRESS, %+v: %.4f beats per cycle", l, rate)
	if rate < streaming {
		b.t.Errorf("rows of COMPRESS, %+v: %.4f beats per cycle, want %.2f", l, rate, streaming)
	}
}

// stream measures SOURCE, and SINK on what it gave.
func (b *bench) stream() {
	b.t.Helper()
	const size = 1 << 16
	r := packet.Request{Opcode: regmap.OpSource, Rows: size, Seed: 1}
	given, _ := b.exchange(b.request(r, nil))
	r.Opcode = regmap.OpSink
	taken, _ := b.exchange(b.request(r, given.Payload))
	for name, resp := range map[string]packet.Response{"SOURCE": given, "SINK": taken} {
		rate := float64(size/b.p.BeatBytes()) / float64(resp.Cycles)
		b.t.Logf("%s: %.4f beats per cycle", name, rate)
		if rate < streaming {
			b.t.Errorf("%s: %.4f beats per cycle, want %.2f", name, rate, streaming)
		}
	}
}

// exchange queues requests, receives the answers, and gives the last one and the
// cycles the engine was active.
func (b *bench) exchange(requests ...[]byte) (last packet.Response, active int) {
	b.t.Helper()
	before := b.read(regmap.RegActive)
	for _, r := range requests {
		if err := b.dev.Send(b.ctx, r); err != nil {
			b.t.Fatal(err)
		}
	}
	for range requests {
		raw, err := b.dev.Recv(b.ctx, nil)
		if err != nil {
			b.t.Fatal(err)
		}
		if last, err = packet.ParseResponse(raw, b.p); err != nil {
			b.t.Fatal(err)
		}
		if err := last.Err(); err != nil {
			b.t.Fatal(err)
		}
	}
	return last, int(b.read(regmap.RegActive) - before)
}

func (b *bench) read(addr uint32) uint32 {
	b.t.Helper()
	v, err := b.dev.ReadReg(b.ctx, addr)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

func (b *bench) request(r packet.Request, payload []byte) []byte {
	b.t.Helper()
	wire, err := r.Append(nil, b.p, payload)
	if err != nil {
		b.t.Fatal(err)
	}
	return wire
}

// weights are n numbers between 0 and 1.
func (b *bench) weights(n int) (payload []byte) {
	for range n {
		payload = binary.LittleEndian.AppendUint16(payload, uint16(b.rng.IntN(0x3c00)))
	}
	return payload
}

// tiles measures what each further tile of a queue costs, of 128 x 128 where the
// engine takes them. (The first of a queue also fills the engine.)
func (b *bench) tiles(op uint32, l packet.Layout) (rate float64) {
	b.t.Helper()
	const queue = 6
	rows, dims := b.p.TileTokens, min(128, b.p.MaxDim)
	payload := b.weights(rows * dims)
	if op == regmap.OpDequantize {
		payload = payload[:l.QuantizedBytes(rows, dims)]
	}
	r := packet.Request{Opcode: op, Layout: l, Rows: rows, Dims: dims}
	var requests [][]byte
	for range 2 * queue {
		requests = append(requests, b.request(r, payload))
	}
	_, some := b.exchange(requests[:queue]...)
	_, twice := b.exchange(requests...)
	rate = float64(queue*rows*dims/b.p.Lanes) / float64(twice-some)
	if rate < streaming {
		b.t.Errorf("%s of %d x %d, %+v: %.4f beats of rows per cycle, want %.2f", packet.OpcodeName(op), rows, dims, l, rate, streaming)
	}
	return rate
}

// latency measures single rows of one group per token.
func (b *bench) latency() {
	b.t.Helper()
	for _, bits := range []int{2, 4, 8} {
		dims := 128
		l := packet.Layout{Scheme: regmap.SchemeAsym, Axis: regmap.AxisToken, Group: 0, Bits: bits}
		resp, _ := b.exchange(b.request(packet.Request{Opcode: regmap.OpQuantize, Layout: l, Rows: 1, Dims: dims}, b.weights(dims)))
		frame := 2*b.p.HeaderBeats() + regmap.LatCheck + dims/b.p.Lanes // header in, checks, row in, trailer out; the row then leaves a beat a cycle
		spent := int(resp.Cycles) - frame - dims/b.p.Lanes
		b.t.Logf("a row of %d in %d bits: first codes after %d cycles", dims, bits, spent)
		if spent > rowLatency {
			b.t.Errorf("a row of %d in %d bits: %d cycles beyond its beats, want at most %d", dims, bits, spent, rowLatency)
		}
	}
}

// selection measures attention rows and the search behind them, for every k.
func (b *bench) selection(n int) {
	b.t.Helper()
	const rows = 64
	words := (n + b.p.Lanes - 1) / b.p.Lanes
	var payload []byte
	for range rows {
		payload = append(payload, b.weights(n)...)
		payload = append(payload, make([]byte, words*b.p.BeatBytes()-2*n)...)
	}
	spent := map[int]int{}
	for _, count := range []int{rows / 2, rows} {
		r := packet.Request{Opcode: regmap.OpSelect, Rows: count, Dims: n, Selection: packet.Selection{TopK: 0}}
		resp, _ := b.exchange(b.request(r, payload[:count*words*b.p.BeatBytes()]))
		spent[count] = int(resp.Cycles)
	}
	if words >= regmap.LatSelectRow {
		rate := float64(rows/2*words) / float64(spent[rows]-spent[rows/2])
		b.t.Logf("attention rows of %d: %.4f beats per cycle", n, rate)
		if rate < streaming {
			b.t.Errorf("rows of %d: %.4f beats per cycle, want %.2f", n, rate, streaming)
		}
	}
	equal := make([]byte, words*b.p.BeatBytes()) // every score the same: no digit settles the search early
	longest := 0
	for name, row := range map[string][]byte{"random": payload[:len(equal)], "equal": equal} {
		for _, k := range []int{0, 1, n / 4, n / 2, n - 1, n} {
			r := packet.Request{Opcode: regmap.OpSelect, Rows: 1, Dims: n, Selection: packet.Selection{TopK: k}}
			resp, _ := b.exchange(b.request(r, row))
			search := int(resp.Cycles) - b.p.HeaderBeats() - regmap.LatCheck - words
			longest = max(longest, search)
			if most := selectPerWord*words + selectFixed; search > most {
				b.t.Errorf("%s scores, top %d of %d: %d cycles after the last weight, want at most %d", name, k, n, search, most)
			}
		}
	}
	b.t.Logf("keep list of %d: %d cycles after the last weight at most", n, longest)
}

func TestPromises(t *testing.T) {
	engines := map[string]driver.Opener{"emu": emulator.Open, "rtl": rtl.Open}
	if !rtltest.Wanted(t) {
		delete(engines, "rtl")
	}
	for scheme, open := range engines {
		t.Run(scheme, func(t *testing.T) { promises(t, fmt.Sprintf("%s:", scheme), open) })
	}
}
