package attncomp

import (
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/kvaccel/kvaccel/host/attention"
	"github.com/kvaccel/kvaccel/host/llm"
	"github.com/kvaccel/kvaccel/host/llm/kvengine"
)

// Maps is a method fitted to a model, so that a decoder can run with it: the cache
// holds the method's rows, and queries and outputs go through the maps, since
// q (c M)ᵀ = (q Mᵀ) cᵀ. Nothing is restored to rows of a head.
type Maps struct {
	Method string
	Rank   int   // 0: the method has none
	Bytes  int64 // of the maps out, 2 bytes a number

	model, held llm.Config
	layers      []layerMaps
	from        []int // of each layer that is held: the model's
}

// layerMaps is one layer of the model.
type layerMaps struct {
	at  int // layer held that it attends to
	own bool
	in  [2][][]origin // keys, values: by held head what its rows are made of
	use [2][]use      // by key-value head
}

// use is how a head reads rows.
type use struct {
	head int        // held
	back *mat.Dense // w x D, as binary16 has it; nil: as they are
}

// Maps fits a method at some ranks, which a method without ranks does not look at. A
// method whose rows take what a later layer makes cannot run in a decoder: ErrOptions.
func (c *Calibration) Maps(name string, ranks []int) ([]*Maps, error) {
	i := slices.IndexFunc(methods, func(m method) bool { return m.name == name })
	if i < 0 {
		return nil, fmt.Errorf("%w: no method %q; there are %v", ErrOptions, name, Methods())
	}
	m := methods[i]
	ranks = m.ranks(ranks)
	out := make([]*Maps, len(ranks))
	for i, k := range ranks {
		if k < 0 || k > c.model.HeadDim {
			return nil, fmt.Errorf("%w: rank %d, want 1 to the %d dims of a head", ErrOptions, k, c.model.HeadDim)
		}
		out[i] = &Maps{Method: name, Rank: k, model: c.model, held: c.model, layers: make([]layerMaps, c.model.Layers)}
	}
	for _, b := range c.blocks {
		build, err := m.prepare(b)
		if err != nil {
			return nil, fmt.Errorf("layers %d to %d, %s: %w", b.first, b.first+len(b.layers)-1, name, err)
		}
		for i, k := range ranks {
			if err := out[i].add(b, build(k)); err != nil {
				return nil, err
			}
		}
	}
	for _, x := range out {
		x.held.Layers = len(x.from)
	}
	return out, nil
}

// add takes in the parts of a block.
func (m *Maps) add(b *block, parts []part) error {
	held := map[int]int{} // by layer of the block
	for _, p := range parts {
		l := p.from[0].layer
		for _, o := range p.from {
			if o.layer != l {
				return fmt.Errorf("%w: %s makes rows out of two layers, and a decoder has none of the second when the first attends", ErrOptions, m.Method)
			}
		}
		x := &m.layers[b.first+l]
		if _, ok := held[l]; !ok {
			held[l] = len(m.from)
			m.from = append(m.from, b.first+l)
			x.own = true
		}
		x.at = held[l]
		_, m.held.HeadDim = p.rows.Dims()
		kind := p.from[0].kind
		at := len(x.in[kind])
		x.in[kind] = append(x.in[kind], p.from)
		m.held.KVHeads = len(x.in[kind])
		for _, u := range p.users {
			y := &m.layers[b.first+u.layer]
			y.at = held[l]
			for len(y.use[kind]) < m.model.KVHeads {
				y.use[kind] = append(y.use[kind], use{})
			}
			v := use{head: at}
			if u.back != nil {
				w, d := u.back.Dims()
				v.back = mat.NewDense(w, d, attention.Floats(bits(u.back)))
				m.Bytes += int64(2 * w * d)
			}
			y.use[kind][u.head] = v
		}
	}
	return nil
}

// Held is the geometry of the rows.
func (m *Maps) Held() llm.Config { return m.held }

// Mixed reports whether a head takes its keys and its values from different heads, which
// must then hold the same positions.
func (m *Maps) Mixed() bool {
	return slices.ContainsFunc(m.layers, func(x layerMaps) bool {
		for h := range x.use[keys] {
			if x.use[keys][h].head != x.use[values][h].head {
				return true
			}
		}
		return false
	})
}

// Recast gives a prompt that was read with whole rows.
func (m *Maps) Recast(prompt *kvengine.Cache) *kvengine.Cache {
	return prompt.Recast(m.held, m.from, func(l, n int, k, v []float32) ([]float32, []float32) {
		return m.encode(l, keys, n, k), m.encode(l, values, n, v)
	})
}

// KV is a decoder's cache over one that holds the rows.
func (m *Maps) KV(held *kvengine.Cache) llm.KV { return &decoder{m, held} }

// decoder implements llm.KV.
type decoder struct {
	*Maps
	held *kvengine.Cache
}

// encode makes the rows of a layer, n x held heads x w, out of those of its heads.
func (m *Maps) encode(l, kind, n int, x []float32) []float32 {
	d, w, heads := m.model.HeadDim, m.held.HeadDim, m.model.KVHeads
	out := make([]float32, n*m.held.KVHeads*w)
	for i := range n {
		for h, from := range m.layers[l].in[kind] {
			row := out[(i*m.held.KVHeads+h)*w:][:w]
			for _, o := range from {
				through(row, x[(i*heads+o.head)*d:][:d], o.to, false)
			}
		}
	}
	return out
}

// through adds x M, or x Mᵀ, to dst; no map leaves x as it is.
func through(dst, x []float32, m *mat.Dense, transposed bool) {
	if m == nil {
		for j, v := range x {
			dst[j] += v
		}
		return
	}
	raw := m.RawMatrix()
	for i := range raw.Rows {
		row := raw.Data[i*raw.Stride:][:raw.Cols]
		if transposed {
			sum := 0.
			for j, v := range row {
				sum += v * float64(x[j])
			}
			dst[i] += float32(sum)
			continue
		}
		for j, v := range row {
			dst[j] += float32(v * float64(x[i]))
		}
	}
}

// Attend implements llm.KV.
func (c *decoder) Attend(ctx context.Context, s llm.Step) error {
	x := &c.layers[s.Layer]
	d, w := c.model.HeadDim, c.Maps.held.HeadDim
	heads := c.model.Heads
	group := heads / c.model.KVHeads
	// The cache divides by the root of w.
	factor := float32(math.Sqrt(float64(w) / float64(d)))
	q, out := make([]float32, s.N*heads*w), make([]float32, s.N*heads*w)
	for i := range s.N * heads {
		row := q[i*w:][:w]
		through(row, s.Q[i*d:][:d], x.use[keys][i%heads/group].back, true)
		for j := range row {
			row[j] *= factor
		}
	}
	if x.own {
		err := c.held.Attend(ctx, llm.Step{
			Layer: x.at, First: s.First, N: s.N, Q: q, Out: out,
			K: c.encode(s.Layer, keys, s.N, s.K), V: c.encode(s.Layer, values, s.N, s.V),
		})
		if err != nil {
			return err
		}
	} else {
		for h := range heads {
			k, v := x.use[keys][h/group].head, x.use[values][h/group].head
			if err := c.held.Look(x.at, k, v, q[h*w:], out[h*w:], heads*w, s.N); err != nil {
				return err
			}
		}
	}
	for i := range s.N * heads {
		clear(s.Out[i*d:][:d])
		through(s.Out[i*d:][:d], out[i*w:][:w], x.use[values][i%heads/group].back, false)
	}
	return nil
}
