package policy

import (
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/internal/alloc"
)

// Memory follows the size of the file: lists within lists, aliases of aliases and
// long rules cost what they are long.
func TestMemoryFollowsTheFile(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("version: 1\nname: &a0 [x,x,x,x,x,x,x,x,x]\n")
	for i := range 30 {
		alias := "*a" + string(rune('0'+i))
		bomb.WriteString("k: &a" + string(rune('1'+i)) + " [" + strings.Repeat(alias+",", 8) + alias + "]\n")
	}
	for name, text := range map[string]string{
		"lists within lists": "version: 1\nrules: " + strings.Repeat("[", 50_000),
		"aliases":            bomb.String(),
		"many rules":         "version: 1\nrules:\n" + strings.Repeat("- {layers: 0-999999999, set: {k-bits: 4}}\n", 3000),
		"wide range":         "version: 1\nrules:\n- {layers: 0-4294967295, set: {k-bits: 4}}\n",
	} {
		n := alloc.Bytes(func() {
			p, err := Parse("p.yaml", []byte(text))
			if err == nil {
				_, _ = p.Heads(100, 4, 2)
			}
		})
		if limit := uint64(1000*len(text) + 1<<18); n > limit {
			t.Errorf("%s: a file of %d bytes took %d of memory, at most %d are allowed", name, len(text), n, limit)
		}
	}
}
