package packet

import (
	"errors"
	"fmt"

	"github.com/kvaccel/kvaccel/driver/regmap"
)

// Request is one command's header.
type Request struct {
	Opcode    uint32
	Tag       uint16
	Layout        // QUANTIZE, DEQUANTIZE; COMPRESS: scheme, format, and axis, group and per-channel bits of the keys
	Rows      int // rows of the tile; attention rows of SELECT and COMPRESS; payload bytes of ECHO, SOURCE and SINK
	Dims      int // elements of a row; positions n of SELECT and COMPRESS
	Selection     // SELECT and COMPRESS

	ValueGroup int    // COMPRESS: elements of a group of values, as Layout.Group
	RowDims    int    // COMPRESS, or KeyNorm: elements of a key or value row
	Seed       uint32 // SOURCE, SINK: 31 bits before the stream, not 0
}

// Selection says what a SELECT or a COMPRESS keeps. The zero value beside Sinks,
// Recent and TopK asks for a plain list by summed attention.
type Selection struct {
	Sinks, Recent int // first and last positions always kept
	TopK          int // highest scores kept beside them

	PoolHalf  int    // scores are pooled over 2 PoolHalf + 1 positions, 0 to 7
	PoolMax   bool   // by the maximum instead of the sum
	StepRows  int    // attention rows of a step; 0: no decay
	Lambda    uint16 // decay before each step, in units of 2^-16
	ScoresIn  bool   // the payload starts with the scores so far
	ScoresOut bool   // the result holds the scores
	KeyNorm   bool   // key rows instead of attention rows: the lower the norm the better

	Result   uint32 // regmap.ResultList, ResultBitmap or ResultTiers; COMPRESS has no choice
	Rank     [3]int // tiers: highest scores in tier 0, in 0 and 1, in 0 to 2
	ProtTier int    // tiers: that of the positions always kept, 0 to 3
}

// ErrRequest says that a request cannot be put into a header.
var ErrRequest = errors.New("request cannot be encoded")

var groupCodes = map[int]uint32{16: regmap.Group16, 32: regmap.Group32, 64: regmap.Group64, 128: regmap.Group128, 0: regmap.GroupRow}

// GroupCode is the header code of a group size, 0 standing for the whole row.
func GroupCode(size int) (uint32, error) {
	c, ok := groupCodes[size]
	if !ok {
		return 0, fmt.Errorf("%w: group of %d, want 16, 32, 64, 128 or the row", ErrRequest, size)
	}
	return c, nil
}

var rotateCodes = map[int]uint32{0: regmap.RotateNone, 32: regmap.Rotate32, 64: regmap.Rotate64, 128: regmap.Rotate128}

// RotateCode is the header code of a number of elements rotated together, 0
// standing for no rotation.
func RotateCode(size int) (uint32, error) {
	c, ok := rotateCodes[size]
	if !ok {
		return 0, fmt.Errorf("%w: rotation of %d elements, want 32, 64 or 128, or 0 for none", ErrRequest, size)
	}
	return c, nil
}

// LayoutOf reads the layout from the header of a QUANTIZE, DEQUANTIZE or
// COMPRESS. It fails with ErrRequest where the header has a code without meaning;
// whether an engine takes the layout is for the engine to say.
func LayoutOf(header []byte) (Layout, error) {
	group := regmap.ReqGroup.Get(header)
	l := Layout{
		Scheme: regmap.ReqScheme.Get(header),
		Axis:   regmap.ReqAxis.Get(header),
		Bits:   int(regmap.ReqBits.Get(header)),
		Format: regmap.ReqFormat.Get(header),
	}
	if group > regmap.GroupRow {
		return l, fmt.Errorf("%w: group code %d, want 0 to %d", ErrRequest, group, regmap.GroupRow)
	}
	l.Group = sizeOf(groupCodes, group)
	if regmap.ReqOpcode.Get(header) != regmap.OpCompress {
		l.Block = regmap.ReqLayout.Get(header) == regmap.LayoutBlock
		l.Rotate = sizeOf(rotateCodes, regmap.ReqRotate.Get(header))
	}
	return l, nil
}

// sizeOf finds the size that has a code.
func sizeOf(codes map[int]uint32, code uint32) int {
	for size, c := range codes {
		if c == code {
			return size
		}
	}
	return 0
}

