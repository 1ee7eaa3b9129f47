package drivertest

import (
	"fmt"
	"strings"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// setting is a header field with its value.
type setting struct {
	name  string
	field regmap.Field
	value uint32
}

func set(name string, f regmap.Field, v uint32) setting { return setting{name, f, v} }

// refuser adds refusals that consist of settings.
func (s *session) refuser(op uint32, add func(op uint32, status packet.Status, name string, edits ...func([]byte))) func(status packet.Status, settings ...setting) {
	return func(status packet.Status, settings ...setting) {
		var names []string
		var edits []func([]byte)
		header := s.small(op).wire[:regmap.HeaderBytes:regmap.HeaderBytes]
		for _, v := range settings {
			names = append(names, fmt.Sprintf("%s %d", v.name, v.value))
			edits = append(edits, field(v.field, v.value))
			v.field.Put(header, v.value)
		}
		if !optionsBuilt(op, header, s.info.Features) {
			status = regmap.StUnsupported
		}
		add(op, status, strings.Join(names, ", "), edits...)
	}
}

// choiceRefusals are those of fields that SELECT and COMPRESS share; both are of
// 13 positions and two rows, of which COMPRESS has three tiers.
func (s *session) choiceRefusals(op uint32, add func(op uint32, status packet.Status, name string, edits ...func([]byte))) {
	refuse := s.refuser(op, add)
	var (
		half, maximum = set("half", regmap.ReqPoolHalf, 3), set("maximum", regmap.ReqPoolMax, 1)
		in, out       = set("scores in", regmap.ReqScoresIn, 1), set("scores out", regmap.ReqScoresOut, 1)
		norm          = set("key norms", regmap.ReqKeyNorm, 1)
		dims          = set("row dims", regmap.ReqRowDims, 16)
		step, lambda  = set("step", regmap.ReqStepRows, 2), set("lambda", regmap.ReqLambda, 9)
	)
	rows := func(v uint32) setting { return set("rows", regmap.ReqRows, v) }
	refuse(regmap.StBadOption, maximum)
	refuse(regmap.StBadOption, half, out)
	refuse(regmap.StBadOption, half, maximum, out)
	refuse(regmap.StBadOption, lambda)
	refuse(regmap.StBadOption, norm, in, rows(0), dims)
	refuse(regmap.StBadOption, norm, step, rows(0), dims)
	refuse(regmap.StBadOption, norm, step, lambda, rows(0), dims)
	refuse(regmap.StBadOption, set("reserved bit", reserved, 1), rows(0))

	for _, v := range []uint32{0, regmap.MaxAttnRows + 1, 1 << 31, 0xffffffff} {
		refuse(regmap.StBadGeometry, rows(v))
	}
	refuse(regmap.StBadGeometry, rows(0), out)
	refuse(regmap.StBadGeometry, rows(0), in, step)
	refuse(regmap.StBadGeometry, rows(0), in, step, lambda)
	for _, v := range []uint32{1, 2, 0xffffffff} {
		refuse(regmap.StBadGeometry, norm, rows(v), dims)
	}
	for _, v := range []uint32{0, uint32(s.p.MaxTokens) + 1, 1<<19 | 13, 1<<20 - 1} {
		refuse(regmap.StBadGeometry, set("positions", regmap.ReqDims, v))
	}
	for _, f := range []struct {
		name  string
		field regmap.Field
	}{{"sinks", regmap.ReqSinks}, {"recent", regmap.ReqRecent}, {"top", regmap.ReqTopK}} {
		for _, v := range []uint32{14, 1<<15 | 13, 1<<f.field.Width - 1} {
			refuse(regmap.StBadGeometry, set(f.name, f.field, v))
		}
	}
	refuse(regmap.StBadGeometry, set("top", regmap.ReqTopK, 1<<16|13))
	tiers := set("tiers", regmap.ReqResult, regmap.ResultTiers)
	if op == regmap.OpCompress {
		tiers = set("protected", regmap.ReqProtTier, 0)
	}
	for _, r := range [][4]uint32{{1, 0, 2, 4}, {0, 2, 1, 4}, {0, 0, 5, 4}, {0, 5, 5, 4}, {5, 5, 5, 4}, {2, 2, 1, 4}, {1, 0, 0, 0}, {0, 0, 0xffff, 13}, {0xffff, 0, 0, 13}} {
		refuse(regmap.StBadGeometry, tiers, set("ranks", regmap.ReqRank0, r[0]), set("and", regmap.ReqRank1, r[1]), set("and", regmap.ReqRank2, r[2]), set("of", regmap.ReqTopK, r[3]))
	}
	for _, v := range []uint32{0, 8, 15, 17, 24, uint32(s.p.MaxDim) + 16, 4080, 4095} {
		bad := set("row dims", regmap.ReqRowDims, v)
		refuse(regmap.StBadGeometry, norm, rows(0), bad)
		if op == regmap.OpCompress {
			refuse(regmap.StBadGeometry, bad)
		}
	}
}

// selectRefusals are those of SELECT alone.
func (s *session) selectRefusals(add func(op uint32, status packet.Status, name string, edits ...func([]byte))) {
	refuse := s.refuser(regmap.OpSelect, add)
	refuse(regmap.StBadOption, set("result", regmap.ReqResult, 3))
	refuse(regmap.StBadOption, set("result", regmap.ReqResult, 3), set("rank 0", regmap.ReqRank0, 1))
	for _, form := range []uint32{regmap.ResultList, regmap.ResultBitmap} {
		result := set("result", regmap.ReqResult, form)
		for tier := range uint32(3) {
			refuse(regmap.StBadOption, result, set("protected", regmap.ReqProtTier, 1+tier))
		}
		refuse(regmap.StBadOption, result, set("rank 0", regmap.ReqRank0, 1))
		refuse(regmap.StBadOption, result, set("rank 1", regmap.ReqRank1, 1))
		refuse(regmap.StBadOption, result, set("rank 2", regmap.ReqRank2, 1))
		refuse(regmap.StBadOption, result, set("row dims", regmap.ReqRowDims, 16))
	}
}

// compressRefusals are those of COMPRESS alone: it has keys per token in groups of
// a row of 32 and values in groups of 16.
func (s *session) compressRefusals(add func(op uint32, status packet.Status, name string, edits ...func([]byte))) {
	refuse := s.refuser(regmap.OpCompress, add)
	channel := set("axis", regmap.ReqAxis, regmap.AxisChannel)
	bits := func(v uint32) setting { return set("bits", regmap.ReqBits, v) }
	group := func(v uint32) setting { return set("group", regmap.ReqGroup, v) }
	for _, v := range []uint32{2, 3} {
		refuse(regmap.StBadOption, set("scheme", regmap.ReqScheme, v))
	}
	for _, v := range []uint32{5, 6, 7} {
		refuse(regmap.StBadOption, group(v))
		refuse(regmap.StBadOption, group(v), channel, bits(4))
		refuse(regmap.StBadOption, set("value group", regmap.ReqValueGroup, v))
	}
	refuse(regmap.StBadOption, channel, bits(4), group(regmap.GroupRow))
	for v := range uint32(16) {
		if v != 0 {
			refuse(regmap.StBadOption, bits(v))
		}
		if !codeBits[int(v)] {
			refuse(regmap.StBadOption, bits(v), channel, group(regmap.Group16))
		}
	}
	dims := func(v uint32) setting { return set("row dims", regmap.ReqRowDims, v) }
	for code, g := range []uint32{16, 32, 64, 128} {
		for _, v := range []uint32{g / 2, g + 16, g * 3 / 2} {
			if v%16 == 0 && v%g != 0 && int(v) <= s.p.MaxDim {
				refuse(regmap.StBadGeometry, dims(v), group(uint32(code)), set("value group", regmap.ReqValueGroup, regmap.GroupRow))
				refuse(regmap.StBadGeometry, dims(v), set("value group", regmap.ReqValueGroup, uint32(code)), group(regmap.GroupRow))
				refuse(regmap.StBadGeometry, dims(v), set("value group", regmap.ReqValueGroup, uint32(code)), channel, bits(4), group(regmap.Group16))
			}
		}
		if int(g) > s.p.TileTokens {
			refuse(regmap.StBadGeometry, group(uint32(code)), channel, bits(4))
		}
	}
}
