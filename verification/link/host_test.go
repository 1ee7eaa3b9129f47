package link

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/wire"
	"github.com/kvaccel/kvaccel/verification/rtltest"
)

// The board of these tests: windows of two frames from and four to the host, a
// time-out that never comes, and nothing random at its bytes.
var directed = Build{Phy: "bytes", Engine: "4 32 16 256", More: []string{"RETRY_LOG2=26", "RX_SLOTS=2", "TX_SLOTS=4", "FEATURES=1", "BOARD_ID=0x01020304"}}

var directedParams = regmap.Params{Lanes: 4, MaxDim: 32, TileTokens: 16, MaxTokens: 256}

const (
	rxSlots = 2
	txSlots = 4
	beat    = 8
)

// host says frames by hand and judges what comes back.
type host struct {
	*testing.T
	board  *Board
	frames chan wire.Frame
	damage chan error
}

func dial(t *testing.T) *host {
	t.Helper()
	rtltest.Verilator(t)
	path, err := directed.Make()
	if err != nil {
		t.Fatal(err)
	}
	b, err := Start(path, "--stall=0")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{T: t, board: b, frames: make(chan wire.Frame, 1000), damage: make(chan error, 1000)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s := wire.Scanner{Dir: wire.ToHost}
		buf := make([]byte, 4096)
		for {
			n, err := b.Read(buf)
			if err != nil {
				return
			}
			s.Scan(buf[:n], func(f wire.Frame, err error) {
				if err != nil {
					h.damage <- err
					return
				}
				f.Payload = bytes.Clone(f.Payload)
				h.frames <- f
			})
		}
	}()
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		<-done
		if len(h.damage) > 0 {
			t.Errorf("the board sent %d damaged frames", len(h.damage))
		}
	})
	return h
}

// linked is a host that has said HELLO.
func linked(t *testing.T) *host {
	h := dial(t)
	h.hello(1)
	return h
}

func (h *host) say(f ...wire.Frame) {
	h.Helper()
	b := []byte{wire.Delimiter}
	for _, f := range f {
		b = f.Append(b, wire.ToDevice)
	}
	h.raw(b)
}

func (h *host) raw(b []byte) {
	h.Helper()
	if _, err := h.board.Write(b); err != nil {
		h.Fatal(err)
	}
}

func (h *host) next() wire.Frame {
	h.Helper()
	select {
	case f := <-h.frames:
		return f
	case <-time.After(20 * time.Second):
		h.Fatal("the board says nothing")
		panic("unreachable")
	}
}

// wants takes the next frames and compares them; of a nil payload only the rest.
func (h *host) wants(want ...wire.Frame) {
	h.Helper()
	for i, w := range want {
		f := h.next()
		if !same(f, w) {
			h.Fatalf("frame %d of %d: %s, want %s", i+1, len(want), show(f), show(w))
		}
	}
}

func same(f, want wire.Frame) bool {
	return f.Type == want.Type && f.Flags == want.Flags && f.A == want.A && f.B == want.B && (want.Payload == nil || bytes.Equal(f.Payload, want.Payload))
}

// silent makes sure that nothing is due: the answer to a READ comes next.
func (h *host) silent() {
	h.Helper()
	h.say(read(250, regmap.RegMagic))
	if f := h.next(); f.Type != regmap.FrameAnswer || f.A != 250 {
		h.Fatalf("%s where nothing should have come", show(f))
	}
}

// position asks for it.
func (h *host) position() uint8 {
	h.say(read(251, regmap.RegMagic))
	return h.next().B
}

func show(f wire.Frame) string {
	return fmt.Sprintf("type %d flags %#x A %d B %d payload %x", f.Type, f.Flags, f.A, f.B, f.Payload)
}

func (h *host) hello(id uint8) {
	h.Helper()
	h.say(wire.Frame{Type: regmap.FrameHello, A: id, B: regmap.LinkVersion})
	want := []byte{beat, rxSlots, txSlots, regmap.LinkMaxPayload, 4, 3, 2, 1}
	want = binary.LittleEndian.AppendUint32(want, 50_000_000)
	for f := h.next(); f.Type != regmap.FrameHello || f.A != id; f = h.next() {
		h.Logf("before HELLO: %s", show(f))
	}
	h.say(wire.Frame{Type: regmap.FrameHello, A: id, B: regmap.LinkVersion})
	h.wants(wire.Frame{Type: regmap.FrameHello, A: id, B: regmap.LinkVersion, Payload: want})
}

func request(kind, id uint8, addr uint16, v uint32) wire.Frame {
	return wire.Frame{Type: kind, A: id, Payload: binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint16(nil, addr), v)}
}

func read(id uint8, addr uint16) wire.Frame { return request(regmap.FrameRead, id, addr, 0) }
func write(id uint8, addr uint16, v uint32) wire.Frame {
	return request(regmap.FrameWrite, id, addr, v)
}

func answer(id, resp, position uint8, v uint32, counts ...uint8) wire.Frame {
	f := wire.Frame{Type: regmap.FrameAnswer, Flags: resp << regmap.FrameFlagResp, A: id, B: position}
	if len(counts) == 2 {
		f.Payload = append(binary.LittleEndian.AppendUint32(nil, v), counts...)
	}
	return f
}

func fault(code, detail uint8) wire.Frame {
	return wire.Frame{Type: regmap.FrameError, A: code, B: detail}
}

func ack(next, limit uint8, flags ...int) wire.Frame {
	f := wire.Frame{Type: regmap.FrameAck, A: next, B: limit}
	for _, b := range flags {
		f.Flags |= 1 << b
	}
	return f
}

func data(seq uint8, last bool, payload []byte) wire.Frame {
	f := wire.Frame{Type: regmap.FrameData, A: seq, Payload: payload}
	if last {
		f.Flags = 1 << regmap.FrameFlagLast
	}
	return f
}

// echo is a request for n bytes, and its response but for the cycles.
func echo(t testing.TB, n int) (request, payload []byte) {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(n), 3))
	payload = make([]byte, n)
	for i := range payload {
		payload[i] = uint8(rng.Uint32() & rng.Uint32())
	}
	b, err := packet.Request{Opcode: regmap.OpEcho, Tag: 7, Rows: n}.Append(nil, directedParams, payload)
	if err != nil {
		t.Fatal(err)
	}
	return b, payload
}
