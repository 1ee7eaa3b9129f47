// Package policy says how a KV cache is to be compressed: which positions are
// kept and with how many bits. A [Policy] is plain data; [Lookup] gives the
// published schemes by name, and a join such as "h2o+kivi-4" takes the
// selection of one and the quantization of another.
package policy

import (
	"errors"
	"fmt"
	"slices"

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

	// Shares of the prefix in percent, rounded down to whole positions by
	// Resolve; 0 leaves the number beside it in force.
	RecentPercent int `json:"recent_percent,omitempty"`
	TopKPercent   int `json:"topk_percent,omitempty"`

	Observe int `json:"observe"` // how many of the last prefix queries feed the scores; ObserveAll is all

	// Scorer says what ranks the positions; empty stands for Attention.
	// Shared ranks them once for all heads of a layer, by the rows of all its
	// query heads; otherwise each key-value head has its own group's.
	Scorer Scorer `json:"scorer,omitempty"`
	Shared bool   `json:"shared,omitempty"`
}

// Scorer is what ranks the positions.
type Scorer string

// The scorers. Random is a control: rows of weights drawn by a generator that
// is seeded with the layer and the head alone.
const (
	Attention Scorer = "attention"
	Random    Scorer = "random"
)

// Full keeps everything as it is: what flags start from without a policy.
func Full() Policy {
	return Policy{Name: "full", KBits: FP16Bits, VBits: FP16Bits, KAxis: Token, VAxis: Token, Scheme: Asym, Group: 32}
}

// Evicts reports whether positions may be dropped.
func (p Policy) Evicts() bool { return p.TopK != nil || p.TopKPercent > 0 }

// Quantizes reports whether anything is quantized.
func (p Policy) Quantizes() bool { return p.KBits != FP16Bits || p.VBits != FP16Bits }

// Bits lists the widths that KBits and VBits may have.
var Bits = []int{2, 3, 4, 5, 6, 8, FP16Bits}

// Validate reports the first setting that no engine could follow. Whether a
// certain engine can, with dims and positions known, is for package session.
func (p Policy) Validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
	}
	for _, f := range []struct {
		name string
		bits int
		axis Axis
	}{{"k", p.KBits, p.KAxis}, {"v", p.VBits, p.VAxis}} {
		if !slices.Contains(Bits, f.bits) {
			return bad("%s-bits is %d, want 2, 3, 4, 5, 6 or 8, or 16 to keep fp16", f.name, f.bits)
		}
		if f.axis != Token && f.axis != Channel {
			return bad("%s-axis is %q, want %s or %s", f.name, f.axis, Channel, Token)
		}
		if f.axis == Channel && f.bits != FP16Bits && p.Group == GroupRow {
			return bad("%s-axis channel needs a group of 16, 32, 64 or 128 tokens; a group of the whole row is per token", f.name)
		}
	}
	if p.Scheme != Asym && p.Scheme != Sym && p.Scheme != Offset {
		return bad("scheme is %q, want %s or %s", p.Scheme, Asym, Sym)
	}
	if !slices.Contains([]Scorer{"", Attention, Random}, p.Scorer) {
		return bad("scorer is %q, want %s or %s", p.Scorer, Attention, Random)
	}
	if !slices.Contains([]int{GroupRow, 16, 32, 64, 128}, p.Group) {
		return bad("group is %d, want 16, 32, 64, 128 or the row", p.Group)
	}
	if err := p.checkLayout(); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		v    int
	}{{"residual", p.Residual}, {"sinks", p.Sinks}, {"recent", p.Recent}, {"observe", p.Observe}, {"topk", p.topK()}} {
		if f.v < 0 {
			return bad("%s is %d, want 0 or more", f.name, f.v)
		}
	}
	for _, v := range []int{p.RecentPercent, p.TopKPercent} {
		if v < 0 || v > 100 {
			return bad("a share of the prefix is %d %%, want 0 to 100", v)
		}
	}
	if p.Evicts() && max(p.Sinks, p.Recent, p.topK(), p.RecentPercent, p.TopKPercent) == 0 {
		return bad("sinks, recent and topk are all 0, so nothing would be kept")
	}
	return nil
}

func (p Policy) topK() int {
	if p.TopK == nil {
		return 0
	}
	return *p.TopK
}

// Resolve turns shares into numbers for a prefix of n positions. A share of
// the recent positions is at least one position, so that a short prefix does
// not lose everything.
func (p Policy) Resolve(n int) Policy {
	if p.RecentPercent > 0 {
		p.Recent, p.RecentPercent = max(1, n*p.RecentPercent/100), 0
	}
	if p.TopKPercent > 0 {
		k := n * p.TopKPercent / 100
		p.TopK, p.TopKPercent = &k, 0
	}
	if p.ResidualInRecent {
		if p.Evicts() {
			p.Residual = min(p.Residual, p.Recent)
		}
		p.ResidualInRecent = false
	}
	return p
}

// Kept is how many of n positions a resolved policy keeps.
func (p Policy) Kept(n int) int {
	if !p.Evicts() {
		return n
	}
	// One at a time, so that huge settings cannot overflow.
	return min(n, min(n, p.Sinks)+min(n, p.Recent)+min(n, p.topK()))
}

// NeedsScores reports whether a resolved policy has to rank any of n positions.
func (p Policy) NeedsScores(n int) bool {
	return p.Evicts() && p.topK() > 0 && min(n, p.Sinks)+min(n, p.Recent) < n
}

// NeedsAttention reports whether the ranking takes attention weights.
func (p Policy) NeedsAttention(n int) bool { return p.NeedsScores(n) && p.Scorer != Random }

// KLayout is the engine's layout for keys; ok is false if they stay fp16.
func (p Policy) KLayout() (l packet.Layout, ok bool) { return p.layout(p.KBits, p.KAxis) }

// VLayout is the engine's layout for values; ok is false if they stay fp16.
func (p Policy) VLayout() (l packet.Layout, ok bool) { return p.layout(p.VBits, p.VAxis) }

func (p Policy) layout(bits int, axis Axis) (packet.Layout, bool) {
	l := packet.Layout{Scheme: regmap.SchemeAsym, Axis: regmap.AxisToken, Group: p.Group, Bits: bits, Block: p.Layout != Native}
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
// number of groups.
func (p Policy) QuantizedRows(kept, bits int, axis Axis) int {
	if bits == FP16Bits {
		return 0
	}
	n := max(kept-p.Residual, 0)
	if axis == Channel {
		n -= n % p.Group
	}
	return n
}

// Warnings lists settings that have no effect, as sentences.
func (p Policy) Warnings() []string {
	var w []string
	if !p.Evicts() && (p.Sinks > 0 || p.Recent > 0) {
		w = append(w, "sinks and recent have no effect without topk: nothing is evicted (topk 0 keeps just these)")
	}
	if p.topK() == 0 && p.TopKPercent == 0 && p.Observe != ObserveAll {
		w = append(w, "observe has no effect without topk: no scores are needed")
	}
	if !p.Quantizes() && p.Residual > 0 {
		w = append(w, "residual has no effect: keys and values stay fp16 anyway")
	}
	return w
}
