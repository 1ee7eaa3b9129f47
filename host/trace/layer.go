package trace

import (
	"slices"

	"github.com/kvaccel/kvaccel/host/attention"
	"github.com/kvaccel/kvaccel/host/safetensors"
)

// Layer is one layer's tensors as bits of 16: per head T x D, row by row.
type Layer struct {
	K, V [][]uint16 // Hkv heads; binary16, or with BF16 bfloat16
	Q    [][]uint16 // Hq heads, binary16; nil if the trace has none
	BF16 bool
}

// Floats are the values of keys or values as the engine takes them.
func (x Layer) Floats(bits []uint16) []float64 {
	if x.BF16 {
		return attention.FloatsBF16(bits)
	}
	return attention.Floats(bits)
}

// BF16 reports whether all keys and values of the trace are bfloat16.
func (t *Trace) BF16() bool {
	for _, x := range t.layers {
		if x.k.DType() != safetensors.BF16 || x.v.DType() != safetensors.BF16 {
			return false
		}
	}
	return true
}

// HasQ reports whether layer l has queries.
func (t *Trace) HasQ(l int) bool { return t.layers[l].hasQ }

// AttnRows is the number of queries, the last ones, whose attention weights
// were recorded in layer l; 0 if there are none.
func (t *Trace) AttnRows(l int) int { return t.layers[l].attnRows }

// MissingQ is the error that layer l has no queries; what says what for they
// are needed.
func (t *Trace) MissingQ(l int, what string) error {
	return fail(t.Name, tensorName(l, "q"), ErrMissing, "%s need the queries, or recorded weights in %s", what, tensorName(l, "attn"))
}

// Layer reads layer l as binary16, the queries only if withQ is set and the trace
// has them.
func (t *Trace) Layer(l int, withQ bool) (Layer, safetensors.Converted, error) {
	return t.layer(l, withQ, Layer{})
}

// LayerBF16 is Layer with keys and values as bfloat16.
func (t *Trace) LayerBF16(l int, withQ bool) (Layer, safetensors.Converted, error) {
	return t.layer(l, withQ, Layer{BF16: true})
}

func (t *Trace) layer(l int, withQ bool, out Layer) (Layer, safetensors.Converted, error) {
	var (
		total safetensors.Converted
		x     = t.layers[l]
	)
	read := func(from safetensors.Tensor, heads int, bf16 bool) (rows [][]uint16, err error) {
		bits := from.ReadFP16
		if bf16 {
			bits = from.ReadBF16
		}
		n, stride := int64(t.T)*int64(t.D), int64(t.stored)*int64(t.D)
		for h := range int64(heads) {
			head, c, err := bits(h*stride, n)
			if err != nil {
				return nil, err
			}
			rows = append(rows, head)
			total.Add(c)
		}
		return rows, nil
	}
	var err error
	if out.K, err = read(x.k, t.Hkv, out.BF16); err != nil {
		return Layer{}, total, err
	}
	if out.V, err = read(x.v, t.Hkv, out.BF16); err != nil {
		return Layer{}, total, err
	}
	if withQ && x.hasQ {
		if out.Q, err = read(x.q, t.Hq, false); err != nil {
			return Layer{}, total, err
		}
	}
	return out, total, nil
}

// Attn reads the recorded weights of query head h of layer l for rows query
// positions from position first on: rows x T binary16 bits. The positions must
// be among the last AttnRows.
func (t *Trace) Attn(l, h, first, rows int) ([]uint16, safetensors.Converted, error) {
	x := t.layers[l]
	at := first - (t.T - x.attnRows)
	if !x.hasAttn || at < 0 || rows < 0 || at+rows > x.attnRows || h < 0 || h >= t.Hq {
		return nil, safetensors.Converted{}, fail(t.Name, tensorName(l, "attn"), ErrShape,
			"head %d, positions %d to %d asked for; it has %d heads and the last %d positions", h, first, first+rows, t.Hq, x.attnRows)
	}
	return x.attn.ReadFP16((int64(h)*int64(x.attnRows)+int64(at))*int64(t.T), int64(rows)*int64(t.T))
}

// AttnOutside is the error that none of the recorded weights of layer l are of
// queries in a prefix of n positions.
func (t *Trace) AttnOutside(l, n int) error {
	return fail(t.Name, tensorName(l, "attn"), ErrMissing,
		"its %d queries are those of positions %d to %d, none of them is in the prefix of %d positions that is to be scored",
		t.AttnRows(l), t.T-t.AttnRows(l), t.T-1, n)
}

// Until gives the first n positions as a trace of its own, on the same file, which
// closing either closes. Recorded attention weights are left out, since their rows
// are as long as the whole trace: scores are computed from the queries then.
func (t *Trace) Until(n int) (*Trace, error) {
	if n < 1 || n > t.T {
		return nil, fail(t.Name, tensorName(0, "k"), ErrShape, "it has %d positions, the first %d were asked for", t.T, n)
	}
	c := *t
	c.T, c.layers = n, slices.Clone(t.layers)
	for l := range c.layers {
		if !c.layers[l].hasQ && c.layers[l].hasAttn {
			return nil, t.MissingQ(l, "a part of the trace")
		}
		c.layers[l].hasAttn, c.layers[l].attnRows = false, 0
	}
	return &c, nil
}
