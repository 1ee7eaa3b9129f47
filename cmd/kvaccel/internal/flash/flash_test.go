package flash

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/flash"
	"github.com/kvaccel/kvaccel/emulator"
)

// write makes a file with the content.
func write(t *testing.T, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "design.bit")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// do runs the verb with a loader that says the given words.
func do(t *testing.T, answer string, tty bool, args ...string) (out, errs string, calls int, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	env := &cli.Env{Stdout: &stdout, Stderr: &stderr, Devices: &driver.Registry{}, Device: "emu:"}
	env.Devices.Register("emu", emulator.Open)
	run := func(_ context.Context, _ string, args ...string) ([]byte, error) {
		calls++
		switch {
		case strings.Contains(strings.Join(args, " "), "--Version"):
			return []byte("openFPGALoader v0.10.0"), nil
		case strings.Contains(strings.Join(args, " "), "--help"):
			return []byte("--board --offset --verify --write-flash --write-sram --detect"), nil
		case strings.Contains(strings.Join(args, " "), "--detect"):
			return []byte("idcode 0x1113043"), nil
		}
		return []byte("Done"), nil
	}
	cmd := newCommand(env, tools{bus: func() (flash.Bus, error) { return nil, driver.ErrUnsupported }, run: run, stdin: strings.NewReader(answer), tty: tty})
	cmd.Flags().StringVarP(&env.Device, "device", "d", "emu:", "")
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err = cmd.ExecuteContext(t.Context())
	return stdout.String(), stderr.String(), calls, err
}

func TestCommand(t *testing.T) {
	junk := write(t, []byte("no bitstream at all"))
	for name, c := range map[string]struct {
		answer string
		tty    bool
		args   string
		code   int
		says   string
		writes bool
	}{
		"no board":       {"", false, junk, cli.ExitUsage, "--board", false},
		"unknown board":  {"", false, junk + " --board de10", cli.ExitUsage, "no such board", false},
		"no file":        {"", false, "--board ulx3s-85f", cli.ExitUsage, "no bitstream", false},
		"absent file":    {"", false, "/nonexistent --board ulx3s-85f", cli.ExitNotFound, "nonexistent", false},
		"to nowhere":     {"", false, junk + " --board ulx3s-85f --to moon", cli.ExitUsage, "sram or flash", false},
		"junk":           {"", false, junk + " --board ulx3s-85f", cli.ExitUsage, "not a usable bitstream", false},
		"dry run":        {"", false, junk + " --board ulx3s-85f --force --dry-run", cli.ExitOK, "would be written", false},
		"sram":           {"", false, junk + " --board ulx3s-85f --force", cli.ExitOK, "written", true},
		"nobody to ask":  {"", false, junk + " --board ulx3s-85f --force --to flash", cli.ExitUsage, "--yes", false},
		"not agreed":     {"n\n", true, junk + " --board ulx3s-85f --force --to flash", cli.ExitOther, "nothing was written", false},
		"agreed":         {"y\n", true, junk + " --board ulx3s-85f --force --to flash", cli.ExitOK, "loader", true},
		"yes":            {"", false, junk + " --board ulx3s-85f --force --to flash --yes", cli.ExitOK, "loader", true},
		"cannot verify":  {"", false, junk + " --board ulx3s-85f --force --verify", cli.ExitVerify, "read back", true},
		"asks engine":    {"", false, junk + " --board ulx3s-85f --force -d emu:", cli.ExitOK, "does not say which build", true},
		"silent engine":  {"", false, junk + " --board ulx3s-85f --force -d usb:", cli.ExitNotFound, "does not answer", true},
		"recover":        {"", false, "--board orangecrab-25f --recover", cli.ExitOK, "button", false},
		"boards":         {"", false, "--boards", cli.ExitOK, "icebreaker", false},
		"no USB in here": {"", false, junk + " --board orangecrab-25f --force --yes", cli.ExitOther, "not supported", false},
	} {
		out, errs, calls, err := do(t, c.answer, c.tty, strings.Fields(c.args)...)
		said := out + errs
		if err != nil {
			said += err.Error()
		}
		if cli.ExitCode(err) != c.code || !strings.Contains(said, c.says) || calls > 0 != c.writes {
			t.Errorf("%s: exit code %d, want %d; %d calls; said %s", name, cli.ExitCode(err), c.code, calls, said)
		}
	}
}

func TestStages(t *testing.T) {
	var errs bytes.Buffer
	p := progress{env: &cli.Env{Stderr: &errs, JSON: true}}
	p.tell("writing", 1, 2)
	p.tell("writing", 2, 2)
	p.tell("reading back", 0, 0)
	p.finish()
	if errs.String() != "{\"stage\":\"writing\"}\n{\"stage\":\"reading back\"}\n" {
		t.Errorf("said %q", errs.String())
	}
	if err := refused("f", driver.ErrVerify); !errors.Is(err, driver.ErrVerify) || cli.ExitCode(err) != cli.ExitVerify {
		t.Errorf("%v", err)
	}
}
