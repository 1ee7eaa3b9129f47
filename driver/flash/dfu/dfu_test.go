package dfu_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/driver/flash/dfu"
	"github.com/kvaccel/kvaccel/driver/usbip"
	"github.com/kvaccel/kvaccel/driver/virtual"
)

// port drives a virtual boot loader without a bus between.
type port struct {
	device *virtual.DFU
	gone   bool
}

func (p *port) Control(ctx context.Context, in bool, request byte, value uint16, b []byte) (int, error) {
	if p.gone {
		return 0, dfu.ErrLeft
	}
	s := usbip.Setup{Type: 0x21, Request: request, Value: value, Length: uint16(len(b))}
	if in {
		s.Type |= 0x80
	}
	out, err := p.device.Control(ctx, s, b)
	n := len(b)
	if in {
		n = copy(b, out)
	}
	switch {
	case errors.Is(err, usbip.ErrStall):
		return 0, dfu.ErrStall
	case errors.Is(err, usbip.ErrGone):
		p.gone = true
		return 0, dfu.ErrLeft
	case errors.Is(err, usbip.ErrLeave):
		p.gone = true
	}
	return n, nil
}

func loader(t *testing.T, attributes byte, script string) (*dfu.Target, *port, string) {
	t.Helper()
	faults, err := virtual.ParseScript(script)
	if err != nil {
		t.Fatal(err)
	}
	f := dfu.Functional{Attributes: attributes, TransferSize: 256, Version: 0x0110, DetachTimeout: time.Second}
	memory := filepath.Join(t.TempDir(), "memory")
	d, err := virtual.NewDFU(virtual.Loader{Functional: f, Size: 8192, Memory: memory, Busy: 2 * time.Millisecond, Faults: faults})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	p := &port{device: d}
	return &dfu.Target{Port: p, Functional: f, MaxPoll: 20 * time.Millisecond, MaxWait: time.Second}, p, memory
}

func image(n int) []byte {
	b, r := make([]byte, n), rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

const everything = dfu.CanDownload | dfu.CanUpload | dfu.ManifestTolerant

func TestDownloadAndUpload(t *testing.T) {
	for _, n := range []int{1, 255, 256, 257, 5000, 8192} {
		target, _, memory := loader(t, everything, "")
		last := 0
		target.Progress = func(done, total int) { last = done }
		if left, err := target.Download(t.Context(), image(n)); left || err != nil || last != n {
			t.Fatalf("%d bytes: left %v, %v, progress to %d", n, left, err, last)
		}
		b, err := target.Upload(t.Context(), n)
		if err != nil || !bytes.Equal(b, image(n)) {
			t.Fatalf("%d bytes back: %d, %v", n, len(b), err)
		}
		if kept, _ := os.ReadFile(memory); !bytes.Equal(kept[:n], image(n)) || len(kept) != 8192 {
			t.Fatalf("%d bytes: the memory has something else", n)
		}
		if b, err := target.Upload(t.Context(), 10000); len(b) != 8192 || err != nil {
			t.Fatalf("upload beyond the end: %d bytes, %v", len(b), err)
		}
	}
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		script string
		err    error // nil: it recovers
	}{
		{"stall@0", nil}, {"stall@3", nil}, {"error@2", nil}, {"long-poll@1", nil}, {"zero-poll@1", nil}, {"stall@1,error@2,zero-poll@3", nil},
		{"stall@1,stall@1,stall@1,stall@1", dfu.ErrRefused}, {"unplug@2", dfu.ErrLeft}, {"status-length@2", dfu.ErrProtocol}, {"manifest", dfu.ErrLeft},
	} {
		target, p, _ := loader(t, everything, c.script)
		_, err := target.Download(t.Context(), image(2000))
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.script, err, c.err)
		}
		p.gone = false // plugged in again
		p.device.Connect(true)
		if _, err := target.Download(t.Context(), image(2000)); err != nil {
			t.Errorf("%s: the next download: %v", c.script, err)
		}
		if b, err := target.Upload(t.Context(), 2000); err != nil || !bytes.Equal(b, image(2000)) {
			t.Errorf("%s: the next upload: %v", c.script, err)
		}
	}
}

func TestCorruptionShowsInUpload(t *testing.T) {
	target, _, _ := loader(t, everything, "corrupt@3")
	if _, err := target.Download(t.Context(), image(2000)); err != nil {
		t.Fatal(err)
	}
	if b, err := target.Upload(t.Context(), 2000); err != nil || bytes.Equal(b, image(2000)) {
		t.Errorf("the wrong block does not show: %v", err)
	}
}

