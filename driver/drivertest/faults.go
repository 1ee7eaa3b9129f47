package drivertest

import (
	"math/rand/v2"
	"slices"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// faults are those seen in published engines, each made as likely as the six
// methods of a Device can make it.
var faults = []struct {
	name string
	test func(*session)
}{
	{"beats lost while busy", faultLostBeats},
	{"value row taken for a key", faultValueRowInKeyGroup},
	{"read of what was never written", faultNeverWritten},
	{"codes from an unrounded scale", faultUnroundedScale},
	{"subnormals flushed", faultSubnormals},
	{"NaN and infinity undefined", faultNonFinite},
	{"range overflows binary16", faultRange},
	{"score that is a sentinel", faultSentinel},
	{"ranking lost to saturation in silence", faultSilentSaturation},
	{"scores dropped during a scan", faultScoresDuringScan},
	{"scales copied per token", faultScaleCopies},
	{"bytes counted that were thrown away", faultThrownAway},
}

// Packets of every kind behind each other, each much longer than what the
// engine can hold of it, with registers read in between: all must come out.
func faultLostBeats(s *session) {
	long := 3*s.p.PayloadDepth(s.info.Features)*s.p.BeatBytes() + 5
	var cmds []command
	for _, sh := range s.largest() {
		cmds = append(cmds,
			s.command(packet.Request{Opcode: regmap.OpEcho, Rows: long}, s.randomBytes(long)),
			s.command(sh.request(regmap.OpDequantize), s.foreignTile(sh)),
			s.command(sh.request(regmap.OpQuantize), pack(s.tile(sh.Layout, sh.rows, sh.dims))),
			s.selection(s.p.MaxTokens, 2, 0, 0, s.p.MaxTokens, weightKinds[0]))
	}
	want := tally{}
	for _, c := range cmds {
		s.send(c)
		s.read(regmap.RegStatus)
		want.add(c)
	}
	for _, c := range cmds {
		s.read(regmap.RegBeatsOut)
		s.receive(c)
	}
	s.check("after long packets", want)
}

// A key group that breaks off in the middle, and value rows behind it: the
// rows are answered as values, and no key group takes them in.
func faultValueRowInKeyGroup(s *session) {
	key := packet.Layout{Scheme: regmap.SchemeAsym, Axis: regmap.AxisChannel, Group: 16, Bits: 2}
	value := packet.Layout{Scheme: regmap.SchemeAsym, Axis: regmap.AxisToken, Group: 16, Bits: 2}
	var cmds []command
	for rows := 1; rows < 16; rows += 2 {
		k := s.command(packet.Request{Opcode: regmap.OpQuantize, Layout: key, Rows: 16, Dims: 32}, pack(s.tile(key, 16, 32)))
		cmds = append(cmds,
			s.cut(k, s.p.HeaderBeats()+rows*32/s.p.Lanes),
			s.command(packet.Request{Opcode: regmap.OpQuantize, Layout: value, Rows: 1, Dims: 32}, pack(s.tile(value, 1, 32))),
			s.again(k))
	}
	s.run(cmds...)
}

// Commands to an engine that was told nothing before, registers never written,
// and responses never asked for: it answers and comes to rest.
func faultNeverWritten(s *session) {
	for _, op := range []uint32{regmap.OpCompress, regmap.OpSink, regmap.OpDequantize, regmap.OpSelect, regmap.OpQuantize, regmap.OpSource, regmap.OpEcho} {
		for _, r := range regmap.Registers {
			s.read(r.Addr)
		}
		s.nothingOutstanding()
		if v := s.read(regmap.RegStatus); v != 0 {
			s.t.Fatalf("STATUS reads %#x before the first command", v)
		}
		s.run(s.small(op))
		s.settle("after the first command")
		s.reopen()
	}
}

// Groups whose codes differ when they are computed from the scale before it is
// rounded: the codes must be those of the scale that is stored. The suite
// searches such groups, so that the test cannot miss the fault.
func faultUnroundedScale(s *session) {
	const size, bits = 16, 4
	l := packet.Layout{Scheme: regmap.SchemeSym, Axis: regmap.AxisToken, Group: size, Bits: bits}
	var values []uint16
	for len(values) < 16*size {
		m := finite(1 + s.rng.Float64())
		ideal := fp16.ToFloat64(m) / 7
		stored := fp16.ToFloat64(fp16.FromFloat64(ideal))
		for k := range 7 { // between the two middles of codes k and k+1, where they leave room
			edge := ideal * (float64(k) + 0.5)
			h := fp16.FromFloat64((edge + stored*(float64(k)+0.5)) / 2)
			x := fp16.ToFloat64(h)
			if (x/ideal < float64(k)+0.5) == (x/stored < float64(k)+0.5) || x == edge {
				continue
			}
			group := slices.Repeat([]uint16{h}, size)
			group[0] = m
			values = append(values, group...)
			break
		}
	}
	rows := min(len(values)/size, s.p.TileTokens)
	s.run(s.command(packet.Request{Opcode: regmap.OpQuantize, Layout: l, Rows: rows, Dims: size}, pack(values[:rows*size])))
}

// everyLayout runs QUANTIZE over one group's worth of values in every layout of
// that group size, 16, and in blocks, then restores it.
func (s *session) everyLayout(draw func() uint16) {
	s.t.Helper()
	for _, bits := range []int{2, 3, 4, 5, 6, 8} {
		for scheme := range uint32(2) {
			for axis := range uint32(2) {
				s.thereAndBack(shape{packet.Layout{Scheme: scheme, Axis: axis, Group: 16, Bits: bits}, 16, 32}, draw)
			}
		}
	}
	for _, l := range blocks {
		s.thereAndBack(shape{l, 16, 32}, draw)
	}
}

func (s *session) thereAndBack(sh shape, draw func() uint16) {
	s.t.Helper()
	values := make([]uint16, sh.rows*sh.dims)
	each(values, draw)
	q := s.command(sh.request(regmap.OpQuantize), pack(values))
	tile, _, _ := s.opts.Oracle.QuantizeTile(sh.Layout, sh.rows, sh.dims, pack(values))
	s.run(q, s.command(sh.request(regmap.OpDequantize), tile))
}

func faultSubnormals(s *session) {
	s.everyLayout(func() uint16 { return signed(s.rng, uint16(s.rng.IntN(0x400))) })
	s.everyLayout(func() uint16 { return uint16(1 + s.rng.IntN(300)) })
	row := make([]uint16, 40) // distinct subnormal weights have an order
	for i := range row {
		row[i] = uint16(1 + i*7%40)
	}
	s.run(s.selectRows(0, 0, 11, row))
}

// selectRows is a SELECT of given attention rows.
func (s *session) selectRows(sinks, recent, topK int, rows ...[]uint16) command {
	s.t.Helper()
	i := -1
	return s.selection(len(rows[0]), len(rows), sinks, recent, topK, weightKind{"given rows", func(_ *rand.Rand, row []uint16) {
		i++
		copy(row, rows[i])
	}})
}

func faultNonFinite(s *session) {
	special := []uint16{fpNaN, fpNegNaN, fpInf, fpNegInf, fpInf + 1, fpNegInf + 0x3ff, fpOne, fpNegZero}
	s.everyLayout(func() uint16 { return special[s.rng.IntN(len(special))] })
	s.everyLayout(func() uint16 { return fpNaN })
	s.everyLayout(func() uint16 { return fpInf })
	row := make([]uint16, 33)
	each(row, func() uint16 { return special[s.rng.IntN(len(special))] })
	s.run(s.selectRows(1, 1, 7, row, row))
}

func faultRange(s *session) {
	s.everyLayout(func() uint16 { return signed(s.rng, fpTop) })
	s.everyLayout(func() uint16 { return signed(s.rng, fpTop-uint16(s.rng.IntN(3))) })
	s.everyLayout(func() uint16 { return []uint16{fpTop, fpNegTop, 0, fpOne, 0x7800}[s.rng.IntN(5)] })
}

// Every score at its largest, or at its least: neither is an empty place.
func faultSentinel(s *session) {
	for _, n := range []int{5, 64, 1000} {
		if n > s.p.MaxTokens {
			n = s.p.MaxTokens
		}
		top, none := make([]uint16, n), make([]uint16, n)
		each(top, func() uint16 { return fpTop })
		for _, k := range []int{0, 1, n / 2, n - 1, n} {
			s.run(s.selectRows(0, 0, k, top, top, top), s.selectRows(0, 0, k, none), s.selectRows(1, 2, k, top, top))
			// One that is not saturated among those that are, and the reverse.
			odd, even := slices.Clone(top), slices.Clone(none)
			odd[n/2], even[n/2] = fpTop-1, fpTiny
			s.run(s.selectRows(0, 0, k, odd, none), s.selectRows(0, 0, k, even))
			// Some beyond the top, the others just below it.
			for i := range odd {
				odd[i] = fpTop * uint16(i%2)
			}
			s.run(s.selectRows(0, 0, k, top, odd))
		}
	}
}

// A score just below the top of its range is still ranked by its last unit; one
// that meets the top is flagged.
func faultSilentSaturation(s *session) {
	n := 3 * s.p.Lanes
	base, rest := make([]uint16, n), make([]uint16, n)
	each(base, func() uint16 { return fpTop })
	for i := range rest { // 65504 + 31.98 + ... stays below 65536
		rest[i] = 0x4fff - uint16(i*5%n)
	}
	ranked := s.selectRows(0, 0, n/2, base, rest)
	if ranked.want.saturated != 0 && ranked.want.status == regmap.StOK {
		s.t.Fatal("the suite's own scores saturate")
	}
	each(rest, func() uint16 { return 0x5000 })
	flagged := s.selectRows(0, 0, n/2, base, rest)
	if flagged.want.saturated != n && flagged.want.status == regmap.StOK {
		s.t.Fatal("the suite's scores do not saturate")
	}
	s.run(ranked, flagged, s.again(ranked))
}

// Selections back to back: the rows of each arrive while the one before is
// searched, and none may count in another.
func faultScoresDuringScan(s *session) {
	var cmds []command
	n := min(1024, s.p.MaxTokens)
	for i := range 12 {
		cmds = append(cmds,
			s.selection(n, 1, 0, 0, n/3, weightKinds[i%len(weightKinds)]),
			s.selection(16, 20, 0, 0, 5, weightKinds[0]))
	}
	s.run(cmds...)
}

// A per-channel tile has one scale and minimum for each channel of each group,
// and the bytes are those counted: it is smaller than its input by what its
// bits say.
func faultScaleCopies(s *session) {
	for _, g := range []int{16, 32, 64, 128} {
		if g > s.p.TileTokens {
			continue
		}
		l := packet.Layout{Scheme: regmap.SchemeAsym, Axis: regmap.AxisChannel, Group: g, Bits: 2}
		c := s.command(packet.Request{Opcode: regmap.OpQuantize, Layout: l, Rows: g, Dims: 32}, pack(s.tile(l, g, 32)))
		if want := 32*4 + g*32/4; c.want.status == regmap.StOK && len(c.want.payload) != want {
			s.t.Fatalf("%s: the oracle gives %d bytes, want %d", c.name, len(c.want.payload), want)
		}
		before := s.read(regmap.RegBeatsOut)
		s.run(c)
		if n := s.read(regmap.RegBeatsOut) - before; int(n) != c.want.beatsOut {
			s.t.Fatalf("%s: %d beats, want %d", c.name, n, c.want.beatsOut)
		}
	}
}

// Bytes dropped are not counted as worked on, by the trailer or by TOKENS and
// GROUPS; the beats that crossed the link are, by BEATS_IN.
func faultThrownAway(s *session) {
	want := tally{}
	for _, op := range commands {
		good := s.small(op)
		for _, c := range []command{
			s.extended(good, 100),
			s.edited(s.extended(good, 100), "bad geometry", field(regmap.ReqRows, 0xffffffff)),
			good,
		} {
			before := s.read(regmap.RegBeatsIn)
			s.run(c)
			want.add(c)
			s.check("after "+c.name, want)
			if n := s.read(regmap.RegBeatsIn) - before; int(n) != len(c.wire)/s.p.BeatBytes() {
				s.t.Fatalf("%s: BEATS_IN grew by %d", c.name, n)
			}
		}
	}
}
