package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Layout is how quantized groups stand in memory.
type Layout string

// The layouts. The blocks are laid out as ggml's of the same names: 32 elements
// along the row. ggml reads them; what it would itself have stored can differ in
// a code, because the engine takes codes from the stored scale.
const (
	Native Layout = ""     // scale, minimum, codes in order
	Q80    Layout = "q8_0" // 8 bits symmetric
	Q40    Layout = "q4_0" // 4 bits, offset
	Q41    Layout = "q4_1" // 4 bits asymmetric
)

// nativeName is what [ParseLayout] reads as Native.
const nativeName = "native"

const blockGroup = 32

// block is what a block layout fixes.
type block struct {
	bits   int
	scheme Scheme
}

var blocks = map[Layout]block{Q80: {8, Sym}, Q40: {4, Offset}, Q41: {4, Asym}}

// ParseLayout reads the name of a layout.
func ParseLayout(s string) (Layout, error) {
	if l := Layout(s); s != "" && l.known() {
		return l, nil
	}
	if s == nativeName {
		return Native, nil
	}
	return Native, fmt.Errorf("%w: layout is %q, want %s", ErrInvalid, s, layoutNames())
}

func layoutNames() string {
	return strings.Join([]string{nativeName, string(Q80), string(Q40)}, ", ") + " or " + string(Q41)
}

func (l Layout) known() bool { return slices.Contains([]Layout{Native, Q80, Q40, Q41}, l) }

// use gives p the layout, and what goes with it.
func (l Layout) use(p Policy) Policy {
	p.Layout = l
	if b, ok := blocks[l]; ok {
		p.KBits, p.VBits, p.KAxis, p.VAxis, p.Scheme, p.Group = b.bits, b.bits, Token, Token, b.scheme, blockGroup
	}
	return p
}

// checkLayout reports a setting that contradicts the layout.
func (p Policy) checkLayout() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: layout %s %s", ErrInvalid, p.Layout, fmt.Sprintf(format, args...))
	}
	b, ok := blocks[p.Layout]
	switch {
	case !p.Layout.known():
		return fmt.Errorf("%w: layout is %q, want %s", ErrInvalid, p.Layout, layoutNames())
	case !ok && p.Scheme == Offset:
		return fmt.Errorf("%w: scheme %s is that of layout %s alone", ErrInvalid, Offset, Q40)
	case !ok:
		return nil
	case p.Scheme != b.scheme:
		return bad("has scheme %s, not %s; layout %s takes any", b.scheme, p.Scheme, nativeName)
	case p.Group != blockGroup:
		return bad("has groups of %d, not %s; layout %s takes others", blockGroup, groupName(p.Group), nativeName)
	}
	for _, f := range []struct {
		name string
		bits int
		axis Axis
	}{{"k", p.KBits, p.KAxis}, {"v", p.VBits, p.VAxis}} {
		if f.bits != b.bits && f.bits != FP16Bits {
			return bad("has %d bits, so that %s-bits cannot be %d (16 keeps fp16); layout %s takes any", b.bits, f.name, f.bits, nativeName)
		}
		if f.axis != Token && f.bits != FP16Bits {
			return bad("is per token, so that %s-axis cannot be %s; layout %s takes any", f.name, f.axis, nativeName)
		}
	}
	return nil
}

func groupName(g int) string {
	if g == GroupRow {
		return "the row"
	}
	return fmt.Sprint(g)
}
