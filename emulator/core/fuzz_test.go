package core

import (
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/driver/regmap"
)

// FuzzStep drives all pins from a seed, with packets made of the data, and
// checks what holds in every cycle; and that a second engine does the same.
func FuzzStep(f *testing.F) {
	p := regmap.Params{Lanes: 8, MaxDim: 32, TileTokens: 16, MaxTokens: 256}
	for i, wire := range samples(f, p) {
		f.Add(uint64(i), byte(i), wire)
	}
	f.Add(uint64(1), byte(0x93), []byte("KV"))
	f.Fuzz(func(t *testing.T, seed uint64, shape byte, wire []byte) {
		p := regmap.Params{Lanes: 2 << (shape & 3), MaxDim: 32 << (shape >> 2 & 1), TileTokens: 16 << (shape >> 3 & 1), MaxTokens: 256}
		features := allFeatures &^ (uint32(shape>>4)<<regmap.FeatCompress | uint32(seed>>62)<<regmap.FeatRotate)
		one, err := New(p, features, 0)
		if err != nil {
			t.Fatal(err)
		}
		two, _ := New(p, features, 0)
		g := &pinGenerator{rng: rand.New(rand.NewPCG(seed, uint64(shape))), p: p, wire: slices.Clone(wire)}
		var was Outputs
		for clock := range 6000 {
			out := one.Outputs()
			if was.MValid && !g.in.MReady && !g.in.Reset && (!out.MValid || out.MData != was.MData || out.MLast != was.MLast) {
				t.Fatalf("clock %d: m_axis changed while it waited", clock)
			}
			if was.RValid && !g.in.RReady && !g.in.Reset && (!out.RValid || out.RData != was.RData) ||
				was.BValid && !g.in.BReady && !g.in.Reset && !out.BValid {
				t.Fatalf("clock %d: an answer on s_axil changed while it waited", clock)
			}
			if o := two.Outputs(); !reflect.DeepEqual(out, o) || one.Taps() != two.Taps() {
				t.Fatalf("clock %d: two engines differ: %+v and %+v", clock, out, o)
			}
			g.next(out)
			one.Step(&g.in)
			two.Step(&g.in)
			one.checkBounds(t, clock)
			was = out
		}
	})
}

// checkBounds checks the sizes of what is a FIFO of fixed depth in hardware.
func (e *Engine) checkBounds(t *testing.T, clock int) {
	d := &e.dequant
	for _, c := range []struct {
		name    string
		v, most int
	}{
		{"iskid", e.iskid.n, 2},
		{"oskid", e.oskid.n, 2},
		{"payload FIFO", e.payload.count(), e.p.PayloadDepth(e.features)},
		{"descriptors", e.descs.n, regmap.MaxInFlight},
		{"outcomes", int(e.descs.finished - (e.descs.pushed - uint32(e.descs.n))), regmap.MaxInFlight},
		{"code FIFO", d.fifo, e.p.CodeDepth()},
		{"bit buffer", d.fill, d.capacity},
		{"packets", d.queued, regmap.MaxInFlight},
	} {
		if c.v < 0 || c.v > c.most {
			t.Fatalf("clock %d: %s holds %d, want 0 to %d", clock, c.name, c.v, c.most)
		}
	}
}

// pinGenerator makes pins: an AXI source that keeps valid, or (seldom) one that
// does not, and register traffic.
type pinGenerator struct {
	rng   *rand.Rand
	p     regmap.Params
	wire  []byte
	at    int
	in    Inputs
	s, m  int // chance of valid, of ready
	phase int
}

func (g *pinGenerator) next(out Outputs) {
	if g.phase == 0 {
		g.phase = 1 + g.rng.IntN(400)
		g.s, g.m = g.rng.IntN(5), g.rng.IntN(5)
	}
	g.phase--
	if g.in.SValid && out.SReady {
		g.at += g.p.BeatBytes()
	}
	g.in.Reset = g.rng.IntN(3000) == 0
	if !g.in.SValid || out.SReady {
		if g.in.SValid = g.rng.IntN(4) < g.s; g.in.SValid {
			g.beat()
		}
	}
	g.in.MReady = g.rng.IntN(4) < g.m
	g.in.BReady, g.in.RReady = g.rng.IntN(3) > 0, g.rng.IntN(3) > 0
	g.in.AWValid, g.in.WValid, g.in.ARValid = g.rng.IntN(40) == 0, g.rng.IntN(40) == 0, g.rng.IntN(20) == 0
	r := regmap.Registers
	g.in.AWAddr, g.in.ARAddr = uint16(r[g.rng.IntN(len(r))].Addr), uint16(g.rng.Uint32())
	g.in.WData, g.in.WStrb = g.rng.Uint32(), byte(15-g.rng.IntN(8)/7)
	if g.in.AWAddr == regmap.RegCtrl && g.rng.IntN(4) > 0 {
		g.in.WData &^= 1
	}
}

// beat is the next of the packet, which starts anew where it ends or, now and
// then, anywhere; its header is mended now and then.
func (g *pinGenerator) beat() {
	n := g.p.BeatBytes()
	if g.at+n > len(g.wire) {
		g.at = 0
		if len(g.wire) >= 4 && g.rng.IntN(4) == 0 {
			binary.LittleEndian.PutUint16(g.wire, uint16(regmap.MagicRequest<<8|1+g.rng.IntN(regmap.OpSink)))
		}
	}
	g.in.SData, g.in.SLast = Beat{}, g.at+2*n > len(g.wire) || g.rng.IntN(500) == 0
	for i := range min(n, len(g.wire)-g.at) {
		g.in.SData[i/8] |= uint64(g.wire[g.at+i]) << (i % 8 * 8)
	}
	if g.in.SLast {
		g.at = len(g.wire)
	}
}
