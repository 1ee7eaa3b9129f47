package upkeep_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/root"
	"github.com/kvaccel/kvaccel/driver/udev"
)

func kvaccel(args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	code = root.Main(args, &out, &errs)
	return out.String(), errs.String(), code
}

func TestReset(t *testing.T) {
	for _, args := range [][]string{{"reset"}, {"reset", "--clear"}, {"reset", "--hard"}} {
		out, errs, code := kvaccel(args...)
		if code != cli.ExitOK || !strings.Contains(out, "emu:") || !strings.Contains(out, "idle") {
			t.Errorf("%v: exit %d: %s%s", args, code, out, errs)
		}
	}
	var r struct {
		SchemaVersion int    `json:"schema_version"`
		Device        string `json:"device"`
		Hard, Cleared bool
	}
	out, _, _ := kvaccel("reset", "--hard", "--json")
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.SchemaVersion != 1 || r.Device != "emu:" || !r.Hard || !r.Cleared {
		t.Errorf("%+v, %v", r, err)
	}
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("reg every 1 error timeout"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := kvaccel("reset", "-d", "fault:"+script+",emu:"); code != cli.ExitIO || !strings.Contains(errs, "injected") {
		t.Errorf("a device that does not answer: exit %d: %s", code, errs)
	}
}

func TestUdev(t *testing.T) {
	out, _, code := kvaccel("udev")
	if code != cli.ExitOK || out != udev.File() {
		t.Errorf("exit %d: %s", code, out)
	}
	dir := t.TempDir()
	out, errs, code := kvaccel("udev", "--install", "--dir", dir)
	path := filepath.Join(dir, "70-kvaccel.rules")
	b, err := os.ReadFile(path)
	if code != cli.ExitOK || err != nil || string(b) != udev.File() || strings.TrimSpace(out) != path || !strings.Contains(errs, "plugged in again") {
		t.Errorf("exit %d, %v: %s%s", code, err, out, errs)
	}
	var r struct{ Path, Group, Rules string }
	out, _, _ = kvaccel("udev", "--json")
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Path != udev.Path || r.Group != "plugdev" || r.Rules != udev.File() {
		t.Errorf("%+v, %v", r, err)
	}
	if _, errs, code := kvaccel("udev", "--install", "--dir", filepath.Join(dir, "none")); code == cli.ExitOK {
		t.Errorf("into a directory that is not there: %s", errs)
	}
}

type report struct {
	SchemaVersion int `json:"schema_version"`
	Checks        []struct{ Name, State, Found, Advice string }
}

func doctor(t *testing.T, device string) (report, int) {
	t.Helper()
	out, errs, code := kvaccel("doctor", "-d", device, "--json")
	var r report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%s: %v in %s%s", device, err, out, errs)
	}
	return r, code
}

func TestDoctor(t *testing.T) {
	r, code := doctor(t, "emu:")
	if code != cli.ExitOK || r.SchemaVersion != 1 {
		t.Errorf("exit %d", code)
	}
	seen := map[string]string{}
	for _, c := range r.Checks {
		seen[c.Name] = c.State
		if (c.State == "note" || c.State == "FAIL") && c.Advice == "" {
			t.Errorf("%s: no advice", c.Name)
		}
	}
	for _, name := range []string{"device emu:", "SPEC_ID", "status", "errors since cleared"} {
		if seen[name] != "ok" {
			t.Errorf("%s is %q of %v", name, seen[name], seen)
		}
	}
	for _, name := range []string{"USB in this build", "udev rules", "XDMA driver", "xdma: boards"} {
		if seen[name] == "" {
			t.Errorf("no check of %s", name)
		}
	}
	for device, want := range map[string]int{
		"xdma:77":           cli.ExitNotFound,
		"usb:?serial=none":  cli.ExitNotFound,
		"emu:?lanes=5":      cli.ExitUsage,
		"uart:/dev/none-it": cli.ExitNotFound,
	} {
		r, code := doctor(t, device)
		last := r.Checks[len(r.Checks)-1]
		if code != want || last.State != "FAIL" || !strings.Contains(last.Name, device) {
			t.Errorf("%s: exit %d, want %d; %+v", device, code, want, last)
		}
	}
	out, _, code := kvaccel("doctor", "-d", "xdma:77")
	if code != cli.ExitNotFound || !strings.Contains(out, "FAIL  device xdma:77") || !strings.Contains(out, "kvaccel list") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// An engine of another register map is told from one that is not there.
func TestDoctorVersion(t *testing.T) {
	dir := t.TempDir()
	user := make([]byte, 4096)
	copy(user, "CAVK\x01\x00\x00\x00\xad\x0b\x00\x00")
	for name, b := range map[string][]byte{"xdma3_user": user, "xdma3_h2c_0": nil, "xdma3_c2h_0": nil} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, code := doctor(t, "xdma:3?dir="+dir)
	last := r.Checks[len(r.Checks)-1]
	if code != cli.ExitVersion || !strings.Contains(last.Found, "0x00000bad") || !strings.Contains(last.Advice, "flash") {
		t.Errorf("exit %d: %+v", code, last)
	}
}

func TestList(t *testing.T) {
	var r struct {
		Devices []struct {
			URI, Description, Problem string
			Available                 bool
		}
	}
	out, errs, code := kvaccel("list", "--json")
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != cli.ExitOK {
		t.Fatalf("exit %d, %v: %s", code, err, errs)
	}
	found := false
	for _, d := range r.Devices {
		found = found || d.URI == "emu:" && d.Available
		if !d.Available && d.Problem == "" {
			t.Errorf("%s is not available, and nothing says why", d.URI)
		}
		if strings.HasPrefix(d.URI, "replay") || strings.HasPrefix(d.URI, "fault") {
			t.Errorf("%s is no device of this machine", d.URI)
		}
	}
	if !found {
		t.Errorf("no emulator in %s", out)
	}
}
