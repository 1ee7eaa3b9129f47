package drivertest

import (
	"bytes"
	"context"
	"errors"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// nothingOutstanding checks that there is no response to receive.
func (s *session) nothingOutstanding() {
	s.t.Helper()
	if b, err := s.dev.Recv(s.ctx, nil); !errors.Is(err, driver.ErrProtocol) {
		s.t.Fatalf("Recv with nothing outstanding: %x, %v; want %v", b, err, driver.ErrProtocol)
	}
}

// testBuffers: Send keeps nothing of its slice, Recv appends to the one given.
func testBuffers(s *session) {
	a, b := s.small(regmap.OpEcho), s.small(regmap.OpQuantize)
	scratch := bytes.Clone(a.wire)
	if err := s.dev.Send(s.ctx, scratch); err != nil {
		s.t.Fatalf("Send: %v", err)
	}
	clear(scratch)
	s.send(b)
	const mark = "what stood there"
	room := append(make([]byte, 0, 1<<12), mark...)
	got, err := s.dev.Recv(s.ctx, room)
	if err != nil {
		s.t.Fatalf("Recv: %v", err)
	}
	if !bytes.HasPrefix(got, []byte(mark)) {
		s.t.Fatalf("Recv put %x in the place of what the slice held", got[:len(mark)])
	}
	if _, err := s.judge(got[len(mark):], a.want); err != nil {
		s.t.Fatalf("%s: %v", a.name, err)
	}
	kept := bytes.Clone(got)
	s.receive(b)
	if !bytes.Equal(got, kept) {
		s.t.Error("a later Recv wrote over what an earlier one gave")
	}
}

// testMisuse: what is no packet is refused before it reaches the engine.
func testMisuse(s *session) {
	s.nothingOutstanding()
	good := s.small(regmap.OpEcho)
	sizes := []int{1, s.p.BeatBytes() - 1, s.p.BeatBytes() + 1, len(good.wire) - 1}
	for _, n := range sizes {
		if err := s.dev.Send(s.ctx, good.wire[:n]); !errors.Is(err, driver.ErrBadPacket) {
			s.t.Fatalf("Send of %d bytes: %v, want %v", n, err, driver.ErrBadPacket)
		}
	}
	if err := s.dev.Send(s.ctx, nil); !errors.Is(err, driver.ErrBadPacket) {
		s.t.Fatalf("Send of no bytes: %v, want %v", err, driver.ErrBadPacket)
	}
	s.nothingOutstanding()
	s.check("after refused sends", tally{regmap.RegBeatsIn: 0, regmap.RegPackets: 0})
	s.run(good)
	s.nothingOutstanding()
	s.oneOfEach()
}

// testCancel: a cancelled context stops every call, and the device can still be
// closed.
func testCancel(s *session) {
	good := s.small(regmap.OpEcho)
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	s.send(good)
	calls := map[string]func() error{
		"ReadReg":  func() error { _, err := s.dev.ReadReg(ctx, regmap.RegMagic); return err },
		"WriteReg": func() error { return s.dev.WriteReg(ctx, regmap.RegScratch, 1) },
		"Send":     func() error { return s.dev.Send(ctx, good.wire) },
		"Recv":     func() error { _, err := s.dev.Recv(ctx, nil); return err },
	}
	if r, ok := s.dev.(driver.Resetter); ok {
		calls["Reset"] = func() error { return r.Reset(ctx) }
	}
	for _, name := range []string{"ReadReg", "WriteReg", "Send", "Recv", "Reset"} {
		if call, ok := calls[name]; ok {
			if err := call(); !errors.Is(err, context.Canceled) {
				s.t.Errorf("%s with a cancelled context: %v, want %v", name, err, context.Canceled)
			}
		}
	}
	if err := s.dev.Close(); err != nil {
		s.t.Errorf("Close after cancelled calls: %v", err)
	}
}

// testClose: with work outstanding, and every call after it.
func testClose(s *session) {
	s.send(s.small(regmap.OpSelect))
	if err := s.dev.Close(); err != nil {
		s.t.Fatalf("Close: %v", err)
	}
	wire := s.command(packet.Request{Opcode: regmap.OpEcho}, nil).wire
	calls := []struct {
		name string
		call func() error
	}{
		{"ReadReg", func() error { _, err := s.dev.ReadReg(s.ctx, regmap.RegMagic); return err }},
		{"WriteReg", func() error { return s.dev.WriteReg(s.ctx, regmap.RegScratch, 1) }},
		{"Send", func() error { return s.dev.Send(s.ctx, wire) }},
		{"Recv", func() error { _, err := s.dev.Recv(s.ctx, nil); return err }},
		{"Close", s.dev.Close},
	}
	for _, c := range calls {
		if err := c.call(); !errors.Is(err, driver.ErrClosed) {
			s.t.Errorf("%s after Close: %v, want %v", c.name, err, driver.ErrClosed)
		}
	}
	if r, ok := s.dev.(driver.Resetter); ok {
		if err := r.Reset(s.ctx); !errors.Is(err, driver.ErrClosed) {
			s.t.Errorf("Reset after Close: %v, want %v", err, driver.ErrClosed)
		}
	}
}
