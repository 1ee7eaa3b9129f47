package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator"
	"github.com/kvaccel/kvaccel/emulator/core"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

var plainLayouts = []plainLayout{
	{"token-asym4", 4, false, false},
	{"channel-asym4", 4, true, false},
	{"token-sym8", 8, false, true},
}

// request is the QUANTIZE of a tile in a layout.
func (l plainLayout) request() packet.Request {
	r := packet.Request{Opcode: regmap.OpQuantize, Rows: plainRows, Dims: plainDims, Layout: packet.Layout{Group: plainGroup, Bits: l.bits}}
	if l.perChannel {
		r.Axis = regmap.AxisChannel
	}
	if l.symmetric {
		r.Scheme = regmap.SchemeSym
	}
	return r
}

const (
	tileElements = plainRows * plainDims
	tiles        = 64 // of a working set: 2 MiB of binary16
)

// workingSet is normally distributed binary16 elements, in the three forms that
// the contenders take.
type workingSet struct {
	bytes  []byte
	words  []uint64  // four elements each
	floats []float32 // their values
}

func newWorkingSet(count int) (s workingSet) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range count * tileElements {
		h := fp16.FromFloat64(rng.NormFloat64())
		s.bytes = binary.LittleEndian.AppendUint16(s.bytes, h)
		s.floats = append(s.floats, float32(fp16.ToFloat64(h)))
	}
	for b := s.bytes; len(b) > 0; b = b[8:] {
		s.words = append(s.words, binary.LittleEndian.Uint64(b))
	}
	return s
}

// halves gives the value of every binary16.
var halves = func() (t [1 << 16]float32) {
	for h := range t {
		t[h] = float32(fp16.ToFloat64(uint16(h)))
	}
	return t
}()

// BenchmarkSideBySide quantizes one working set in every way there is on a host.
// All rates are of its binary16 bytes, so that they compare with the copy.
func BenchmarkSideBySide(b *testing.B) {
	set := newWorkingSet(tiles)
	b.Run("copy", func(b *testing.B) {
		dst := make([]byte, len(set.bytes))
		b.SetBytes(int64(len(set.bytes)))
		for b.Loop() {
			copy(dst, set.bytes)
		}
	})
	for _, l := range plainLayouts {
		b.Run("plain-float32/"+l.name, func(b *testing.B) { benchPlain(b, l, set) })
		b.Run("plain-binary16/"+l.name, func(b *testing.B) { benchPlainHalves(b, l, set) })
		b.Run("model/"+l.name, func(b *testing.B) { benchModel(b, l, set) })
		b.Run("emulator/"+l.name, func(b *testing.B) { benchDevice(b, l.request(), set.bytes, tiles) })
		b.Run("emulator-steps/"+l.name, func(b *testing.B) { benchSteps(b, l, set) })
	}
}

// benchPlain starts from float32.
func benchPlain(b *testing.B, l plainLayout, set workingSet) {
	var out plainOut
	b.SetBytes(int64(len(set.bytes)))
	for b.Loop() {
		for x := set.floats; len(x) > 0; x = x[tileElements:] {
			plainQuantize(x[:tileElements], l, &out)
		}
	}
}

// benchPlainHalves starts from binary16, as the engine does.
func benchPlainHalves(b *testing.B, l plainLayout, set workingSet) {
	var out plainOut
	floats := make([]float32, tileElements)
	b.SetBytes(int64(len(set.bytes)))
	for b.Loop() {
		for x := set.bytes; len(x) > 0; x = x[2*tileElements:] {
			for i := range floats {
				floats[i] = halves[binary.LittleEndian.Uint16(x[2*i:])]
			}
			plainQuantize(floats, l, &out)
		}
	}
}

func benchModel(b *testing.B, l plainLayout, set workingSet) {
	q := newModelQuantizer(l)
	b.SetBytes(int64(len(set.bytes)))
	for b.Loop() {
		for x := set.words; len(x) > 0; x = x[tileElements/4:] {
			q.quantize(x[:tileElements/4])
		}
	}
}

// openEmulator opens emu:.
func openEmulator(tb testing.TB) driver.Device {
	tb.Helper()
	dev, err := emulator.Open(context.Background(), driver.URI{Scheme: "emu"})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = dev.Close() })
	return dev
}

// inFlight is how many packets wait for their answers at most.
const inFlight = 8

// stream sends count packets and takes their answers, the last of which it gives.
func stream(tb testing.TB, dev driver.Device, count int, wire func(i int) []byte) (last []byte) {
	ctx := context.Background()
	sent := 0
	for i := range count {
		for ; sent < min(count, i+inFlight); sent++ {
			if err := dev.Send(ctx, wire(sent)); err != nil {
				tb.Fatal(err)
			}
		}
		var err error
		if last, err = dev.Recv(ctx, last[:0]); err != nil {
			tb.Fatal(err)
		}
	}
	return last
}

// benchDevice streams tiles through the emulator as a driver.Device, and tells
// how many engine cycles a second that is.
func benchDevice(b *testing.B, r packet.Request, data []byte, count int) {
	dev := openEmulator(b)
	wires := make([][]byte, count)
	for i := range wires {
		n := 2 * r.Rows * r.Dims
		wires[i] = wire(b, dev.Info().Params, r, data[i*n:][:n])
	}
	before := register(b, dev, regmap.RegCycles)
	b.SetBytes(int64(count * 2 * r.Rows * r.Dims))
	for b.Loop() {
		stream(b, dev, count, func(i int) []byte { return wires[i] })
	}
	cycles := register(b, dev, regmap.RegCycles) - before // modulo 2^32: a run is shorter
	b.ReportMetric(float64(cycles)/b.Elapsed().Seconds()/1e6, "Mcycles/s")
}

