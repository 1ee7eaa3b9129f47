package llm

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/kvaccel/kvaccel/host/safetensors"
)

// small is a Qwen2-like model: biases, untied head, head_dim of its own.
var small = map[string]any{
	"architectures": []string{"Qwen2ForCausalLM"}, "vocab_size": 11, "hidden_size": 12, "intermediate_size": 10, "num_hidden_layers": 2,
	"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6, "max_position_embeddings": 32, "rms_norm_eps": 1e-6, "rope_theta": 100.0,
	"hidden_act": "silu", "tie_word_embeddings": false, "use_sliding_window": false, "sliding_window": 4,
}

// weights of the small model by name, with their shapes.
type weights map[string]struct {
	shape []int64
	data  []float32
}

func smallWeights() weights {
	r := rand.New(rand.NewPCG(1, 2))
	w := weights{}
	add := func(name string, shape ...int64) {
		n := int64(1)
		for _, d := range shape {
			n *= d
		}
		data := make([]float32, n)
		for i := range data {
			data[i] = float32(math.Round(r.NormFloat64()*64) / 128) // exact in F16 and BF16
		}
		w[name] = struct {
			shape []int64
			data  []float32
		}{shape, data}
	}
	add("model.embed_tokens.weight", 11, 12)
	add("lm_head.weight", 11, 12)
	add("model.norm.weight", 12)
	for l := range 2 {
		at := fmt.Sprintf("model.layers.%d.", l)
		add(at+"input_layernorm.weight", 12)
		add(at+"post_attention_layernorm.weight", 12)
		add(at+"self_attn.q_proj.weight", 24, 12)
		add(at+"self_attn.q_proj.bias", 24)
		for _, x := range []string{"k", "v"} {
			add(at+"self_attn."+x+"_proj.weight", 12, 12)
			add(at+"self_attn."+x+"_proj.bias", 12)
		}
		add(at+"self_attn.o_proj.weight", 12, 24)
		add(at+"mlp.gate_proj.weight", 10, 12)
		add(at+"mlp.up_proj.weight", 10, 12)
		add(at+"mlp.down_proj.weight", 12, 10)
	}
	return w
}

// save writes a model directory; with two shards, an index too.
func save(t *testing.T, config map[string]any, w weights, shards int) string {
	t.Helper()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "config.json"), config)
	files, index := make([][]safetensors.Entry, shards), map[string]string{}
	i := 0
	for name, x := range w {
		s := i % shards
		i++
		files[s] = append(files[s], safetensors.Float32(name, x.data, x.shape...))
		index[name] = fmt.Sprintf("model-%d.safetensors", s)
	}
	for s, entries := range files {
		path := filepath.Join(dir, fmt.Sprintf("model-%d.safetensors", s))
		if shards == 1 {
			path = filepath.Join(dir, "model.safetensors")
		}
		if err := safetensors.WriteFile(context.Background(), path, nil, entries); err != nil {
			t.Fatal(err)
		}
	}
	if shards > 1 {
		put(t, filepath.Join(dir, "model.safetensors.index.json"), map[string]any{"weight_map": index})
	}
	return dir
}

func put(t *testing.T, path string, v any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
}

// with is config with one key changed; nil takes the key away.
func with(config map[string]any, key string, v any) map[string]any {
	c := maps.Clone(config)
	c[key] = v
	if v == nil {
		delete(c, key)
	}
	return c
}

// plain computes the last token's logits one position and element at a time in
// float64, straight from the formulas.
func plain(w weights, tokens []int) []float64 {
	const hidden, heads, kvHeads, dim, inner = 12, 4, 2, 6, 10
	linear := func(name string, x []float64) []float64 {
		m := w[name+".weight"]
		out := make([]float64, m.shape[0])
		for i := range out {
			for j, v := range x {
				out[i] += v * float64(m.data[i*len(x)+j])
			}
			if b, ok := w[name+".bias"]; ok {
				out[i] += float64(b.data[i])
			}
		}
		return out
	}
	norm := func(name string, x []float64) []float64 {
		ms := 0.0
		for _, v := range x {
			ms += v * v / float64(len(x))
		}
		out := make([]float64, len(x))
		for i, v := range x {
			out[i] = v / math.Sqrt(ms+1e-6) * float64(w[name+".weight"].data[i])
		}
		return out
	}
	turn := func(x []float64, pos int) []float64 {
		out := make([]float64, len(x))
		for h := 0; h < len(x); h += dim {
			for j := range dim / 2 {
				s, c := math.Sincos(float64(pos) * math.Pow(100, -2*float64(j)/dim))
				a, b := x[h+j], x[h+j+dim/2]
				out[h+j], out[h+j+dim/2] = a*c-b*s, a*s+b*c
			}
		}
		return out
	}
	var keys, values [2][][]float64
	var x []float64
	for pos, tok := range tokens {
		x = make([]float64, hidden)
		for i := range x {
			x[i] = float64(w["model.embed_tokens.weight"].data[tok*hidden+i])
		}
		for l := range 2 {
			at := fmt.Sprintf("model.layers.%d.", l)
			n := norm(at+"input_layernorm", x)
			q := turn(linear(at+"self_attn.q_proj", n), pos)
			keys[l] = append(keys[l], turn(linear(at+"self_attn.k_proj", n), pos))
			values[l] = append(values[l], linear(at+"self_attn.v_proj", n))
			att := make([]float64, heads*dim)
			for h := range heads {
				kv := h / (heads / kvHeads) * dim
				p, sum := make([]float64, pos+1), 0.0
				for j := range p {
					for e := range dim {
						p[j] += q[h*dim+e] * keys[l][j][kv+e]
					}
					p[j] = math.Exp(p[j] / math.Sqrt(dim))
					sum += p[j]
				}
				for j := range p {
					for e := range dim {
						att[h*dim+e] += p[j] / sum * values[l][j][kv+e]
					}
				}
			}
			for i, v := range linear(at+"self_attn.o_proj", att) {
				x[i] += v
			}
			n = norm(at+"post_attention_layernorm", x)
			gate, up := linear(at+"mlp.gate_proj", n), linear(at+"mlp.up_proj", n)
			for i, g := range gate {
				up[i] *= g / (1 + math.Exp(-g))
			}
			for i, v := range linear(at+"mlp.down_proj", up) {
				x[i] += v
			}
		}
	}
	return linear("lm_head", norm("model.norm", x))
}

// Biases, an untied head, a head_dim of its own and shards, against the
// formulas.
func TestQwen2Layout(t *testing.T) {
	w := smallWeights()
	tokens := []int{3, 10, 0, 7, 7, 1, 5, 2, 9}
	want := plain(w, tokens)
	for _, shards := range []int{1, 3} {
		m := open(t, save(t, small, w, shards))
		kv := m.NewCache()
		if _, err := m.Forward(context.Background(), tokens[:4], 0, kv); err != nil {
			t.Fatal(err)
		}
		got, err := m.Forward(context.Background(), tokens[4:], 4, kv)
		if err != nil {
			t.Fatal(err)
		}
		got = got[len(got)-m.Vocab:]
		for i := range want {
			if d := math.Abs(float64(got[i]) - want[i]); d > 1e-5*(1+math.Abs(want[i])) {
				t.Errorf("%d shards: logit %d is %g, want %g", shards, i, got[i], want[i])
			}
		}
	}
}
