package main

import (
	"encoding/json"
	"os"
	"strings"
)

// design is a bitstream for the OrangeCrab's part.
const design = "/designs/ecp5-25f-compressed.bit"

// flashed is what "kvaccel flash --json" says.
type flashed struct {
	Outcome, Verified string
	CameBack          string `json:"came_back"`
	Engine            string
}

func (m *machine) flash(code int, args ...string) flashed {
	o := m.run(append([]string{"kvaccel", "flash", "--json", "--board", "orangecrab-25f", "--yes"}, args...)...)
	o.has(m, code)
	m.check(!strings.Contains(o.stderr, "goroutine "), "it panicked")
	var r flashed
	if code == 0 {
		m.must(json.Unmarshal([]byte(o.stdout), &r))
	}
	return r
}

// testFlash writes the same design with kvaccel and with dfu-util and reads it
// back with both.
func testFlash(m *machine) {
	memory := m.bigLoader("&attributes=dut")
	want := m.file(design)
	r := m.flash(0, design)
	m.check(r.Outcome == "written" && r.Verified == "read back", "%+v", r)
	m.same("memory", m.file(memory)[:len(want)], want)
	if !m.peer("dfu-util") {
		return
	}
	_ = os.Remove("/tmp/back")
	m.run("dfu-util", "-d", loaderID, "-a", "0", "-U", "/tmp/back").has(m, 0)
	m.same("what dfu-util reads back", m.file("/tmp/back")[:len(want)], want)
	// the other way round: what dfu-util wrote, kvaccel overwrites only in its own place
	other := append([]byte{}, want...)
	other[len(other)-1] ^= 0xff // padding: the file stays whole
	m.must(os.WriteFile("/tmp/other", other, 0o644))
	m.run("dfu-util", "-d", loaderID, "-a", "0", "-D", "/tmp/other").has(m, 0)
	m.same("memory after dfu-util", m.file(memory)[:len(other)], other)
}

// bigLoader has room for a whole design.
func (m *machine) bigLoader(options string) string {
	return m.loader("&size=1048576&block=4096&busy=0s" + options)
}

// testFlashFaults gives kvaccel flash devices that fail, each in its way.
func testFlashFaults(m *machine) {
	want := m.file(design)
	for _, c := range []struct {
		options string
		code    int
	}{
		{"&attributes=dut&script=stall@2,error@5", 0},
		{"&attributes=dut&script=zero-poll@1", 0},
		{"&attributes=dut&script=long-poll@1", 0},
		{"&attributes=dut&script=unplug@4", 6},
		{"&attributes=dut&script=corrupt@7", 7},
		{"&attributes=dut&script=status-length@3", 6},
		{"&attributes=dut&script=manifest", 6}, // tolerant: it must not leave
		{"&attributes=du", 0},                  // leaves in manifest, as it may, and comes back
	} {
		m.scope(func() {
			memory := m.bigLoader(c.options)
			m.flash(c.code, design)
			m.back()
			m.flash(0, design)
			m.same("memory after "+c.options, m.file(memory)[:len(want)], want)
		})
	}
}

// testFlashDetach starts from a running design: DETACH, flash, and the engine
// answers again.
func testFlashDetach(m *machine) {
	memory := m.bigLoader("&attributes=duw&app=native&start=app&serial=crab")
	m.info("usb:" + nativeID)
	want := m.file(design)
	r := m.flash(0, design)
	m.check(strings.HasPrefix(r.CameBack, "design"), "%+v", r)
	m.same("memory", m.file(memory)[:len(want)], want)
	m.info("usb:" + nativeID)
	o := m.runAs(user, "kvaccel", "flash", "--board", "orangecrab-25f", "--yes", design)
	m.check(o.code == 4, "exit code %d without permission, want 4", o.code)
}

// testFlashRefusals needs no board: nothing may be written.
func testFlashRefusals(m *machine) {
	memory := m.loader("&attributes=dut")
	before := m.file(memory)
	whole := m.file(design)
	m.must(os.WriteFile("/tmp/cut.bit", whole[:len(whole)/2], 0o644))
	m.must(os.WriteFile("/tmp/noise.bit", noise(5000), 0o644))
	m.flash(2, "/tmp/cut.bit")
	m.flash(2, "/tmp/noise.bit")
	m.flash(2, "/designs/ice40-up5k.bin")
	m.flash(2, design, "--offset", "0")
	m.flash(3, "/tmp/absent.bit")
	m.flash(0, design, "--dry-run")
	m.same("memory", m.file(memory), before)
}
