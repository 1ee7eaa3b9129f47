package link

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/wire"
)

// fake is a device that says what it is told to.
func fake(t *testing.T, say func(f wire.Frame) [][]byte) *end {
	t.Helper()
	host, device := pipe(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		var s wire.Scanner
		for {
			n, err := device.Read(buf)
			if err != nil {
				return
			}
			s.Scan(buf[:n], func(f wire.Frame, err error) {
				if err != nil {
					return
				}
				for _, b := range say(f) {
					if _, err := device.Write(b); err != nil {
						return
					}
				}
			})
		}
	}()
	t.Cleanup(func() { host.Close(); <-done })
	return host
}

func coded(f wire.Frame) []byte { return f.Append([]byte{0}, wire.ToHost) }

func hello(id uint8, payload ...uint8) []byte {
	p := append(payload, make([]byte, regmap.LinkHelloBytes-len(payload))...)
	return coded(wire.Frame{Type: regmap.FrameHello, A: id, B: regmap.LinkVersion, Payload: p})
}

// registers answers READ like an engine whose SPEC_ID is as given.
func registers(f wire.Frame, spec uint32) []byte {
	v := map[uint8]uint32{
		regmap.RegMagic: regmap.Magic, regmap.RegABI: 1, regmap.RegSpecID: spec, regmap.RegFeatures: 1, regmap.RegLanes: 8,
		regmap.RegMaxDim: 64, regmap.RegTileTokens: 32, regmap.RegMaxTokens: 512,
	}[f.Payload[0]]
	return coded(wire.Frame{Type: regmap.FrameAnswer, A: f.A, Payload: []byte{uint8(v), uint8(v >> 8), uint8(v >> 16), uint8(v >> 24), 0, 0}})
}

