package llm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
)

// Config is a model's shape, as far as its config.json says it.
type Config struct {
	Architecture string  `json:"architecture"`
	Vocab        int     `json:"vocab_size"`
	Hidden       int     `json:"hidden_size"`
	Intermediate int     `json:"intermediate_size"`
	Layers       int     `json:"layers"`
	Heads        int     `json:"heads"`    // query heads
	KVHeads      int     `json:"kv_heads"` // divides Heads
	HeadDim      int     `json:"head_dim"` // even
	Context      int     `json:"context"`  // positions the model was made for
	Epsilon      float64 `json:"rms_norm_eps"`
	Theta        float64 `json:"rope_theta"`
	Tied         bool    `json:"tied"`        // the output head is the embedding
	BiasQKV      bool    `json:"bias_qkv"`    // queries, keys and values have a bias
	BiasOutput   bool    `json:"bias_output"` // so has the attention's output
}

// Scale is the factor of the attention logits, 1/sqrt(HeadDim).
func (c Config) Scale() float64 { return 1 / math.Sqrt(float64(c.HeadDim)) }

// maxSize bounds every size of a configuration, so that products of two fit.
const (
	maxSize   = 1 << 24
	maxLayers = 4096
)

// maxConfigBytes is far beyond any real config.json.
const maxConfigBytes = 1 << 20

// architectures that this package runs, and whether their queries, keys and
// values have biases without the configuration saying so.
var architectures = map[string]bool{"LlamaForCausalLM": false, "MistralForCausalLM": false, "Qwen2ForCausalLM": true}

// rawConfig is config.json with everything that changes what is computed.
type rawConfig struct {
	Architectures    []string        `json:"architectures"`
	Vocab            *int            `json:"vocab_size"`
	Hidden           *int            `json:"hidden_size"`
	Intermediate     *int            `json:"intermediate_size"`
	Layers           *int            `json:"num_hidden_layers"`
	Heads            *int            `json:"num_attention_heads"`
	KVHeads          *int            `json:"num_key_value_heads"`
	HeadDim          *int            `json:"head_dim"`
	Context          *int            `json:"max_position_embeddings"`
	Epsilon          *float64        `json:"rms_norm_eps"`
	Theta            *float64        `json:"rope_theta"`
	RopeScaling      json.RawMessage `json:"rope_scaling"`
	RopeParameters   *ropeParameters `json:"rope_parameters"`
	Tied             bool            `json:"tie_word_embeddings"`
	AttentionBias    bool            `json:"attention_bias"`
	MLPBias          bool            `json:"mlp_bias"`
	Activation       string          `json:"hidden_act"`
	SlidingWindow    *int            `json:"sliding_window"`
	UseSlidingWindow *bool           `json:"use_sliding_window"`
	Quantization     json.RawMessage `json:"quantization_config"`
	PartialRotary    *float64        `json:"partial_rotary_factor"`
}

type ropeParameters struct {
	Theta *float64 `json:"rope_theta"`
	Type  string   `json:"rope_type"`
}

// ReadConfig reads the config.json at path. What it asks for and this package
// cannot do is an error, never passed over.
func ReadConfig(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	if len(text) > maxConfigBytes {
		return Config{}, &Error{path, "", fmt.Sprintf("it is longer than %d bytes", maxConfigBytes), ErrConfig}
	}
	return ParseConfig(path, text)
}

// ParseConfig reads the text of a config.json; the name is for errors.
func ParseConfig(name string, text []byte) (Config, error) {
	var r rawConfig
	if err := json.Unmarshal(text, &r); err != nil {
		key := ""
		if t := (*json.UnmarshalTypeError)(nil); errors.As(err, &t) {
			key = t.Field
		}
		return Config{}, &Error{name, key, err.Error(), ErrConfig}
	}
	p := configParser{name: name, raw: &r}
	c := p.parse()
	return c, p.err
}

// configParser keeps the first error.
type configParser struct {
	name string
	raw  *rawConfig
	err  error
}

func (p *configParser) fail(err error, key, format string, args ...any) {
	if p.err == nil {
		p.err = &Error{p.name, key, fmt.Sprintf(format, args...), err}
	}
}

