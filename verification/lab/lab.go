// Package lab boots a small virtual machine in which the real command, gousb,
// libusb and kernel drive virtual boards. The machine is QEMU with software
// emulation, Debian's kernel and an initial RAM disk built here; its first process
// is verification/lab/guest, which carries out the tests and reports each as a line
// on the second serial port. docs/lab.md describes it.
package lab

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/kvaccel/kvaccel/verification/lab/report"
)

// Lab says what goes into the machine.
type Lab struct {
	Root string // of the repository
	Dir  string // for what is built and downloaded
	Only string // names of the tests to run, joined by commas; empty: all
}

// programs are copied from the host with the libraries they need, if they are
// there: independent peers.
var programs = []string{"dfu-util", "usbip", "openFPGALoader"}

// qemu is the emulator's program.
const qemu = "qemu-system-x86_64"

// Run builds and boots the machine, and hands over the results as they come. It
// returns nil when the machine has gone through all of its tests.
func (l *Lab) Run(ctx context.Context, each func(report.Result)) error {
	if _, err := exec.LookPath(qemu); err != nil {
		return fmt.Errorf("%w: %s; scripts/setup.sh installs it (Debian's qemu-system-x86)", ErrMissing, qemu)
	}
	if err := os.MkdirAll(l.Dir, 0o755); err != nil {
		return err
	}
	k, err := fetchKernel(ctx, l.Dir)
	if err != nil {
		return err
	}
	t := tree{}
	for _, add := range []func(context.Context, tree) error{
		func(ctx context.Context, t tree) error { return addModules(ctx, t, k) },
		l.addGo, l.addPrograms, l.addDesigns,
	} {
		if err := add(ctx, t); err != nil {
			return err
		}
	}
	initrd := filepath.Join(l.Dir, "initrd")
	var b bytes.Buffer
	if err := writeCPIO(&b, t); err != nil {
		return err
	}
	if err := os.WriteFile(initrd, b.Bytes(), 0o644); err != nil {
		return err
	}
	return l.boot(ctx, k.image, initrd, each)
}

func addModules(ctx context.Context, t tree, k kernel) error {
	for i, name := range modules {
		b, ok, err := k.module(ctx, name)
		if err != nil {
			return fmt.Errorf("kernel module %s: %w", name, err)
		}
		if ok {
			t[fmt.Sprintf("modules/%02d-%s.ko", i, name)] = entry{0o644, b}
		}
	}
	return nil
}

// addGo builds the command, with cgo and thus USB, and the guest.
func (l *Lab) addGo(ctx context.Context, t tree) error {
	for _, p := range []struct{ path, pkg, cgo string }{
		{"init", "./verification/lab/guest", "0"},
		{"bin/kvaccel", "./cmd/kvaccel", "1"},
	} {
		out := filepath.Join(l.Dir, filepath.Base(p.path))
		cmd := exec.CommandContext(ctx, "go", "build", "-o", out, p.pkg)
		if p.cgo == "1" {
			cmd.Args = append(cmd.Args[:2:2], append(l.tags(), cmd.Args[2:]...)...)
		}
		cmd.Dir, cmd.Env = l.Root, append(os.Environ(), "CGO_ENABLED="+p.cgo)
		if b, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build %s: %w\n%s", p.pkg, err, b)
		}
		if err := addProgram(ctx, t, p.path, out); err != nil {
			return err
		}
	}
	return nil
}

// tags are what a build with USB needs.
func (l *Lab) tags() []string { return []string{"-tags", "usb"} }

func (l *Lab) addPrograms(ctx context.Context, t tree) error {
	for _, name := range programs {
		path := find(name)
		if path == "" {
			continue // its tests say that it is not there
		}
		if err := addProgram(ctx, t, "bin/"+name, path); err != nil {
			return err
		}
	}
	return nil
}

// find looks where system programs are, too.
func find(name string) string {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode()&0o111 != 0 {
			return filepath.Join(dir, name)
		}
	}
	return ""
}

// addDesigns adds bitstreams to flash.
func (l *Lab) addDesigns(_ context.Context, t tree) error {
	for _, name := range []string{"ecp5-25f-compressed.bit", "ice40-up5k.bin"} {
		f, err := os.Open(filepath.Join(l.Root, "driver", "flash", "bitstream", "testdata", name+".gz"))
		if err != nil {
			return err
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			return errors.Join(err, f.Close())
		}
		b, err := io.ReadAll(z)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		t["designs/"+name] = entry{0o644, b}
	}
	return nil
}

// addProgram adds a program and the shared libraries that it names.
func addProgram(ctx context.Context, t tree, name, path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	t[name] = entry{0o755, b}
	out, err := exec.CommandContext(ctx, "ldd", path).CombinedOutput()
	if err != nil {
		if bytes.Contains(out, []byte("not a dynamic executable")) {
			return nil
		}
		return fmt.Errorf("ldd %s: %w\n%s", path, err, out)
	}
	for line := range strings.Lines(string(out)) {
		for _, word := range strings.Fields(line) {
			if !strings.HasPrefix(word, "/") || t[strings.TrimPrefix(word, "/")].data != nil {
				continue
			}
			lib, err := os.ReadFile(word)
			if err != nil {
				return err
			}
			t[strings.TrimPrefix(word, "/")] = entry{0o755, lib}
		}
	}
	return nil
}

// boot runs the machine until it ends and reads its second serial port.
func (l *Lab) boot(ctx context.Context, image, initrd string, each func(report.Result)) error {
	console := filepath.Join(l.Dir, "console.log")
	args := []string{
		"-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "1536", "-display", "none", "-no-reboot", "-nic", "none", "-nodefaults",
		"-kernel", image, "-initrd", initrd, "-append", "console=ttyS0 quiet panic=-1 lab.only=" + l.Only,
		"-serial", "file:" + console, "-serial", "stdio",
	}
	cmd := exec.CommandContext(ctx, qemu, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	done := false
	in := bufio.NewScanner(out)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var r report.Result
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			continue // a line of the firmware's
		}
		if r.Done {
			done = true
			continue
		}
		each(r)
	}
	err = errors.Join(in.Err(), cmd.Wait())
	if !done {
		tail, _ := os.ReadFile(console)
		return fmt.Errorf("the machine ended before its tests did (%w); its console, %s:\n%s%s", errors.Join(err, ctx.Err()), console, last(tail, 4000), stderr.String())
	}
	return err
}

func last(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// sources opens every file that decides what the lab tests, so that go test
// knows when a kept result is stale.
func (l *Lab) sources() (n int, err error) {
	for _, dir := range []string{"cmd", "driver", "emulator", "host", "internal", "hdl/rtl", "verification/lab"} {
		err = errors.Join(err, filepath.WalkDir(filepath.Join(l.Root, dir), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			n++
			return f.Close()
		}))
	}
	return n, err
}
