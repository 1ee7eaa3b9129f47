package link

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/wire"
)

func TestBeforeHello(t *testing.T) {
	h := dial(t)
	for _, f := range []wire.Frame{read(1, 0), write(2, regmap.RegScratch, 3), data(0, true, make([]byte, beat)), ack(0, 9),
		{Type: 9, Flags: 0x30}, {Type: regmap.FrameHello, Payload: []byte{1}}} {
		h.say(f)
		h.wants(fault(regmap.LinkErrNoHello, f.Flags|f.Type))
	}
	h.raw([]byte("\x00there is no frame in this\x00"))
	h.say(wire.Frame{Type: regmap.FrameHello, A: 3, B: regmap.LinkVersion + 1})
	h.wants(fault(regmap.LinkErrVersion, regmap.LinkVersion))
	h.say(read(1, 0))
	h.wants(fault(regmap.LinkErrNoHello, regmap.FrameRead))
	h.hello(200)
	h.say(read(1, regmap.RegMagic))
	h.wants(answer(1, 0, 0, regmap.Magic, 0, 0))
}

func TestRegisters(t *testing.T) {
	h := linked(t)
	h.say(read(0, regmap.RegSpecID), read(1, regmap.RegLanes))
	h.wants(answer(0, 0, 0, regmap.SpecID, 0, 0), answer(1, 0, 0, directed.lanes(), 0, 0))
	// A repeated request is not performed again, whatever it says.
	h.say(write(2, regmap.RegScratch, 0x12345678), write(2, regmap.RegScratch, 0x55), read(3, regmap.RegScratch))
	h.wants(answer(2, 0, 0, 0, 0, 0), answer(2, 0, 0, 0, 0, 0), answer(3, 0, 0, 0x12345678, 0, 0))
	h.say(read(4, regmap.RegCycles))
	first := h.next()
	h.say(read(4, regmap.RegCycles))
	h.wants(first)
	h.say(read(5, regmap.RegCycles))
	if f := h.next(); f.A != 5 || bytes.Equal(f.Payload, first.Payload) {
		t.Errorf("a new id was not read anew: %s", show(f))
	}
	h.say(write(6, regmap.RegMagic, 1), read(7, 0x060), read(8, 0x1000), write(9, 0x8054, 4), read(10, regmap.RegScratch))
	h.wants(answer(6, 2, 0, 0, 0, 0), answer(7, 2, 0, 0, 0, 0), answer(8, 3, 0, 0, 0, 0), answer(9, 3, 0, 0, 0, 0), answer(10, 0, 0, 0x12345678, 0, 0))
	// HELLO forgets the last id, and resets the engine.
	h.hello(9)
	h.say(read(10, regmap.RegScratch))
	h.wants(answer(10, 0, 0, 0, 0, 0))
}

func (b Build) lanes() uint32 { return uint32(b.Engine[0] - '0') }

func TestCannotFollow(t *testing.T) {
	h := linked(t)
	for _, f := range []wire.Frame{{Type: 0}, {Type: 8}, {Type: 15, Flags: 0xf0}, {Type: regmap.FrameAnswer, Payload: make([]byte, 6)}, {Type: regmap.FrameError},
		{Type: regmap.FrameRead, Payload: make([]byte, 2)}, {Type: regmap.FrameWrite, Payload: make([]byte, 7)}, {Type: regmap.FrameHello, B: 1, Payload: make([]byte, 1)},
		{Type: regmap.FrameAck, Payload: make([]byte, 1)}, {Type: regmap.FrameData}, data(0, true, make([]byte, beat-1)), data(0, false, make([]byte, 4))} {
		h.say(f)
		h.wants(fault(regmap.LinkErrFrame, f.Flags|f.Type))
	}
	h.silent()
	h.say(wire.Frame{Type: regmap.FrameHello, A: 9, B: 77})
	h.wants(fault(regmap.LinkErrVersion, regmap.LinkVersion))
}

// Whatever stands before a delimiter, the frame behind it is understood.
func TestResynchronises(t *testing.T) {
	h := linked(t)
	rng := rand.New(rand.NewPCG(4, 2))
	good := read(0, regmap.RegMagic).Append(nil, wire.ToDevice)
	damaged := uint8(0)
	for i := range 300 {
		var b []byte
		switch i % 4 {
		case 0: // noise
			for range 1 + rng.IntN(600) {
				b = append(b, 1+uint8(rng.IntN(255)))
			}
		case 1: // a frame cut short
			b = append(b, good[:1+rng.IntN(len(good)-2)]...)
		case 2: // one with a bit changed
			b = append(b, good[:len(good)-1]...)
			for k, bit := rng.IntN(len(b)), uint8(1<<rng.IntN(8)); ; {
				if b[k]^bit != 0 {
					b[k] ^= bit
					break
				}
				k = rng.IntN(len(b))
			}
		case 3: // two run together
			b = append(append(b, good[:len(good)-1]...), good[:len(good)-1]...)
		}
		h.raw(append(b, wire.Delimiter))
		damaged++
		h.wants(ack(0, rxSlots, regmap.FrameFlagNak))
		h.say(read(uint8(i), regmap.RegMagic))
		h.wants(answer(uint8(i), 0, 0, regmap.Magic, damaged, 0))
	}
}

