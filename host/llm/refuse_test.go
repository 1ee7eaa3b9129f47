package llm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/host/safetensors"
)

// Each bad configuration is refused with the key in the message.
func TestRefusedConfigurations(t *testing.T) {
	w := smallWeights()
	for _, c := range []struct {
		key  string
		v    any
		want error
		word string
	}{
		{"architectures", []string{"GPT2LMHeadModel"}, ErrArchitecture, "want one of"},
		{"architectures", nil, ErrArchitecture, "LlamaForCausalLM"},
		{"vocab_size", nil, ErrConfig, "missing"},
		{"hidden_size", 0, ErrConfig, "want 1 to"},
		{"hidden_size", "12", ErrConfig, "string"},
		{"num_hidden_layers", 5000, ErrConfig, "at most"},
		{"num_key_value_heads", 3, ErrConfig, "does not divide"},
		{"head_dim", 5, ErrConfig, "even"},
		{"rms_norm_eps", -1, ErrConfig, "positive"},
		{"rope_scaling", map[string]any{"type": "linear"}, ErrArchitecture, "want null"},
		{"rope_parameters", map[string]any{"rope_type": "llama3"}, ErrArchitecture, "rope_type"},
		{"hidden_act", "gelu", ErrArchitecture, "silu"},
		{"mlp_bias", true, ErrArchitecture, "want false"},
		{"use_sliding_window", true, ErrArchitecture, "sliding_window"},
		{"quantization_config", map[string]any{"bits": 4}, ErrArchitecture, "weights are quantized"},
		{"partial_rotary_factor", 0.5, ErrArchitecture, "want 1"},
		{"attention_bias", true, ErrWeights, "o_proj.bias"}, // Qwen2 has no output bias, this asks for one
	} {
		_, err := Open(context.Background(), save(t, with(small, c.key, c.v), w, 1))
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.word) || c.want != ErrWeights && !strings.Contains(err.Error(), strings.TrimPrefix(c.key, "use_")) {
			t.Errorf("%s=%v: got %v, want %v with %q", c.key, c.v, err, c.want, c.word)
		}
	}
}

// Tensors that are missing, misshapen, of a wrong type or not wanted.
func TestRefusedWeights(t *testing.T) {
	const name = "model.layers.1.mlp.up_proj.weight"
	change := func(f func(w weights)) weights { w := smallWeights(); f(w); return w }
	nan := func(w weights) { w[name].data[7] = float32(math.NaN()) }
	shape := func(w weights) { x := w[name]; x.shape = []int64{12, 10}; w[name] = x }
	for what, c := range map[string]struct {
		config map[string]any
		w      weights
		want   error
		word   string
	}{
		"missing":   {small, change(func(w weights) { delete(w, name) }), ErrWeights, name},
		"head":      {small, change(func(w weights) { delete(w, "lm_head.weight") }), ErrWeights, "lm_head.weight"},
		"misshapen": {small, change(shape), ErrWeights, "want [10 12]"},
		"NaN":       {small, change(nan), ErrNonFinite, "element 7"},
		"unwanted":  {with(small, "architectures", []string{"LlamaForCausalLM"}), smallWeights(), ErrWeights, "q_proj.bias"},
	} {
		if _, err := Open(context.Background(), save(t, c.config, c.w, 2)); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: got %v, want %v with %q", what, err, c.want, c.word)
		}
	}
	dir := save(t, small, smallWeights(), 2)
	put(t, filepath.Join(dir, "model.safetensors.index.json"), map[string]any{"weight_map": map[string]string{name: "../model-0.safetensors"}})
	if _, err := Open(context.Background(), dir); !errors.Is(err, ErrWeights) || !strings.Contains(err.Error(), "plain name") {
		t.Errorf("index that leaves the directory: got %v", err)
	}
	if _, err := Open(context.Background(), t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("empty directory: got %v", err)
	}
}

