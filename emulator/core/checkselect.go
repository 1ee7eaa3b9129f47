package core

import (
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator/model"
)

// selection says what a SELECT or a COMPRESS keeps.
type selection struct {
	sinks, recent int
	ranks         [model.NumTiers]int // the last is TopK
	tiered        bool                // ranks and protTier count
	protTier      int
	form          uint8 // of a SELECT's result
	poolHalf      int
	poolMax       bool
	lambda        uint64
	stepRows      int
	scoresIn      bool
	scoresOut     bool
	keyNorm       bool
	scoreBeats    uint64 // payload in that makes the scores
}

// readSelection decodes the words of a SELECT or COMPRESS.
func (c *command) readSelection(w *[8]uint32) {
	o := w[1]
	c.rows, c.dims, c.rowDims = int(w[2]), int(w[3]&0xfffff), int(w[3]>>20)
	c.selection = selection{
		sinks:     int(w[4] & 0xffff),
		recent:    int(w[4] >> 16),
		ranks:     [model.NumTiers]int{int(w[5] & 0xffff), int(w[5] >> 16), int(w[7] >> 16), int(w[6] & 0xfffff)},
		tiered:    c.opcode == regmap.OpCompress || o>>22&3 == regmap.ResultTiers,
		protTier:  int(o >> 24 & 3),
		form:      uint8(o >> 22 & 3),
		poolHalf:  int(o >> 16 & 7),
		poolMax:   o>>19&1 != 0,
		scoresIn:  o>>20&1 != 0,
		scoresOut: o>>21&1 != 0,
		keyNorm:   o>>26&1 != 0,
		lambda:    uint64(w[7] & 0xffff),
		stepRows:  int(w[6] >> 20),
	}
}

func (e *Engine) judgeSelection(c *command, w *[8]uint32) uint8 {
	c.readSelection(w)
	switch {
	case !e.optionsBuilt(c):
		return regmap.StUnsupported
	case !c.optionsFit(w[1]):
		return regmap.StBadOption
	case !c.selectionFits(e) || c.opcode == regmap.OpCompress && !c.readCoding(e, w[1]):
		return regmap.StBadGeometry
	}
	lanes := uint64(e.p.Lanes)
	words := ceilDiv(uint64(c.dims), lanes)
	c.scoreBeats = uint64(c.rows) * words
	if c.scoresIn {
		c.scoreBeats += 4 * words
	}
	rows := uint64(c.dims) * uint64(c.rowDims) / lanes // beats of all key rows
	if c.keyNorm {
		c.scoreBeats = rows
	}
	c.beats = c.scoreBeats
	if c.opcode == regmap.OpCompress {
		c.beats += 2 * rows
	}
	return regmap.StOK
}

// optionsBuilt reports whether the engine has the options that are asked for.
func (e *Engine) optionsBuilt(c *command) bool {
	wide := c.opcode == regmap.OpCompress && formatOf(c.options) == regmap.FormatBF16
	return (c.poolHalf == 0 && !c.poolMax || e.has(regmap.FeatPool)) &&
		(c.lambda == 0 && c.stepRows == 0 || e.has(regmap.FeatDecay)) &&
		(!c.keyNorm || e.has(regmap.FeatKeyNorm)) &&
		(!c.ranked() && !c.tiered || e.has(regmap.FeatTiers)) &&
		(!wide || e.has(regmap.FeatBF16))
}

// ranked reports that a field is set that is for tiers.
func (s *selection) ranked() bool {
	return s.protTier != 0 || s.ranks[0] != 0 || s.ranks[1] != 0 || s.ranks[2] != 0
}

// optionsFit makes check 5 of the contract.
func (c *command) optionsFit(options uint32) bool {
	if c.poolMax && c.poolHalf == 0 || c.scoresOut && c.poolHalf > 0 || c.lambda != 0 && c.stepRows == 0 ||
		c.keyNorm && (c.scoresIn || c.stepRows > 0 || formatOf(options) == regmap.FormatBF16) {
		return false
	}
	if c.opcode == regmap.OpSelect {
		return options&^selectOptions == 0 && c.form <= regmap.ResultTiers && (c.tiered || !c.ranked()) && (c.keyNorm || c.rowDims == 0)
	}
	scheme, axis, group, bits, valueGroup := options&3, options>>2&1, options>>4&7, options>>8&15, options>>13&7
	if options&^compressOptions != 0 || scheme > regmap.SchemeSym || group > regmap.GroupRow || valueGroup > regmap.GroupRow {
		return false
	}
	if axis == regmap.AxisToken {
		return bits == 0
	}
	return group != regmap.GroupRow && codeWidth(bits)
}

// selectionFits makes check 6 of the contract but for the groups of COMPRESS.
func (c *command) selectionFits(e *Engine) bool {
	n, r := c.dims, &c.ranks
	switch {
	case n < 1 || n > e.p.MaxTokens || c.rows > regmap.MaxAttnRows || c.sinks > n || c.recent > n || r[3] > n,
		c.tiered && (r[0] > r[1] || r[1] > r[2] || r[2] > r[3]),
		c.rows == 0 && (!c.scoresIn && !c.keyNorm || c.stepRows > 0),
		c.rows > 0 && c.keyNorm:
		return false
	}
	if !c.keyNorm && c.opcode == regmap.OpSelect {
		return true
	}
	return c.rowDims > 0 && c.rowDims <= e.p.MaxDim && c.rowDims%regmap.DimStep == 0
}

// readCoding decodes how a COMPRESS codes its rows, and reports whether the
// groups fit.
func (c *command) readCoding(e *Engine, options uint32) bool {
	c.coder = model.Coder{Symmetric: options&3 == regmap.SchemeSym, Bits: uint(options >> 8 & 15), Format: model.Format(formatOf(options))}
	c.perChannel = options>>2&1 == regmap.AxisChannel
	c.group, c.valueGroup = groupSize(options>>4&7, c.rowDims), groupSize(options>>13&7, c.rowDims)
	if c.rowDims%c.valueGroup != 0 {
		return false
	}
	if c.perChannel {
		c.prefixBeats = c.rowDims / e.p.Lanes * c.coder.Stats()
		return c.group <= e.p.TileTokens
	}
	return c.rowDims%c.group == 0
}