func TestData(t *testing.T) {
	h := linked(t)
	b, payload := echo(t, 3*beat)
	head, tail := b[:4*beat], b[4*beat:]
	// Out of order: one NAK, and only one; the frame expected clears the mark.
	h.say(data(1, true, tail))
	h.wants(ack(0, rxSlots, regmap.FrameFlagNak))
	h.say(data(1, true, tail))
	h.silent()
	h.say(data(0, false, head))
	h.wants(ack(1, rxSlots))
	h.wants(ack(1, rxSlots+1))
	h.say(data(0, false, tail)) // had already
	h.wants(ack(1, rxSlots+1))
	h.say(data(255, false, tail))
	h.wants(ack(1, rxSlots+1))
	h.say(data(2, true, tail))
	h.wants(ack(1, rxSlots+1, regmap.FrameFlagNak))
	h.say(data(1, true, tail))
	h.wants(ack(2, rxSlots+1))
	h.wants(ack(2, rxSlots+2))
	h.say(ack(0, 0, regmap.FrameFlagPoll))
	h.wants(ack(2, rxSlots+2))
	// The answer, only now that there is a limit.
	h.say(ack(0, 1))
	f := h.next()
	if f.Type != regmap.FrameData || f.A != 0 || f.Flags != 1<<regmap.FrameFlagLast || !bytes.Equal(f.Payload[32:32+len(payload)], payload) {
		t.Fatalf("the response: %s", show(f))
	}
	h.say(ack(1, 1))
	h.silent()
}

// A host that exceeds its limit loses the frame, not the stream.
func TestLimit(t *testing.T) {
	h := linked(t)
	const total = 64 * 1024
	b, payload := echo(t, total)
	seq, limit, sent := uint8(0), uint8(rxSlots), 0
	send := func() {
		for ; seq != limit && sent < len(b); seq++ {
			n := min(regmap.LinkMaxPayload, len(b)-sent)
			h.say(data(seq, sent+n == len(b), b[sent:sent+n]))
			sent += n
		}
	}
	// With no limit for the device its window fills, then the engine stands, then our window is full.
	for standing := false; !standing; {
		send()
		select {
		case f := <-h.frames:
			if f.Type != regmap.FrameAck || f.Flags != 0 {
				t.Fatal(show(f))
			}
			limit = f.B
		case <-time.After(300 * time.Millisecond):
			standing = true
		}
	}
	if want := (rxSlots + txSlots) * regmap.LinkMaxPayload; sent < want || sent > want+4096 {
		t.Errorf("%d bytes were taken with no limit, want %d and what the engine holds", sent, want)
	}
	h.say(data(seq, false, make([]byte, regmap.LinkMaxPayload)))
	h.wants(fault(regmap.LinkErrCredit, seq))
	h.say(ack(0, 0, regmap.FrameFlagPoll))
	h.wants(ack(seq, limit))
	// Now everything flows, and nothing of the refused frame is in it.
	var got []byte
	next := uint8(0)
	h.say(ack(next, next+1))
	for last := false; !last; {
		f := h.next()
		switch f.Type {
		case regmap.FrameAck:
			limit = f.B
			send()
		case regmap.FrameData:
			if f.A != next {
				t.Fatalf("%s, want A %d", show(f), next)
			}
			got, last = append(got, f.Payload...), f.Flags != 0
			next++
			h.say(ack(next, next+uint8(len(got)/1000%7))) // also none at all
			if len(got)/1000%7 == 0 {
				h.say(ack(next, next+1))
			}
		default:
			t.Fatal(show(f))
		}
	}
	if n := regmap.HeaderBytes; len(got) != len(b)+n || !bytes.Equal(got[n:n+total], payload) {
		t.Error("the stream is damaged")
	}
}

