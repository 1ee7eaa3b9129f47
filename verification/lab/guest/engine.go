package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// board serves a board of the given kind and attaches it.
func (m *machine) board(kind string, more ...string) (s *server, port int) {
	s = m.serve(append([]string{"--usbip=127.0.0.1:0", "--board", kind}, more...)...)
	before := len(devices())
	port = m.attach(s.ready.Address, s.ready.USBIP[0].BusID)
	m.until("the board is on the bus", func() bool { return len(devices()) == before+1 })
	return s, port
}

// compressed runs a trace through a device and gives the cache's bytes and the
// engine's cycles.
func (m *machine) compressed(uri string) (cache []byte, cycles int) {
	path := "/tmp/cache.safetensors"
	_ = os.Remove(path)
	o := m.run("kvaccel", "run", "--json", "--prefix", "16", "-d", uri, "-o", path).has(m, 0)
	var r struct {
		Cycles struct {
			Total int `json:"total"`
		} `json:"cycles"`
	}
	m.must(json.Unmarshal([]byte(o.stdout), &r))
	m.check(r.Cycles.Total > 0, "no cycles in the report")
	return m.file(path), r.Cycles.Total
}

// equal checks that a run on a device gives the emulator's bytes, and its cycles:
// within 2 percent, because a packet that comes late over the link cannot overlap the
// one before it.
func (m *machine) equal(uri, emulator string) {
	want, wantCycles := m.compressed(emulator)
	got, cycles := m.compressed(uri)
	m.same("the cache over "+uri, got, want)
	m.logf("%s: %d bytes identical; %d cycles, emulator %d", uri, len(got), cycles, wantCycles)
	m.check(50*abs(cycles-wantCycles) <= wantCycles, "cycles differ by more than 2 percent")
}

func abs(n int) int { return max(n, -n) }

func (m *machine) info(uri string) {
	o := m.run("kvaccel", "info", "--json", "-d", uri).has(m, 0)
	var r struct {
		Source string `json:"source"`
		SpecID uint32 `json:"spec_id"`
	}
	m.must(json.Unmarshal([]byte(o.stdout), &r))
	m.check((r.Source == "board" || r.Source == "emulator") && r.SpecID != 0, "info gives %+v", r)
}

func testNative(m *machine) {
	m.board("native")
	m.run("kvaccel", "list").has(m, 0, "usb:")
	m.info("usb:")
	m.equal("usb:"+nativeID, "emu:")
}

func testFTDI(m *machine) {
	m.board("ft232h")
	m.info("usb:0403:6014")
	m.equal("usb:0403:6014", "emu:")
}

func testFTDIUART(m *machine) {
	m.board("ft232h-uart")
	m.info("usb:0403:6014?mode=uart")
}

func testUART(m *machine) {
	s := m.serve("--uart")
	m.info("uart:" + s.ready.UART)
	m.equal("uart:"+s.ready.UART, "emu:")
}

// testUnplug takes the board away in the middle of a run, in two ways. The
// command must end by itself, soon, and say that the device is gone; and the next run must work.
func testUnplug(m *machine) {
	for _, how := range []string{"detached", "server killed"} {
		m.scope(func() {
			s, port := m.board("native")
			cmd := exec.Command("kvaccel", "bench", "-d", "usb:"+nativeID)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			m.must(cmd.Start())
			m.cleanup(func() { _ = cmd.Process.Kill() })
			time.Sleep(1500 * time.Millisecond) // into its first commands
			if how == "detached" {
				m.must(detach(port))
			} else {
				m.must(s.cmd.Process.Kill())
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			start := time.Now()
			select {
			case <-ended:
			case <-time.After(30 * time.Second):
				_ = cmd.Process.Signal(syscall.SIGQUIT) // where it stands
				<-ended
				m.fatalf("%s: the command hangs:\n%s", how, stderr.String())
			}
			m.logf("%s: exit code %d after %.1f s: %s", how, cmd.ProcessState.ExitCode(), time.Since(start).Seconds(), stderr.String())
			m.check(cmd.ProcessState.ExitCode() == 6, "want exit code 6")
			m.check(!strings.Contains(stderr.String(), "goroutine"), "it panicked")
			m.until("the kernel has lost the device", func() bool { return len(devices()) == 0 })
		})
	}
	m.board("native")
	m.info("usb:" + nativeID)
}

func testPermission(m *machine) {
	m.board("native")
	node := ""
	m.until("the device has a node", func() bool { node = deviceNode(); return node != "" })
	m.must(os.Chmod(node, 0o660))
	m.runAs(user, "kvaccel", "info", "-d", "usb:"+nativeID).has(m, 4, node, "0660", `ATTR{idVendor}=="1209"`, "usermod")
	m.must(os.Chmod(node, 0o666))
	m.runAs(user, "kvaccel", "info", "-d", "usb:"+nativeID).has(m, 0)
}

func testAmbiguous(m *machine) {
	s := m.serve("--usbip=127.0.0.1:0", "--board", "native?serial=left", "--board", "native?serial=right")
	for _, e := range s.ready.USBIP {
		m.attach(s.ready.Address, e.BusID)
	}
	m.until("both are on the bus", func() bool { return slices.Equal(devices(), []string{nativeID, nativeID}) })
	m.run("kvaccel", "info", "-d", "usb:"+nativeID).has(m, 3, "left", "right")
	m.run("kvaccel", "info", "-d", "usb:"+nativeID+"?serial=right").has(m, 0)
	m.run("kvaccel", "info", "-d", "usb:"+nativeID+"?serial=middle").has(m, 3)
}

// deviceNode finds the usbfs node of the one device.
func deviceNode() string {
	all := nodes()
	if len(all) != 1 {
		return ""
	}
	return all[0]
}
