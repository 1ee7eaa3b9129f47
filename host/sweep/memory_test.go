package sweep

import (
	"errors"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/internal/alloc"
)

// Memory follows the size of the file: an alias is as long as what it stands for.
func TestMemoryFollowsTheFile(t *testing.T) {
	ones := strings.Repeat("1,", 20_000) + "1"
	for name, text := range map[string]string{
		"lists within lists": "name: x\ninputs: " + strings.Repeat("[", 50_000),
		"aliases of a long list": "name: x\ninputs:\n- {trace: sample, prefix: &p [" + ones + "]}\n" +
			strings.Repeat("- {trace: sample, prefix: *p}\n", 5000) + "policies: [h2o]\n",
		"aliases of a long input": "name: x\ninputs:\n- &i {trace: sample, prefix: [" + ones + "]}\n" + strings.Repeat("- *i\n", 5000) + "policies: [h2o]\n",
		"many inputs":             "name: x\ninputs: [" + strings.Repeat("{trace: sample},", 3000) + "]\npolicies: [h2o]\n",
	} {
		n := alloc.Bytes(func() {
			if _, err := Parse("x.yaml", []byte(text)); err != nil && !errors.Is(err, ErrFile) {
				t.Errorf("%s: %v", name, err)
			}
		})
		if limit := uint64(1000*len(text) + 1<<20); n > limit {
			t.Errorf("%s: a file of %d bytes took %d of memory, at most %d are allowed", name, len(text), n, limit)
		}
	}
}

func TestAliases(t *testing.T) {
	good := "name: x\ninputs: [{trace: sample, prefix: &p [64, 96]}, {name: b, trace: sample, prefix: *p}]\npolicies: [h2o]\n"
	f, err := Parse("x.yaml", []byte(good))
	if err != nil || len(f.Inputs) != 2 || len(f.Inputs[1].Prefixes) != 2 {
		t.Errorf("%+v, %v", f, err)
	}
	for text, want := range map[string]string{
		"name: x\ninputs: &a [*a]\n": "x.yaml:2: an alias stands for a list that it is part of",
		"name: x\ninputs: &a {trace: sample, prefix: [1, *a]}\npolicies: [h2o]\n":                              "part of",
		"name: x\nabout: [" + "&a [" + strings.Repeat("1,", 2000) + "]," + strings.Repeat("*a,", 2000) + "]\n": "x.yaml:2: with its aliases written out",
	} {
		if _, err := Parse("x.yaml", []byte(text)); !errors.Is(err, ErrFile) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: got %v, want %q", text, err, want)
		}
	}
}
