package root

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
)

// kvaccel runs the command and gives what it printed and its exit code.
func kvaccel(args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	code = Main(args, &out, &errs)
	return out.String(), errs.String(), code
}

func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, code := kvaccel(args...)
	if code != cli.ExitOK {
		t.Fatalf("kvaccel %s: exit %d: %s", strings.Join(args, " "), code, errs)
	}
	return out
}

func TestRunPrintsATable(t *testing.T) {
	out := mustRun(t, "run")
	for _, want := range []string{"sample:golm-512", "h2o+kivi-4", "ratio", "tokens kept", "QUANTIZE", "SELECT", "beats/cycle", "relative L2", "worst head"} {
		if !strings.Contains(strings.ToUpper(out), strings.ToUpper(want)) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

// The format of the rows is told, and a rotated cache, or one of bfloat16, is
// restored as it was written.
func TestRotationAndFormat(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ args, words string }{
		{"run --policy h2o+quarot-4 --prefix 200", "rotated over the row|; last 0 kept rows fp16"},
		{"run --policy kivi-2 --residual 20 --format bf16 --prefix 200", "kept as bf16|rows bf16|residual bf16"},
		{"run --decode --policy h2o+kivi-2 --rotate 32 --prefill 100 --steps 3", "rotated over 32 dims"},
	} {
		args, cache := strings.Fields(c.args), filepath.Join(dir, "c")
		if args[1] != "--decode" {
			args = append(args, "-o", cache)
		}
		out := mustRun(t, args...)
		for word := range strings.SplitSeq(c.words, "|") {
			if !strings.Contains(out, word) {
				t.Errorf("%s: no %q in:\n%s", c.args, word, out)
			}
		}
		if args[1] != "--decode" {
			mustRun(t, "restore", cache, "-o", filepath.Join(dir, "r"))
		}
	}
}

func TestRunJSON(t *testing.T) {
	var r map[string]any
	if err := json.Unmarshal([]byte(mustRun(t, "run", "--json", "--policy", "kivi-2")), &r); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"schema_version", "source", "device", "policy", "trace", "bytes_in", "bytes_out", "bits_per_element", "ratio", "tokens_in", "tokens_kept", "cycles", "beats_per_cycle", "fidelity"} {
		if r[key] == nil {
			t.Errorf("%q is missing or null", key)
		}
	}
	if r["source"] != "emulator" {
		t.Errorf("source is %v", r["source"])
	}
}

func TestFullPrefixHasNoFidelity(t *testing.T) {
	var r map[string]any
	if err := json.Unmarshal([]byte(mustRun(t, "run", "--json", "--prefix", "512")), &r); err != nil {
		t.Fatal(err)
	}
	if f, present := r["fidelity"]; !present || f != nil {
		t.Errorf("fidelity is %v (present: %v), want null", f, present)
	}
}

func TestRunWritesWhatRestoreReads(t *testing.T) {
	dir := t.TempDir()
	cache, restored, picture := filepath.Join(dir, "c.safetensors"), filepath.Join(dir, "r.safetensors"), filepath.Join(dir, "p.svg")
	mustRun(t, "run", "-o", cache, "--plot", picture)
	mustRun(t, "restore", cache, "-o", restored)
	for _, f := range []string{restored, picture} {
		if st, err := os.Stat(f); err != nil || st.Size() == 0 {
			t.Errorf("%s: %v", f, err)
		}
	}
}

