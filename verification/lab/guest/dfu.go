package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

// loaderID is the boot loader of the OrangeCrab.
const loaderID = "1209:5af0"

// noise is content that looks like nothing.
func noise(n int) []byte {
	b, r := make([]byte, n), rand.New(rand.NewPCG(7, uint64(n)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// loader serves a boot loader and attaches it for as long as the test lasts.
func (m *machine) loader(options string) (memory string) {
	memory = "/tmp/memory"
	_ = os.Remove(memory)
	s := m.serve("--usbip=127.0.0.1:0", "--board", "dfu:orangecrab-25f?size=262144&memory="+memory+options)
	m.keepAttached(s.ready.Address, s.ready.USBIP[0].BusID)
	m.until("the device is on the bus", func() bool { return len(devices()) == 1 })
	return memory
}

func (m *machine) same(what string, got, want []byte) {
	m.check(bytes.Equal(got, want), "%s differs: %d bytes, want %d", what, len(got), len(want))
}

func (m *machine) file(path string) []byte {
	b, err := os.ReadFile(path)
	m.must(err)
	return b
}

// peer gives the path of an independent tool; without it the test says that it
// did nothing.
func (m *machine) peer(name string) bool {
	if _, err := os.Stat("/bin/" + name); err != nil {
		m.logf("NOT RUN: %s was not on the machine that built the lab", name)
		return false
	}
	return true
}

// testDFUUtil has Debian's dfu-util write and read the virtual boot loader.
func testDFUUtil(m *machine) {
	if !m.peer("dfu-util") {
		return
	}
	memory := m.loader("&attributes=dut")
	want := noise(100_000)
	m.must(os.WriteFile("/tmp/image", want, 0o644))
	m.run("dfu-util", "-l").has(m, 0, "Found DFU: ["+loaderID+"]")
	m.run("dfu-util", "-d", loaderID, "-a", "0", "-D", "/tmp/image").has(m, 0)
	m.same("memory", m.file(memory)[:len(want)], want)
	m.run("dfu-util", "-d", loaderID, "-a", "0", "-U", "/tmp/back").has(m, 0)
	m.same("upload", m.file("/tmp/back")[:len(want)], want)
}

// testDFUUtilFaults gives dfu-util a device that fails: it must say so, and the
// device must work the next time.
func testDFUUtilFaults(m *machine) {
	if !m.peer("dfu-util") {
		return
	}
	want := noise(40_000)
	m.must(os.WriteFile("/tmp/image", want, 0o644))
	for _, fault := range []string{"stall@2", "error@3", "zero-poll@1", "unplug@4"} {
		m.scope(func() {
			memory := m.loader("&attributes=dut&script=" + fault)
			o := m.run("dfu-util", "-d", loaderID, "-a", "0", "-D", "/tmp/image")
			m.check((o.code == 0) == strings.HasPrefix(fault, "zero"), "%s: exit code %d", fault, o.code)
			m.back()
			m.run("dfu-util", "-d", loaderID, "-a", "0", "-D", "/tmp/image").has(m, 0)
			m.same("memory after "+fault, m.file(memory)[:len(want)], want)
		})
	}
}

// back waits until a device that may have left is on the bus.
func (m *machine) back() {
	time.Sleep(300 * time.Millisecond) // for the kernel to see it leave
	m.until("the device is on the bus", func() bool { return len(devices()) == 1 })
}
