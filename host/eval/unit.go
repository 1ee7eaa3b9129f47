package eval

import (
	"context"
	"fmt"
	"math"

	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/llm"
	"github.com/kvaccel/kvaccel/host/llm/kvengine"
	"github.com/kvaccel/kvaccel/host/session"
)

// Unit is what one run came to on one window or with one needle.
type Unit struct {
	Run    string  `json:"run"` // its key
	Needle bool    `json:"needle,omitempty"`
	Index  int     `json:"index"`
	Blocks []Block `json:"blocks"` // of a needle: one, over its value

	Memory    kvengine.Bytes `json:"memory"`    // summed over the steps
	Peak      int64          `json:"peak"`      // most bytes at a step
	Positions int64          `json:"positions"` // seen, summed over the steps
	Prompt    Cycles         `json:"prompt"`    // the compression of the prefix
	Decode    Cycles         `json:"decode"`    // those after it
}

// Block is a run of consecutive predictions.
type Block struct {
	Tokens int     `json:"tokens"`
	NLL    float64 `json:"nll"`   // sum of -ln p(next token)
	KL     float64 `json:"kl"`    // sum of KL(p full || p)
	Same   int     `json:"same"`  // predictions whose most likely token is that of full
	Right  int     `json:"right"` // predictions whose most likely token is the next one
}

// Cycles are an engine's, stalls left out.
type Cycles struct {
	Select     uint64 `json:"select"`
	Quantize   uint64 `json:"quantize"`
	Dequantize uint64 `json:"dequantize"`
	Restores   int    `json:"restores"` // times the whole cache was restored
	Tokens     int    `json:"tokens"`   // positions that were taken in
}

func (c *Cycles) add(o Cycles) {
	c.Select += o.Select
	c.Quantize += o.Quantize
	c.Dequantize += o.Dequantize
	c.Restores += o.Restores
	c.Tokens += o.Tokens
}

// spent gives the cycles since before.
func spent(s *session.Session, before Cycles) Cycles {
	st := s.Stats()
	return Cycles{
		Select:     st[regmap.OpSelect].Cycles - before.Select,
		Quantize:   st[regmap.OpQuantize].Cycles - before.Quantize,
		Dequantize: st[regmap.OpDequantize].Cycles - before.Dequantize,
	}
}

// passage is a text, the part of it that is read before compressing, and the
// first position whose prediction is scored.
type passage struct {
	tokens []int
	prefix int
	scored int // queries from prefix on
}

// promptChunk is how many positions of a prompt are read at a time.
const promptChunk = 128

// read reads the prefix of a passage.
func read(ctx context.Context, m *llm.Model, p passage, record int) (*kvengine.Cache, error) {
	c := kvengine.New(m.Config, record)
	for at := 0; at < p.prefix; at += promptChunk {
		if _, err := m.Forward(ctx, p.tokens[at:min(at+promptChunk, p.prefix)], at, c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// scores is the reference that predictions are compared with: the logits of
// full, from the first scored position on.
type scores [][]float32

// decoder runs one passage with one policy.
type decoder struct {
	m     *llm.Model
	chunk int
	block int
	full  scores // nil: this is full
}

// decode compresses a prompt that was read and decodes the rest of its passage.
// With no reference it gives the logits as one.
func (d decoder) decode(ctx context.Context, s *session.Session, prompt *kvengine.Cache, p passage, r Run, seed uint64) (Unit, scores, error) {
	u := Unit{Run: r.key()}
	if r.Shape != nil {
		prompt = r.Shape.Recast(prompt)
	}
	c, err := prompt.Fork(s, r.Policy, seed)
	if err != nil {
		return u, nil, err
	}
	if err := c.Ahead(d.chunk); err != nil {
		return u, nil, err
	}
	if err := c.Compress(ctx); err != nil {
		return u, nil, err
	}
	u.Prompt = spent(s, Cycles{})
	u.Prompt.Tokens, u.Prompt.Restores = p.prefix, 1
	var kv llm.KV = c
	if r.Shape != nil {
		kv = r.Shape.KV(c)
	}
	var logits scores
	end := len(p.tokens) - 1 // the last token is only predicted
	for at := p.prefix; at < end; at += d.chunk {
		n := min(d.chunk, end-at)
		u.account(c, at, n, d.chunk)
		out, err := d.m.Forward(ctx, p.tokens[at:at+n], at, kv)
		if err != nil {
			return u, nil, err
		}
		for i := range n {
			if at+i < p.scored {
				continue
			}
			row := out[i*d.m.Vocab:][:d.m.Vocab]
			if d.full == nil {
				logits = append(logits, row)
			}
			if err := u.score(row, d.reference(row, at+i-p.scored), p.tokens[at+i+1], d.block); err != nil {
				return u, nil, fmt.Errorf("position %d: %w", at+i, err)
			}
		}
		if at+n < end {
			if err := c.Compress(ctx); err != nil {
				return u, nil, err
			}
			u.Decode.Restores++
			u.Decode.Tokens += n
		}
	}
	after := spent(s, u.Prompt)
	u.Decode.Select, u.Decode.Quantize, u.Decode.Dequantize = after.Select, after.Quantize, after.Dequantize
	return u, logits, nil
}

// reference is full's logits for the i-th scored position.
func (d decoder) reference(own []float32, i int) []float32 {
	if d.full == nil {
		return own
	}
	return d.full[i]
}

// account adds what the cache takes over the n steps of a chunk from position
// at on. At the i-th step i rows of the chunk are held as well.
func (u *Unit) account(c *kvengine.Cache, at, n, chunk int) {
	base, row := c.Bytes(chunk), c.RowBytes()
	for i := 1; i <= n; i++ {
		u.Memory.Add(base)
		u.Peak = max(u.Peak, base.Total()+int64(i)*row.Total())
		u.Positions += int64(at + i)
		for range i {
			u.Memory.Add(row)
		}
	}
}

// score adds one prediction.
func (u *Unit) score(logits, full []float32, next, block int) error {
	if len(u.Blocks) == 0 || u.Blocks[len(u.Blocks)-1].Tokens == block {
		u.Blocks = append(u.Blocks, Block{})
	}
	b := &u.Blocks[len(u.Blocks)-1]
	p, ref := llm.LogSoftmax(logits), llm.LogSoftmax(full)
	kl := 0.0
	for i, x := range ref {
		kl += math.Exp(x) * (x - p[i])
	}
	if math.IsNaN(kl) || math.IsNaN(p[next]) {
		return fmt.Errorf("%w: the prediction", llm.ErrNonFinite)
	}
	b.Tokens++
	b.NLL -= p[next]
	b.KL += max(kl, 0) // rounding may leave the range by a hair
	top := llm.Top(logits)
	if top == llm.Top(full) {
		b.Same++
	}
	if top == next {
		b.Right++
	}
	return nil
}
