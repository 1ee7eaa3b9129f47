// Package kvengine keeps a decoder's keys and values through an engine, so that
// the model attends to exactly what the hardware would give it.
//
// Rows enter as binary16 and are attended to as such until [Cache.Compress] is
// called: then attention rows go to SELECT and what it does not keep is
// dropped, rows that leave the fp16 window go through QUANTIZE, once, and all that is
// quantized comes back through DEQUANTIZE. A row is never quantized again; its
// codes stay what they were until the row is dropped.
//
// With one position between two calls of Compress this is a decoder's every
// step. With more it is one that compresses every so many positions and holds the rows in
// between as fp16; they count as bytes.
package kvengine

import (
	"context"
	"fmt"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/llm"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/session"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// Cache holds the keys and values of one sequence. It implements llm.KV.
type Cache struct {
	cfg    llm.Config
	pol    policy.Policy // resolved
	s      *session.Session
	seed   uint64
	record int // how many of the last queries' attention rows are recorded; all: RecordAll
	layers []layer
	floats []float32 // room for the weights of one query head
}

// RecordAll records the attention rows of every query.
const RecordAll = -1

// layer is the state of one layer.
type layer struct {
	heads []head // key-value heads
}

// head is one key-value head: rows of ascending positions, first those that
// were there at the last Compress, then those that came since.
type head struct {
	pos  []int
	k, v part
	// rows has the recorded attention rows, by query head of the group.
	rows [][]row
	// sums are the scores of the rows before those, in units of 2^-24: what a
	// SELECT fed with all of them would have come to.
	sums []uint64
}

// row is the attention weights of one query over pos as it was then; positions
// that came later have weight 0.
type row []uint16

// New makes an empty cache that keeps everything and never compresses: what a
// prompt is read into. It records the attention rows of the last record
// queries, for [Cache.Fork].
func New(cfg llm.Config, record int) *Cache {
	c := &Cache{cfg: cfg, pol: policy.Full(), record: record, layers: make([]layer, cfg.Layers)}
	for l := range c.layers {
		c.layers[l].heads = make([]head, cfg.KVHeads)
		for h := range c.layers[l].heads {
			c.layers[l].heads[h].rows = make([][]row, cfg.Heads/cfg.KVHeads)
		}
	}
	return c
}

// Fork copies a cache made by New into one that follows a resolved policy on an
// engine. Nothing is compressed yet. The seed is that of the random scorer.
func (c *Cache) Fork(s *session.Session, pol policy.Policy, seed uint64) (*Cache, error) {
	if err := Check(s, pol, c.cfg); err != nil {
		return nil, err
	}
	f := &Cache{cfg: c.cfg, pol: pol, s: s, seed: seed, layers: make([]layer, len(c.layers))}
	if pol.Evicts() && pol.Scorer != policy.Random && pol.TopK != nil && *pol.TopK > 0 {
		f.record = RecordAll
		if pol.Observe != policy.ObserveAll {
			f.record = pol.Observe
		}
	}
	if c.record != RecordAll && (f.record == RecordAll || f.record > c.record) {
		return nil, fmt.Errorf("%w: %s scores by %s queries, the attention rows of the last %d were recorded", policy.ErrInvalid, pol.Name, observed(f.record), c.record)
	}
	for l := range c.layers {
		f.layers[l].heads = make([]head, len(c.layers[l].heads))
		for h := range c.layers[l].heads {
			f.layers[l].heads[h] = c.layers[l].heads[h].fork(f.record, c.cfg.HeadDim)
		}
	}
	return f, nil
}

func observed(n int) string {
	if n == RecordAll {
		return "all"
	}
	return fmt.Sprintf("the last %d", n)
}

// Check reports whether an engine can follow a policy for a model.
func Check(s *session.Session, pol policy.Policy, cfg llm.Config) error {
	for _, f := range []struct {
		used    bool
		feature int
		what    string
	}{
		{pol.Evicts(), regmap.FeatSelect, "SELECT"}, {pol.Quantizes(), regmap.FeatQuantize, "QUANTIZE"}, {pol.Quantizes(), regmap.FeatDequantize, "DEQUANTIZE"},
	} {
		if f.used && !s.Info().Has(1<<f.feature) {
			return fmt.Errorf("%w: %s was left out of this engine (%s)", driver.ErrUnsupported, f.what, s.Info().URI)
		}
	}
	if l, ok := pol.KLayout(); ok {
		if err := s.CheckTile(l, cfg.HeadDim); err != nil {
			return fmt.Errorf("keys: %w", err)
		}
	}
	if l, ok := pol.VLayout(); ok {
		if err := s.CheckTile(l, cfg.HeadDim); err != nil {
			return fmt.Errorf("values: %w", err)
		}
	}
	return nil
}

// fork copies a head that has nothing quantized. The rows, which are never
// changed in place, are shared.
func (h *head) fork(record, dim int) head {
	n := len(h.pos)
	f := head{pos: h.pos[:n:n], k: h.k.fork(), v: h.v.fork(), rows: make([][]row, len(h.rows))}
	for g, rows := range h.rows {
		f.rows[g] = last(rows, record)
	}
	return f
}

// last gives a copy of the last n rows, or of all of them.
func last(rows []row, n int) []row {
	if n != RecordAll {
		rows = rows[max(0, len(rows)-n):]
	}
	return append([]row(nil), rows...)
}

// Attend implements llm.KV.
func (c *Cache) Attend(_ context.Context, s llm.Step) error {
	d, group := c.cfg.HeadDim, c.cfg.Heads/c.cfg.KVHeads
	for h := range c.layers[s.Layer].heads {
		x := &c.layers[s.Layer].heads[h]
		for i := range s.N {
			at := (i*c.cfg.KVHeads + h) * d
			x.k.append(s.K[at:][:d])
			x.v.append(s.V[at:][:d])
			x.pos = append(x.pos, s.First+i)
		}
		rows := len(x.pos)
		if len(c.floats) < s.N*rows {
			c.floats = make([]float32, s.N*rows)
		}
		w := c.floats[:s.N*rows]
		for g := range group {
			q := (h*group + g) * d
			llm.AttendHead(w, s.Out[q:], s.Q[q:], c.cfg.Heads*d, x.k.floats, x.v.floats, s.N, rows, d, float32(c.cfg.Scale()))
			if c.record != 0 {
				x.observe(g, w, s.N, rows, c.record)
			}
		}
	}
	return nil
}

// observe records the weights of the last n queries, each rounded once.
func (h *head) observe(g int, w []float32, n, rows, record int) {
	first := 0
	if record != RecordAll {
		first = max(0, n-record)
	}
	for i := first; i < n; i++ {
		own := rows - n + i + 1
		r := make(row, own)
		for j, x := range w[i*rows:][:own] {
			r[j] = fp16.FromFloat64(float64(x))
		}
		h.rows[g] = append(h.rows[g], r)
	}
	if record != RecordAll && len(h.rows[g]) > record {
		h.rows[g] = h.rows[g][len(h.rows[g])-record:]
	}
}

// Kept lists the positions that a head holds.
func (c *Cache) Kept(l, h int) []int { return append([]int(nil), c.layers[l].heads[h].pos...) }

// halves has the float32 of every binary16, as the engine takes them: NaN as 0,
// infinities as the largest finite.
var halves = func() *[1 << 16]float32 {
	t := new([1 << 16]float32)
	for i := range t {
		f := fp16.ToFloat64(uint16(i))
		if f != f {
			f = 0
		}
		t[i] = float32(max(-fp16.MaxFinite, min(fp16.MaxFinite, f)))
	}
	return t
}()