func TestLeaves(t *testing.T) {
	target, p, _ := loader(t, dfu.CanDownload, "")
	if left, err := target.Download(t.Context(), image(600)); !left || err != nil || !p.gone {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestTooLarge(t *testing.T) {
	target, _, _ := loader(t, everything, "")
	if _, err := target.Download(t.Context(), image(8193)); !errors.Is(err, dfu.ErrRefused) {
		t.Errorf("%v", err)
	}
}

func TestIdleFromEveryState(t *testing.T) {
	target, p, _ := loader(t, everything, "")
	block := make([]byte, 16)
	for name, lead := range map[string]func(){
		"idle":     func() {},
		"download": func() { _, _ = p.Control(t.Context(), false, dfu.ReqDownload, 0, block) },
		"upload":   func() { _, _ = p.Control(t.Context(), true, dfu.ReqUpload, 0, block) },
		"error":    func() { _, _ = p.Control(t.Context(), false, dfu.ReqDownload, 0, nil) },
		"manifest": func() {
			_, _ = p.Control(t.Context(), false, dfu.ReqDownload, 0, block)
			time.Sleep(3 * time.Millisecond)
			_, _ = target.Status(t.Context())
			_, _ = p.Control(t.Context(), false, dfu.ReqDownload, 1, nil)
		},
	} {
		lead()
		if err := target.Idle(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if s, err := target.Status(t.Context()); err != nil || s.State != dfu.Idle || s.Code != dfu.OK {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func TestCancel(t *testing.T) {
	target, _, _ := loader(t, everything, "long-poll@0")
	target.MaxPoll = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := target.Download(ctx, image(600)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestSuffix(t *testing.T) {
	want := dfu.Suffix{Vendor: 0x1209, Product: 0x5af0}
	file := dfu.AppendSuffix(image(100), want)
	got, s, ok, err := dfu.SplitSuffix(file)
	if !ok || err != nil || s != want || !bytes.Equal(got, image(100)) {
		t.Errorf("%v %+v, %v", ok, s, err)
	}
	if s.Matches(0x1209, 0x5bf0) || !s.Matches(0x1209, 0x5af0) {
		t.Error("matches the wrong device")
	}
	file[3] ^= 1
	if _, _, _, err := dfu.SplitSuffix(file); !errors.Is(err, dfu.ErrProtocol) {
		t.Errorf("damaged: %v", err)
	}
	if got, _, ok, err := dfu.SplitSuffix(image(100)); ok || err != nil || len(got) != 100 {
		t.Errorf("no suffix: %v, %v", ok, err)
	}
}

// scripted is a device that answers what a fuzzer says.
type scripted struct{ answers []byte }

func (s *scripted) Control(_ context.Context, in bool, _ byte, _ uint16, b []byte) (int, error) {
	if len(s.answers) == 0 {
		return 0, dfu.ErrLeft
	}
	kind := s.answers[0]
	s.answers = s.answers[1:]
	switch {
	case kind == 0xff:
		return 0, dfu.ErrStall
	case kind == 0xfe:
		return 0, dfu.ErrLeft
	case !in:
		return len(b), nil
	}
	n := min(int(kind%16), len(b), len(s.answers))
	copy(b, s.answers[:n])
	s.answers = s.answers[n:]
	return n, nil
}

// FuzzTarget has a device answer anything at all: every call must come to an end.
func FuzzTarget(f *testing.F) {
	f.Add([]byte{6, 0, 0, 0, 0, 2, 0, 0, 6, 0, 0, 0, 0, 5, 0})
	f.Add([]byte{6, 0, 1, 0, 0, 10, 0, 0, 0xff})
	f.Fuzz(func(t *testing.T, answers []byte) {
		if len(answers) > 4096 {
			return
		}
		target := &dfu.Target{Port: &scripted{answers}, Functional: dfu.Functional{Attributes: everything, TransferSize: 8}, MaxPoll: time.Nanosecond, MaxWait: 20 * time.Millisecond}
		if _, err := target.Download(t.Context(), make([]byte, 20)); err == nil && len(answers) < 20 {
			t.Fatal("a download succeeded on too few answers")
		}
		if b, _ := target.Upload(t.Context(), 20); len(b) > 20 {
			t.Fatalf("%d bytes", len(b))
		}
	})
}

func FuzzDescriptors(f *testing.F) {
	f.Add(dfu.Functional{Attributes: 7, TransferSize: 4096, Version: 0x0110}.Bytes(), dfu.AppendSuffix([]byte("x"), dfu.Suffix{Vendor: 1, Product: 2}))
	f.Fuzz(func(t *testing.T, b, file []byte) {
		if d, err := dfu.ParseFunctional(b); err == nil && d.TransferSize <= 0 {
			t.Fatalf("accepted %+v", d)
		}
		if image, _, ok, err := dfu.SplitSuffix(file); err == nil && ok && len(image) > len(file)-16 {
			t.Fatal("the image holds the suffix")
		}
		if s, err := dfu.ParseStatus(b); err == nil && s.State > dfu.Error {
			t.Fatalf("accepted %+v", s)
		}
	})
}
