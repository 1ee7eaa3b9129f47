package drivertest

import (
	"encoding/binary"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// choiceOf reads the fields of a SELECT or COMPRESS that say what is kept.
func choiceOf(header []byte) packet.Selection {
	get := func(f regmap.Field) int { return int(f.Get(header)) }
	return packet.Selection{
		Sinks: get(regmap.ReqSinks), Recent: get(regmap.ReqRecent), TopK: get(regmap.ReqTopK),
		PoolHalf: get(regmap.ReqPoolHalf), PoolMax: get(regmap.ReqPoolMax) == 1,
		StepRows: get(regmap.ReqStepRows), Lambda: uint16(get(regmap.ReqLambda)),
		ScoresIn: get(regmap.ReqScoresIn) == 1, ScoresOut: get(regmap.ReqScoresOut) == 1, KeyNorm: get(regmap.ReqKeyNorm) == 1,
		Result: regmap.ReqResult.Get(header), ProtTier: get(regmap.ReqProtTier),
		Rank: [3]int{get(regmap.ReqRank0), get(regmap.ReqRank1), get(regmap.ReqRank2)},
	}
}

// optionsBuilt makes the part of check 4 that is about options.
func optionsBuilt(op uint32, header []byte, built uint32) bool {
	tile := op == regmap.OpQuantize || op == regmap.OpDequantize
	if (tile || op == regmap.OpCompress) && regmap.ReqFormat.Get(header) > 0 && built>>regmap.FeatBF16&1 == 0 {
		return false
	}
	if tile && regmap.ReqRotate.Get(header) > 0 && built>>regmap.FeatRotate&1 == 0 {
		return false
	}
	if op != regmap.OpSelect && op != regmap.OpCompress {
		return true
	}
	c := choiceOf(header)
	for _, o := range []struct {
		feature int
		used    bool
	}{
		{regmap.FeatPool, c.PoolHalf > 0 || c.PoolMax},
		{regmap.FeatDecay, c.Lambda > 0 || c.StepRows > 0},
		{regmap.FeatKeyNorm, c.KeyNorm},
		{regmap.FeatTiers, c.Rank != [3]int{} || c.ProtTier > 0 || op == regmap.OpSelect && c.Result == regmap.ResultTiers},
	} {
		if o.used && built>>o.feature&1 == 0 {
			return false
		}
	}
	return true
}

// choiceFits makes check 5 for what SELECT and COMPRESS share, and what SELECT
// has alone.
func choiceFits(op uint32, header []byte) bool {
	c := choiceOf(header)
	switch {
	case c.PoolMax && c.PoolHalf == 0, c.ScoresOut && c.PoolHalf > 0, c.Lambda > 0 && c.StepRows == 0, c.KeyNorm && (c.ScoresIn || c.StepRows > 0):
		return false
	case op == regmap.OpCompress:
		return true
	case c.Result != regmap.ResultTiers && (c.Rank != [3]int{} || c.ProtTier > 0), !c.KeyNorm && regmap.ReqRowDims.Get(header) > 0:
		return false
	}
	return c.Result <= regmap.ResultTiers
}

// choiceInRange makes check 6 for SELECT and COMPRESS.
func choiceInRange(op uint32, header []byte, p regmap.Params) bool {
	c := choiceOf(header)
	rows, n, dims := int(regmap.ReqRows.Get(header)), int(regmap.ReqDims.Get(header)), int(regmap.ReqRowDims.Get(header))
	if rows > regmap.MaxAttnRows || n < 1 || n > p.MaxTokens || max(c.Sinks, c.Recent, c.TopK) > n {
		return false
	}
	if op == regmap.OpCompress || c.Result == regmap.ResultTiers {
		if c.Rank[0] > c.Rank[1] || c.Rank[1] > c.Rank[2] || c.Rank[2] > c.TopK {
			return false
		}
	}
	switch {
	case rows > 0 && c.KeyNorm, rows == 0 && !c.KeyNorm && !c.ScoresIn, rows == 0 && c.StepRows > 0:
		return false
	case (c.KeyNorm || op == regmap.OpCompress) && (dims == 0 || dims > p.MaxDim || dims%regmap.DimStep != 0):
		return false
	case op == regmap.OpSelect:
		return true
	}
	keys, values := sectionLayouts(header)
	if keys.Axis == regmap.AxisChannel {
		return keys.Group <= p.TileTokens && dims%groupSize(values, dims) == 0
	}
	return dims%groupSize(keys, dims) == 0 && dims%groupSize(values, dims) == 0
}

// sectionLayouts gives how a COMPRESS codes its keys and its values.
func sectionLayouts(header []byte) (keys, values packet.Layout) {
	keys = layoutOf(header)
	values = packet.Layout{Scheme: keys.Scheme, Format: keys.Format, Axis: regmap.AxisToken, Group: groupSizes[regmap.ReqValueGroup.Get(header)]}
	return keys, values
}

// scoreBytes is the size of that part of a payload which makes the scores.
func scoreBytes(header []byte, p regmap.Params) int {
	n := int(regmap.ReqDims.Get(header))
	if regmap.ReqKeyNorm.Get(header) == 1 {
		return 2 * n * int(regmap.ReqRowDims.Get(header))
	}
	return int(regmap.ReqRows.Get(header)+4*regmap.ReqScoresIn.Get(header)) * rowBytes(n, p)
}

// elementRows reads rows of n elements, each in so many bytes.
func elementRows(b []byte, n, stride int) (rows [][]uint16) {
	for ; len(b) > 0; b = b[stride:] {
		row := make([]uint16, n)
		for j := range row {
			row[j] = binary.LittleEndian.Uint16(b[2*j:])
		}
		rows = append(rows, row)
	}
	return rows
}

// choose fills in what a SELECT or COMPRESS answers. payload has zeros in the
// place of what is missing.
func (s *session) choose(a *answer, header, payload []byte) {
	c, size := choiceOf(header), scoreBytes(header, s.p)
	cut := a.status == regmap.StTruncated && a.bytesIn <= size
	if cut {
		a.worked = a.bytesIn / s.p.BeatBytes() // it is not filled up
	}
	scores := s.score(a, c, header, payload[:size])
	if cut {
		return
	}
	given := scores
	if c.PoolHalf > 0 {
		var clamped int
		scores, clamped = s.opts.Oracle.Pool(scores, c.PoolHalf, c.PoolMax)
		a.saturated += clamped
	}
	if a.opcode == regmap.OpCompress {
		c.Result = regmap.ResultTiers
	}
	tiers := s.opts.Oracle.Tiers(scores, c)
	a.payload = encodeChoice(c.Result, tiers)
	if c.ScoresOut {
		s.wholeBeats(a)
		for _, v := range given {
			a.payload = binary.LittleEndian.AppendUint64(a.payload, v)
		}
		a.payload = append(a.payload, make([]byte, 4*rowBytes(len(given), s.p)-8*len(given))...)
	}
	if a.opcode == regmap.OpCompress {
		s.compress(a, header, tiers, payload[size:])
	}
}

// score gives the scores of a SELECT or COMPRESS before pooling.
func (s *session) score(a *answer, c packet.Selection, header, payload []byte) (scores []uint64) {
	n, beat := int(regmap.ReqDims.Get(header)), s.p.BeatBytes()
	if c.KeyNorm {
		dims := int(regmap.ReqRowDims.Get(header))
		scores, a.nonFinite = s.opts.Oracle.KeyNorms(elementRows(payload, dims, 2*dims))
		return scores
	}
	start := make([]uint64, n)
	if c.ScoresIn {
		at := 4 * rowBytes(n, s.p)
		if a.bytesIn < at { // a word of scores counts once its four beats are there
			clear(payload[a.bytesIn/(4*beat)*4*beat : at])
		}
		for j := range start {
			start[j] = binary.LittleEndian.Uint64(payload[8*j:])
		}
		payload = payload[at:]
	}
	scores, a.nonFinite, a.saturated = s.opts.Oracle.Scores(start, elementRows(payload, n, rowBytes(n, s.p)), c.StepRows, c.Lambda)
	return scores
}

// encodeChoice writes a selection in one of its forms.
func encodeChoice(form uint32, tiers []uint8) (b []byte) {
	bit := 0
	put := func(v uint8, width int) {
		if bit%8 == 0 {
			b = append(b, 0)
		}
		b[bit/8] |= v << (bit % 8)
		bit += width
	}
	for j, tier := range tiers {
		switch {
		case form == regmap.ResultTiers:
			put(tier, 4)
		case form == regmap.ResultBitmap && tier != regmap.TierDropped:
			put(1, 1)
		case form == regmap.ResultBitmap:
			put(0, 1)
		case tier != regmap.TierDropped:
			b = binary.LittleEndian.AppendUint16(b, uint16(j))
		}
	}
	return b
}

// wholeBeats fills up the payload so far.
func (s *session) wholeBeats(a *answer) {
	a.payload = append(a.payload, make([]byte, -len(a.payload)&(s.p.BeatBytes()-1))...)
}

// compress adds the value and the key section, and counts.
func (s *session) compress(a *answer, header []byte, tiers []uint8, rows []byte) {
	dims := int(regmap.ReqRowDims.Get(header))
	keys, values := sectionLayouts(header)
	kept, coded := 0, 0
	for _, tier := range tiers {
		if tier != regmap.TierDropped {
			kept++
			if tier != 0 {
				coded++
			}
		}
	}
	a.rows = 2 * kept
	for i, l := range []packet.Layout{values, keys} {
		section, bad := s.opts.Oracle.Section(l, dims, tiers, rows[len(rows)/2*i:len(rows)/2*(i+1)])
		s.wholeBeats(a)
		a.payload = append(a.payload, section...)
		a.nonFinite += bad
		if l.Axis == regmap.AxisChannel {
			a.groups += kept / l.Group * dims
		} else {
			a.groups += coded * dims / groupSize(l, dims)
		}
	}
}
