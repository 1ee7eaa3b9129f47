package flash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/flash/bitstream"
	"github.com/kvaccel/kvaccel/driver/flash/board"
)

// Runner runs a program with a list of arguments and gives everything it says.
type Runner func(ctx context.Context, name string, args ...string) (output []byte, err error)

// Run is the Runner of this machine.
func Run(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	return cmd.CombinedOutput()
}

const program = "openFPGALoader"

// extension is what openFPGALoader goes by to tell formats apart.
var extension = map[bitstream.Format]string{bitstream.ECP5: ".bit", bitstream.Xilinx: ".bit", bitstream.ICE40: ".bin"}

// LoaderVersion asks openFPGALoader for its version, major and minor.
func LoaderVersion(ctx context.Context, run Runner) (major, minor int, err error) {
	out, err := run(ctx, program, "--Version")
	if errors.Is(err, exec.ErrNotFound) {
		return 0, 0, fmt.Errorf("%w: %s is not installed (Debian: apt install openfpgaloader)", driver.ErrUnsupported, program)
	}
	m := regexp.MustCompile(`v(\d+)\.(\d+)`).FindSubmatch(out)
	if err != nil || m == nil {
		return 0, 0, fmt.Errorf("%w: %s --Version says %q (%v)", driver.ErrUnsupported, program, bytes.TrimSpace(out), err)
	}
	major, _ = strconv.Atoi(string(m[1]))
	minor, _ = strconv.Atoi(string(m[2]))
	return major, minor, nil
}

// loaderFlags are what a plan may need; --help says what this version has.
func checkFlags(ctx context.Context, run Runner, args []string) error {
	out, err := run(ctx, program, "--help")
	if err != nil && len(out) == 0 {
		return fmt.Errorf("%s --help: %w", program, err)
	}
	for _, a := range args {
		if strings.HasPrefix(a, "--") && !bytes.Contains(out, []byte(a)) {
			return fmt.Errorf("%w: this version of %s has no %s", driver.ErrUnsupported, program, a)
		}
	}
	return nil
}

// LoaderArgs are openFPGALoader's arguments for a plan, without the file.
func LoaderArgs(p Plan, o Options) []string {
	args := reach(p, o)
	switch {
	case p.To == SRAM && p.Board.Format != bitstream.ICE40:
		args = append(args, "--write-sram")
	case p.To == Flash:
		args = append(args, "--write-flash", "--offset", strconv.FormatInt(p.Address, 10))
		if o.Verify {
			args = append(args, "--verify")
		}
	}
	return args
}

// complaints are what openFPGALoader says when something is wrong; it has ended
// with 0 after each of them in one version or another.
var complaints = regexp.MustCompile(`(?mi)^.*\b(error|fail(ed|ure|s)?|unable|can't|cannot|unknown|not found|mismatch|no device|wrong|timeout)\b.*$`)

// harmless is what sounds like one: a flash that its table does not have is written and verified like any other.
var harmless = regexp.MustCompile(`flash chip unknown: use basic protection`)

// WriteLoader carries out a plan with openFPGALoader. That it went well is believed
// only if the program ended with 0, complained of nothing, and said that it was done.
func WriteLoader(ctx context.Context, run Runner, p Plan, o Options) (r Result, err error) {
	start := time.Now()
	defer func() { r.Seconds = time.Since(start).Seconds() }()
	r.Verified = Unverified
	o.tell("looking for "+program, 0, 0)
	if _, _, err := LoaderVersion(ctx, run); err != nil {
		return r, err
	}
	args := LoaderArgs(p, o)
	if err := checkFlags(ctx, run, args); err != nil {
		return r, err
	}
	if err := checkChip(ctx, run, p, o); err != nil {
		return r, err
	}
	f, err := os.CreateTemp("", "kvaccel-*"+extension[p.Board.Format])
	if err != nil {
		return r, err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(p.Image)
	if err := errors.Join(err, f.Close()); err != nil {
		return r, err
	}
	o.tell("writing with "+program, 0, 0)
	out, err := run(ctx, program, append(args, f.Name())...)
	if err := judge(ctx, out, err); err != nil {
		return r, err
	}
	if !regexp.MustCompile(`(?i)\bdone\b|100\.00%`).Match(out) {
		return r, fmt.Errorf("%w: %s ended without saying that it was done: %s", driver.ErrProtocol, program, tail(out))
	}
	r.Bytes = len(p.Image)
	if p.To == Flash && o.Verify {
		r.Verified = ByLoader
	}
	return r, nil
}

// checkChip asks which part is there before anything is written to it.
func checkChip(ctx context.Context, run Runner, p Plan, o Options) error {
	if p.Board.IDCODE == 0 {
		return nil
	}
	args := append(reach(p, o), "--detect")
	o.tell("asking which part is there", 0, 0)
	out, err := run(ctx, program, args...)
	if err := judge(ctx, out, err); err != nil {
		return err
	}
	m := regexp.MustCompile(`(?i)idcode\s+(?:0x)?([0-9a-f]+)`).FindSubmatch(out)
	if m == nil {
		return fmt.Errorf("%w: %s found no part: %s", driver.ErrNotFound, program, tail(out))
	}
	id, err := strconv.ParseUint(string(m[1]), 16, 32)
	if err != nil || uint32(id)&0x0fffffff != p.Board.IDCODE&0x0fffffff { // the top four bits are not always printed
		if o.Force {
			return nil
		}
		return fmt.Errorf("%w: the part that answers has IDCODE %s, %s has %#08x: another board?", board.ErrRefused, m[1], p.Board.Name, p.Board.IDCODE)
	}
	return nil
}

func judge(ctx context.Context, out []byte, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && bytes.Contains(bytes.ToLower(out), []byte("unable to open")), err != nil && bytes.Contains(out, []byte("not found")), err != nil && bytes.Contains(out, []byte("connection failure")):
		return fmt.Errorf("%w: %s: %w: %s", driver.ErrNotFound, program, err, tail(out))
	case bytes.Contains(out, []byte("shut down the connection")):
		return fmt.Errorf("%w: %s: the cable is gone (%v): %s", driver.ErrDisconnected, program, err, tail(out))
	case err != nil:
		return fmt.Errorf("%w: %s: %w: %s", driver.ErrProtocol, program, err, tail(out))
	}
	for _, c := range complaints.FindAll(out, -1) {
		if !harmless.Match(c) {
			return fmt.Errorf("%w: %s ended with 0, but said: %s", driver.ErrProtocol, program, bytes.TrimSpace(c))
		}
	}
	return nil
}

// tail is the last of what a program said, on one line.
func tail(out []byte) string {
	lines := strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' || r == '\r' })
	if len(lines) == 0 {
		return "it said nothing"
	}
	return strings.Join(lines[max(0, len(lines)-3):], "; ")
}