// Devices that mean ill, or nothing: each is told, in time, and costs no memory.
func TestHostile(t *testing.T) {
	quick := Options{Retry: 2 * time.Millisecond, Patience: 100 * time.Millisecond, Timeout: 300 * time.Millisecond}
	good := []uint8{16, 8, 8, 224}
	endless := bytes.Repeat([]byte{9}, 1<<16)
	data := func(seq, flags uint8, n int) []byte {
		return coded(wire.Frame{Type: regmap.FrameData, A: seq, Flags: flags, Payload: make([]byte, n)})
	}
	honest := func(then func(f wire.Frame) [][]byte) func(wire.Frame) [][]byte {
		return func(f wire.Frame) [][]byte {
			switch f.Type {
			case regmap.FrameHello:
				return [][]byte{hello(f.A, good...)}
			case regmap.FrameRead:
				return [][]byte{registers(f, regmap.SpecID)}
			}
			return then(f)
		}
	}
	seq := uint8(0)
	for _, c := range []struct {
		name string
		say  func(f wire.Frame) [][]byte
		want error
		says string
	}{
		{"mute", func(wire.Frame) [][]byte { return nil }, driver.ErrTimeout, "heard"},
		{"endless garbage", func(wire.Frame) [][]byte { return [][]byte{endless} }, driver.ErrTimeout, "heard"},
		{"old HELLOs", func(f wire.Frame) [][]byte { return [][]byte{hello(f.A-1, good...)} }, driver.ErrTimeout, "heard"},
		{"short HELLO", func(f wire.Frame) [][]byte {
			return [][]byte{coded(wire.Frame{Type: regmap.FrameHello, A: f.A, B: 1, Payload: []byte{16}})}
		}, driver.ErrProtocol, "HELLO"},
		{"no windows", func(f wire.Frame) [][]byte { return [][]byte{hello(f.A, 16, 0, 0, 224)} }, driver.ErrProtocol, "windows"},
		{"huge beats", func(f wire.Frame) [][]byte { return [][]byte{hello(f.A, 64, 8, 8, 224)} }, driver.ErrProtocol, "beats"},
		{"other version", func(f wire.Frame) [][]byte {
			return [][]byte{coded(wire.Frame{Type: regmap.FrameHello, A: f.A, B: 9, Payload: make([]byte, 12)})}
		}, driver.ErrVersion, "version 9"},
		{"version refused", func(wire.Frame) [][]byte {
			return [][]byte{coded(wire.Frame{Type: regmap.FrameError, A: regmap.LinkErrVersion, B: 7})}
		}, driver.ErrVersion, "version 7"},
		{"wrong SPEC_ID", func(f wire.Frame) [][]byte {
			if f.Type == regmap.FrameRead {
				return [][]byte{registers(f, 0xbad)}
			}
			return [][]byte{hello(f.A, good...)}
		}, driver.ErrVersion, "0x00000bad"},
		{"no engine", func(f wire.Frame) [][]byte {
			if f.Type == regmap.FrameRead {
				return [][]byte{coded(wire.Frame{Type: regmap.FrameAnswer, A: f.A, Payload: make([]byte, 6)})}
			}
			return [][]byte{hello(f.A, good...)}
		}, driver.ErrNotFound, "magic"},
		{"other beats", func(f wire.Frame) [][]byte {
			if f.Type == regmap.FrameRead {
				return [][]byte{registers(f, regmap.SpecID)}
			}
			return [][]byte{hello(f.A, 8, 8, 8, 224)}
		}, driver.ErrProtocol, "beats of 8"},
		{"registers never answered", func(f wire.Frame) [][]byte {
			if f.Type == regmap.FrameHello {
				return [][]byte{hello(f.A, good...)}
			}
			return [][]byte{coded(wire.Frame{Type: regmap.FrameAck, Flags: 1 << regmap.FrameFlagPoll, B: 8})}
		}, driver.ErrTimeout, "progress"},
		{"answer of another size", func(f wire.Frame) [][]byte {
			if f.Type == regmap.FrameHello {
				return [][]byte{hello(f.A, good...)}
			}
			return [][]byte{coded(wire.Frame{Type: regmap.FrameAnswer, A: f.A, Payload: make([]byte, 7)})}
		}, driver.ErrProtocol, "ANSWER"},
		{"board reset meanwhile", honest(func(wire.Frame) [][]byte {
			return [][]byte{coded(wire.Frame{Type: regmap.FrameError, A: regmap.LinkErrNoHello})}
		}), driver.ErrDisconnected, "reset"},
		{"complains", honest(func(wire.Frame) [][]byte {
			return [][]byte{coded(wire.Frame{Type: regmap.FrameError, A: regmap.LinkErrCredit, B: 3})}
		}), driver.ErrProtocol, "limit"},
		{"unknown frame", honest(func(wire.Frame) [][]byte { return [][]byte{coded(wire.Frame{Type: 14})} }), driver.ErrProtocol, "type 14"},
		{"half a beat", honest(func(wire.Frame) [][]byte { return [][]byte{data(0, 0, 24)} }), driver.ErrProtocol, "24 bytes"},
		{"answers to nothing", honest(func(f wire.Frame) [][]byte {
			return [][]byte{data(0, 1<<regmap.FrameFlagLast, 32), data(1, 1<<regmap.FrameFlagLast, 32)}
		}), driver.ErrProtocol, "no request"},
		{"endless response", honest(func(f wire.Frame) (all [][]byte) {
			for range 64 {
				all = append(all, data(seq, 0, 224))
				seq++
			}
			return all
		}), driver.ErrProtocol, "no command"},
		{"acknowledges and never answers", honest(func(f wire.Frame) [][]byte {
			next := uint8(0)
			if f.Type == regmap.FrameData {
				next = f.A + 1
			}
			return [][]byte{coded(wire.Frame{Type: regmap.FrameAck, A: next, B: 8 + next})}
		}), driver.ErrTimeout, "progress"},
		{"limits that mean nothing", honest(func(f wire.Frame) [][]byte {
			return [][]byte{coded(wire.Frame{Type: regmap.FrameAck, A: 200, B: 100, Flags: 0xf0})}
		}), driver.ErrTimeout, "progress"},
	} {
		t.Run(c.name, func(t *testing.T) {
			seq = 0
			d, err := Open(t.Context(), fake(t, c.say), quick)
			if err == nil {
				defer d.Close()
				if err = d.Send(t.Context(), make([]byte, 320)); err == nil {
					_, err = d.Recv(t.Context(), nil)
				}
				if _, again := d.Recv(t.Context(), nil); !errors.Is(again, c.want) {
					t.Errorf("the next call: %v, want %v", again, c.want)
				}
			}
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %v with %q", err, c.want, c.says)
			}
		})
	}
}

