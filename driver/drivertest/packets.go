package drivertest

import (
	"fmt"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

func testEcho(s *session) {
	beat := s.p.BeatBytes()
	sizes := []int{0, 1, 2, 3, beat - 1, beat, beat + 1, 2*beat - 1, 2 * beat, 2*beat + 1, 31, 32, 33, 63, 64, 65, 127, 999, 4096, 12345}
	for range 20 {
		sizes = append(sizes, s.rng.IntN(700))
	}
	depth := s.p.PayloadDepth(s.info.Features) * beat // and around what the engine can hold
	sizes = append(sizes, depth-beat, depth, depth+1, 3*depth+beat+1, regmap.MaxEchoBytes)
	var cmds []command
	for _, n := range sizes {
		cmds = append(cmds, s.command(packet.Request{Opcode: regmap.OpEcho, Rows: n}, s.randomBytes(n)))
	}
	s.each(cmds)
}

// field sets a header field of a command.
func field(f regmap.Field, v uint32) func([]byte) { return func(h []byte) { f.Put(h, v) } }

// refusal is a header that must be refused with a status.
type refusal struct {
	op     uint32
	name   string
	edit   func(header []byte)
	status packet.Status
}

// refusals lists bad headers of every command, each with one fault in a command
// that is good otherwise, and some with two, where the order of the checks says
// which counts.
func (s *session) refusals() (list []refusal) {
	add := func(op uint32, status packet.Status, name string, edits ...func([]byte)) {
		if !s.has(op) && status != regmap.StBadMagic && status != regmap.StBadOpcode {
			status = regmap.StUnsupported
		}
		list = append(list, refusal{op, name, func(h []byte) {
			for _, e := range edits {
				e(h)
			}
		}, status})
	}
	const far = 0xffffffff
	for _, op := range commands {
		for _, m := range []uint32{0, 0x4a, 0x5b, 0xcb, regmap.MagicResponse, regmap.MagicTrailer, 0xff} {
			add(op, regmap.StBadMagic, fmt.Sprintf("magic %#x", m), field(regmap.ReqMagic, m))
		}
		for _, o := range []uint32{0, 8, 9, 0x41, 0x82, 0xff} {
			add(op, regmap.StBadOpcode, fmt.Sprintf("opcode %#x", o), field(regmap.ReqOpcode, o))
		}
		add(op, regmap.StBadMagic, "magic before opcode", field(regmap.ReqMagic, 1), field(regmap.ReqOpcode, 0xee))
		add(op, regmap.StBadOpcode, "opcode before options", field(regmap.ReqOpcode, 0), field(regmap.Field{Word: 7, Width: 32}, far))
		add(op, regmap.StBadOption, "options before geometry", field(reserved, 1), field(regmap.ReqRows, far))
	}
	echo := func(v uint32) {
		add(regmap.OpEcho, regmap.StBadGeometry, fmt.Sprintf("%d bytes", v), field(regmap.ReqRows, v))
	}
	echo(regmap.MaxEchoBytes + 1)
	echo(1 << 31)
	echo(far)
	for _, op := range []uint32{regmap.OpQuantize, regmap.OpDequantize} {
		s.tileRefusals(op, add)
	}
	for _, op := range []uint32{regmap.OpQuantize, regmap.OpDequantize, regmap.OpSelect, regmap.OpCompress} {
		s.formatRefusals(op, add)
	}
	for _, op := range []uint32{regmap.OpSelect, regmap.OpCompress} {
		s.choiceRefusals(op, add)
	}
	s.selectRefusals(add)
	s.compressRefusals(add)
	for _, op := range []uint32{regmap.OpSource, regmap.OpSink} {
		add(op, regmap.StBadOption, "seed 0", field(regmap.ReqSeed, 0))
		for _, v := range []uint32{regmap.MaxLinkBytes + 1, 1 << 31, far} {
			add(op, regmap.StBadGeometry, fmt.Sprintf("%d bytes", v), field(regmap.ReqRows, v))
		}
	}
	return list
}

// reserved is a bit that no command reads.
var reserved = regmap.Field{Word: 1, Low: 31, Width: 1}

func (s *session) tileRefusals(op uint32, add func(op uint32, status packet.Status, name string, edits ...func([]byte))) {
	const far = 0xffffffff
	channel := field(regmap.ReqAxis, regmap.AxisChannel)
	for _, v := range []uint32{2, 3} {
		add(op, regmap.StBadOption, fmt.Sprintf("scheme %d", v), field(regmap.ReqScheme, v))
	}
	s.blockRefusals(op, add)
	for _, v := range []uint32{5, 6, 7} {
		add(op, regmap.StBadOption, fmt.Sprintf("group %d", v), field(regmap.ReqGroup, v))
		add(op, regmap.StBadOption, fmt.Sprintf("group %d per channel", v), field(regmap.ReqGroup, v), channel)
	}
	for _, v := range []uint32{0, 1, 7, 9, 10, 11, 12, 13, 14, 15} {
		add(op, regmap.StBadOption, fmt.Sprintf("bits %d", v), field(regmap.ReqBits, v))
	}
	add(op, regmap.StBadOption, "whole row per channel", field(regmap.ReqGroup, regmap.GroupRow), channel)
	for _, v := range []uint32{0, uint32(s.p.TileTokens) + 1, 1<<16 | 2, 1<<31 | 2, far} {
		add(op, regmap.StBadGeometry, fmt.Sprintf("rows %d", v), field(regmap.ReqRows, v))
	}
	for _, v := range []uint32{0, 1, 8, 15, 17, 24, 31, uint32(s.p.MaxDim) + 16, 1 << 16, 1<<19 | 16, 1<<20 - 1} {
		add(op, regmap.StBadGeometry, fmt.Sprintf("dims %d", v), field(regmap.ReqDims, v))
		add(op, regmap.StBadGeometry, fmt.Sprintf("dims %d, group of a row", v), field(regmap.ReqDims, v), field(regmap.ReqGroup, regmap.GroupRow))
	}
	for code, g := range []uint32{16, 32, 64, 128} {
		for _, dims := range []uint32{g / 2, g + 16, g * 3 / 2} {
			if dims%16 == 0 && dims%g != 0 && int(dims) <= s.p.MaxDim {
				add(op, regmap.StBadGeometry, fmt.Sprintf("dims %d in groups of %d", dims, g), field(regmap.ReqDims, dims), field(regmap.ReqGroup, uint32(code)))
			}
		}
		for _, rows := range []uint32{1, g / 2, g - 1, g + 1, g * 3 / 2} {
			if int(rows) <= s.p.TileTokens {
				add(op, regmap.StBadGeometry, fmt.Sprintf("%d rows in groups of %d", rows, g), field(regmap.ReqRows, rows), field(regmap.ReqGroup, uint32(code)), channel)
			}
		}
		if int(g) > s.p.TileTokens {
			add(op, regmap.StBadGeometry, fmt.Sprintf("group of %d rows", g), field(regmap.ReqRows, g), field(regmap.ReqGroup, uint32(code)), channel)
		}
	}
}

// blockRefusals are the settings beside those of ggml's blocks, and an offset
// code in the native layout.
func (s *session) blockRefusals(op uint32, add func(op uint32, status packet.Status, name string, edits ...func([]byte))) {
	layout := field(regmap.ReqLayout, regmap.LayoutBlock)
	bad := func(name string, l packet.Layout, edits ...func([]byte)) {
		name = fmt.Sprintf("block of scheme %d with %d bits, %s", l.Scheme, l.Bits, name)
		edits = append([]func([]byte){layout, field(regmap.ReqScheme, l.Scheme), field(regmap.ReqBits, uint32(l.Bits)), field(regmap.ReqGroup, regmap.Group32)}, edits...)
		add(op, regmap.StBadOption, name, edits...)
	}
	add(op, regmap.StBadOption, "block of the groups it has", layout)
	for _, l := range append(blocks, packet.Layout{Scheme: 3, Bits: 4}, packet.Layout{Scheme: 3, Bits: 8}) {
		for _, g := range []uint32{regmap.Group16, regmap.Group64, regmap.Group128, regmap.GroupRow} {
			bad(fmt.Sprintf("group code %d", g), l, field(regmap.ReqGroup, g))
		}
		bad("per channel", l, field(regmap.ReqAxis, regmap.AxisChannel), field(regmap.ReqRows, 32))
		for bits := range uint32(16) {
			if int(bits) != l.Bits {
				bad(fmt.Sprintf("bits %d", bits), l, field(regmap.ReqBits, bits))
			}
		}
		if l.Scheme == 3 {
			bad("no such scheme", l)
			continue
		}
		if l.Scheme == regmap.SchemeOffset {
			bad("native", l, field(regmap.ReqLayout, regmap.LayoutNative))
		}
		for _, dims := range []uint32{16, 48} {
			if int(dims) <= s.p.MaxDim {
				add(op, regmap.StBadGeometry, fmt.Sprintf("block of scheme %d, dims %d", l.Scheme, dims), layout, field(regmap.ReqScheme, l.Scheme),
					field(regmap.ReqBits, uint32(l.Bits)), field(regmap.ReqGroup, regmap.Group32), field(regmap.ReqDims, dims))
			}
		}
	}
}

// testRefused: every bad header is answered with its status and tag, with no
// payload, and the good command behind it is not harmed. Each goes with and
// without a payload.
func testRefused(s *session) {
	for i, r := range s.refusals() {
		good := s.small(r.op)
		bad := s.edited(good, r.name, r.edit)
		if bad.want.status != r.status || !bad.want.refused {
			s.t.Fatalf("%s: the suite expects status %d and means %d", bad.name, bad.want.status, r.status)
		}
		alone := s.raw(bad.name+", header only", bad.wire[:regmap.HeaderBytes])
		s.run(bad, good, alone, s.small(commands[i%len(commands)]))
	}
}

// testReservedBits: every header bit that a command does not read must be zero.
func testReservedBits(s *session) {
	for _, op := range commands {
		good := s.small(op)
		read := make([]byte, regmap.HeaderBytes)
		for _, f := range fieldsRead[op] {
			f.Put(read, 0xffffffff)
		}
		status := packet.Status(regmap.StBadOption)
		if !s.has(op) {
			status = regmap.StUnsupported
		}
		var cmds []command
		for bit := 32; bit < 8*regmap.HeaderBytes; bit++ {
			if read[bit/8]>>(bit%8)&1 != 0 {
				continue
			}
			c := s.edited(good, fmt.Sprintf("with bit %d of word %d", bit%32, bit/32), func(h []byte) { h[bit/8] |= 1 << (bit % 8) })
			if c.want.status != status {
				s.t.Fatalf("%s: the suite expects status %d and means %d", c.name, c.want.status, status)
			}
			cmds = append(cmds, c)
		}
		s.each(cmds)
		s.run(good)
	}
}

// testTruncated: TLAST on every beat of a packet, the header's among them.
func testTruncated(s *session) {
	for _, good := range s.varied() {
		total := good.want.beatsIn
		for _, beats := range positions(total) {
			c := s.cut(good, beats)
			status := packet.Status(regmap.StTruncated)
			if good.want.refused && beats >= s.p.HeaderBeats() {
				status = good.want.status
			}
			if c.want.status != status {
				s.t.Fatalf("%s: the suite expects status %d and means %d", c.name, c.want.status, status)
			}
			s.run(c, s.again(good))
		}
	}
}

// positions are the beats of a packet before its last: all of a short one, and
// the ends and some of the middle of a long one.
func positions(total int) (list []int) {
	stride := max(1, total/40)
	for i := 1; i < total; i++ {
		if i < 12 || i > total-4 || i%stride == 0 {
			list = append(list, i)
		}
	}
	return list
}

// testOverlong: packets that go on after their payload.
func testOverlong(s *session) {
	cmds := append(s.varied(), s.command(packet.Request{Opcode: regmap.OpEcho}, nil))
	for _, good := range cmds {
		status := packet.Status(regmap.StOverlong)
		if good.want.refused {
			status = good.want.status
		}
		for _, beats := range []int{1, 2, 3, s.p.HeaderBeats() + 1, 50} {
			c := s.extended(good, beats)
			if c.want.status != status {
				s.t.Fatalf("%s: the suite expects status %d and means %d", c.name, c.want.status, status)
			}
			s.run(c, s.again(good))
		}
		// What follows the payload looks like a good request: it is none.
		c := s.raw(good.name+" with a request inside", append(append([]byte(nil), good.wire...), good.wire...))
		s.run(c, s.again(good))
	}
}

// varied is a command or more of each kind, of sizes at which whole groups,
// beats and rows end in different places.
func (s *session) varied() []command {
	s.t.Helper()
	list := []command{s.small(regmap.OpEcho), s.small(regmap.OpSelect), s.selection(3*s.p.Lanes+1, 3, 1, 1, 5, weightKinds[7])}
	for _, o := range []packet.Selection{
		{ScoresIn: true, ScoresOut: true, TopK: 5},
		{ScoresIn: true, StepRows: 2, Lambda: 0xf000, TopK: 5, Result: regmap.ResultBitmap},
		{PoolHalf: 2, TopK: 5, Rank: [3]int{1, 2, 4}, Result: regmap.ResultTiers},
	} {
		list = append(list, s.choice(packet.Request{Opcode: regmap.OpSelect, Rows: 2, Dims: 2*s.p.Lanes + 1, Selection: o}, weightKinds[7]))
	}
	norms := packet.Selection{KeyNorm: true, TopK: 5}
	list = append(list,
		s.choice(packet.Request{Opcode: regmap.OpSelect, Dims: 9, RowDims: 16, Selection: norms}, weightKinds[0]),
		s.small(regmap.OpCompress), s.small(regmap.OpSource), s.small(regmap.OpSink), s.sink(5*s.p.BeatBytes(), 3))
	channel := packet.Layout{Axis: regmap.AxisChannel, Group: 16, Bits: 3}
	for _, o := range []packet.Selection{
		{ScoresIn: true, ScoresOut: true, TopK: 17, Rank: [3]int{1, 2, 9}},
		{KeyNorm: true, TopK: 20, ProtTier: 2},
	} {
		q := s.compression(channel, 16, 21, 16, o)
		q.TopK, q.Rank = o.TopK, o.Rank
		list = append(list, s.choice(q, weightKinds[7]))
	}
	for _, sh := range []shape{
		{blocks[0], 3, 32},
		{blocks[1], 3, 32},
		{blocks[2], 2, min(64, s.p.MaxDim)},
		{packet.Layout{Scheme: regmap.SchemeAsym, Axis: regmap.AxisToken, Group: 16, Bits: 3}, 3, 32},
		{packet.Layout{Scheme: regmap.SchemeSym, Axis: regmap.AxisToken, Group: 0, Bits: 5}, 2, min(48, s.p.MaxDim)},
		{packet.Layout{Scheme: regmap.SchemeAsym, Axis: regmap.AxisChannel, Group: 16, Bits: 2}, 16, 16},
		{packet.Layout{Scheme: regmap.SchemeSym, Axis: regmap.AxisChannel, Group: 16, Bits: 8}, 16, 32},
		{packet.Layout{Scheme: regmap.SchemeAsym, Group: 16, Bits: 3, Rotate: 32}, 3, 32},
		{packet.Layout{Scheme: regmap.SchemeSym, Axis: regmap.AxisChannel, Group: 16, Bits: 4, Rotate: min(64, s.p.MaxDim)}, 16, min(64, s.p.MaxDim)},
		{packet.Layout{Scheme: regmap.SchemeAsym, Group: 0, Bits: 8, Rotate: min(128, s.p.MaxDim)}, 2, min(128, s.p.MaxDim)},
		{packet.Layout{Scheme: regmap.SchemeSym, Group: 32, Bits: 8, Block: true, Rotate: 32}, 3, 32},
		{packet.Layout{Scheme: regmap.SchemeAsym, Group: 16, Bits: 5, Format: regmap.FormatBF16}, 3, 32},
		{packet.Layout{Scheme: regmap.SchemeSym, Axis: regmap.AxisChannel, Group: 16, Bits: 2, Format: regmap.FormatBF16}, 16, 16},
	} {
		list = append(list,
			s.command(sh.request(regmap.OpQuantize), pack(s.tile(sh.Layout, sh.rows, sh.dims))),
			s.command(sh.request(regmap.OpDequantize), s.foreignTile(sh)))
	}
	return list
}

// malformed is one packet of every status that the command can be answered
// with.
func (s *session) malformed(op uint32) []command {
	s.t.Helper()
	good := s.small(op)
	list := []command{
		s.edited(good, "layout of blocks", field(regmap.ReqLayout, regmap.LayoutBlock)), // of other groups, or of a command without groups
		s.edited(good, "bad magic", field(regmap.ReqMagic, 0)),
		s.edited(good, "bad opcode", field(regmap.ReqOpcode, 0)),
		s.edited(good, "bad option", field(reserved, 1)),
		s.edited(good, "bad geometry", field(regmap.ReqRows, 0xffffffff)),
		s.extended(good, 2),
	}
	if good.want.beatsIn > 1 {
		list = append(list, s.cut(good, good.want.beatsIn-1))
	}
	return list
}