// Going back: at a NAK, from the first unacknowledged frame, however far it had come.
func TestGoesBack(t *testing.T) {
	h := linked(t)
	b, _ := echo(t, regmap.LinkMaxPayload) // two frames there, and two back
	h.say(data(0, false, b[:regmap.LinkMaxPayload]))
	h.wants(ack(1, rxSlots), ack(1, rxSlots+1))
	h.say(data(1, true, b[regmap.LinkMaxPayload:]))
	h.wants(ack(2, rxSlots+1), ack(2, rxSlots+2))
	h.say(ack(0, 100))
	first, second := h.next(), h.next()
	if first.A != 0 || second.A != 1 || first.Flags != 0 || second.Flags == 0 || len(first.Payload) != regmap.LinkMaxPayload {
		t.Fatalf("%s, %s", show(first), show(second))
	}
	h.say(ack(0, 100, regmap.FrameFlagNak))
	h.wants(first, second)
	h.say(ack(1, 100, regmap.FrameFlagNak))
	h.wants(second)
	for _, ignored := range []uint8{0, 3, 130, 255} {
		h.say(ack(ignored, 100))
	}
	h.silent()
	h.say(ack(7, 100, regmap.FrameFlagNak)) // acknowledges nothing, goes back
	h.wants(second)
	h.say(ack(2, 1)) // a limit behind it
	h.say(ack(2, 2, regmap.FrameFlagNak))
	h.silent()
	if p := h.position(); p != 2 {
		t.Errorf("position %d, want 2", p)
	}
}

// A device that hears nothing repeats itself, asks, and goes quiet in the end; it keeps everything.
func TestTimeouts(t *testing.T) {
	saved := directed
	defer func() { directed = saved }()
	directed.More = append([]string{"RETRY_LOG2=12"}, directed.More[1:]...)
	h := linked(t)
	b, _ := echo(t, beat)
	h.say(ack(0, 1))
	h.say(data(0, true, b))
	h.wants(ack(1, rxSlots), ack(1, rxSlots+1))
	first := h.next()
	if first.Type != regmap.FrameData {
		t.Fatal(show(first))
	}
	for i := range regmap.LinkRetries {
		for range 2 {
			f := h.next()
			if !same(f, first) && !same(f, ack(1, rxSlots+1, regmap.FrameFlagPoll)) {
				t.Fatalf("time-out %d: %s", i, show(f))
			}
		}
	}
	time.Sleep(300 * time.Millisecond)
	if len(h.frames) > 0 {
		t.Fatalf("%s after %d time-outs", show(<-h.frames), regmap.LinkRetries)
	}
	h.say(read(1, regmap.RegMagic))
	h.wants(answer(1, 0, 1, regmap.Magic, 0, regmap.LinkRetries))
	for range 2 {
		if f := h.next(); !same(f, first) && !same(f, ack(1, rxSlots+1, regmap.FrameFlagPoll)) {
			t.Fatalf("after it was spoken to: %s", show(f))
		}
	}
	h.say(ack(1, 1), read(2, regmap.RegMagic))
	for f := h.next(); f.Type != regmap.FrameAnswer; f = h.next() {
		if !same(f, first) && !same(f, ack(1, rxSlots+1, regmap.FrameFlagPoll)) {
			t.Fatal(show(f))
		}
	}
	h.silent()
}

// HELLO in the middle of everything: link and engine are as new.
func TestHello(t *testing.T) {
	h := linked(t)
	rng := rand.New(rand.NewPCG(5, 5))
	b, payload := echo(t, 700)
	for id := range uint8(40) {
		h.say(ack(0, uint8(rng.IntN(3))))
		cut := rng.IntN(len(b)/beat) * beat
		for at, seq := 0, uint8(0); at < cut && seq < rxSlots; seq++ {
			n := min(regmap.LinkMaxPayload, cut-at)
			h.say(data(seq, false, b[at:at+n]))
			at += n
		}
		h.raw([]byte("\x05half a frame")[:rng.IntN(13)])
		h.raw([]byte{0})
		h.hello(id + 10)
		h.say(read(0, regmap.RegBeatsIn))
		h.wants(answer(0, 0, 0, 0, 0, 0))
	}
	h.say(ack(0, 100))
	limit := uint8(rxSlots)
	var got []byte
	for at, seq := 0, uint8(0); at < len(b) || len(got) < len(b); {
		if at < len(b) && seq != limit {
			n := min(regmap.LinkMaxPayload, len(b)-at)
			h.say(data(seq, at+n == len(b), b[at:at+n]))
			at, seq = at+n, seq+1
			continue
		}
		if f := h.next(); f.Type == regmap.FrameAck {
			limit = f.B
		} else {
			got = append(got, f.Payload...)
		}
	}
	if !bytes.Equal(got[regmap.HeaderBytes:][:len(payload)], payload) {
		t.Error("the first echo after all that is wrong")
	}
}
