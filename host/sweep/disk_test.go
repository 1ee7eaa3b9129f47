package sweep

import (
	"errors"
	"strings"
	"syscall"
	"testing"
)

func TestCheckDisk(t *testing.T) {
	room := func(n uint64, ok bool) func(string) (uint64, bool) {
		return func(string) (uint64, bool) { return n, ok }
	}
	if err := checkDisk("d/x.db", 5<<20, room(1<<20, true)); !errors.Is(err, ErrDisk) || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "d/x.db may take 5 MiB, and d has 1 MiB left") {
		t.Error(err)
	}
	if err := checkDisk("d/x.db", 5<<20, room(5<<20, true)); err != nil {
		t.Error(err)
	}
	if err := checkDisk("d/x.db", 5<<20, room(0, false)); err != nil {
		t.Error(err)
	}
	if n, ok := freeBytes(t.TempDir()); ok && n == 0 {
		t.Error("this disk is said to be full")
	}
}

func TestBytes(t *testing.T) {
	p := &Plan{Points: make([]Point, 10), heads: 256}
	if p.Bytes(10) < 10*256*headBytes || p.Bytes(10) <= p.Bytes(5) {
		t.Errorf("%d bytes for 10 points, %d for 5", p.Bytes(10), p.Bytes(5))
	}
}
