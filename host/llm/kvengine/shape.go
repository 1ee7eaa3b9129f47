package kvengine

import (
	"errors"
	"slices"

	"github.com/kvaccel/kvaccel/host/llm"
)

// ErrHeads says that keys of one head and values of another are not of the same positions.
var ErrHeads = errors.New("the heads hold different positions")

// Recast gives a prompt's cache, one made by New, as one that holds other rows of the
// same positions: cfg is their geometry, from has for each of its layers the one of the prompt
// that its rows and attention weights come of, and encode makes the rows out of all keys and
// values of that layer, both positions x heads x dims.
func (c *Cache) Recast(cfg llm.Config, from []int, encode func(layer, n int, k, v []float32) (keys, values []float32)) *Cache {
	out := New(cfg, c.record)
	for l, src := range from {
		old := c.layers[src].heads
		n := len(old[0].pos)
		k, v := encode(src, n, beside(old, c.cfg.HeadDim, func(h *head) []float32 { return h.k.floats }), beside(old, c.cfg.HeadDim, func(h *head) []float32 { return h.v.floats }))
		var rows [][]row // by query head
		for _, h := range old {
			rows = append(rows, h.rows...)
		}
		group := cfg.Heads / cfg.KVHeads
		for i := range out.layers[l].heads {
			h := &out.layers[l].heads[i]
			h.pos, h.rows = slices.Clone(old[0].pos), rows[i*group:][:group]
			for j := range n {
				at := (j*cfg.KVHeads + i) * cfg.HeadDim
				h.k.append(k[at:][:cfg.HeadDim])
				h.v.append(v[at:][:cfg.HeadDim])
			}
		}
	}
	return out
}

// beside gives the rows of all heads by position.
func beside(heads []head, dim int, rows func(h *head) []float32) []float32 {
	n := len(heads[0].pos)
	out := make([]float32, n*len(heads)*dim)
	for i := range heads {
		x := rows(&heads[i])
		for j := range n {
			copy(out[(j*len(heads)+i)*dim:][:dim], x[j*dim:][:dim])
		}
	}
	return out
}

// Look has n queries of one head attend, as Attend does, to the keys of head k and the values of
// head v of a layer, whose rows of the queries' own positions are there already. Nothing is
// kept of it. q and out hold a row each stride elements.
func (c *Cache) Look(layer, k, v int, q, out []float32, stride, n int) error {
	keys, values := &c.layers[layer].heads[k], &c.layers[layer].heads[v]
	if k != v && !slices.Equal(keys.pos, values.pos) {
		return ErrHeads
	}
	rows := len(keys.pos)
	if len(c.floats) < n*rows {
		c.floats = make([]float32, n*rows)
	}
	llm.AttendHead(c.floats[:n*rows], out, q, stride, keys.k.floats, values.v.floats, n, rows, c.cfg.HeadDim, float32(c.cfg.Scale()))
	return nil
}
