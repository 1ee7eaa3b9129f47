package llm

import (
	"errors"
	"os"
	"testing"
)

// No text makes the parser panic or accept a shape that cannot be computed.
func FuzzParseConfig(f *testing.F) {
	text, err := os.ReadFile(golm + "/config.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"architectures": ["Qwen2ForCausalLM"], "num_attention_heads": -1, "rope_parameters": {"rope_theta": 0}}`))
	f.Add([]byte(`{"architectures": 3}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ParseConfig("config.json", text)
		if err != nil {
			if !errors.Is(err, ErrConfig) && !errors.Is(err, ErrArchitecture) {
				t.Errorf("an error of no kind: %v", err)
			}
			return
		}
		if min(c.Vocab, c.Hidden, c.Intermediate, c.Layers, c.Heads, c.KVHeads, c.HeadDim, c.Context) < 1 || c.Heads%c.KVHeads != 0 || c.HeadDim%2 != 0 || !(c.Theta > 0) || !(c.Epsilon > 0) {
			t.Errorf("accepted %+v", c)
		}
	})
}
