// Package kvengine keeps a decoder's keys and values through an engine, so that
// the model attends to exactly what the hardware would give it.
//
// Rows enter as binary16, or bfloat16 if the policy says so, and are attended to as such until [Cache.Compress] is
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
	"errors"
	"fmt"

	"github.com/kvaccel/kvaccel/host/llm"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/session"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// Cache holds the keys and values of one sequence. It implements llm.KV.
type Cache struct {
	cfg    llm.Config
	plan   [][]policy.Policy // by layer and head, resolved
	s      *session.Session
	seed   uint64
	record int // of a prompt: how many of the last queries' attention rows are recorded; all: RecordAll
	layers []layer
	ladder *ladder   // nil without a ceiling
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
	// rows has the recorded attention rows, by query head of the group: the last
	// record, or those since the last Compress.
	rows   [][]row
	record int
	// sums are the scores of the rows before those, in units of 2^-24: what a
	// SELECT fed with all of them would have come to. If all heads of a layer
	// choose together, the first has the sums of all.
	sums []uint64
	rung
}

// row is the attention weights of one query over pos as it was then; positions
// that came later have weight 0.
type row []uint16

// ErrOnce says that a policy ranks the rows of a prompt once and has no way to
// go on with it position by position.
var ErrOnce = errors.New("compresses a prompt once, not a decode step by step")

// New makes an empty cache that keeps everything and never compresses: what a
// prompt is read into. It records the attention rows of the last record
// queries, for [Cache.Fork].
func New(cfg llm.Config, record int) *Cache {
	c := &Cache{cfg: cfg, record: record, layers: make([]layer, cfg.Layers)}
	for l := range c.layers {
		c.plan = append(c.plan, make([]policy.Policy, cfg.KVHeads))
		c.layers[l].heads = make([]head, cfg.KVHeads)
		for h := range c.layers[l].heads {
			c.plan[l][h] = policy.Full()
			c.layers[l].heads[h].rows, c.layers[l].heads[h].record = make([][]row, cfg.Heads/cfg.KVHeads), record
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
	f := &Cache{cfg: c.cfg, s: s, seed: seed, layers: make([]layer, len(c.layers))}
	for l := range c.layers {
		f.layers[l].heads = make([]head, len(c.layers[l].heads))
		f.plan = append(f.plan, make([]policy.Policy, len(f.layers[l].heads)))
		for h := range c.layers[l].heads {
			p := pol.At(l, h)
			record := observed(p)
			if c.record != RecordAll && (record == RecordAll || record > c.record) {
				return nil, fmt.Errorf("%w: %s scores by more queries than the last %d, whose attention rows were recorded", policy.ErrInvalid, pol.Name, c.record)
			}
			f.plan[l][h] = p
			if p.Ceiling != nil && f.ladder == nil {
				f.ladder = newLadder(p, c.cfg)
			}
			f.layers[l].heads[h] = c.layers[l].heads[h].fork(record, p.IsBF16())
			if f.ladder != nil { // its rows are changed in place
				f.layers[l].heads[h].own()
			}
		}
	}
	return f, f.Ahead(1)
}

// observed is how many queries' attention rows the policy of a head ranks by.
func observed(p policy.Policy) int {
	attention := p.Scorer == "" || p.Scorer == policy.Attention
	switch {
	case p.Ceiling != nil:
		return RecordAll
	case !p.Evicts() || !attention || p.TopK != nil && *p.TopK == 0:
		return 0
	case p.Observe == policy.ObserveAll:
		return RecordAll
	}
	return p.Observe
}

// Observed is how many of a prompt's last queries a resolved policy ranks by, in
// any head: what New has to record for it.
func Observed(pol policy.Policy, cfg llm.Config) int {
	most := 0
	for l := range cfg.Layers {
		for h := range cfg.KVHeads {
			n := observed(pol.At(l, h))
			if n == RecordAll {
				return RecordAll
			}
			most = max(most, n)
		}
	}
	return most
}

// Check reports whether an engine can follow a resolved policy for a model. What
// goes by the ranks of a prompt alone fails with ErrOnce.
func Check(s *session.Session, pol policy.Policy, cfg llm.Config) error {
	if err := s.Require("policy "+pol.Name, pol.Features()...); err != nil {
		return err
	}
	if !pol.Resolved() || pol.Pyramid != 0 {
		return fmt.Errorf("%w: %s has shares that are not resolved", policy.ErrInvalid, pol.Name)
	}
	for l := range cfg.Layers {
		for h := range cfg.KVHeads {
			if err := check(s, pol.At(l, h), cfg); err != nil {
				return err
			}
		}
	}
	return nil
}

// check checks the policy of one head.
func check(s *session.Session, pol policy.Policy, cfg llm.Config) error {
	for _, f := range []struct {
		used bool
		name string
	}{{pol.Tiers != nil, "tiers"}, {pol.Normalise, "normalise"}, {pol.Probe > 0, "probe"}} {
		if f.used {
			return fmt.Errorf("%s has %s, which %w; kvaccel run and eval --trace measure it", pol.Name, f.name, ErrOnce)
		}
	}
	if pol.Ceiling != nil {
		return s.CheckTile(newLadder(pol, cfg).layout, cfg.HeadDim)
	}
	if l, ok := pol.KLayout(cfg.HeadDim); ok {
		if err := s.CheckTile(l, cfg.HeadDim); err != nil {
			return fmt.Errorf("keys: %w", err)
		}
	}
	if l, ok := pol.VLayout(cfg.HeadDim); ok {
		if err := s.CheckTile(l, cfg.HeadDim); err != nil {
			return fmt.Errorf("values: %w", err)
		}
	}
	return nil
}

// fork copies a head that has nothing quantized. The rows, which are never
// changed in place, are shared, unless they become bfloat16.
func (h *head) fork(record int, bf16 bool) head {
	n := len(h.pos)
	f := head{pos: h.pos[:n:n], k: h.k.fork(bf16), v: h.v.fork(bf16), rows: make([][]row, len(h.rows)), record: record}
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
			if x.record != 0 {
				x.observe(g, w, s.N, rows)
			}
		}
	}
	return nil
}

// observe records the weights of the last n queries, each rounded once.
func (h *head) observe(g int, w []float32, n, rows int) {
	record := h.record
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

// Rows gives the positions that a head holds and, in the format of its policy,
// their keys and values as the model sees them.
func (c *Cache) Rows(l, h int) (positions []int, k, v []uint16) {
	x := &c.layers[l].heads[h]
	return c.Kept(l, h), bits(x.k.floats, x.k.bf16), bits(x.v.floats, x.v.bf16)
}

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
