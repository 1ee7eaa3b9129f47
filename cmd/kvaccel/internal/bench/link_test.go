package bench_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
)

const linkArgs = "bench --link --quick --sizes 100,1000 --depths 1,2 -d emu:?lanes=4&max-dim=64&tile-tokens=32&max-tokens=512"

func TestLink(t *testing.T) {
	out, errs, code := kvaccel(linkArgs)
	if code != cli.ExitOK {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, want := range []string{"source emulator", "latency", "MB/s each way", "predicted", "as predicted by emulator l4-d64-t32-n512", "select/n=512"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	out, _, code = kvaccel(linkArgs + " --format gobench")
	if code != cli.ExitOK || !strings.Contains(out, "\nBenchmarkLoopback/size=1000/depth=2 ") {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestLinkFaults(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("recv at 70 error disconnected"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := kvaccel("bench --link --quick -d fault:" + script + ",emu:"); code != cli.ExitIO || !strings.Contains(errs, "gone") {
		t.Errorf("a device that goes away: exit %d: %s", code, errs)
	}
}

func TestCompare(t *testing.T) {
	dir := t.TempDir()
	out, errs, code := kvaccel(linkArgs + " --json")
	if code != cli.ExitOK {
		t.Fatalf("exit %d: %s", code, errs)
	}
	var r map[string]any
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if r["kind"] != "link" || r["source"] != "emulator" || r["predicted"] != true || r["schema_version"] != 1.0 {
		t.Errorf("%v", r)
	}
	save := func(name string) string {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a := save("a.json")
	r["engine"].([]any)[0].(map[string]any)["cycles"] = 12345.0
	b := save("b.json")
	out, errs, code = kvaccel("bench --compare " + a + " " + b)
	if code != cli.ExitVerify || !strings.Contains(out, "CHANGED") || !strings.Contains(errs, "12345") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	if _, errs, code := kvaccel("bench --compare " + a + " " + a + " --json"); code != cli.ExitOK {
		t.Errorf("exit %d: %s", code, errs)
	}
	if err := os.WriteFile(b, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]int{
		"bench --compare " + a:                     cli.ExitUsage,
		"bench --compare " + a + " " + b:           cli.ExitUsage,
		"bench --compare " + a + " " + dir + "/no": cli.ExitNotFound,
		"bench --compare --link x y":               cli.ExitUsage,
		"bench x":                                  cli.ExitUsage,
		"bench --sizes 5":                          cli.ExitUsage,
		"bench --link --only quantize":             cli.ExitUsage,
		"bench --link --sizes -4":                  cli.ExitUsage,
	} {
		if _, errs, code := kvaccel(args); code != want {
			t.Errorf("%s: exit %d, want %d: %s", args, code, want, errs)
		}
	}
}
