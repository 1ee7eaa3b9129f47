package main

import (
	"os"
	"slices"
)

type test struct {
	name string
	run  func(m *machine)
}

// tests are carried out in this order.
var tests = []test{
	{"kernel", testKernel},
	{"enumerate", testEnumerate},
	{"native", testNative},
	{"ftdi", testFTDI},
	{"ftdi-uart", testFTDIUART},
	{"uart", testUART},
	{"xdma", testXDMA},
	{"unplug", testUnplug},
	{"wrong-firmware", testWrongFirmware},
	{"permission", testPermission},
	{"ambiguous", testAmbiguous},
	{"hostile", testHostile},
	{"dfu-util", testDFUUtil},
	{"dfu-util-faults", testDFUUtilFaults},
	{"flash", testFlash},
	{"flash-faults", testFlashFaults},
	{"flash-detach", testFlashDetach},
	{"flash-refusals", testFlashRefusals},
}

// testKernel looks at the machine itself.
func testKernel(m *machine) {
	version, err := os.ReadFile("/proc/version")
	m.must(err)
	m.logf("%s", version)
	m.check(len(portLines()) > 0, "vhci-hcd has no ports")
	m.check(len(devices()) == 0, "devices before any is attached: %v", devices())
	_, err = os.Stat("/dev/cuse")
	m.must(err)
	m.check(slices.Contains([]string{"007", "004"}, portStatus(0)), "port 0 is %s", portStatus(0))
}
