package drivertest

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// answer is what the engine must say to one request packet, and what of it its
// counters must show.
type answer struct {
	opcode  uint32
	tag     uint16
	refused bool // status is known at dispatch and stands in the header too
	status  packet.Status
	bytesIn int
	payload []byte

	nonFinite, saturated int // elements
	rows, groups         int // quantized or restored
	beatsIn, beatsOut    int // of the whole packets
	worked               int // payload beats a unit was given, zeros for missing ones among them
}

// expect reads a request as section 3 of docs/engine.md says, whatever is in it.
func (s *session) expect(wire []byte) answer {
	beat := s.p.BeatBytes()
	header := make([]byte, regmap.HeaderBytes)
	body := wire[copy(header, wire):]
	a := answer{
		opcode:  regmap.ReqOpcode.Get(header),
		tag:     uint16(regmap.ReqTag.Get(header)),
		beatsIn: len(wire) / beat,
	}
	size := 0
	a.status = checkHeader(header, len(wire), s.info.Features, s.p)
	if a.status == regmap.StOK {
		size = payloadSize(header, s.p)
	}
	whole := (size + beat - 1) / beat * beat // with padding
	switch {
	case a.status != regmap.StOK:
	case whole == 0 && len(body) > 0:
		a.status = regmap.StOverlong
	case whole > 0 && len(body) == 0:
		a.status = regmap.StTruncated
	case whole > len(body):
		a.status, a.bytesIn = regmap.StTruncated, len(body)
	case whole < len(body):
		a.status, a.bytesIn = regmap.StOverlong, whole
	default:
		a.bytesIn = whole
	}
	a.refused = a.status != regmap.StOK && a.bytesIn == 0
	if !a.refused {
		full := make([]byte, whole)
		copy(full, body)
		s.work(&a, header, full[:size])
	}
	a.beatsOut = 2*s.p.HeaderBeats() + (len(a.payload)+beat-1)/beat
	return a
}

// work fills in what a command that was not refused computes.
func (s *session) work(a *answer, header, payload []byte) {
	rows, dims := int(regmap.ReqRows.Get(header)), int(regmap.ReqDims.Get(header))
	l := layoutOf(header)
	a.worked = (len(payload) + s.p.BeatBytes() - 1) / s.p.BeatBytes()
	switch a.opcode {
	case regmap.OpEcho:
		a.payload = payload
		return
	case regmap.OpSelect, regmap.OpCompress:
		s.choose(a, header, payload)
		return
	case regmap.OpSource:
		a.payload = s.opts.Oracle.Stream(regmap.ReqSeed.Get(header), rows)
		return
	case regmap.OpSink:
		s.checkStream(a, regmap.ReqSeed.Get(header), payload)
		return
	case regmap.OpQuantize:
		a.payload, a.nonFinite, a.saturated = s.opts.Oracle.QuantizeTile(l, rows, dims, payload)
	case regmap.OpDequantize:
		a.payload, a.nonFinite, a.saturated = s.opts.Oracle.DequantizeTile(l, rows, dims, payload)
	}
	a.rows = rows
	a.groups = rows * dims / groupSize(l, dims)
}

// checkStream fills in what a SINK finds. One that is cut finds nothing.
func (s *session) checkStream(a *answer, seed uint32, payload []byte) {
	if a.status == regmap.StTruncated || len(payload) == 0 {
		a.worked = a.bytesIn / s.p.BeatBytes()
		return
	}
	want := s.opts.Oracle.Stream(seed, len(payload))
	wrong, first := uint32(0), uint32(math.MaxUint32)
	for i, beat := 0, s.p.BeatBytes(); i*beat < len(payload); i++ {
		end := min((i+1)*beat, len(payload))
		if !bytes.Equal(payload[i*beat:end], want[i*beat:end]) {
			wrong, first = wrong+1, min(first, uint32(i))
		}
	}
	a.payload = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, wrong), first)
}

