package link

import (
	"errors"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/wire"
)

// frames makes frames of fuzzed bytes, so that the checks behind the CRC are
// reached too: type and flags, A, B, a length, and that many bytes.
func frames(data []byte, each func(wire.Frame)) {
	for len(data) >= 4 {
		n := min(int(data[3]), regmap.LinkMaxPayload, len(data)-4)
		each(wire.Frame{Type: data[0] & 0xf, Flags: data[0] & 0xf0, A: data[1], B: data[2], Payload: data[4 : 4+n]})
		data = data[4+n:]
	}
}

func seeds(f *testing.F) {
	f.Add([]byte{6, 0, 8, 0, 6, 1, 9, 0, 5, 0, 0, 16, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add([]byte{0x15, 0, 0, 16, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0x26, 1, 9, 0, 2, 7, 0, 6, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{4, 1, 0, 6, 1, 2, 3, 4, 5, 6, 7, 1, 3, 0, 1, 1, 1, 0, 3, 2, 0, 6, 0x40, 0, 1, 0, 0, 0})
	f.Add([]byte{0x36, 200, 100, 0, 0x56, 1, 100, 0, 0xf5, 0, 0, 0, 14, 0, 0, 3, 1, 2, 3})
}

// FuzzHost gives the host's side whatever frames a device could make up.
func FuzzHost(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		o := Options{}
		o.defaults()
		now := time.Now()
		c := &conn{o: o, wake: make(chan struct{}, 1), changed: make(chan struct{}, 1), largest: 1 << 12, greeting: true}
		c.handle(wire.Frame{Type: regmap.FrameHello, B: regmap.LinkVersion, Payload: []byte{16, 8, 8, 224, 0, 0, 0, 0, 0, 0, 0, 0}}, nil)
		if c.err != nil || c.greeting {
			t.Fatal(c.err)
		}
		c.out, c.outstanding = [][]byte{make([]byte, 5000), make([]byte, 32)}, 2
		c.ask, c.asking, c.askFrom = wire.Frame{Type: regmap.FrameRead, A: 1, Payload: make([]byte, 6)}, true, now
		var sent []byte
		frames(data, func(fr wire.Frame) {
			c.handle(fr, nil)
			now = now.Add(10 * time.Millisecond)
			sent, _ = c.compose(sent[:0], now)
			if len(c.tx.frames) > regmap.LinkMaxSlots || c.tx.cursor > len(c.tx.frames) || len(c.part) > c.largest+regmap.LinkMaxPayload || len(c.in) > c.outstanding {
				t.Fatalf("%d frames, cursor %d, %d bytes of a response, %d responses", len(c.tx.frames), c.tx.cursor, len(c.part), len(c.in))
			}
		})
		if c.err != nil && !errors.Is(c.err, driver.ErrProtocol) && !errors.Is(c.err, driver.ErrDisconnected) && !errors.Is(c.err, driver.ErrTimeout) && !errors.Is(c.err, driver.ErrVersion) {
			t.Fatalf("%v is no typed error", c.err)
		}
	})
}

// FuzzBoard gives the board's side whatever frames a host could make up.
func FuzzBoard(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		b := &board{o: BoardOptions{Window: 4, SendWindow: 4, Retry: time.Millisecond}, beat: 16, chunk: chunk(16), wake: make(chan struct{}, 1)}
		b.work.L = &b.mu
		b.handle(wire.Frame{Type: regmap.FrameHello, A: 1, B: regmap.LinkVersion}, nil)
		b.helloed = true
		now := time.Now()
		buf := b.compose(nil, now)
		n := 0
		frames(data, func(fr wire.Frame) {
			b.handle(fr, nil)
			b.takeOut()
			if n++; n%5 == 0 {
				b.rest = make([]byte, 1000)
			}
			if b.hello { // the engine's goroutine would have reset it
				b.helloed = true
			}
			now = now.Add(time.Millisecond)
			buf = b.compose(buf[:0], now)
			if len(b.tx.frames) > b.o.SendWindow || len(b.window) > b.o.Window || len(b.requests) > deepest {
				t.Fatalf("%d frames to send, %d received, %d requests", len(b.tx.frames), len(b.window), len(b.requests))
			}
			s := wire.Scanner{Dir: wire.ToHost}
			s.Scan(buf, func(fr wire.Frame, err error) {
				if err != nil || fr.Type == regmap.FrameData && len(fr.Payload)%16 != 0 {
					t.Fatalf("it sends %+v, %v", fr, err)
				}
			})
		})
	})
}
