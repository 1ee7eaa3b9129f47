package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kvaccel/kvaccel/driver/usbip"
)

// machine is what a test works with. Its methods end the test when they fail.
type machine struct {
	mu       sync.Mutex // of log
	log      strings.Builder
	cleanups []func()
}

type failure struct{}

func (m *machine) logf(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fmt.Fprintf(&m.log, format+"\n", args...)
}

func (m *machine) fatalf(format string, args ...any) {
	m.logf(format, args...)
	panic(failure{})
}

func (m *machine) must(err error) {
	if err != nil {
		m.fatalf("%v", err)
	}
}

func (m *machine) check(ok bool, format string, args ...any) {
	if !ok {
		m.fatalf(format, args...)
	}
}

func (m *machine) cleanup(f func()) { m.cleanups = append(m.cleanups, f) }

func (m *machine) close() {
	for i := len(m.cleanups) - 1; i >= 0; i-- {
		m.cleanups[i]()
	}
	m.cleanups = nil
}

// scope is a part of a test after which what it started is ended.
func (m *machine) scope(f func()) {
	outer := m.cleanups
	m.cleanups = nil
	defer func() { m.close(); m.cleanups = outer }()
	f()
	m.logf("")
}

// until waits for something to become true.
func (m *machine) until(what string, ok func() bool) {
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		m.check(time.Now().Before(end), "not within 30 s: %s", what)
	}
}

// output is what a program left.
type output struct {
	code           int
	stdout, stderr string
}

// has fails the test unless the program ended with the code and said the words.
func (o output) has(m *machine, code int, words ...string) output {
	m.check(o.code == code, "exit code %d, want %d", o.code, code)
	for _, w := range words {
		m.check(strings.Contains(o.stdout+o.stderr, w), "not said: %q", w)
	}
	return o
}

// user is somebody without rights.
const user = 1000

// run runs a program to its end, as root.
func (m *machine) run(args ...string) output { return m.runAs(0, args...) }

func (m *machine) runAs(uid uint32, args ...string) output {
	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir = &stdout, &stderr, "/tmp"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGQUIT) } // a Go program that hangs says where
	cmd.WaitDelay = 5 * time.Second
	start := time.Now()
	err := cmd.Run()
	o := output{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	m.logf("$ %s\n%s%s[%d after %.2f s]", strings.Join(args, " "), clip(o.stdout), clip(o.stderr), o.code, time.Since(start).Seconds())
	if cmd.ProcessState == nil {
		m.must(err)
	}
	m.check(ctx.Err() == nil, "it hangs")
	return o
}

func clip(s string) string {
	const most = 1600
	if len(s) > most {
		return s[:most/2] + "\n...\n" + s[len(s)-most/2:]
	}
	return s
}

// server is a running "kvaccel serve".
type server struct {
	cmd   *exec.Cmd
	ready struct {
		USBIP []struct {
			BusID string `json:"bus_id"`
		} `json:"usbip"`
		Address string `json:"address"`
		UART    string `json:"uart"`
	}
}

// serve starts "kvaccel serve --json" and waits until it is ready.
func (m *machine) serve(args ...string) *server {
	s := &server{cmd: exec.Command("kvaccel", append([]string{"serve", "--json"}, args...)...)}
	out, err := s.cmd.StdoutPipe()
	m.must(err)
	var stderr bytes.Buffer
	s.cmd.Stderr = &stderr
	m.must(s.cmd.Start())
	m.logf("$ %s &", strings.Join(s.cmd.Args, " "))
	m.cleanup(func() {
		_ = s.cmd.Process.Signal(os.Interrupt)
		_ = s.cmd.Wait()
		if stderr.Len() > 0 {
			m.logf("serve said: %s", clip(stderr.String()))
		}
	})
	dec := json.NewDecoder(out)
	if err := dec.Decode(&s.ready); err != nil {
		m.fatalf("serve is not ready: %v; %s", err, stderr.String())
	}
	go func() {
		for {
			var e json.RawMessage
			if dec.Decode(&e) != nil {
				return
			}
			m.logf("serve: %s", e)
		}
	}()
	return s
}

