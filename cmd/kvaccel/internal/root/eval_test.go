package root

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
)

const (
	golm       = "../../../../host/llm/testdata/golm"
	golmSample = golm + "/sample.txt"
)

// quick are flags that make an evaluation take seconds.
func quick(more ...string) []string {
	return append([]string{"eval", "--model", golm, "--text", golmSample, "--window", "160", "--prefix", "128", "--windows", "1", "--block", "8", "--needles", "1"}, more...)
}

func TestEvalTable(t *testing.T) {
	dir := t.TempDir()
	table, picture := filepath.Join(dir, "x.csv"), filepath.Join(dir, "x.svg")
	out := mustRun(t, quick("--policy", "h2o+kivi-4", "--budget", "32,12%", "--csv", table, "--plot", picture)...)
	for _, want := range []string{"golm: 4 layers", "seed 0", "full cache", "h2o+kivi-4@32", "h2o+kivi-4@12%", "q8_0", "q4_0", "random", "recent", "streaming", "without the needle", "rank correlation", "same top"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	b, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	columns := strings.Count(lines[0], ",")
	if len(lines) < 1+4+3 || !strings.HasPrefix(lines[1], "full,false,128,") {
		t.Errorf("%d lines of CSV, the second %q", len(lines), lines[1])
	}
	for _, l := range lines {
		if strings.Count(l, ",") != columns {
			t.Errorf("%q has other columns than %q", l, lines[0])
		}
	}
	if b, err := os.ReadFile(picture); err != nil || !strings.Contains(string(b), "<svg") || !strings.Contains(string(b), "h2o+kivi-4@32") {
		t.Errorf("picture of %d bytes, %v", len(b), err)
	}
}

func TestEvalJSON(t *testing.T) {
	var r struct {
		Kind string           `json:"kind"`
		Rows []map[string]any `json:"rows"`
	}
	if err := json.Unmarshal([]byte(mustRun(t, quick("--policy", "tova", "--needles", "0", "--json")...)), &r); err != nil {
		t.Fatal(err)
	}
	if r.Kind != "model" || len(r.Rows) != 4 { // full, tova, and the controls q8_0 and q4_0
		t.Fatalf("kind %q, %d rows", r.Kind, len(r.Rows))
	}
	for _, key := range []string{"name", "policy", "nats_per_token", "perplexity", "delta_nats", "kl_per_token", "same_top", "bytes_per_token", "cycles_per_token", "fidelity"} {
		if r.Rows[1][key] == nil {
			t.Errorf("%q is missing or null", key)
		}
	}
}

func TestTraceVerbs(t *testing.T) {
	dir := t.TempDir()
	recorded, converted := filepath.Join(dir, "a.safetensors"), filepath.Join(dir, "b.safetensors")
	mustRun(t, "trace", "record", "--model", golm, "--text", golmSample, "--tokens", "100", "--offset", "7", "-o", recorded)
	mustRun(t, "trace", "convert", recorded, "-o", converted, "--model-name", "other")
	a, err := os.ReadFile(recorded)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(converted)
	if err != nil || len(a) == 0 || string(a[len(a)-1000:]) != string(b[len(b)-1000:]) {
		t.Errorf("converting changed the data (%v)", err)
	}
	picture := filepath.Join(dir, "x.png")
	out := mustRun(t, "trace", "info", converted, "--plot", picture)
	for _, want := range []string{"4 layers, 4 query heads, 2 KV heads of 64, 100 tokens", "other", "post", "outliers", "heavy hitters", "sinks"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	out = mustRun(t, "eval", "--trace", recorded, "--policy", "h2o,kivi-4", "--prefix", "90")
	for _, want := range []string{"FIDELITY", "not accuracy", "h2o", "L2 of random", "10 later queries"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	var in map[string]any
	if err := json.Unmarshal([]byte(mustRun(t, "trace", "info", "--json", recorded)), &in); err != nil || in["tokens"] != 100. {
		t.Errorf("%v, %v", in["tokens"], err)
	}
}

func TestEvalMistakes(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "config.json")
	if err := os.WriteFile(bad, []byte(`{"architectures": ["GPT2LMHeadModel"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(dir, "short.txt")
	if err := os.WriteFile(short, []byte("package x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		word string
	}{
		{[]string{"eval"}, cli.ExitUsage, "either --model and --text, or --trace"},
		{[]string{"eval", "--model", golm}, cli.ExitUsage, "go together"},
		{[]string{"eval", "--model", golm, "--text", golmSample, "--trace", "x"}, cli.ExitUsage, "either"},
		{[]string{"eval", "--model", dir, "--text", golmSample}, cli.ExitOther, "architectures"},
		{[]string{"eval", "--model", filepath.Join(dir, "no"), "--text", golmSample}, cli.ExitNotFound, "no"},
		{[]string{"eval", "--model", golm, "--text", short}, cli.ExitUsage, "10 tokens"},
		{quick("--policy", "kvquant"), cli.ExitUsage, "kvquant"},
		{quick("--policy", "zipcache"), cli.ExitUsage, "compresses a prompt once"},
		{quick("--policy", "h2o", "--budget", "1"), cli.ExitUsage, "h2o takes 2 to 128"},
		{quick("--policy", "h2o", "--budget", "lots"), cli.ExitUsage, "share of the prefix"},
		{quick("--chunk", "0"), cli.ExitUsage, "--chunk is 0"},
		{quick("--plot", "x.gif"), cli.ExitUsage, ".png or .svg"},
		{quick("--workers", "-1"), cli.ExitUsage, "--workers"},
		{quick("-d", "emu:?max-tokens=256", "--window", "300", "--prefix", "280", "--policy", "h2o"), cli.ExitUsage, "max-tokens"},
		{[]string{"eval", "--trace", bad}, cli.ExitOther, "config.json"},
		{[]string{"trace", "record", "--model", golm, "--text", golmSample}, cli.ExitUsage, "--output"},
		{[]string{"trace", "record", "--model", golm, "--text", golmSample, "--tokens", "2000", "-o", filepath.Join(dir, "t")}, cli.ExitUsage, "--tokens is 2000"},
		{[]string{"trace", "record", "--model", golm, "--text", golmSample, "--offset", "9000", "-o", filepath.Join(dir, "t")}, cli.ExitUsage, "--offset is 9000"},
		{[]string{"trace", "info"}, cli.ExitUsage, "usage"},
		{[]string{"trace", "convert", filepath.Join(dir, "none.npz"), "-o", filepath.Join(dir, "t")}, cli.ExitNotFound, "none.npz"},
		{[]string{"trace", "convert", bad, "-o", filepath.Join(dir, "t"), "--layout", "hh"}, cli.ExitUsage, "bhtd"},
	} {
		_, errs, code := kvaccel(c.args...)
		if code != c.code || !strings.Contains(errs, c.word) {
			t.Errorf("kvaccel %s: exit %d, %q; want %d with %q", strings.Join(c.args, " "), code, errs, c.code, c.word)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "t")); err == nil {
		t.Error("a mistake left a file")
	}
}
