package bench_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/root"
)

func kvaccel(args string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	code = root.Main(strings.Fields(args), &out, &errs)
	return out.String(), errs.String(), code
}

func TestTable(t *testing.T) {
	out, errs, code := kvaccel("bench --quick --only quantize,compress,token-latency")
	if code != cli.ExitOK {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, want := range []string{"emu:", "quick", "quantize", ">= 0.98", "0.9981", "kept", ">= 0.95", "1.0000", "<= 32", "29"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	all, _, _ := kvaccel("bench --quick --only quantize --all")
	if n := strings.Count(all, "axis token"); n < 10 {
		t.Errorf("--all prints %d points per token", n)
	}
}

// A tile of one short row is mostly header: the promise does not hold for it.
func TestBrokenExits(t *testing.T) {
	const args = "bench --quick --only quantize --rows 1 --dims 16"
	out, errs, code := kvaccel(args)
	if code != cli.ExitVerify || !strings.Contains(out, "BROKEN") || !strings.Contains(errs, "quantize") {
		t.Errorf("exit %d, want %d; %s%s", code, cli.ExitVerify, out, errs)
	}
	out, _, code = kvaccel(args + " --json")
	var r struct {
		SchemaVersion int            `json:"schema_version"`
		Source        string         `json:"source"`
		Device        map[string]any `json:"device"`
		Broken        []string       `json:"broken"`
		Rows          []struct {
			ID    string
			Kept  bool
			Worst struct{ Measured, Promised float64 }
		}
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if code != cli.ExitVerify || r.SchemaVersion != 1 || r.Source != "emulator" || r.Device["uri"] != "emu:" || len(r.Broken) != 1 ||
		len(r.Rows) != 1 || r.Rows[0].Kept || !(r.Rows[0].Worst.Measured < r.Rows[0].Worst.Promised) {
		t.Errorf("exit %d: %+v", code, r)
	}
}

func TestGobench(t *testing.T) {
	out, errs, code := kvaccel("bench --quick --only dequantize --format gobench")
	if code != cli.ExitOK || !strings.Contains(out, "\nBenchmarkDequantize/axis=channel/scheme=sym/group=128/bits=8/rows=128/dims=128 1 0.99") {
		t.Errorf("exit %d: %s%s", code, errs, out)
	}
}

func TestPlot(t *testing.T) {
	for _, c := range []struct{ ending, starts string }{{".svg", "<?xml"}, {".png", "\x89PNG"}} {
		path := filepath.Join(t.TempDir(), "search"+c.ending)
		if _, errs, code := kvaccel("bench --quick --only select-search,select-real --plot " + path); code != cli.ExitOK {
			t.Fatalf("exit %d: %s", code, errs)
		}
		b, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(string(b), c.starts) {
			t.Errorf("%s: %v, starts with %.8q", path, err, b)
		}
	}
	path := filepath.Join(t.TempDir(), "none.svg")
	_, errs, code := kvaccel("bench --quick --only quantize --plot " + path)
	if _, err := os.Stat(path); code != cli.ExitOther || !strings.Contains(errs, "nothing to draw") || err == nil {
		t.Errorf("nothing to draw: exit %d: %s; %v", code, errs, err)
	}
}

func TestMistakes(t *testing.T) {
	garbage := filepath.Join(t.TempDir(), "garbage.safetensors")
	if err := os.WriteFile(garbage, []byte("this is not a tensor file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"bench all", cli.ExitUsage, "usage"},
		{"bench --format xml", cli.ExitUsage, "gobench"},
		{"bench --json --format table", cli.ExitUsage, "contradict"},
		{"bench --only speed", cli.ExitUsage, "select-real"},
		{"bench --plot search.gif", cli.ExitUsage, "png"},
		{"bench --rows 0", cli.ExitUsage, "at least 1"},
		{"bench --rows 129", cli.ExitUsage, "1 to 128"},
		{"bench --dims 24", cli.ExitUsage, "multiples of 16"},
		{"bench --trace " + garbage, cli.ExitOther, "garbage.safetensors"},
		{"bench --trace absent", cli.ExitNotFound, "absent"},
		{"bench -d vme:1", cli.ExitNotFound, "emu:"},
	} {
		out, errs, code := kvaccel(c.args)
		if code != c.code || !strings.Contains(errs, c.want) || out != "" {
			t.Errorf("kvaccel %s: exit %d, want %d; stderr %q, want %q in it; stdout %q", c.args, code, c.code, errs, c.want, out)
		}
	}
}
