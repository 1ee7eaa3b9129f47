package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/link"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/usbip"
	"github.com/kvaccel/kvaccel/emulator"
)

// serving is a running "kvaccel serve --json".
type serving struct {
	ready  ready
	cancel context.CancelFunc
	done   chan error
	stderr *bytes.Buffer
}

func start(t *testing.T, args ...string) *serving {
	t.Helper()
	before := runtime.NumGoroutine()
	r, w := io.Pipe()
	s := &serving{done: make(chan error, 1), stderr: &bytes.Buffer{}}
	env := &cli.Env{Stdout: w, Stderr: s.stderr, Devices: &driver.Registry{}, Device: "emu:?lanes=4&max-dim=64&tile-tokens=32&max-tokens=256", JSON: true}
	env.Devices.Register("emu", emulator.Open)
	cmd := New(env)
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go func() {
		s.done <- cmd.ExecuteContext(ctx)
		w.Close()
	}()
	dec := json.NewDecoder(r)
	if err := dec.Decode(&s.ready); err != nil {
		t.Fatalf("%v: %v", err, <-s.done)
	}
	var events sync.WaitGroup
	events.Go(func() {
		for dec.Decode(&usbip.Event{}) == nil {
		}
	})
	t.Cleanup(func() {
		cancel()
		if err := <-s.done; err != nil {
			t.Errorf("serve ended with %v", err)
		}
		events.Wait()
		for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				buf := make([]byte, 1<<16)
				t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
			}
		}
	})
	return s
}

// pipe carries bytes over the bulk pair of a virtual board.
type pipe struct {
	host    *usbip.Host
	ctx     context.Context
	cancel  context.CancelFunc
	out, in byte
}

func attach(t *testing.T, s *serving, out, in byte) *pipe {
	t.Helper()
	conn, err := net.Dial("tcp", s.ready.Address)
	if err != nil {
		t.Fatal(err)
	}
	r, err := usbip.Import(conn, s.ready.USBIP[0].BusID)
	if err != nil {
		t.Fatal(err)
	}
	p := &pipe{host: usbip.NewHost(conn, r), out: out, in: in}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

func (p *pipe) Read(b []byte) (int, error)  { return p.host.Bulk(p.ctx, p.in, b) }
func (p *pipe) Write(b []byte) (int, error) { return p.host.Bulk(p.ctx, p.out, b) }
func (p *pipe) Close() error                { p.cancel(); return p.host.Close() }

func TestNativeAnswersAsTheEngine(t *testing.T) {
	s := start(t, "--usbip=127.0.0.1:0", "--board", "native?serial=7")
	if s.ready.USBIP[0].ID != "1209:5af0" || s.stderr.Len() > 0 {
		t.Errorf("%+v, said %q", s.ready, s.stderr)
	}
	d, err := link.Open(t.Context(), attach(t, s, 1, 0x81), link.Options{URI: "usb:"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.Info().Params.Lanes != 4 {
		t.Errorf("%+v", d.Info())
	}
	echo(t, d)
}

// echo sends a payload through the engine and back.
func echo(t *testing.T, d driver.Device) {
	t.Helper()
	want := bytes.Repeat([]byte("kvaccel!"), 4096)
	req, err := packet.Request{Opcode: regmap.OpEcho, Tag: 7, Rows: len(want)}.Append(nil, d.Info().Params, want)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Send(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	resp, err := d.Recv(t.Context(), nil)
	if err != nil || !bytes.Contains(resp, want) {
		t.Fatalf("%d bytes, %v", len(resp), err)
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args string
		says string
	}{
		{"", "nothing to serve"}, {"--uart --board native", "--usbip"}, {"--usbip=127.0.0.1:0 --board x", "want native"}, {"--usbip=127.0.0.1:0 --board native?colour=red", "no option"},
		{"--usbip=127.0.0.1:0 --board dfu:de10?memory=/x", "no such board"}, {"--usbip=127.0.0.1:0 --board dfu:orangecrab-25f", "memory="},
		{"--usbip=127.0.0.1:0 --board dfu:orangecrab-25f?memory=/x&script=dance", "bad script"}, {"--usbip=127.0.0.1:0 --board dfu:icebreaker?memory=/x", "not programmed by dfu"},
		{"--usbip=127.0.0.1:0 --board dfu:orangecrab-25f?memory=/x&size=-1", "size="},
	} {
		env := &cli.Env{Stdout: io.Discard, Stderr: io.Discard, Devices: &driver.Registry{}, Device: "emu:"}
		env.Devices.Register("emu", emulator.Open)
		cmd := New(env)
		cmd.SetArgs(strings.Fields(c.args))
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		err := cmd.ExecuteContext(t.Context())
		if cli.ExitCode(err) != cli.ExitUsage || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v", c.args, err)
		}
	}
}

func TestOpenAddressWarns(t *testing.T) {
	s := start(t, "--usbip=0.0.0.0:0")
	s.cancel()
	if !strings.Contains(s.stderr.String(), "no authentication") {
		t.Errorf("said %q", s.stderr)
	}
}

func TestProgramThatIsNotThere(t *testing.T) {
	env := &cli.Env{Stdout: io.Discard, Stderr: io.Discard, Devices: &driver.Registry{}}
	cmd := New(env)
	cmd.SetArgs([]string{"--uart", "--pipe", "/nonexistent/kv_board"})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	if err := cmd.ExecuteContext(t.Context()); cli.ExitCode(err) != cli.ExitNotFound {
		t.Errorf("%v", err)
	}
}