// A block layout sets what goes with it: 34 bytes for 32 elements, or 18, or 20.
func TestRunLayout(t *testing.T) {
	for layout, bits := range map[string]float64{"q8_0": 8.5, "q4_0": 4.5, "q4_1": 5} {
		var r struct {
			Policy map[string]any `json:"policy"`
			Bits   float64        `json:"bits_per_element"`
		}
		if err := json.Unmarshal([]byte(mustRun(t, "run", "--json", "--layout", layout)), &r); err != nil {
			t.Fatal(err)
		}
		if r.Bits != bits || r.Policy["layout"] != layout {
			t.Errorf("%s: %g bits an element, policy %v", layout, r.Bits, r.Policy)
		}
	}
	named, set := mustRun(t, "run", "--policy", "h2o+q4_0"), mustRun(t, "run", "--policy", "h2o", "--layout", "q4_0")
	if named, set = rest(named, "bytes"), rest(set, "bytes"); named != set || !strings.Contains(set, "ratio") {
		t.Errorf("h2o+q4_0 gives\n%s\nh2o with --layout q4_0\n%s", named, set)
	}
}

// A policy file does what the flags do, in run, policies and eval.
func TestPolicyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(path, []byte("version: 1\npolicy: h2o\ndefaults: {tiers: {fp16: 10, 8: 20, 4: 70}, lambda: 0.99, pool: 3}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, flags := mustRun(t, "run", "--policy", path), mustRun(t, "run", "--policy", "h2o", "--tiers", "fp16:10,8:20,4:70", "--lambda", "0.99", "--pool", "3")
	if file, flags = rest(file, "bytes"), rest(flags, "bytes"); file != flags || !strings.Contains(file, "compress") {
		t.Errorf("the file gives\n%s\nthe flags\n%s", file, flags)
	}
	if out := mustRun(t, "policies", path); !strings.Contains(out, "70 % 4 bits") || !strings.Contains(out, "COMPRESS POOL DECAY TIERS") {
		t.Errorf("policies tells\n%s", out)
	}
	if out := mustRun(t, "eval", "--trace", "../../../../host/trace/sample/golm-512.safetensors", "--policy", path); !strings.Contains(out, "mine") {
		t.Errorf("eval tells\n%s", out)
	}
}

func TestRunDecode(t *testing.T) {
	args := []string{"run", "--decode", "--policy", "h2o+q8_0", "--budget", "64", "--lambda", "0.99", "--prefill", "480"}
	out := mustRun(t, args...)
	for _, want := range []string{"prefill 480, then 32 steps", "cycles per step", "dequantize", "64 of 512", "fidelity of the 32 steps", "a step takes"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	var r map[string]any
	if err := json.Unmarshal([]byte(mustRun(t, append(args, "--json")...)), &r); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"schema_version", "source", "device", "policy", "prefill_cycles", "step_cycles", "step_seconds", "bytes", "fidelity", "steps"} {
		if r[key] == nil {
			t.Errorf("%q is missing or null", key)
		}
	}
	if steps := r["steps"].([]any); len(steps) != 32 {
		t.Errorf("%d steps", len(steps))
	}
}

func TestRunUnderCeiling(t *testing.T) {
	args := []string{"run", "--decode", "--ceiling", "100KiB", "--prefill", "480"}
	out := mustRun(t, args...)
	for _, want := range []string{"ladder: never more than 100KiB", "102400, with room for the next position", "of 8 bits", "all heads"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	var r struct {
		Ceiling int64 `json:"ceiling_bytes"`
		Steps   []struct {
			Bytes   int64
			Descent *struct {
				After int64 `json:"bytes_after"`
				Heads []struct{ Rows, Lowered [4]int }
			}
		}
	}
	if err := json.Unmarshal([]byte(mustRun(t, append(args, "--json")...)), &r); err != nil {
		t.Fatal(err)
	}
	descents := 0
	for i, s := range r.Steps {
		if s.Bytes > r.Ceiling {
			t.Errorf("step %d: %d bytes", i, s.Bytes)
		}
		if d := s.Descent; d != nil {
			descents++
			if d.After > r.Ceiling || len(d.Heads) != 8 {
				t.Errorf("step %d: %+v", i, d)
			}
		}
	}
	if r.Ceiling != 102400 || len(r.Steps) != 32 || descents == 0 {
		t.Errorf("%d bytes, %d steps, %d descents", r.Ceiling, len(r.Steps), descents)
	}
}

func TestPoliciesList(t *testing.T) {
	out := mustRun(t, "policies")
	for _, want := range []string{"pyramidkv", "Feng et al.", "SELECT KEY_NORM", "kvquant", "quarot-4  (quantization; engine features: QUANTIZE DEQUANTIZE ROTATE)"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	var all struct {
		Policies []map[string]any `json:"policies"`
		Planned  []map[string]any `json:"planned"`
	}
	if err := json.Unmarshal([]byte(mustRun(t, "policies", "--json")), &all); err != nil || len(all.Policies) < 18 || len(all.Planned) == 0 {
		t.Fatalf("%d policies, %v", len(all.Policies), err)
	}
	for _, p := range all.Policies {
		for _, key := range []string{"name", "formula", "source", "features", "settings", "policy"} {
			if p[key] == nil {
				t.Errorf("%v: no %s", p["name"], key)
			}
		}
	}
	if out := mustRun(t, "policies", "adakv+kivi-2"); !strings.Contains(out, "Ada-KV") || !strings.Contains(out, "KIVI") || !strings.Contains(out, "QUANTIZE DEQUANTIZE SELECT POOL") {
		t.Errorf("adakv+kivi-2:\n%s", out)
	}
}

// rest is what comes from a word on.
func rest(s, word string) string {
	_, after, _ := strings.Cut(s, word)
	return after
}

// What a person can get wrong, the exit code it gives and a word of the reason.
func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.safetensors")
	if err := os.WriteFile(garbage, []byte("this is not a tensor file"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken, ruled := filepath.Join(dir, "broken.yaml"), filepath.Join(dir, "ruled.yaml")
	for path, text := range map[string]string{
		broken: "version: 1\nrules:\n- set: {k-bit: 4}\n", ruled: "version: 1\nrules:\n- layers: 0\n  set: {k-bits: 4}\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"run --bogus", cli.ExitUsage, "--help"},
		{"run a b", cli.ExitUsage, "usage"},
		{"fly", cli.ExitUsage, "unknown command"},
		{"run --policy nope", cli.ExitUsage, "nope"},
		{"run --policy kivi-2+kivi-4", cli.ExitUsage, "kivi"},
		{"run --k-bits 7", cli.ExitUsage, "8"},
		{"run --group 48 --k-bits 4", cli.ExitUsage, "group"},
		{"run --k-axis sideways --k-bits 4", cli.ExitUsage, "channel"},
		{"run --layout q4_K", cli.ExitUsage, "q4_1"},
		{"run --layout q4_0 --k-bits 8", cli.ExitUsage, "k-bits cannot be 8"},
		{"run --layout q8_0 --group row", cli.ExitUsage, "groups of 32"},
		{"run --layout q4_1 --k-axis channel", cli.ExitUsage, "per token"},
		{"run --layout q8_0 --scheme asym", cli.ExitUsage, "scheme sym"},
		{"run --scheme offset --k-bits 4", cli.ExitUsage, "layout q4_0"},
		{"run --observe none", cli.ExitUsage, "observe"},
		{"run --prefill 100", cli.ExitUsage, "--prefill is a setting of --decode"},
		{"run --decode --prefix 100", cli.ExitUsage, "--prefix is no setting of --decode"},
		{"run --decode -o " + filepath.Join(dir, "c"), cli.ExitUsage, "writes no cache"},
		{"run --decode --steps 0", cli.ExitUsage, "--steps is 0"},
		{"run --decode --prefill 512", cli.ExitUsage, "512 positions"},
		{"run --ceiling 100KiB", cli.ExitUsage, "step by step"},
		{"run --decode --ceiling 1KiB", cli.ExitUsage, "the ceiling is too low"},
		{"run --decode --ceiling 10x", cli.ExitUsage, "180KiB"},
		{"run --decode --ceiling 20% --topk 4", cli.ExitUsage, "does not take topk or budget"},
		{"run --decode --policy tiers", cli.ExitUsage, "compresses a prompt once"},
		{"run --topk 449", cli.ExitUsage, "topk is 449, want at most the 448 positions"},
		{"run --sinks 449 --topk 3", cli.ExitUsage, "sinks is 449"},
		{"run --budget 20% --pool 16", cli.ExitUsage, "odd window of 1 to 15"},
		{"run --budget lots", cli.ExitUsage, "--budget: "},
		{"run --tiers fp16:10,8:80", cli.ExitUsage, "90 % in all, want 100"},
		{"run --tiers fp16:10,8:90 --layout q8_0", cli.ExitUsage, "tiers have no layout"},
		{"run --policy h2o+tiers --lambda 2", cli.ExitUsage, "0 to 1"},
		{"run --policy " + broken, cli.ExitUsage, "broken.yaml:3: rules[0].set.k-bit: "},
		{"run --policy " + ruled + " --recent 3", cli.ExitUsage, "change the file"},
		{"run --policy " + filepath.Join(dir, "absent.yaml"), cli.ExitNotFound, "absent.yaml"},
		{"run --policy snapkv -d emu:?features=0xf", cli.ExitOther, "POOL"},
		{"run --policy h2o+tiers -d emu:?features=0x3ef", cli.ExitOther, "COMPRESS"},
		{"run --policy quarot-4 -d emu:?features=0xbff", cli.ExitOther, "ROTATE"},
		{"run --policy kivi-2 --rotate 128", cli.ExitUsage, "128 elements divides no rows of 64"},
		{"run --policy kivi-2 --rotate 48", cli.ExitUsage, "--rotate: "},
		{"run --tiers fp16:10,8:90 --rotate 64", cli.ExitUsage, "COMPRESS, which does not rotate"},
		{"run --policy kivi-2 --format bf16 -d emu:?features=0x7ff", cli.ExitOther, "BF16"},
		{"run --policy quarot-4 --format bf16", cli.ExitUsage, "rotate none"},
		{"run --format half", cli.ExitUsage, "fp16, bf16 or auto"},
		{"policies nope", cli.ExitUsage, "zipcache"},
		{"policies kvquant", cli.ExitUsage, "non-uniform"},
		{"policies " + broken, cli.ExitUsage, "broken.yaml:3"},
		{"run --prefix 0", cli.ExitUsage, "at least 1"},
		{"run --prefix 513", cli.ExitUsage, "512"},
		{"run --plot picture.gif", cli.ExitUsage, "png"},
		{"run " + garbage, cli.ExitOther, "garbage.safetensors"},
		{"run " + filepath.Join(dir, "absent"), cli.ExitNotFound, "absent"},
		{"run -o " + filepath.Join(dir, "no", "such", "dir"), cli.ExitNotFound, "written"},
		{"run -o " + dir, cli.ExitOther, "directory"},
		{"run -d vme:1", cli.ExitNotFound, "emu:"},
		{"run -d usb:1209:5af0?serial=none", cli.ExitNotFound, "USB"},
		{"run -d emu:?lanes=7", cli.ExitUsage, "lanes"},
		{"run -d emu:?bogus=1", cli.ExitUsage, "bogus"},
		{"run -d emu:?max-dim=32", cli.ExitUsage, "max-dim"},
		{"restore " + garbage + " -o " + filepath.Join(dir, "out"), cli.ExitOther, "garbage"},
		{"restore " + garbage, cli.ExitUsage, "-o"},
		{"restore", cli.ExitUsage, "arg"},
	} {
		out, errs, code := kvaccel(strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(errs, c.want) || out != "" {
			t.Errorf("kvaccel %s: exit %d, want %d; stderr %q, want %q in it; stdout %q", c.args, code, c.code, errs, c.want, out)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 3 {
		t.Errorf("failed commands left files behind: %v %v", left, err)
	}
}
