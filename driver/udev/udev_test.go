package udev

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
)

func TestFileSortsBeforeSeat(t *testing.T) {
	if name := filepath.Base(Path); name >= "71-seat.rules" {
		t.Errorf("%s sorts behind 71-seat.rules: uaccess would be ignored", name)
	}
	text := File()
	for _, id := range IDs {
		if !strings.Contains(text, "\n"+USB(id.Vendor, id.Product)+"\n") {
			t.Errorf("no rule for %s", id.Name)
		}
	}
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "SUBSYSTEM") && (!strings.Contains(line, `TAG+="uaccess"`) || !strings.Contains(line, `GROUP="plugdev"`)) {
			t.Errorf("%s: wants both the seat's tag and a group", line)
		}
	}
	if !strings.Contains(text, "\n"+XDMA()+"\n") {
		t.Error("no rule for XDMA")
	}
}

func TestExplain(t *testing.T) {
	node := filepath.Join(t.TempDir(), "node")
	if err := os.WriteFile(node, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		cause error
		want  error
		says  []string
	}{
		{fs.ErrPermission, driver.ErrAccess, []string{node, "0640", XDMA(), Path, "usermod", "owner"}},
		{syscall.EACCES, driver.ErrAccess, []string{XDMA()}},
		{fs.ErrNotExist, driver.ErrNotFound, nil},
		{syscall.ENODEV, driver.ErrNotFound, nil},
		{syscall.EBUSY, driver.ErrBusy, nil},
	} {
		err := Explain(node, XDMA(), &fs.PathError{Op: "open", Path: node, Err: c.cause})
		if !errors.Is(err, c.want) || !errors.Is(err, c.cause) {
			t.Errorf("%v: %v, want %v", c.cause, err, c.want)
		}
		for _, s := range c.says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%v: no %q in %v", c.cause, s, err)
			}
		}
	}
}