// The header fields of words 1 to 7 that commands read.
var (
	tileFields = []regmap.Field{
		regmap.ReqScheme, regmap.ReqAxis, regmap.ReqFormat, regmap.ReqGroup, regmap.ReqBits, regmap.ReqLayout, regmap.ReqRotate, regmap.ReqRows, regmap.ReqDims,
	}
	chooseFields = []regmap.Field{
		regmap.ReqPoolHalf, regmap.ReqPoolMax, regmap.ReqScoresIn, regmap.ReqScoresOut, regmap.ReqProtTier, regmap.ReqKeyNorm,
		regmap.ReqRows, regmap.ReqDims, regmap.ReqRowDims, regmap.ReqSinks, regmap.ReqRecent, regmap.ReqRank0, regmap.ReqRank1,
		regmap.ReqTopK, regmap.ReqStepRows, regmap.ReqLambda, regmap.ReqRank2,
	}
	fieldsRead = map[uint32][]regmap.Field{
		regmap.OpEcho:       {regmap.ReqRows},
		regmap.OpQuantize:   tileFields,
		regmap.OpDequantize: tileFields,
		regmap.OpSelect:     append([]regmap.Field{regmap.ReqResult}, chooseFields...),
		regmap.OpCompress:   append([]regmap.Field{regmap.ReqScheme, regmap.ReqAxis, regmap.ReqFormat, regmap.ReqGroup, regmap.ReqBits, regmap.ReqValueGroup}, chooseFields...),
		regmap.OpSource:     {regmap.ReqRows, regmap.ReqSeed},
		regmap.OpSink:       {regmap.ReqRows, regmap.ReqSeed},
	}
)

// features gives the feature bit of each command.
var features = map[uint32]int{
	regmap.OpEcho: regmap.FeatEcho, regmap.OpQuantize: regmap.FeatQuantize, regmap.OpDequantize: regmap.FeatDequantize,
	regmap.OpSelect: regmap.FeatSelect, regmap.OpCompress: regmap.FeatCompress, regmap.OpSource: regmap.FeatLink, regmap.OpSink: regmap.FeatLink,
}

// checkHeader makes the checks of docs/engine.md, section 3, but the last.
func checkHeader(header []byte, wireBytes int, built uint32, p regmap.Params) packet.Status {
	op := regmap.ReqOpcode.Get(header)
	fields, known := fieldsRead[op]
	switch {
	case wireBytes < regmap.HeaderBytes:
		return regmap.StTruncated
	case regmap.ReqMagic.Get(header) != regmap.MagicRequest:
		return regmap.StBadMagic
	case !known:
		return regmap.StBadOpcode
	case built>>features[op]&1 == 0, !optionsBuilt(op, header, built):
		return regmap.StUnsupported
	}
	rest := append([]byte(nil), header...)
	for _, f := range fields {
		f.Put(rest, 0)
	}
	for _, b := range rest[4:] {
		if b != 0 {
			return regmap.StBadOption
		}
	}
	switch {
	case !optionsFit(op, header):
		return regmap.StBadOption
	case !geometryFits(op, header, p):
		return regmap.StBadGeometry
	}
	return regmap.StOK
}

// optionsFit makes check 5 but for the bits that mean nothing.
func optionsFit(op uint32, header []byte) bool {
	l := layoutOf(header)
	switch op {
	case regmap.OpQuantize, regmap.OpDequantize:
		return l.Scheme <= regmap.SchemeOffset && regmap.ReqGroup.Get(header) <= regmap.GroupRow && codeBits[l.Bits] &&
			(l.Axis == regmap.AxisToken || l.Group != 0) && (!l.Block || isBlock(l)) && (l.Block || l.Scheme != regmap.SchemeOffset) &&
			(l.Format == regmap.FormatFP16 || l.Rotate == 0)
	case regmap.OpSelect:
		return choiceFits(op, header)
	case regmap.OpCompress:
		return choiceFits(op, header) && l.Scheme <= regmap.SchemeSym &&
			(l.Format == regmap.FormatFP16 || regmap.ReqKeyNorm.Get(header) == 0) &&
			regmap.ReqGroup.Get(header) <= regmap.GroupRow && regmap.ReqValueGroup.Get(header) <= regmap.GroupRow &&
			(l.Axis == regmap.AxisToken && l.Bits == 0 || l.Axis == regmap.AxisChannel && l.Group != 0 && codeBits[l.Bits])
	case regmap.OpSource, regmap.OpSink:
		return regmap.ReqSeed.Get(header) != 0
	}
	return true
}