func wire(tb testing.TB, p regmap.Params, r packet.Request, payload []byte) []byte {
	tb.Helper()
	w, err := r.Append(nil, p, payload)
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

func register(tb testing.TB, dev driver.Device, addr uint32) uint32 {
	tb.Helper()
	v, err := dev.ReadReg(context.Background(), addr)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// benchSteps passes the engine's clock cycles one by one and looks at its pins
// in each, as a test bench does.
func benchSteps(b *testing.B, l plainLayout, set workingSet) {
	p := regmap.DefaultParams()
	e, err := core.New(p, driver.AllFeatures(), 0)
	if err != nil {
		b.Fatal(err)
	}
	var beats []core.Beat
	var lasts []bool
	for x := set.bytes; len(x) > 0; x = x[2*tileElements:] {
		for w := wire(b, p, l.request(), x[:2*tileElements]); len(w) > 0; w = w[p.BeatBytes():] {
			beats = append(beats, core.Beat{binary.LittleEndian.Uint64(w), binary.LittleEndian.Uint64(w[8:])})
			lasts = append(lasts, len(w) == p.BeatBytes())
		}
	}
	in := core.Inputs{SValid: true, MReady: true}
	clocks := 0
	b.SetBytes(int64(len(set.bytes)))
	for b.Loop() {
		for i := 0; i < len(beats); clocks++ {
			in.SData, in.SLast = beats[i], lasts[i]
			out := e.Outputs()
			e.Step(&in)
			if out.SReady {
				i++
			}
		}
	}
	b.ReportMetric(float64(clocks)/b.Elapsed().Seconds()/1e6, "Mcycles/s")
}

// BenchmarkTileSize is the emulator's speed over the size of a tile.
func BenchmarkTileSize(b *testing.B) {
	set := newWorkingSet(8)
	for _, dims := range []int{64, 128} {
		for _, rows := range []int{1, 4, 16, 128} {
			r := packet.Request{Opcode: regmap.OpQuantize, Rows: rows, Dims: dims, Layout: packet.Layout{Group: plainGroup, Bits: 4}}
			b.Run(fmt.Sprintf("dims=%d/rows=%d", dims, rows), func(b *testing.B) {
				benchDevice(b, r, set.bytes, max(4, min(32, len(set.bytes)/(2*rows*dims))))
			})
		}
	}
}

// The model, as it is used here, gives the engine's bytes.
func TestModelIsTheEngine(t *testing.T) {
	set := newWorkingSet(1)
	dev := openEmulator(t)
	p := dev.Info().Params
	for _, l := range plainLayouts {
		raw := stream(t, dev, 1, func(int) []byte { return wire(t, p, l.request(), set.bytes) })
		resp, err := packet.ParseResponse(raw, p)
		if err != nil || resp.Err() != nil {
			t.Fatal(err, resp.Err())
		}
		var got []byte
		for _, w := range newModelQuantizer(l).quantize(set.words) {
			got = binary.LittleEndian.AppendUint64(got, w)
		}
		if !bytes.Equal(got, resp.Payload) {
			t.Errorf("%s: the model's %d bytes are not the engine's %d", l.name, len(got), len(resp.Payload))
		}
	}
}

// Plain code does the same job: its codes are the engine's but where float32, or
// a scale that was not rounded to binary16, puts an element beside its neighbour.
func TestPlainIsTheSameJob(t *testing.T) {
	set := newWorkingSet(1)
	for _, l := range plainLayouts {
		var out plainOut
		plainQuantize(set.floats, l, &out)
		codes := engineCodes(newModelQuantizer(l).quantize(set.words), l)
		if len(out.codes) != tileElements*l.bits/8 || len(codes) != tileElements {
			t.Fatalf("%s: %d bytes, %d codes", l.name, len(out.codes), len(codes))
		}
		differ := 0
		for i, want := range codes {
			got := int(out.codes[i*l.bits/8]>>(i*l.bits%8)) & (1<<l.bits - 1)
			if l.symmetric {
				got = int(int8(got))
			}
			switch got - want {
			case 0:
			case -1, 1:
				differ++
			default:
				t.Fatalf("%s: code %d of element %d, the engine's is %d", l.name, got, i, want)
			}
		}
		share := float64(differ) / tileElements
		t.Logf("%s: %.2f %% of the codes are a step beside the engine's", l.name, 100*share)
		if share > 0.01 {
			t.Errorf("%s: %.2f %% of the codes differ", l.name, 100*share)
		}
	}
}

// engineCodes takes the codes out of a tile as the engine packs it; all layouts
// here have whole bytes or halves.
func engineCodes(tile []uint64, l plainLayout) (codes []int) {
	var b []byte
	for _, w := range tile {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	head, run := 4, plainGroup // bytes of scale and minimum; codes behind them
	if l.symmetric {
		head = 2
	}
	if l.perChannel {
		head, run = head*plainDims, run*plainDims
	}
	for len(b) > 0 {
		b = b[head:]
		for i := range run {
			c := int(b[i*l.bits/8]>>(i*l.bits%8)) & (1<<l.bits - 1)
			if l.symmetric {
				c = int(int8(c))
			}
			codes = append(codes, c)
		}
		b = b[run*l.bits/8:]
	}
	return codes
}