func TestHalfWeights(t *testing.T) {
	w := smallWeights()
	want := open(t, save(t, small, w, 1))
	for _, dtype := range []safetensors.DType{safetensors.F16, safetensors.BF16} {
		dir := t.TempDir()
		put(t, filepath.Join(dir, "config.json"), small)
		var entries []safetensors.Entry
		for name, x := range w {
			entries = append(entries, half(name, dtype, x.data, x.shape))
		}
		if err := safetensors.WriteFile(context.Background(), filepath.Join(dir, "model.safetensors"), nil, entries); err != nil {
			t.Fatal(err)
		}
		if m := open(t, dir); !slices.Equal(m.layers[1].down.Data, want.layers[1].down.Data) || !slices.Equal(m.layers[0].bq, want.layers[0].bq) {
			t.Errorf("%s: other weights than from F32", dtype)
		}
	}
}

func TestTokens(t *testing.T) {
	m := open(t, save(t, small, smallWeights(), 1))
	byteModel := open(t, golm)
	dir := t.TempDir()
	var array bytes.Buffer
	head := "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }\n"
	array.WriteString("\x93NUMPY\x01\x00")
	array.Write(binary.LittleEndian.AppendUint16(nil, uint16(len(head))))
	array.WriteString(head)
	array.Write([]byte{1, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0})
	for i, c := range []struct {
		m    *Model
		ext  string
		text string
		want []int
		err  error
	}{
		{m, ".npy", array.String(), []int{1, 10, 0}, nil},
		{m, ".json", "[4, 5]", []int{4, 5}, nil},
		{byteModel, ".txt", "\x00Az\xff", []int{0, 65, 122, 255}, nil},
		{m, ".txt", "text", nil, ErrText},
		{m, ".json", "[4, 11]", nil, ErrToken},
		{m, ".json", "[-1]", nil, ErrToken},
		{m, ".json", "[1.5]", nil, ErrText},
		{m, ".npy", "[1]", nil, ErrText},
		{m, ".npy", array.String()[:array.Len()-1], nil, ErrText},
	} {
		path := filepath.Join(dir, fmt.Sprint(i)+c.ext)
		if err := os.WriteFile(path, []byte(c.text), 0o666); err != nil {
			t.Fatal(err)
		}
		got, err := c.m.ReadTokens(path)
		if !errors.Is(err, c.err) || c.err == nil && (err != nil || !slices.Equal(got, c.want)) || err != nil && !strings.Contains(err.Error(), path) {
			t.Errorf("case %d: got %v, %v, want %v, %v", i, got, err, c.want, c.err)
		}
	}
}

// A NaN that arises on the way is reported with its layer and position.
func TestNonFinite(t *testing.T) {
	w := smallWeights()
	for i := range w["model.layers.1.mlp.down_proj.weight"].data {
		w["model.layers.1.mlp.down_proj.weight"].data[i] = 3e38
	}
	m := open(t, save(t, small, w, 1))
	_, err := m.Forward(context.Background(), []int{1, 2}, 0, m.NewCache())
	if !errors.Is(err, ErrNonFinite) || !strings.Contains(err.Error(), "after layer 1, at position 1, element 0") {
		t.Errorf("got %v", err)
	}
	if _, err := m.Forward(context.Background(), []int{11}, 0, m.NewCache()); !errors.Is(err, ErrToken) {
		t.Errorf("token 11: got %v", err)
	}
}

// half is an entry of 16-bit numbers; the values must be exact in them.
func half(name string, dtype safetensors.DType, data []float32, shape []int64) safetensors.Entry {
	bits := make([]uint16, len(data))
	for i, f := range data {
		b := math.Float32bits(f)
		bits[i] = uint16(b >> 16)
		if dtype == safetensors.F16 && f != 0 {
			bits[i] = uint16(b>>16&0x8000) | uint16((b>>23&0xff-112)<<10) | uint16(b>>13&0x3ff)
		}
	}
	e := safetensors.FP16(name, bits, shape...)
	e.DType = dtype
	return e
}
