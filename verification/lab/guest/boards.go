package main

import (
	"os"
	"path/filepath"
	"slices"
)

const nativeID = "1209:5af0"

// testEnumerate attaches a board and looks at what the kernel makes of it.
func testEnumerate(m *machine) {
	s := m.serve("--usbip=127.0.0.1:0", "--board", "native?serial=lab-1")
	port := m.attach(s.ready.Address, s.ready.USBIP[0].BusID)
	m.until("the kernel has the device", func() bool { return slices.Equal(devices(), []string{nativeID}) })
	dirs, err := filepath.Glob("/sys/bus/usb/devices/*/serial")
	m.must(err)
	found := ""
	for _, d := range dirs {
		if b, _ := os.ReadFile(d); string(b) == "lab-1\n" {
			found = filepath.Dir(d)
		}
	}
	m.check(found != "", "no device with serial number lab-1")
	for file, want := range map[string]string{"product": "kvaccel engine", "manufacturer": "kvaccel", "speed": "480", "bNumInterfaces": " 1"} {
		b, err := os.ReadFile(filepath.Join(found, file))
		m.must(err)
		m.check(string(b) == want+"\n", "%s is %q, want %q", file, b, want)
	}
	m.must(detach(port))
	m.until("the kernel has lost the device", func() bool { return len(devices()) == 0 })
}
