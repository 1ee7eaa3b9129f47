package core

import (
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator/model"
)

// command is a decoded request header.
type command struct {
	kind
	status      uint8
	coder       model.Coder
	perChannel  bool
	group       int // elements of a group
	rotate      int // elements rotated together, 0 for none
	rows        int
	dims        int // elements of a row; positions
	selection       // SELECT and COMPRESS
	valueGroup  int // elements of a group of values (COMPRESS)
	rowDims     int // elements of a key or value row (COMPRESS, key norms)
	seed        uint32
	beats       uint64 // of the payload in
	prefixBeats int    // of scales and minima of a per-channel group
	codeBeats   uint64 // of the payload in that are codes (DEQUANTIZE)
}

// The bits of word 1 that commands read.
const (
	quantOptions    = 0x18001f7f
	selectOptions   = 0x07ff0000
	compressOptions = 0x073fef7f
)

// decode applies the checks of the contract in their order. complete tells
// that all header beats came, last that the header ended in TLAST.
func (e *Engine) decode(w *[8]uint32, complete, last bool) command {
	c := command{
		kind: kind{opcode: w[0] & 0xff, options: w[1], dims: w[3]},
	}
	c.status = e.judge(&c, w, complete)
	if c.status != regmap.StOK {
		return c
	}
	switch {
	case c.beats > 0 && last:
		c.status = regmap.StTruncated
	case c.beats == 0 && !last:
		c.status = regmap.StOverlong
	}
	return c
}

func (e *Engine) judge(c *command, w *[8]uint32, complete bool) uint8 {
	switch {
	case !complete:
		return regmap.StTruncated
	case w[0]>>8&0xff != regmap.MagicRequest:
		return regmap.StBadMagic
	case c.opcode < regmap.OpEcho || c.opcode > regmap.OpSink:
		return regmap.StBadOpcode
	case !e.has(featureOf[c.opcode]):
		return regmap.StUnsupported
	}
	switch c.opcode {
	case regmap.OpEcho:
		return e.judgeEcho(c, w)
	case regmap.OpSelect, regmap.OpCompress:
		return e.judgeSelection(c, w)
	case regmap.OpSource, regmap.OpSink:
		return e.judgeLink(c, w)
	}
	return e.judgeQuant(c, w)
}

// featureOf is the feature bit of each command.
var featureOf = [...]uint8{
	regmap.OpEcho:       regmap.FeatEcho,
	regmap.OpQuantize:   regmap.FeatQuantize,
	regmap.OpDequantize: regmap.FeatDequantize,
	regmap.OpSelect:     regmap.FeatSelect,
	regmap.OpCompress:   regmap.FeatCompress,
	regmap.OpSource:     regmap.FeatLink,
	regmap.OpSink:       regmap.FeatLink,
}

func (e *Engine) judgeEcho(c *command, w *[8]uint32) uint8 {
	switch {
	case w[1]|w[3]|w[4]|w[5]|w[6]|w[7] != 0:
		return regmap.StBadOption
	case w[2] > regmap.MaxEchoBytes:
		return regmap.StBadGeometry
	}
	c.rows = int(w[2])
	c.beats = ceilDiv(uint64(c.rows), uint64(e.beatBytes))
	return regmap.StOK
}

func (e *Engine) judgeLink(c *command, w *[8]uint32) uint8 {
	switch {
	case w[1]|w[3]|w[4]|w[5]|w[6]|w[7]>>31 != 0, w[7] == 0:
		return regmap.StBadOption
	case w[2] > regmap.MaxLinkBytes:
		return regmap.StBadGeometry
	}
	c.rows, c.seed = int(w[2]), w[7]
	if c.opcode == regmap.OpSink {
		c.beats = ceilDiv(uint64(c.rows), uint64(e.beatBytes))
	}
	return regmap.StOK
}

// groupSize is the elements of a group by group code.
func groupSize(code uint32, dims int) int {
	if code == regmap.GroupRow {
		return dims
	}
	return groupSizes[code]
}

