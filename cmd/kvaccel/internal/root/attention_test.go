package root

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
)

func TestAttentionTable(t *testing.T) {
	picture := filepath.Join(t.TempDir(), "x.png")
	out := mustRun(t, "attention", "--method", "lowrank,merge", "--rank", "24,32", "--bits", "16,2", "--plot", picture)
	for _, want := range []string{"sample:golm-512", "fitted on the first 448", "lowrank", "merge", "not done: lowrank, rank 24, 2 bits: ", "multiple of 16", "2 bits, error", "--calibrate", "2 and 3"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if b, err := os.ReadFile(picture); err != nil || !strings.HasPrefix(string(b), "\x89PNG") {
		t.Errorf("picture of %d bytes, %v", len(b), err)
	}
}

// On the sample the engine alone at 8 bits is nearly perfect, and maps that have not
// seen the rows they restore are worse than those that have.
func TestAttentionJSON(t *testing.T) {
	mean := func(more ...string) map[string]float64 {
		var r struct {
			Schema int    `json:"schema_version"`
			Source string `json:"source"`
			Rows   []struct {
				Method   string
				Bytes    int64
				OutputL2 struct{ Mean float64 } `json:"output_l2"`
			}
		}
		args := append([]string{"attention", "--json", "--method", "joint", "--rank", "32", "--bits", "8"}, more...)
		if err := json.Unmarshal([]byte(mustRun(t, args...)), &r); err != nil {
			t.Fatal(err)
		}
		if r.Schema != 1 || r.Source != "emulator" || len(r.Rows) != 2 || r.Rows[0].Bytes != 516096 || r.Rows[1].Bytes != 389120 {
			t.Errorf("%+v", r)
		}
		return map[string]float64{r.Rows[0].Method: r.Rows[0].OutputL2.Mean, r.Rows[1].Method: r.Rows[1].OutputL2.Mean}
	}
	all, part := mean(), mean("--calibrate", "224")
	if all["none"] > .005 || all["none"] != part["none"] || all["joint"] < .02 || all["joint"] > .15 || part["joint"] < all["joint"] {
		t.Errorf("%v, on half %v", all, part)
	}
}

func TestAttentionMistakes(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		word string
	}{
		{"attention a b", cli.ExitUsage, "usage"},
		{"attention --method magic", cli.ExitUsage, "magic"},
		{"attention --rank 65", cli.ExitUsage, "64"},
		{"attention --rank x", cli.ExitUsage, "--rank"},
		{"attention --bits 7", cli.ExitUsage, "7 bits"},
		{"attention --prefix 0", cli.ExitUsage, "--prefix"},
		{"attention --prefix 512", cli.ExitUsage, "no later queries"},
		{"attention --calibrate 449", cli.ExitUsage, "449"},
		{"attention --ridge 0", cli.ExitUsage, "--ridge"},
		{"attention --plot x.gif", cli.ExitUsage, "png"},
		{"attention absent.safetensors", cli.ExitNotFound, "absent"},
	} {
		out, errs, code := kvaccel(strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(errs, c.word) || out != "" {
			t.Errorf("kvaccel %s: exit %d, want %d; stderr %q, want %q in it", c.args, code, c.code, errs, c.word)
		}
	}
}
