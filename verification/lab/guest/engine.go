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
func (m *machine) compressed(uri string, args ...string) (cache []byte, cycles string) {
	path := "/tmp/cache.safetensors"
	_ = os.Remove(path)
	o := m.run(append([]string{"kvaccel", "run", "--json", "-d", uri, "-o", path}, args...)...).has(m, 0)
	var r struct {
		Cycles json.RawMessage `json:"cycles"`
	}
	m.must(json.Unmarshal([]byte(o.stdout), &r))
	m.check(len(r.Cycles) > 10, "no cycles in the report")
	return m.file(path), string(r.Cycles)
}

// equal checks that a run on a device gives the emulator's bytes and cycles.
func (m *machine) equal(uri string, args ...string) {
	want, wantCycles := m.compressed("emu:", args...)
	got, cycles := m.compressed(uri, args...)
	m.same("the cache over "+uri, got, want)
	m.check(cycles == wantCycles, "cycles over %s: %s\nwant %s", uri, cycles, wantCycles)
}

func (m *machine) info(uri string) {
	o := m.run("kvaccel", "info", "--json", "-d", uri).has(m, 0)
	var r struct {
		Source string `json:"source"`
		SpecID uint32 `json:"spec_id"`
	}
	m.must(json.Unmarshal([]byte(o.stdout), &r))
	m.check(r.Source == "board" && r.SpecID != 0, "info gives %+v", r)
}

func testNative(m *machine) {
	m.board("native")
	m.run("kvaccel", "list").has(m, 0, "usb:")
	m.info("usb:")
	m.info("usb:" + nativeID)
	m.equal("usb:"+nativeID, "--prefix", "128")
}

func testFTDI(m *machine) {
	m.board("ft232h")
	m.info("usb:0403:6014")
	m.equal("usb:0403:6014", "--prefix", "128")
}

func testFTDIUART(m *machine) {
	m.board("ft232h-uart")
	m.info("usb:0403:6014?mode=uart")
}

func testUART(m *machine) {
	s := m.serve("--uart")
	m.info("uart:" + s.ready.UART)
	m.equal("uart:"+s.ready.UART, "--prefix", "128")
}

// testVerilog has the command's bytes reach the pins of the Verilated link.
func testVerilog(m *machine) {
	for _, v := range []struct{ phy, board, uri string }{
		{"ft245", "ft232h", "usb:0403:6014"}, {"uart", "ft232h-uart", "usb:0403:6014?mode=uart"},
	} {
		m.scope(func() {
			if !m.peer("kv_board-" + v.phy) {
				return
			}
			m.board(v.board, "--pipe", "/bin/kv_board-"+v.phy)
			m.info(v.uri)
			m.equal(v.uri, "--prefix", "64")
		})
	}
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