const vhci = "/sys/devices/platform/vhci_hcd.0"

// attach imports a device and hands its connection to the kernel, as "usbip
// attach" does, and returns the port. High-speed ports are the first ones.
func (m *machine) attach(address, busID string) int {
	port, err := tryAttach(address, busID)
	m.must(err)
	m.logf("attached %s of %s to port %d", busID, address, port)
	m.cleanup(func() { _ = detach(port) })
	m.until("the device has an address", func() bool { return portStatus(port) == "006" })
	return port
}

func tryAttach(address, busID string) (int, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	defer conn.Close() // the kernel keeps a reference of its own
	r, err := usbip.Import(conn, busID)
	if err != nil {
		return 0, err
	}
	f, err := conn.(*net.TCPConn).File()
	if err != nil {
		return 0, err
	}
	defer f.Close()
	// a descriptor in non-blocking mode would end the kernel's reads
	if err := syscall.SetNonblock(int(f.Fd()), false); err != nil {
		return 0, err
	}
	port := freePort()
	line := fmt.Sprintf("%d %d %d %d", port, f.Fd(), r.DevID(), r.Speed)
	return port, os.WriteFile(vhci+"/attach", []byte(line), 0)
}

// keepAttached attaches a device again whenever it comes back, as a person
// with a cable, or a hub, would.
func (m *machine) keepAttached(address, busID string) {
	port := m.attach(address, busID)
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
			if portStatus(port) == "004" { // free again
				if p, err := tryAttach(address, busID); err == nil {
					m.logf("%s is back at port %d", busID, p)
					port = p
				}
			}
		}
	})
	m.cleanup(func() { close(stop); done.Wait(); _ = detach(port) })
}

func detach(port int) error {
	return os.WriteFile(vhci+"/detach", fmt.Append(nil, port), 0)
}

// portStatus is the kernel's word on a port: 004 free, 005 not assigned, 006 in use.
func portStatus(port int) string {
	for _, f := range portLines() {
		if f[1] == fmt.Sprintf("%04d", port) {
			return f[2]
		}
	}
	return ""
}

func freePort() int {
	for _, f := range portLines() {
		if f[0] == "hs" && f[2] == "004" {
			var n int
			_, _ = fmt.Sscanf(f[1], "%d", &n)
			return n
		}
	}
	return 0
}

func portLines() [][]string {
	b, _ := os.ReadFile(vhci + "/status")
	var all [][]string
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 3 && f[0] != "hub" {
			all = append(all, f)
		}
	}
	return all
}

// devices lists the kernel's USB devices, hubs left out, as vendor:product.
func devices() []string {
	dirs, _ := filepath.Glob("/sys/bus/usb/devices/*/idVendor")
	var all []string
	for _, d := range dirs {
		v, _ := os.ReadFile(d)
		p, _ := os.ReadFile(filepath.Join(filepath.Dir(d), "idProduct"))
		if id := strings.TrimSpace(string(v)) + ":" + strings.TrimSpace(string(p)); !strings.HasPrefix(id, "1d6b:") {
			all = append(all, id)
		}
	}
	return all
}

// nodes lists the usbfs nodes of the devices that are no hubs.
func nodes() []string {
	dirs, _ := filepath.Glob("/sys/bus/usb/devices/*/idVendor")
	var all []string
	for _, d := range dirs {
		dir := filepath.Dir(d)
		read := func(name string) string {
			b, _ := os.ReadFile(filepath.Join(dir, name))
			return strings.TrimSpace(string(b))
		}
		if read("idVendor") == "1d6b" {
			continue
		}
		var bus, dev int
		_, _ = fmt.Sscan(read("busnum"), &bus)
		_, _ = fmt.Sscan(read("devnum"), &dev)
		all = append(all, fmt.Sprintf("/dev/bus/usb/%03d/%03d", bus, dev))
	}
	return all
}
