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

const onModel = "attention --model ../../../../host/llm/testdata/golm --text ../../../../host/llm/testdata/golm/sample.txt --window 192 --windows 1 --fit 1"

func TestAttentionOnAModel(t *testing.T) {
	args := strings.Fields(onModel + " --method none,joint --rank 48 --policy full,recent+qserve-4@25%,kivi-2")
	out := mustRun(t, args...)
	for _, want := range []string{"fitted on 192 tokens", "95 predictions", "recent+qserve-4@25%", "joint    48", "196608", "maps: bytes once"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	var r struct {
		Schema int `json:"schema_version"`
		Rows   []struct {
			Method, Policy string
			Bytes          float64 `json:"bytes_per_token"`
			Delta          struct{ Mean float64 }
		}
	}
	if err := json.Unmarshal([]byte(mustRun(t, append(args, "--json")...)), &r); err != nil {
		t.Fatal(err)
	}
	if r.Schema != 1 || len(r.Rows) != 6 || r.Rows[0].Bytes != 2048 || r.Rows[3].Bytes != 1536 || r.Rows[4].Bytes >= r.Rows[1].Bytes {
		t.Errorf("%+v", r)
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
		{"attention --policy full", cli.ExitUsage, "--policy goes with --model"},
		{"attention --model ../../../../host/llm/testdata/golm", cli.ExitUsage, "go together"},
		{onModel + " x.safetensors", cli.ExitUsage, "either a trace"},
		{onModel + " --bits 4", cli.ExitUsage, "policies say the widths"},
		{onModel + " --method joint-2", cli.ExitUsage, "joint-2"},
		{onModel + " --policy h2o@200%", cli.ExitUsage, "--policy h2o@200%"},
		{onModel + " --policy q8_0@10%", cli.ExitUsage, "evicts nothing"},
		{strings.Replace(onModel, "--fit 1", "--fit 50", 1), cli.ExitUsage, "leave none to judge by"},
		{"attention --model absent --text absent", cli.ExitNotFound, "absent"},
		{"attention absent.safetensors", cli.ExitNotFound, "absent"},
	} {
		out, errs, code := kvaccel(strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(errs, c.word) || out != "" {
			t.Errorf("kvaccel %s: exit %d, want %d; stderr %q, want %q in it", c.args, code, c.code, errs, c.word)
		}
	}
}
