package simulation

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/rtl/simulation/simulationtest"
)

func TestMain(m *testing.M) {
	simulationtest.Main()
	os.Exit(m.Run())
}

func start(t *testing.T, mode string) *Process {
	t.Helper()
	p, err := Start(t.Context(), simulationtest.Program(t, mode))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// hasten shortens the times a child is given.
func hasten(t *testing.T) {
	h, g := helloTime, graceTime
	t.Cleanup(func() { helloTime, graceTime = h, g })
	helloTime, graceTime = 300*time.Millisecond, 100*time.Millisecond
}

func TestGoodChild(t *testing.T) {
	p := start(t, simulationtest.Good)
	if p.Hello.Lanes != 8 || p.Hello.MaxTokens != 4096 || p.Hello.BuildHash != 0xABCD || p.Hello.CanTrace {
		t.Errorf("hello %+v", p.Hello)
	}
	packet := bytes.Repeat([]byte("0123456789abcdef"), 20000) // longer than any pipe buffer
	if err := p.Send(t.Context(), packet); err != nil {
		t.Fatal(err)
	}
	got, s, err := p.Receive(t.Context(), 1000, []byte("kept"))
	if err != nil || s != Done || !bytes.Equal(got, append([]byte("kept"), packet...)) {
		t.Fatalf("received %d bytes, state %d, %v", len(got), s, err)
	}
	if _, s, err := p.Receive(t.Context(), 1000, nil); err != nil || s != More {
		t.Errorf("with nothing queued: state %d, %v", s, err)
	}
	if out, err := p.Replay(t.Context(), make([]byte, 3*PinsInSize)); err != nil || len(out) != 3*PinsOutSize {
		t.Errorf("replay gives %d bytes, %v", len(out), err)
	}
	if _, err := p.Replay(t.Context(), make([]byte, 3)); err == nil {
		t.Error("replay takes part of a record")
	}
}

func TestBadStart(t *testing.T) {
	hasten(t)
	for _, c := range []struct {
		mode  string
		want  error
		about string
	}{
		{simulationtest.Silent, driver.ErrTimeout, "said nothing"},
		{simulationtest.Garbage, driver.ErrProtocol, "does not speak"},
		{simulationtest.OldHello, driver.ErrProtocol, "version 0"},
	} {
		_, err := Start(t.Context(), simulationtest.Program(t, c.mode))
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.about) {
			t.Errorf("%s: %v, want %v and %q", c.mode, err, c.want, c.about)
		}
	}
	if _, err := Start(t.Context(), "/nonexistent/kv_rtl"); !errors.Is(err, driver.ErrNotFound) {
		t.Errorf("no program: %v", err)
	}
	if _, err := Start(t.Context(), os.DevNull); !errors.Is(err, driver.ErrNotFound) {
		t.Errorf("no executable: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, simulationtest.Program(t, simulationtest.Good)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
}

func TestBadAnswers(t *testing.T) {
	for _, c := range []struct {
		mode  string
		want  error
		about string
	}{
		{simulationtest.Crash, driver.ErrDisconnected, "assertion failed in kv_shell"},
		{simulationtest.Crash, driver.ErrDisconnected, "exit status 3"},
		{simulationtest.WrongKind, driver.ErrProtocol, "answered by frame"},
		{simulationtest.WrongSize, driver.ErrProtocol, "of 77 bytes"},
		{simulationtest.Huge, driver.ErrProtocol, "4294967295 bytes"},
		{simulationtest.Refuse, driver.ErrProtocol, "no such request"},
	} {
		p := start(t, c.mode)
		_, _, err := p.Read(t.Context(), 0)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.about) {
			t.Errorf("%s: %v, want %v and %q", c.mode, err, c.want, c.about)
		}
		if _, _, again := p.Read(t.Context(), 0); !errors.Is(again, c.want) {
			t.Errorf("%s: second call %v, want %v", c.mode, again, c.want)
		}
		if p.cmd.ProcessState == nil {
			t.Errorf("%s: the child was not waited for", c.mode)
		}
	}
}

func TestReceiveChecksState(t *testing.T) {
	p := start(t, simulationtest.WrongSize) // 77 bytes, of which the first says: not done
	if _, _, err := p.Receive(t.Context(), 1, nil); !errors.Is(err, driver.ErrProtocol) {
		t.Error(err)
	}
}

// A child that is killed from outside while idle is noticed at the next call.
func TestKilledChild(t *testing.T) {
	p := start(t, simulationtest.Good)
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.Reset(t.Context()); !errors.Is(err, driver.ErrDisconnected) {
		t.Error(err)
	}
}

func TestCancel(t *testing.T) {
	for _, mode := range []string{simulationtest.Hang, simulationtest.Deaf} {
		hasten(t)
		helloTime = 10 * time.Second
		p := start(t, mode)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err := p.Send(ctx, make([]byte, 1<<20))
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", mode, err)
		}
		if _, _, err := p.Read(t.Context(), 0); !errors.Is(err, driver.ErrDisconnected) {
			t.Errorf("%s: afterwards %v", mode, err)
		}
		if err := p.Close(); err != nil {
			t.Errorf("%s: close %v", mode, err)
		}
	}
}

