// Package rtltest says whether the tests at hand may use the Verilated engine.
package rtltest

import (
	"os"
	"os/exec"
	"testing"
)

// LeaveOut is the environment variable that leaves the Verilated engine out
// when it is 1. Nothing else does: a missing Verilator is a failure.
const LeaveOut = "KVACCEL_NO_RTL"

// Wanted is false if the caller asked to leave the RTL out, and says so in the
// test's log.
func Wanted(t testing.TB) bool {
	t.Helper()
	if os.Getenv(LeaveOut) == "1" {
		t.Logf("%s=1: left out: %s", LeaveOut, t.Name())
		return false
	}
	return true
}

// Verilator leaves the test if the RTL is not wanted, and fails it if the RTL
// is wanted and cannot be built here.
func Verilator(t testing.TB) {
	t.Helper()
	if !Wanted(t) {
		t.SkipNow()
	}
	if _, err := exec.LookPath("verilator"); err != nil {
		t.Fatalf("Verilator is not installed: ./check.sh installs it (%s=1 leaves the RTL out)", LeaveOut)
	}
}