// After a time-out the link is refused until a reset, and works after it.
func TestResetAfterTimeout(t *testing.T) {
	dev := engine(t, small)
	defer dev.Close()
	host, device := pipe(nil)
	deaf := make(chan bool, 1)
	isDeaf := false
	device.half.hurt = func(b []byte) []byte {
		select {
		case isDeaf = <-deaf:
		default:
		}
		if isDeaf {
			return nil
		}
		return b
	}
	served := make(chan error, 1)
	go func() { served <- Serve(t.Context(), device, dev, BoardOptions{}) }()
	d, err := Open(t.Context(), host, Options{Retry: time.Millisecond, Patience: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	deaf <- true
	if err := d.WriteReg(t.Context(), regmap.RegScratch, 7); !errors.Is(err, driver.ErrTimeout) {
		t.Errorf("a write that nobody hears: %v", err)
	}
	deaf <- false
	if _, err := d.ReadReg(t.Context(), regmap.RegScratch); !errors.Is(err, driver.ErrTimeout) {
		t.Errorf("before a reset: %v", err)
	}
	if err := d.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	echo(t, d, rand.New(rand.NewPCG(1, 1)), 20)
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// The pipe ends amid work: every call says so, and Close still works.
func TestDisconnect(t *testing.T) {
	d := dial(t, small, Options{}, BoardOptions{}, nil)
	request, err := packet.Request{Opcode: regmap.OpEcho, Rows: 1 << 20}.Append(nil, d.Info().Params, make([]byte, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Send(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	go func() { time.Sleep(time.Millisecond); d.c.p.Close() }()
	_, err = d.Recv(t.Context(), nil)
	_, reg := d.ReadReg(t.Context(), regmap.RegMagic)
	for what, err := range map[string]error{
		"Recv": err, "ReadReg": reg, "Send": d.Send(t.Context(), request), "Reset": d.Reset(t.Context()),
	} {
		if !errors.Is(err, driver.ErrDisconnected) {
			t.Errorf("%s: %v, want %v", what, err, driver.ErrDisconnected)
		}
	}
	d.Close()
	if _, err := d.Recv(t.Context(), nil); !errors.Is(err, driver.ErrClosed) {
		t.Errorf("Recv after Close: %v", err)
	}
}

// A host that means ill does not take a board down, nor make it give up its next
// one.
func TestHostileHost(t *testing.T) {
	dev := engine(t, small)
	defer dev.Close()
	host, device := pipe(nil)
	served := make(chan error, 1)
	go func() { served <- Serve(t.Context(), device, dev, BoardOptions{Window: 4}) }()
	device.to.set(func([]byte) []byte { return nil }) // nobody listens to the board meanwhile
	rng := rand.New(rand.NewPCG(4, 4))
	put := func(f wire.Frame) {
		if _, err := host.Write(f.Append(nil, wire.ToDevice)); err != nil {
			t.Fatal(err)
		}
	}
	put(wire.Frame{Type: regmap.FrameData, Payload: make([]byte, 64)})
	put(wire.Frame{Type: regmap.FrameHello, A: 1, B: 77})
	put(wire.Frame{Type: regmap.FrameHello, A: 1, B: 1})
	for i := range 6000 {
		f := wire.Frame{Type: uint8(rng.IntN(16)), Flags: uint8(rng.IntN(16) << 4), A: uint8(rng.IntN(8)), B: uint8(rng.Uint32()), Payload: make([]byte, rng.IntN(225))}
		if f.Type == regmap.FrameRead || f.Type == regmap.FrameWrite {
			f.Payload = f.Payload[:min(len(f.Payload), 6)]
		}
		if put(f); i%3 == 0 {
			if _, err := host.Write([]byte("garbage without end")); err != nil {
				t.Fatal(err)
			}
		}
	}
	device.to.set(nil)
	d, err := Open(t.Context(), host, Options{LinkID: 100})
	if err != nil {
		t.Fatal(err)
	}
	echo(t, d, rand.New(rand.NewPCG(1, 1)), 30)
	d.Close()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestServeRefuses(t *testing.T) {
	dev := engine(t, small)
	defer dev.Close()
	_, device := pipe(nil)
	if err := Serve(t.Context(), device, dev, BoardOptions{Window: 3}); !errors.Is(err, driver.ErrOption) {
		t.Errorf("a window of 3: %v", err)
	}
	_, device = pipe(nil)
	if err := Serve(t.Context(), device, struct{ driver.Device }{dev}, BoardOptions{}); !errors.Is(err, driver.ErrUnsupported) {
		t.Errorf("a device that cannot be reset: %v", err)
	}
}

// A command does not wait for a timer, on a served engine that waits for the host
// to wait no more than on another.
func TestPrompt(t *testing.T) {
	for _, gather := range []time.Duration{0, time.Minute} {
		d := dial(t, small, Options{Retry: 30 * time.Second, Patience: time.Minute}, BoardOptions{Gather: gather, Retry: 30 * time.Second}, nil)
		start := time.Now()
		echo(t, d, rand.New(rand.NewPCG(1, 1)), 50)
		if spent := time.Since(start); spent > 10*time.Second {
			t.Errorf("50 commands take %v", spent)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// stuck is a pipe that from some time on takes nothing more.
type stuck struct {
	*end
	writes int
	closed chan struct{}
}

func (s *stuck) Write(b []byte) (int, error) {
	if s.writes--; s.writes < 0 {
		<-s.closed
		return 0, io.ErrClosedPipe
	}
	return s.end.Write(b)
}

func (s *stuck) Close() error {
	err := s.end.Close()
	if err == nil {
		close(s.closed)
	}
	return err
}

// A pipe that takes nothing more costs no longer than one that brings nothing.
func TestStuckPipe(t *testing.T) {
	for writes := range 15 {
		dev := engine(t, small)
		host, device := pipe(nil)
		served := make(chan error, 1)
		go func() { served <- Serve(t.Context(), device, dev, BoardOptions{}) }()
		d, err := Open(t.Context(), &stuck{host, writes, make(chan struct{})}, Options{Retry: time.Millisecond, Patience: 50 * time.Millisecond})
		for i := 0; err == nil && i < 20; i++ {
			if err = d.Send(t.Context(), make([]byte, 640)); err == nil {
				_, err = d.Recv(t.Context(), nil)
			}
		}
		if !errors.Is(err, driver.ErrTimeout) {
			t.Errorf("after %d writes: %v, want %v", writes, err, driver.ErrTimeout)
		}
		if d != nil {
			d.Close()
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		dev.Close()
	}
}