// Append appends the header and payload, padded to whole beats, to dst.
// Fields a command does not use must be zero.
func (r Request) Append(dst []byte, p regmap.Params, payload []byte) ([]byte, error) {
	h, err := r.Header()
	if err != nil {
		return dst, err
	}
	dst = append(dst, h[:]...)
	dst = append(dst, payload...)
	if rest := len(payload) % p.BeatBytes(); rest != 0 {
		dst = append(dst, make([]byte, p.BeatBytes()-rest)...)
	}
	return dst, nil
}

// Header encodes the request header.
func (r Request) Header() (h [regmap.HeaderBytes]byte, err error) {
	regmap.ReqOpcode.Put(h[:], r.Opcode)
	regmap.ReqMagic.Put(h[:], regmap.MagicRequest)
	regmap.ReqTag.Put(h[:], uint32(r.Tag))
	w := writer{h: h[:]}
	w.put(regmap.ReqRows, "rows", r.Rows)
	w.put(regmap.ReqDims, "dims", r.Dims)
	switch r.Opcode {
	case regmap.OpQuantize, regmap.OpDequantize:
		w.layout(r.Layout)
		w.put(regmap.ReqLayout, "layout", bit(r.Block))
		w.rotate(r.Rotate)
	case regmap.OpSelect:
		w.selection(r.Selection)
		w.put(regmap.ReqResult, "result", int(r.Result))
		w.put(regmap.ReqRowDims, "row dims", r.RowDims)
	case regmap.OpCompress:
		if w.layout(r.Layout); r.Rotate != 0 {
			w.fail(fmt.Errorf("%w: rotation of %d elements, but COMPRESS has none", ErrRequest, r.Rotate))
		}
		w.selection(r.Selection)
		w.put(regmap.ReqRowDims, "row dims", r.RowDims)
		w.group(regmap.ReqValueGroup, r.ValueGroup)
	case regmap.OpSource, regmap.OpSink:
		w.put(regmap.ReqSeed, "seed", int(r.Seed))
	}
	return h, w.err
}

// writer puts fields into a header and keeps the first error.
type writer struct {
	h   []byte
	err error
}

func (w *writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *writer) put(f regmap.Field, name string, v int) {
	limit := int64(1)<<f.Width - 1
	if v < 0 || int64(v) > limit {
		w.fail(fmt.Errorf("%w: %s=%d, want 0 to %d", ErrRequest, name, v, limit))
	}
	f.Put(w.h, uint32(v))
}

func (w *writer) group(f regmap.Field, size int) {
	code, err := GroupCode(size)
	w.fail(err)
	f.Put(w.h, code)
}

func (w *writer) rotate(size int) {
	code, err := RotateCode(size)
	w.fail(err)
	regmap.ReqRotate.Put(w.h, code)
}

func (w *writer) layout(l Layout) {
	w.put(regmap.ReqScheme, "scheme", int(l.Scheme))
	w.put(regmap.ReqAxis, "axis", int(l.Axis))
	w.put(regmap.ReqBits, "bits", l.Bits)
	w.put(regmap.ReqFormat, "format", int(l.Format))
	w.group(regmap.ReqGroup, l.Group)
}

func (w *writer) selection(s Selection) {
	w.put(regmap.ReqSinks, "sinks", s.Sinks)
	w.put(regmap.ReqRecent, "recent", s.Recent)
	w.put(regmap.ReqTopK, "topk", s.TopK)
	w.put(regmap.ReqPoolHalf, "half the pooling window", s.PoolHalf)
	w.put(regmap.ReqPoolMax, "pooling by maximum", bit(s.PoolMax))
	w.put(regmap.ReqStepRows, "rows of a step", s.StepRows)
	w.put(regmap.ReqLambda, "lambda", int(s.Lambda))
	w.put(regmap.ReqScoresIn, "scores in", bit(s.ScoresIn))
	w.put(regmap.ReqScoresOut, "scores out", bit(s.ScoresOut))
	w.put(regmap.ReqKeyNorm, "key norm", bit(s.KeyNorm))
	w.put(regmap.ReqRank0, "rank 0", s.Rank[0])
	w.put(regmap.ReqRank1, "rank 1", s.Rank[1])
	w.put(regmap.ReqRank2, "rank 2", s.Rank[2])
	w.put(regmap.ReqProtTier, "tier of the protected", s.ProtTier)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