// codeWidth reports whether codes of so many bits exist.
func codeWidth(bits uint32) bool { return bits >= 2 && bits <= 8 && bits != 7 }

var groupSizes = [...]int{regmap.Group16: 16, regmap.Group32: 32, regmap.Group64: 64, regmap.Group128: 128}

var rotateSizes = [...]int{regmap.RotateNone: 0, regmap.Rotate32: 32, regmap.Rotate64: 64, regmap.Rotate128: 128}

// formatOf is the format code of word 1.
func formatOf(options uint32) uint32 { return options >> 3 & 1 }

// has reports whether a command or option is built in.
func (e *Engine) has(feature uint8) bool { return e.features>>feature&1 != 0 }

// blockBits are the bits of a code in ggml's blocks by scheme.
var blockBits = [...]uint32{regmap.SchemeAsym: 4, regmap.SchemeSym: 8, regmap.SchemeOffset: 4}

func (e *Engine) judgeQuant(c *command, w *[8]uint32) uint8 {
	scheme, axis, group, bits, layout := w[1]&3, w[1]>>2&1, w[1]>>4&7, w[1]>>8&15, w[1]>>12&1
	format, rotate := formatOf(w[1]), w[1]>>27&3
	switch {
	case format != regmap.FormatFP16 && !e.has(regmap.FeatBF16), rotate != regmap.RotateNone && !e.has(regmap.FeatRotate):
		return regmap.StUnsupported
	case w[1]&^quantOptions|w[3]>>20|w[4]|w[5]|w[6]|w[7] != 0,
		scheme > regmap.SchemeOffset,
		group > regmap.GroupRow || group == regmap.GroupRow && axis == regmap.AxisChannel,
		!codeWidth(bits),
		layout == regmap.LayoutBlock && (axis != regmap.AxisToken || group != regmap.Group32 || bits != blockBits[scheme]),
		layout == regmap.LayoutNative && scheme == regmap.SchemeOffset,
		format == regmap.FormatBF16 && (layout == regmap.LayoutBlock || rotate != regmap.RotateNone):
		return regmap.StBadOption
	case w[2] < 1 || w[2] > uint32(e.p.TileTokens) || w[3] < 1 || w[3] > uint32(e.p.MaxDim) || w[3]%regmap.DimStep != 0:
		return regmap.StBadGeometry
	}
	c.coder = model.Coder{
		Symmetric: scheme == regmap.SchemeSym,
		Offset:    scheme == regmap.SchemeOffset,
		Paired:    layout == regmap.LayoutBlock && bits == 4,
		Bits:      uint(bits),
		Format:    model.Format(format),
	}
	c.perChannel = axis == regmap.AxisChannel
	c.rows, c.dims = int(w[2]), int(w[3])
	c.group, c.rotate = groupSize(group, c.dims), rotateSizes[rotate]
	if c.perChannel && c.rows%c.group != 0 || !c.perChannel && c.dims%c.group != 0 || c.rotate > 0 && c.dims%c.rotate != 0 {
		return regmap.StBadGeometry
	}
	e.countBeats(c)
	return regmap.StOK
}

// countBeats works out the payload of a QUANTIZE or DEQUANTIZE.
func (e *Engine) countBeats(c *command) {
	n, lanes := uint64(c.rows*c.dims), uint64(e.p.Lanes)
	stats, bits := c.coder.Stats(), uint64(c.coder.Bits)
	if c.perChannel {
		c.prefixBeats = c.dims / e.p.Lanes * stats
	}
	if c.opcode == regmap.OpQuantize {
		c.beats = n / lanes
		return
	}
	if c.perChannel {
		c.codeBeats = n * bits / (16 * lanes)
		c.beats = c.codeBeats + uint64(c.rows/c.group*c.prefixBeats)
		return
	}
	c.codeBeats = ceilDiv(n*bits+n/uint64(c.group)*uint64(16*stats), 16*lanes)
	c.beats = c.codeBeats
}

func ceilDiv(a, b uint64) uint64 { return (a + b - 1) / b }
