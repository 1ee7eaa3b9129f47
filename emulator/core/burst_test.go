package core

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// FuzzBurst drives two engines with the same packets and pins: one passes bursts
// where it can, the other only ever steps. They must not differ in anything that
// counts, behind every burst.
func FuzzBurst(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(seed, byte(seed))
	}
	f.Fuzz(func(t *testing.T, seed uint64, shape byte) {
		p := regmap.Params{Lanes: 2 << (shape & 3), MaxDim: 32 << (shape >> 2 & 3), TileTokens: 32 << (shape >> 4 & 3), MaxTokens: 256}
		newTwin(t, p, rand.New(rand.NewPCG(seed, uint64(shape)))).run(30_000)
	})
}

// twin is an engine that bursts, an engine that steps, and their link.
type twin struct {
	t           *testing.T
	rng         *rand.Rand
	p           regmap.Params
	fast, slow  *Engine
	packets     [][]byte
	at          int
	gotF, gotS  []byte
	burst, step uint64 // clocks
	calm        bool   // no stalls and register accesses between bursts
}

func newTwin(t *testing.T, p regmap.Params, rng *rand.Rand) *twin {
	w := &twin{t: t, rng: rng, p: p, calm: rng.IntN(3) > 0}
	for _, e := range []**Engine{&w.fast, &w.slow} {
		var err error
		if *e, err = New(p, allFeatures, 0); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *twin) run(clocks uint64) {
	for w.burst+w.step < clocks {
		if len(w.packets) == 0 && w.rng.IntN(20) == 0 || w.calm && len(w.packets) < 2 && w.rng.IntN(50) == 0 {
			w.send()
		}
		if w.rng.IntN(8) > 0 || w.calm {
			w.tryBurst()
		}
		n := 1
		if !w.calm {
			n += w.rng.IntN(5)
		}
		for range n {
			w.clock()
		}
	}
}

// send queues packets of one kind, or of several.
func (w *twin) send() {
	g := requests{t: w.t, rng: w.rng, p: w.p}
	n := 1 + w.rng.IntN(6)
	r, payload := g.next()
	for range n {
		if w.rng.IntN(5) == 0 {
			r, payload = g.next()
		}
		r.Tag++
		wire := request(w.t, w.p, r, payload)
		switch w.rng.IntN(25) {
		case 0: // too short
			wire = wire[:w.p.BeatBytes()*(1+w.rng.IntN(len(wire)/w.p.BeatBytes()))]
		case 1: // too long
			wire = append(wire, make([]byte, w.p.BeatBytes()*(1+w.rng.IntN(5)))...)
		case 2: // other data than the first
			at := regmap.HeaderBytes
			for ; at+2 <= len(wire); at += 2 * (1 + w.rng.IntN(400)) {
				binary.LittleEndian.PutUint16(wire[at:], uint16(w.rng.Uint32()))
			}
		}
		w.packets = append(w.packets, wire)
	}
}

// tryBurst lets one pass what it can and the other step as often.
func (w *twin) tryBurst() {
	l := Ideal{Got: w.gotF}
	if len(w.packets) > 0 {
		l.Packet, l.At = w.packets[0], w.at
	}
	n := w.fast.Burst(&l)
	w.gotF = l.Got
	w.burst += n
	in := Inputs{MReady: true}
	for range n {
		w.offer(&in)
		out := w.slow.Outputs()
		w.slow.Step(&in)
		w.record(&w.gotS, &in, &out)
		if out.MValid && out.MLast {
			w.t.Fatalf("a burst of %d clocks went beyond the end of a response", n)
		}
		w.taken(&in, &out)
	}
	if n > 0 {
		if len(l.Packet) > 0 && l.At%len(l.Packet) != w.at {
			w.t.Fatalf("a burst of %d clocks took up to byte %d, want %d", n, l.At, w.at)
		}
		w.compare(fmt.Sprintf("a burst of %d clocks", n))
		w.compareState(fmt.Sprintf("a burst of %d clocks", n))
	}
}

// clock passes a clock cycle on both.
func (w *twin) clock() {
	in := Inputs{MReady: w.calm || w.rng.IntN(8) > 0}
	out := w.fast.Outputs()
	if w.calm || w.rng.IntN(8) > 0 {
		w.offer(&in)
	}
	if !w.calm && w.rng.IntN(20) == 0 {
		r := regmap.Registers
		in.AWValid, in.WValid, in.ARValid = w.rng.IntN(2) == 0, w.rng.IntN(2) == 0, w.rng.IntN(2) == 0
		in.AWAddr, in.ARAddr = uint16(r[w.rng.IntN(len(r))].Addr), uint16(r[w.rng.IntN(len(r))].Addr)
		in.WData, in.WStrb = w.rng.Uint32(), 15
		if in.AWAddr == regmap.RegCtrl && w.rng.IntN(20) > 0 {
			in.AWAddr = regmap.RegScratch
		}
	}
	in.BReady, in.RReady = true, true
	w.step++
	w.fast.Step(&in)
	w.slow.Step(&in)
	w.record(&w.gotF, &in, &out)
	w.record(&w.gotS, &in, &out)
	w.taken(&in, &out)
	if w.compare("a step"); w.rng.IntN(50) == 0 {
		w.compareState("a step")
	}
}

func (w *twin) offer(in *Inputs) {
	in.SValid = len(w.packets) > 0
	if in.SValid {
		in.SData = w.fast.beatAt(w.packets[0][w.at:])
		in.SLast = w.at+w.p.BeatBytes() == len(w.packets[0])
	}
}

func (w *twin) taken(in *Inputs, out *Outputs) {
	if !in.SValid || !out.SReady {
		return
	}
	if w.at += w.p.BeatBytes(); w.at == len(w.packets[0]) {
		w.packets, w.at = w.packets[1:], 0
	}
}

func (w *twin) record(got *[]byte, in *Inputs, out *Outputs) {
	if out.MValid && in.MReady {
		for i := range w.p.BeatBytes() {
			*got = append(*got, byte(out.MData[i/8]>>(i%8*8)))
		}
	}
}

func (w *twin) compare(what string) {
	w.t.Helper()
	a, b := w.fast, w.slow
	if !slices.Equal(w.gotF, w.gotS) {
		w.t.Fatalf("clock %d, %s: gave\n%x, want\n%x", w.burst+w.step, what, w.gotF, w.gotS)
	}
	w.gotF, w.gotS = w.gotF[:0], w.gotS[:0]
	if a.Outputs() != b.Outputs() {
		w.t.Fatalf("clock %d, %s: pins\n%+v, want\n%+v", w.burst+w.step, what, a.Outputs(), b.Outputs())
	}
	if a.Taps() != b.Taps() {
		w.t.Fatalf("clock %d, %s: counters and registers\n%v, want\n%v", w.burst+w.step, what, a.Taps(), b.Taps())
	}
}

func (w *twin) compareState(what string) {
	w.t.Helper()
	if x, y := w.fast.control(), w.slow.control(); x != y {
		w.t.Fatalf("clock %d, %s: state\n%s\nwant\n%s", w.burst+w.step, what, x, y)
	}
}

// control is what decides on the cycles to come, and some of the data.
func (e *Engine) control() string {
	f, b, q, d := e.front, e.back, &e.quant, &e.dequant
	f.words = [8]uint32{}
	b.words = [8]uint32{}
	var entries []uint64
	for i := e.payload.head; i != e.payload.tail; i++ {
		en := e.payload.ring[int(i)&(len(e.payload.ring)-1)]
		at := en.at
		if i-e.payload.head < e.payload.seen-e.payload.head {
			at = 0
		}
		if en.bytes == 0 {
			en.data = Beat{}
		}
		entries = append(entries, at, uint64(en.bytes), uint64(en.flags), uint64(en.sat), en.data[0])
	}
	return fmt.Sprint(e.now, e.stallIn, e.stallOut, e.nonFin, e.iskid.n, e.oskid.n, e.sMid, e.mMid, f, b, e.descs, entries,
		e.scales.tail-e.scales.head, q.beats, q.rowAt, q.fill, q.flags, q.out.Len(),
		d.fifo, d.prefixAt, d.codesAt, d.loading, d.queue, d.queued, d.marked, d.moved, d.fill, d.item, d.rowAt, d.issuing,
		d.bits.read, d.bits.write, d.banks[0].busy, d.banks[1].busy, e.comp.row, e.comp.beat, e.comp.lastRead, e.sel.left, e.sel.readyAt)
}

// Traffic of large tiles is nearly all bursts.
func TestBurstsTakeMost(t *testing.T) {
	p := regmap.DefaultParams()
	for _, l := range []packet.Layout{{Group: 32, Bits: 4}, {Group: 32, Bits: 8, Scheme: regmap.SchemeSym}, {Group: 32, Bits: 4, Axis: regmap.AxisChannel}} {
		r := packet.Request{Opcode: regmap.OpQuantize, Layout: l, Rows: 128, Dims: 128}
		share := burstShare(t, p, request(t, p, r, normal(128*128)))
		r.Opcode = regmap.OpDequantize
		back := burstShare(t, p, request(t, p, r, quantized(t, p, l)))
		if share < 0.98 || back < 0.98 {
			t.Errorf("%+v: of QUANTIZE %.3f and of DEQUANTIZE %.3f of the cycles in bursts, want 0.98", l, share, back)
		}
		if l.Axis == regmap.AxisToken {
			l.Bits = 0
		}
		c := packet.Request{Opcode: regmap.OpCompress, Rows: 4, Dims: 512, RowDims: 128, ValueGroup: 32, Layout: l, Selection: packet.Selection{TopK: 300, Rank: [3]int{16, 64, 150}}}
		if share := burstShare(t, p, request(t, p, c, append(weights(4*512), normal(2*512*128)...))); share < 0.98 {
			t.Errorf("%+v: of COMPRESS %.3f of the cycles in bursts, want 0.98", l, share)
		}
	}
}

// burstShare offers one packet over and over.
func burstShare(t *testing.T, p regmap.Params, wire []byte) float64 {
	e, err := New(p, allFeatures, 0)
	if err != nil {
		t.Fatal(err)
	}
	bursts, at := uint64(0), 0
	for e.now < 100_000 {
		l := Ideal{Packet: wire, At: at}
		n := e.Burst(&l)
		bursts += n
		at = l.At
		if n == 0 {
			in := Inputs{MReady: true, SValid: true, SData: e.beatAt(wire[at:]), SLast: at+p.BeatBytes() == len(wire)}
			if e.Outputs().SReady {
				at += p.BeatBytes()
			}
			e.Step(&in)
		}
		at %= len(wire)
	}
	return float64(bursts) / float64(e.now)
}
