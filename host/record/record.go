// Package record runs a text through a model and keeps what a KV trace holds:
// queries and keys after their rotary positions, values, and if wanted the
// attention weights of the last queries. The files are those package trace
// reads.
package record

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"github.com/kvaccel/kvaccel/host/llm"
	"github.com/kvaccel/kvaccel/host/safetensors"
	"github.com/kvaccel/kvaccel/host/trace"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// chunk is how many positions are run at a time.
const chunk = 128

// Recording is what one text left in a model.
type Recording struct {
	cfg       llm.Config
	model     string
	source    string
	tokens    []int
	attnRows  int
	saturated int64
	layers    []layer
}

// layer has binary16 rows by head, T x D each, and weights by query head.
type layer struct{ q, k, v, attn [][]uint16 }

// Options of a recording.
type Options struct {
	Source   string                // of the text, for the metadata
	Attn     int                   // last queries whose attention weights are kept; 0: none
	Progress func(done, total int) // may be nil
}

// Run runs tokens from position 0 on through a model.
func Run(ctx context.Context, m *llm.Model, tokens []int, o Options) (*Recording, error) {
	if len(tokens) == 0 || len(tokens) > m.Context {
		return nil, fmt.Errorf("%w: %s: %d tokens, want 1 to %d, the model's max_position_embeddings", llm.ErrText, o.Source, len(tokens), m.Context)
	}
	if o.Attn < 0 || o.Attn > len(tokens) {
		return nil, fmt.Errorf("%w: attention rows of %d queries asked for, there are %d tokens", llm.ErrText, o.Attn, len(tokens))
	}
	r := &Recording{cfg: m.Config, model: m.Name, source: o.Source, tokens: tokens, attnRows: o.Attn, layers: make([]layer, m.Layers)}
	for l := range r.layers {
		x := &r.layers[l]
		x.q, x.k, x.v = make([][]uint16, m.Heads), make([][]uint16, m.KVHeads), make([][]uint16, m.KVHeads)
		if o.Attn > 0 {
			x.attn = make([][]uint16, m.Heads)
		}
	}
	kv := &recorder{r, m.NewCache()}
	for at := 0; at < len(tokens); at += chunk {
		if o.Progress != nil {
			o.Progress(at, len(tokens))
		}
		if _, err := m.Forward(ctx, tokens[at:min(at+chunk, len(tokens))], at, kv); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// recorder is a plain cache that notes what passes through it.
type recorder struct {
	r     *Recording
	cache *llm.Cache
}

// Attend implements llm.KV.
func (k *recorder) Attend(ctx context.Context, s llm.Step) error {
	r, x := k.r, &k.r.layers[s.Layer]
	r.rows(x.q, s.Q, s.N)
	r.rows(x.k, s.K, s.N)
	r.rows(x.v, s.V, s.N)
	if x.attn == nil {
		return k.cache.Attend(ctx, s)
	}
	first := len(r.tokens) - r.attnRows
	return k.cache.AttendWith(s, func(h, i int, weights []float32) {
		if s.First+i < first {
			return
		}
		row := make([]uint16, len(r.tokens))
		for j, w := range weights {
			row[j] = fp16.FromFloat64(float64(w))
		}
		x.attn[h] = append(x.attn[h], row...)
	})
}

// rows appends n rows of all heads to each head's own.
func (r *Recording) rows(heads [][]uint16, x []float32, n int) {
	d := r.cfg.HeadDim
	for i := range n {
		for h := range heads {
			for _, f := range x[(i*len(heads)+h)*d:][:d] {
				heads[h] = append(heads[h], r.half(float64(f)))
			}
		}
	}
}

// half rounds once; beyond the range it saturates and counts.
func (r *Recording) half(f float64) uint16 {
	if f > fp16.MaxFinite || f < -fp16.MaxFinite {
		r.saturated++
		f = max(-fp16.MaxFinite, min(fp16.MaxFinite, f))
	}
	return fp16.FromFloat64(f)
}

// Saturated is how many values were beyond the binary16 range.
func (r *Recording) Saturated() int64 { return r.saturated }

// Entries are the tensors of the trace and the tokens.
func (r *Recording) Entries() []safetensors.Entry {
	var out []safetensors.Entry
	d := int64(r.cfg.HeadDim)
	add := func(l int, what string, heads [][]uint16, rows, cols int64) {
		if heads == nil {
			return
		}
		all := make([]uint16, 0, int64(len(heads))*rows*cols)
		for _, h := range heads {
			all = append(all, h...)
		}
		out = append(out, safetensors.FP16(fmt.Sprintf("layers.%d.%s", l, what), all, 1, int64(len(heads)), rows, cols))
	}
	n := int64(len(r.tokens))
	for l, x := range r.layers {
		add(l, "k", x.k, n, d)
		add(l, "v", x.v, n, d)
		add(l, "q", x.q, n, d)
		add(l, "attn", x.attn, int64(r.attnRows), n)
	}
	tokens := make([]int64, n)
	for i, t := range r.tokens {
		tokens[i] = int64(t)
	}
	return append(out, safetensors.Int64("tokens", tokens))
}

// Metadata says what the trace is of.
func (r *Recording) Metadata() map[string]string {
	c := r.cfg
	return map[string]string{
		"model": r.model, "architecture": c.Architecture, "text": r.source, "made_by": "kvaccel trace record",
		"k_rope": "post", "rope_theta": strconv.FormatFloat(c.Theta, 'g', -1, 64),
		"attention_scale":     strconv.FormatFloat(c.Scale(), 'g', -1, 64),
		"num_attention_heads": strconv.Itoa(c.Heads), "num_key_value_heads": strconv.Itoa(c.KVHeads), "head_dim": strconv.Itoa(c.HeadDim),
	}
}

// Write writes the trace at path, whole or not at all.
func (r *Recording) Write(ctx context.Context, path string) error {
	return safetensors.WriteFile(ctx, path, r.Metadata(), r.Entries())
}

// Trace gives the recording as an open trace, without a file.
func (r *Recording) Trace(name string) (*trace.Trace, error) {
	var b bytes.Buffer
	if err := safetensors.Write(&b, r.Metadata(), r.Entries()); err != nil {
		return nil, err
	}
	f, err := safetensors.New(name, bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		return nil, err
	}
	return trace.New(f)
}
