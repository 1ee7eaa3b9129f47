package fault

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator"
)

const small = "emu:?lanes=4&max-dim=64&tile-tokens=32&max-tokens=512"

func engine(t testing.TB) driver.Device {
	t.Helper()
	u, err := driver.ParseURI(small)
	if err != nil {
		t.Fatal(err)
	}
	d, err := emulator.Open(context.Background(), u)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func script(t testing.TB, text string) *Script {
	t.Helper()
	s, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParse(t *testing.T) {
	s := script(t, "# nothing\nseed 3\n\n send at 2 short # cut\nrecv every 3 delay 2ms; any chance 0.5 disconnect")
	if len(s.rules) != 3 || s.rules[0].at != 2 || s.rules[1].wait != 2*time.Millisecond || s.rules[2].chance != 0.5 {
		t.Errorf("%+v", s.rules)
	}
	for text, says := range map[string]string{
		"send":                     "WHERE",
		"sned at 1 short":          "sned",
		"send when 1 short":        "at, every or chance",
		"send at 0 short":          "from 1",
		"send at x short":          "from 1",
		"send chance 2 short":      "probability",
		"send chance NaN short":    "probability",
		"send at 1 explode":        "explode",
		"send at 1 delay":          "DURATION",
		"send at 1 delay 5":        "5ms",
		"send at 1 delay -5s":      "5ms",
		"send at 1 error oops":     "timeout",
		"send at 1 flip":           "check",
		"in at 1 flip 3":           "too much",
		"in at 1 flip\nin at 1 no": "part 2",
		"seed x":                   "seed",
	} {
		if _, err := Parse(text); !errors.Is(err, ErrScript) || !errors.Is(err, driver.ErrOption) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("seed 3\nsend at 2 short; recv every 3 delay 2ms")
	f.Add("in chance 1e-3 flip # so")
	f.Add("any at 5 error timeout")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := Parse(text); err != nil && !errors.Is(err, ErrScript) {
			t.Fatal(err)
		}
	})
}

func echo(t testing.TB, d driver.Device, n int) ([]byte, error) {
	t.Helper()
	request, err := packet.Request{Opcode: regmap.OpEcho, Rows: n}.Append(nil, d.Info().Params, make([]byte, n))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Send(t.Context(), request); err != nil {
		return nil, err
	}
	return d.Recv(t.Context(), nil)
}

func TestDevice(t *testing.T) {
	d := Device(engine(t), script(t, `
		send at 2 error timeout
		recv at 2 short
		send at 4 short
		reg at 3 disconnect
		recv at 4 delay 30ms`))
	defer d.Close()
	clean, err := echo(t, d, 100)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := echo(t, d, 100); !errors.Is(err, driver.ErrTimeout) || !errors.Is(err, ErrInjected) {
		t.Errorf("the second request: %v", err)
	}
	if b, err := echo(t, d, 100); err != nil || len(b) >= len(clean) || len(b) == 0 || len(b)%8 != 0 || !bytes.HasPrefix(clean, b) {
		t.Errorf("a short response: %d bytes of %d, %v", len(b), len(clean), err)
	}
	b, err := echo(t, d, 100)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := packet.ParseResponse(b, d.Info().Params); err != nil || r.Err() == nil {
		t.Errorf("a request cut short is answered %+v, %v", r, err)
	}
	start := time.Now()
	if b, err := echo(t, d, 100); err != nil || !bytes.Equal(b[:60], clean[:60]) || time.Since(start) < 30*time.Millisecond {
		t.Errorf("a late response: %v after %v", err, time.Since(start))
	}
	for i, want := range []error{nil, nil, driver.ErrDisconnected, driver.ErrDisconnected} {
		if _, err := d.ReadReg(t.Context(), regmap.RegMagic); !errors.Is(err, want) {
			t.Errorf("register access %d: %v, want %v", i+1, err, want)
		}
	}
	if _, err := echo(t, d, 1); !errors.Is(err, driver.ErrDisconnected) {
		t.Errorf("after a disconnect: %v", err)
	}
	if err := d.(driver.Resetter).Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again, err := echo(t, d, 100); err != nil || !bytes.Equal(again, clean) {
		t.Errorf("after a reset: %v", err)
	}
}

// Every fault of a pipe does what its name says.
func TestPipe(t *testing.T) {
	const text = "the quick brown fox"
	for _, c := range []struct {
		script string
		ok     func(got string) bool
	}{
		{"out at 9 flip", func(s string) bool { return s == text }},
		{"out at 1 flip", func(s string) bool { return len(s) == len(text) && s != text }},
		{"out at 1 drop", func(s string) bool { return len(s) == len(text)-1 }},
		{"out at 1 repeat", func(s string) bool { return len(s) == len(text)+1 }},
		{"out at 1 insert", func(s string) bool { return len(s) == len(text)+1 }},
		{"out at 1 short", func(s string) bool { return len(s) < len(text) && strings.HasPrefix(text, s) }},
		{"in at 1 flip", func(s string) bool { return len(s) == len(text) && s != text }},
		{"in at 1 insert", func(s string) bool { return len(s) == len(text)+1 }},
		{"in at 1 drop", func(s string) bool { return len(s) == len(text)-1 }},
	} {
		a, b := net.Pipe()
		s := script(t, c.script)
		in, out := io.ReadWriteCloser(a), io.ReadWriteCloser(b)
		if strings.HasPrefix(c.script, "in") {
			in = Pipe(a, s)
		} else {
			out = Pipe(b, s)
		}
		go func() {
			out.Write([]byte(text))
			out.Close()
		}()
		got, err := io.ReadAll(in)
		if err != nil || !c.ok(string(got)) {
			t.Errorf("%s: %q, %v", c.script, got, err)
		}
	}
	a, b := net.Pipe()
	defer b.Close()
	p := Pipe(a, script(t, "out at 1 disconnect"))
	waits := make(chan error, 1)
	go func() { _, err := p.Read(make([]byte, 9)); waits <- err }()
	if _, err := p.Write([]byte(text)); !errors.Is(err, driver.ErrDisconnected) {
		t.Errorf("a write at a disconnect: %v", err)
	}
	if err := <-waits; err == nil {
		t.Error("a Read that waited goes on after a disconnect")
	}
}

func TestOpener(t *testing.T) {
	var reg driver.Registry
	reg.Register("emu", emulator.Open)
	reg.Register("fault", Opener(&reg))
	file := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(file, []byte("reg at 1 error busy"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := reg.Open(t.Context(), "fault:"+file+","+small)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.Info().Params.Lanes != 4 {
		t.Error("the options of the device behind are lost")
	}
	if _, err := d.ReadReg(t.Context(), regmap.RegMagic); !errors.Is(err, driver.ErrBusy) {
		t.Errorf("the first access: %v", err)
	}
	if err := os.WriteFile(file, []byte("reg at 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	for uri, want := range map[string]error{
		"fault:" + file + ",emu:": ErrScript, "fault:x": driver.ErrOption, "fault:,emu:": driver.ErrOption, "fault:" + file + "-none,emu:": driver.ErrNotFound,
	} {
		if _, err := reg.Open(t.Context(), uri); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", uri, err, want)
		}
	}
}