func (p *configParser) parse() Config {
	r := p.raw
	c := Config{Tied: r.Tied, BiasQKV: r.AttentionBias, BiasOutput: r.AttentionBias}
	p.architecture(&c)
	c.Vocab = p.size("vocab_size", r.Vocab, nil)
	c.Hidden = p.size("hidden_size", r.Hidden, nil)
	c.Intermediate = p.size("intermediate_size", r.Intermediate, nil)
	c.Layers = p.size("num_hidden_layers", r.Layers, nil)
	if c.Layers > maxLayers {
		p.fail(ErrConfig, "num_hidden_layers", "it is %d, want at most %d", c.Layers, maxLayers)
	}
	c.Heads = p.size("num_attention_heads", r.Heads, nil)
	c.KVHeads = p.size("num_key_value_heads", r.KVHeads, r.Heads)
	c.Context = p.size("max_position_embeddings", r.Context, nil)
	if p.err != nil {
		return c
	}
	if c.Heads%c.KVHeads != 0 {
		p.fail(ErrConfig, "num_key_value_heads", "%d does not divide the %d query heads", c.KVHeads, c.Heads)
	}
	if r.HeadDim == nil && c.Hidden%c.Heads != 0 {
		p.fail(ErrConfig, "head_dim", "it is missing, and %d heads do not divide hidden_size %d", c.Heads, c.Hidden)
	}
	per := c.Hidden / c.Heads
	c.HeadDim = p.size("head_dim", r.HeadDim, &per)
	if c.HeadDim%2 != 0 {
		p.fail(ErrConfig, "head_dim", "it is %d, want an even number", c.HeadDim)
	}
	c.Epsilon = p.positive("rms_norm_eps", r.Epsilon, 1e-6)
	c.Theta = p.theta()
	p.refuse()
	return c
}

func (p *configParser) architecture(c *Config) {
	var names []string
	for name := range architectures {
		names = append(names, name)
	}
	slices.Sort(names)
	want := strings.Join(names, ", ")
	if len(p.raw.Architectures) != 1 {
		p.fail(ErrArchitecture, "architectures", "%q, want one of %s", p.raw.Architectures, want)
		return
	}
	c.Architecture = p.raw.Architectures[0]
	bias, ok := architectures[c.Architecture]
	if !ok {
		p.fail(ErrArchitecture, "architectures", "%q, want one of %s", c.Architecture, want)
	}
	c.BiasQKV = c.BiasQKV || bias
}

// size reads a number of things; without it instead counts, unless that is
// missing as well.
func (p *configParser) size(key string, v, instead *int) int {
	if v == nil {
		v = instead
	}
	if v == nil {
		p.fail(ErrConfig, key, "it is missing")
		return 0
	}
	if *v < 1 || *v > maxSize {
		p.fail(ErrConfig, key, "it is %d, want 1 to %d", *v, maxSize)
	}
	return *v
}

func (p *configParser) positive(key string, v *float64, instead float64) float64 {
	if v == nil {
		return instead
	}
	if !(*v > 0) {
		p.fail(ErrConfig, key, "it is %g, want a positive number", *v)
	}
	return *v
}

// theta reads the base of the rotary frequencies, in its older or newer place.
func (p *configParser) theta() float64 {
	r := p.raw
	if r.RopeParameters == nil {
		return p.positive("rope_theta", r.Theta, 10000)
	}
	if t := r.RopeParameters.Type; t != "" && t != "default" {
		p.fail(ErrArchitecture, "rope_parameters.rope_type", "%q, want \"default\"", t)
	}
	return p.positive("rope_parameters.rope_theta", r.RopeParameters.Theta, 10000)
}

// refuse stops at settings that would change the result and are not computed.
func (p *configParser) refuse() {
	r := p.raw
	if s := string(r.RopeScaling); s != "" && s != "null" {
		p.fail(ErrArchitecture, "rope_scaling", "%s, want null: rotary positions are not scaled here", s)
	}
	if r.Activation != "silu" && r.Activation != "" {
		p.fail(ErrArchitecture, "hidden_act", "%q, want \"silu\"", r.Activation)
	}
	if r.MLPBias {
		p.fail(ErrArchitecture, "mlp_bias", "true, want false")
	}
	if s := string(r.Quantization); s != "" && s != "null" {
		p.fail(ErrArchitecture, "quantization_config", "the weights are quantized, want F32, F16 or BF16")
	}
	if f := r.PartialRotary; f != nil && *f != 1 {
		p.fail(ErrArchitecture, "partial_rotary_factor", "%g, want 1", *f)
	}
	if w := r.SlidingWindow; w != nil && r.Context != nil && *w < *r.Context && (r.UseSlidingWindow == nil || *r.UseSlidingWindow) {
		p.fail(ErrArchitecture, "sliding_window", "%d, want null, or at least max_position_embeddings: every layer attends to everything here", *w)
	}
}
