// Package policy says how a KV cache is to be compressed: which positions are
// kept and with how many bits. A [Policy] is plain data; [Lookup] gives the
// published schemes by name, and a join such as "h2o+kivi-4" takes the
// selection of one and the quantization of another.
package policy

import (
	"errors"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// ErrInvalid says that a policy makes no sense on any engine.
var ErrInvalid = errors.New("invalid policy")

// FP16Bits as KBits or VBits keeps fp16.
const FP16Bits = 16

// Axis is the direction in which values share a scale.
type Axis string

// The axes.
const (
	Token   Axis = "token"   // groups of dims of one row
	Channel Axis = "channel" // groups of consecutive rows of one channel
)

// Scheme is how a group is coded.
type Scheme string

// The schemes.
const (
	Asym   Scheme = "asym"   // scale and minimum
	Sym    Scheme = "sym"    // scale alone
	Offset Scheme = "offset" // scale alone, from the element of largest magnitude; of layout q4_0 only
)

// GroupRow as Group makes the whole row one group (per token only).
const GroupRow = 0

// ObserveAll as Observe lets every query of the prefix feed the scores.
const ObserveAll = 0

// Policy is everything a run can set. The zero value is not useful; start
// from [Full].
type Policy struct {
	Name   string `json:"name"`
	KBits  int    `json:"k_bits"` // 2, 3, 4, 5, 6, 8; 16 keeps fp16
	VBits  int    `json:"v_bits"`
	KAxis  Axis   `json:"k_axis"`
	VAxis  Axis   `json:"v_axis"`
	Scheme Scheme `json:"scheme"`
	Group  int    `json:"group"` // 16, 32, 64, 128; GroupRow is the whole row

	// Layout is how what is quantized stands in memory. A block layout fixes
	// bits, axis, scheme and group of all that does not stay fp16.
	Layout Layout `json:"layout,omitempty"`

	// Rotate is how many elements of a row are rotated together, by the
	// Walsh-Hadamard transform, before they are quantized and back after they are
	// restored: 32, 64, 128 or RotateRow; 0 is no rotation. Rows that stay
	// fp16 are not rotated.
	Rotate int `json:"rotate,omitempty"`

	// Format is that of all rows. What stays as it is ("fp16" elsewhere in this
	// package) then stays in this format.
	Format Format `json:"format,omitempty"`

	// Residual is how many of the last kept rows stay fp16, bit for bit. With
	// ResidualInRecent it is at most Recent: of a policy that also evicts,
	// only the rows kept for being recent form the window.
	Residual         int  `json:"residual"`
	ResidualInRecent bool `json:"residual_in_recent,omitempty"`

	// Of the prefix the first Sinks and last Recent positions are kept, and of
	// the others the TopK with the highest scores. With no TopK, neither as a
	// number nor as a share, nothing is evicted.
	Sinks  int  `json:"sinks"`
	Recent int  `json:"recent"`
	TopK   *int `json:"topk"`

	// Budget is how many positions are kept in all: Resolve makes TopK what is
	// left of it after sinks and recent. nil leaves TopK in force.
	Budget *int `json:"budget,omitempty"`

	// Shares of the prefix in percent, rounded down to whole positions by
	// Resolve; 0 leaves the number beside it in force.
	RecentPercent  int `json:"recent_percent,omitempty"`
	TopKPercent    int `json:"topk_percent,omitempty"`
	BudgetPercent  int `json:"budget_percent,omitempty"`
	ObservePercent int `json:"observe_percent,omitempty"`
	ProbePercent   int `json:"probe_percent,omitempty"`

	// Observe is how many of the last prefix queries feed the scores; ObserveAll
	// is all. Probe is how many of those before them do as well, drawn at random
	// with a fixed seed per layer.
	Observe int `json:"observe"`
	Probe   int `json:"probe,omitempty"`

	// Lambda multiplies all scores before each query; nil is 1, no decay. With
	// Normalise a score is divided by how many of the queries could see the position.
	// Pool is an odd window, up to 15, over which scores are summed before they are
	// compared, or with PoolMax their maximum taken; 0 and 1 pool nothing.
	Lambda    *float64 `json:"lambda,omitempty"`
	Normalise bool     `json:"normalise,omitempty"`
	Pool      int      `json:"pool,omitempty"`
	PoolMax   bool     `json:"pool_max,omitempty"`

	// Scorer says what ranks the positions; empty stands for Attention.
	// Shared ranks them once for all heads of a layer, by the rows of all its
	// query heads; otherwise each key-value head has its own group's.
	Scorer Scorer `json:"scorer,omitempty"`
	Shared bool   `json:"shared,omitempty"`

	// Pyramid, if not 0, gives lower layers more of the positions kept for their
	// score than upper ones; it is PyramidKV's beta, see pyramid. Adaptive, if
	// not nil, shares those of a layer out among its heads by their scores;
	// it is the percentage that every head has of its even share.
	Pyramid  int  `json:"pyramid,omitempty"`
	Adaptive *int `json:"adaptive,omitempty"`

	// Tiers gives every kept position a precision of its own. Protected is the
	// width of the first and last positions; 0 stands for 16. Values are then
	// per token, and KBits is that of keys per channel; keys per token have the
	// width of their tier.
	Tiers     *Tiers `json:"tiers,omitempty"`
	Protected int    `json:"protected_bits,omitempty"`

	// Ceiling, if not nil, is what the cache may take step by step: every row goes
	// down in precision, and out, as room is needed, lowest scores first.
	Ceiling *Ceiling `json:"ceiling,omitempty"`

	// Rules change settings for some layers and heads; later ones win.
	Rules []Rule `json:"rules,omitempty"`
}

// Scorer is what ranks the positions.
type Scorer string

// The scorers. Random is a control: rows of weights drawn by a generator that
// is seeded with the layer and the head alone. KeyNorm prefers keys of low norm.
const (
	Attention Scorer = "attention"
	Random    Scorer = "random"
	KeyNorm   Scorer = "key-norm"
)

// Full keeps everything as it is: what flags start from without a policy.
func Full() Policy {
	return Policy{Name: "full", KBits: FP16Bits, VBits: FP16Bits, KAxis: Token, VAxis: Token, Scheme: Asym, Group: 32}
}

// Evicts reports whether positions may be dropped.
func (p Policy) Evicts() bool {
	return p.TopK != nil || p.TopKPercent > 0 || p.Budget != nil || p.BudgetPercent > 0
}

// Quantizes reports whether anything is quantized by QUANTIZE, tiers aside.
func (p Policy) Quantizes() bool {
	return p.Tiers == nil && (p.KBits != FP16Bits || p.VBits != FP16Bits)
}

// Compresses reports whether it does anything at all, its rules aside.
func (p Policy) Compresses() bool {
	return p.Evicts() || p.Quantizes() || p.Tiers != nil || p.Ceiling != nil
}

func (p Policy) topK() int {
	if p.TopK == nil {
		return 0
	}
	return *p.TopK
}

// KLayout is the engine's layout for keys of dims elements; ok is false if they
// stay fp16.
func (p Policy) KLayout(dims int) (l packet.Layout, ok bool) { return p.layout(p.KBits, p.KAxis, dims) }

// VLayout is the engine's layout for values of dims elements; ok is false if they
// stay fp16.
func (p Policy) VLayout(dims int) (l packet.Layout, ok bool) { return p.layout(p.VBits, p.VAxis, dims) }

func (p Policy) layout(bits int, axis Axis, dims int) (packet.Layout, bool) {
	l := packet.Layout{Scheme: regmap.SchemeAsym, Axis: regmap.AxisToken, Group: p.Group, Bits: bits, Block: p.Layout != Native, Rotate: p.rotation(dims)}
	if p.IsBF16() {
		l.Format = regmap.FormatBF16
	}
	switch p.Scheme {
	case Sym:
		l.Scheme = regmap.SchemeSym
	case Offset:
		l.Scheme = regmap.SchemeOffset
	}
	if axis == Channel {
		l.Axis = regmap.AxisChannel
	}
	return l, bits != FP16Bits
}

// QuantizedRows is how many of the first of kept rows are quantized along
// axis by a resolved policy; the others stay fp16. Per channel it is a whole
// number of groups. Rows per token of a policy with tiers are told apart by
// their tier alone.
func (p Policy) QuantizedRows(kept, bits int, axis Axis) int {
	if bits == FP16Bits || p.Tiers != nil && axis == Token {
		return 0
	}
	n := max(kept-p.Residual, 0)
	if axis == Channel {
		n -= n % p.Group
	}
	return n
}
