package drivertest

import (
	"encoding/binary"
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
	case regmap.OpSelect:
		a.worked = a.bytesIn / s.p.BeatBytes() // a cut SELECT is not filled up
		var keep []int
		keep, a.nonFinite, a.saturated = s.opts.Oracle.Select(attentionRows(payload, rows, dims, s.p),
			int(regmap.ReqSinks.Get(header)), int(regmap.ReqRecent.Get(header)), int(regmap.ReqTopK.Get(header)))
		if a.status == regmap.StTruncated {
			return
		}
		for _, j := range keep {
			a.payload = binary.LittleEndian.AppendUint16(a.payload, uint16(j))
		}
		return
	case regmap.OpQuantize:
		a.payload, a.nonFinite = s.opts.Oracle.QuantizeTile(l, rows, dims, payload)
	case regmap.OpDequantize:
		a.payload, a.nonFinite, a.saturated = s.opts.Oracle.DequantizeTile(l, rows, dims, payload)
	}
	a.rows = rows
	a.groups = rows * dims / groupSize(l, dims)
}

// fieldsRead lists the header fields of words 1 to 7 that a command reads.
var fieldsRead = map[uint32][]regmap.Field{
	regmap.OpEcho:       {regmap.ReqRows},
	regmap.OpQuantize:   {regmap.ReqScheme, regmap.ReqAxis, regmap.ReqGroup, regmap.ReqBits, regmap.ReqLayout, regmap.ReqRows, regmap.ReqDims},
	regmap.OpDequantize: {regmap.ReqScheme, regmap.ReqAxis, regmap.ReqGroup, regmap.ReqBits, regmap.ReqLayout, regmap.ReqRows, regmap.ReqDims},
	regmap.OpSelect:     {regmap.ReqRows, regmap.ReqDims, regmap.ReqSinks, regmap.ReqRecent, regmap.ReqTopK},
}

// features gives the feature bit of each command.
var features = map[uint32]int{
	regmap.OpEcho: regmap.FeatEcho, regmap.OpQuantize: regmap.FeatQuantize,
	regmap.OpDequantize: regmap.FeatDequantize, regmap.OpSelect: regmap.FeatSelect,
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
	case built>>features[op]&1 == 0:
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
	tile := op == regmap.OpQuantize || op == regmap.OpDequantize
	if l := layoutOf(header); tile && (l.Scheme > regmap.SchemeOffset || regmap.ReqGroup.Get(header) > regmap.GroupRow ||
		l.Bits < 2 || l.Bits > 8 || l.Bits == 7 || l.Axis == regmap.AxisChannel && l.Group == 0 ||
		l.Block && !slices.Contains(blocks, l) || !l.Block && l.Scheme == regmap.SchemeOffset) {
		return regmap.StBadOption
	}
	if !geometryFits(op, header, p) {
		return regmap.StBadGeometry
	}
	return regmap.StOK
}

func geometryFits(op uint32, header []byte, p regmap.Params) bool {
	rows, dims := int64(regmap.ReqRows.Get(header)), int64(regmap.ReqDims.Get(header))
	within := func(v, low, high int64) bool { return low <= v && v <= high }
	switch op {
	case regmap.OpEcho:
		return rows <= regmap.MaxEchoBytes
	case regmap.OpSelect:
		return within(rows, 1, regmap.MaxAttnRows) && within(dims, 1, int64(p.MaxTokens)) &&
			int64(regmap.ReqSinks.Get(header)) <= dims && int64(regmap.ReqRecent.Get(header)) <= dims && int64(regmap.ReqTopK.Get(header)) <= dims
	}
	l := layoutOf(header)
	if !within(rows, 1, int64(p.TileTokens)) || !within(dims, regmap.DimStep, int64(p.MaxDim)) || dims%regmap.DimStep != 0 {
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
	case regmap.OpSelect:
		return rows * rowBytes(dims, p)
	}
	return 0
}

// rowBytes is the size of an attention row of n weights, padded to whole beats.
func rowBytes(n int, p regmap.Params) int {
	return (2*n + p.BeatBytes() - 1) / p.BeatBytes() * p.BeatBytes()
}

func attentionRows(payload []byte, rows, n int, p regmap.Params) [][]uint16 {
	list := make([][]uint16, rows)
	for i := range list {
		at := payload[i*rowBytes(n, p):]
		for j := range n {
			list[i] = append(list[i], binary.LittleEndian.Uint16(at[2*j:]))
		}
	}
	return list
}

func layoutOf(header []byte) packet.Layout {
	sizes := map[uint32]int{regmap.Group16: 16, regmap.Group32: 32, regmap.Group64: 64, regmap.Group128: 128}
	return packet.Layout{
		Scheme: regmap.ReqScheme.Get(header),
		Axis:   regmap.ReqAxis.Get(header),
		Group:  sizes[regmap.ReqGroup.Get(header)],
		Bits:   int(regmap.ReqBits.Get(header)),
		Block:  regmap.ReqLayout.Get(header) == regmap.LayoutBlock,
	}
}

func groupSize(l packet.Layout, dims int) int {
	if l.Group == 0 {
		return dims
	}
	return l.Group
}
