package lab

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/verification/lab/report"
)

// TestLab boots the machine. Without QEMU it fails if KVACCEL_LAB is 1, as in
// `make lab`; else it is left out, and `make test` says so. With KVACCEL_LAB 0 it is left to
// a later run on its own: beside others the machine is too slow for its time limit.
func TestLab(t *testing.T) {
	if os.Getenv("KVACCEL_LAB") == "0" {
		t.Skip("NOT RUN here: the lab follows on its own")
	}
	if _, err := exec.LookPath(qemu); err != nil && os.Getenv("KVACCEL_LAB") != "1" {
		t.Skipf("NOT RUN: the lab: no %s; scripts/setup.sh installs it", qemu)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	l := &Lab{Root: root, Dir: filepath.Join(root, "build", "lab"), Only: os.Getenv("KVACCEL_LAB_ONLY")}
	n, err := l.sources()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d source files", n)
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Minute)
	defer cancel()
	passed := 0
	if err := l.Run(ctx, func(r report.Result) {
		t.Run(r.Test, func(t *testing.T) {
			t.Logf("%.1f s in the machine\n%s", r.Seconds, r.Log)
			if r.Failed {
				t.Fail()
				return
			}
			passed++
		})
	}); err != nil {
		t.Fatal(err)
	}
	if passed == 0 {
		t.Error("no test passed")
	}
}

func TestCPIO(t *testing.T) {
	var b bytes.Buffer
	want := tree{"a/b/c": {0o755, []byte("hello")}, "init": {0o755, []byte{1}}, "l": {fs.ModeSymlink | 0o777, []byte("a/b/c")}}
	if err := writeCPIO(&b, want); err != nil {
		t.Fatal(err)
	}
	// read back by the format's rules: names in order, sizes in hexadecimal, fields padded to 4
	var names []string
	for p := b.Bytes(); ; {
		var size, name, mode int
		field := func(i int) string { return string(p[6+8*i : 14+8*i]) }
		for i, v := range map[int]*int{1: &mode, 6: &size, 11: &name} {
			if _, err := fmt.Sscanf(field(i), "%x", v); err != nil {
				t.Fatal(err)
			}
		}
		n := string(p[110 : 110+name-1])
		data := p[(110+name+3)/4*4:]
		if n == "TRAILER!!!" {
			break
		}
		names = append(names, n)
		if e, ok := want[n]; ok && (!bytes.Equal(data[:size], e.data) || mode&0o777 != int(e.mode.Perm())) {
			t.Errorf("%s: mode %o, % x", n, mode, data[:size])
		}
		p = data[(size+3)/4*4:]
	}
	if fmt.Sprint(names) != "[a a/b a/b/c init l]" {
		t.Errorf("names %v", names)
	}
}