// isBlock tells the settings that ggml's blocks have, rotated or not.
func isBlock(l packet.Layout) bool {
	l.Rotate = 0
	return slices.Contains(blocks, l)
}

// codeBits are the widths of codes.
var codeBits = map[int]bool{2: true, 3: true, 4: true, 5: true, 6: true, 8: true}

func geometryFits(op uint32, header []byte, p regmap.Params) bool {
	rows, dims := int64(regmap.ReqRows.Get(header)), int64(regmap.ReqDims.Get(header))
	within := func(v, low, high int64) bool { return low <= v && v <= high }
	switch op {
	case regmap.OpEcho:
		return rows <= regmap.MaxEchoBytes
	case regmap.OpSource, regmap.OpSink:
		return rows <= regmap.MaxLinkBytes
	case regmap.OpSelect, regmap.OpCompress:
		return choiceInRange(op, header, p)
	}
	l := layoutOf(header)
	if !within(rows, 1, int64(p.TileTokens)) || !within(dims, regmap.DimStep, int64(p.MaxDim)) || dims%regmap.DimStep != 0 {
		return false
	}
	if l.Rotate > 0 && dims%int64(l.Rotate) != 0 {
		return false
	}
	if l.Axis == regmap.AxisChannel {
		return rows%int64(l.Group) == 0
	}
	return l.Group == 0 || dims%int64(l.Group) == 0
}

// payloadSize is the payload, in bytes without padding, that a request must have
// whose header passes the checks.
func payloadSize(header []byte, p regmap.Params) int {
	rows, dims := int(regmap.ReqRows.Get(header)), int(regmap.ReqDims.Get(header))
	switch regmap.ReqOpcode.Get(header) {
	case regmap.OpEcho:
		return rows
	case regmap.OpQuantize:
		return rows * dims * 2
	case regmap.OpDequantize:
		return layoutOf(header).QuantizedBytes(rows, dims)
	case regmap.OpSink:
		return rows
	case regmap.OpSelect:
		return scoreBytes(header, p)
	case regmap.OpCompress:
		return scoreBytes(header, p) + 4*dims*int(regmap.ReqRowDims.Get(header))
	}
	return 0 // SOURCE
}

// rowBytes is the size of an attention row of n weights, padded to whole beats.
func rowBytes(n int, p regmap.Params) int {
	return (2*n + p.BeatBytes() - 1) / p.BeatBytes() * p.BeatBytes()
}

func layoutOf(header []byte) packet.Layout {
	return packet.Layout{
		Scheme: regmap.ReqScheme.Get(header),
		Axis:   regmap.ReqAxis.Get(header),
		Group:  groupSizes[regmap.ReqGroup.Get(header)],
		Bits:   int(regmap.ReqBits.Get(header)),
		Block:  regmap.ReqLayout.Get(header) == regmap.LayoutBlock,
		Format: regmap.ReqFormat.Get(header),
		Rotate: rotations[regmap.ReqRotate.Get(header)],
	}
}

// groupSizes gives the elements of a group by its code, 0 for the whole row.
var groupSizes = map[uint32]int{regmap.Group16: 16, regmap.Group32: 32, regmap.Group64: 64, regmap.Group128: 128}

// rotations gives the elements that are rotated together by their code.
var rotations = map[uint32]int{regmap.Rotate32: 32, regmap.Rotate64: 64, regmap.Rotate128: 128}

func groupSize(l packet.Layout, dims int) int {
	if l.Group == 0 {
		return dims
	}
	return l.Group
}