// A call that is answered although its context ended meanwhile leaves the child
// in step.
func TestCancelBetweenCalls(t *testing.T) {
	p := start(t, simulationtest.Good)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := p.Read(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	for range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		_, _, err := p.Read(ctx, 0)
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if _, v, err := p.Read(t.Context(), 0); err != nil || v != 0x4B564143 {
		t.Errorf("%#x, %v", v, err)
	}
}

// Close leaves neither a process nor a goroutine, whatever the child does.
func TestNothingLeaks(t *testing.T) {
	hasten(t)
	helloTime = 10 * time.Second
	before := runtime.NumGoroutine()
	var ps []*Process
	for _, mode := range []string{simulationtest.Good, simulationtest.Hang, simulationtest.Deaf, simulationtest.Crash} {
		p, err := Start(t.Context(), simulationtest.Program(t, mode))
		if err != nil {
			t.Fatal(mode, err)
		}
		ps = append(ps, p)
	}
	for _, p := range ps {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		_ = p.Reset(ctx) // fails for most of them
		cancel()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Errorf("second close: %v", err)
		}
		if p.cmd.ProcessState == nil {
			t.Error("a child was not waited for")
		}
	}
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestPinsRoundTrip(t *testing.T) {
	in := PinsIn{Data: [4]uint64{1, 2, 3, 1 << 63}, WData: 0xDEADBEEF, AWAddr: 0xABC, ARAddr: 0x123, Flags: InReset | InRReady | 5<<InStrobeShift}
	b := in.Append(nil)
	var in2 PinsIn
	in2.Decode(b)
	if len(b) != PinsInSize || in2 != in {
		t.Errorf("%d bytes, %+v", len(b), in2)
	}
	out := PinsOut{Data: [4]uint64{9, 8, 7, 1 << 63}, RData: 3, Flags: OutIRQ | 2<<OutBRespShift | 2<<OutRRespShift}
	for i := range out.Taps {
		out.Taps[i] = uint32(i * 0x01010101)
	}
	b = out.Append(nil)
	var out2 PinsOut
	out2.Decode(b)
	if len(b) != PinsOutSize || out2 != out {
		t.Errorf("%d bytes, %+v", len(b), out2)
	}
}

func TestTail(t *testing.T) {
	var x tail
	for range 1000 {
		_, _ = x.Write([]byte("0123456789"))
	}
	_, _ = x.Write([]byte("end"))
	if s := x.String(); len(s) != tailSize || !strings.HasSuffix(s, "789end") {
		t.Errorf("%d bytes: %q", len(s), s)
	}
}

// The answers of a child are outside bytes: whatever they are, reading ends in a
// value or an error, takes no more memory than MaxAnswer and leaves nothing unread
// of a frame that is accepted.
func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 0, 'R'})
	f.Add([]byte{5, 0, 0, 0, 'r', 0, 1, 2, 3, 4, 'x'})
	f.Add([]byte{0xFF, 0xFF, 0xFF, 0xFF, 'V'})
	f.Add(append([]byte{32, 0, 0, 0, 'H', 1}, make([]byte, 31)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		src := bytes.NewReader(data)
		r := bufio.NewReader(src)
		kind, body, err := readFrame(r, nil)
		if cap(body) > MaxAnswer {
			t.Fatalf("took %d bytes", cap(body))
		}
		if err != nil {
			return
		}
		if used := len(data) - src.Len() - r.Buffered(); used != frameHead+len(body) || data[4] != kind || !bytes.Equal(body, data[frameHead:used]) {
			t.Fatalf("frame %q of %d bytes from %d", kind, len(body), used)
		}
		if h, err := parseHello(kind, body); err == nil && h.Version != Version {
			t.Fatalf("accepted version %d", h.Version)
		}
	})
}
