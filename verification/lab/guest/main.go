// Command guest is the first process of the lab's virtual machine: it makes the
// machine usable, carries out the tests and reports them to the host. It runs as
// process 1 of a machine that is thrown away, and is of no use elsewhere.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kvaccel/kvaccel/verification/lab/report"
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "guest: runs only as the first process of the lab's machine: make lab")
		os.Exit(2)
	}
	port, err := boot()
	if err != nil {
		fmt.Println("guest:", err) // the console is all there is
	} else {
		only := option("lab.only")
		for _, t := range tests {
			if only == "" || slices.Contains(strings.Split(only, ","), t.name) {
				tell(port, carryOut(t))
			}
		}
		tell(port, report.Result{Done: true})
		unix.Sync()
		time.Sleep(100 * time.Millisecond) // for the serial port to drain
	}
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
}

// boot mounts what programs expect, loads the modules and opens the port to the host.
func boot() (*os.File, error) {
	for _, m := range []struct{ source, target, kind, data string }{
		{"proc", "/proc", "proc", ""}, {"sysfs", "/sys", "sysfs", ""}, {"devtmpfs", "/dev", "devtmpfs", ""}, {"devpts", "/dev/pts", "devpts", ""},
		{"tmpfs", "/tmp", "tmpfs", "mode=1777"}, {"tmpfs", "/run", "tmpfs", ""},
	} {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			return nil, err
		}
		if err := unix.Mount(m.source, m.target, m.kind, 0, m.data); err != nil {
			return nil, fmt.Errorf("mounting %s: %w", m.target, err)
		}
	}
	port, err := os.OpenFile("/dev/ttyS1", os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	for k, v := range map[string]string{"PATH": "/bin", "HOME": "/tmp"} {
		if err := os.Setenv(k, v); err != nil {
			return nil, err
		}
	}
	files, err := filepath.Glob("/modules/*.ko")
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	for _, f := range files {
		if err := load(f); err != nil {
			return nil, fmt.Errorf("loading %s: %w", f, err)
		}
	}
	return port, loopback()
}

func load(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), "", 0)
}

// loopback brings the interface lo up.
func loopback() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	r, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, r)
}

// option reads an option of the kernel's command line.
func option(name string) string {
	line, _ := os.ReadFile("/proc/cmdline")
	for word := range strings.FieldsSeq(string(line)) {
		if v, ok := strings.CutPrefix(word, name+"="); ok {
			return v
		}
	}
	return ""
}

func tell(port *os.File, r report.Result) {
	b, err := json.Marshal(r)
	if err == nil {
		_, err = port.Write(append(b, '\n'))
	}
	if err != nil {
		fmt.Println("guest:", err)
	}
}

// carryOut runs one test. What it started ends with it, whatever happens.
func carryOut(t test) (r report.Result) {
	m := &machine{}
	start := time.Now()
	defer func() {
		if p := recover(); p != nil {
			if _, ours := p.(failure); !ours {
				m.logf("panic: %v\n%s", p, debug.Stack())
			}
			r.Failed = true
		}
		m.close()
		r.Test, r.Log, r.Seconds = t.name, m.log.String(), time.Since(start).Seconds()
	}()
	fmt.Println("test", t.name)
	t.run(m)
	return r
}
