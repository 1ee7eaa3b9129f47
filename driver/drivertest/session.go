package drivertest

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// patience is how long one subtest may take before its device is said to hang.
const patience = 3 * time.Minute

// session is one subtest's device and what is known of it.
type session struct {
	t    *testing.T
	ctx  context.Context
	dev  driver.Device
	info driver.Info
	p    regmap.Params
	opts Options
	rng  *rand.Rand
	tag  uint16
	open func(*testing.T) driver.Device
}

func newSession(t *testing.T, open func(*testing.T) driver.Device, opts Options) *session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	s := &session{t: t, ctx: ctx, opts: opts, open: open, rng: rand.New(rand.NewPCG(opts.Seed, 0x6b76))}
	s.reopen()
	return s
}

// reopen puts a fresh device in the place of the one in use, which is closed.
func (s *session) reopen() {
	s.t.Helper()
	if s.dev != nil {
		if err := s.dev.Close(); err != nil {
			s.t.Fatalf("Close: %v", err)
		}
	}
	dev := s.open(s.t)
	s.t.Cleanup(func() { _ = dev.Close() }) // the second Close of a device that was closed well is refused
	s.dev, s.info = dev, dev.Info()
	s.p = s.info.Params
	if err := s.p.Validate(); err != nil {
		s.t.Fatalf("the device's parameters: %v", err)
	}
}

// command is a request packet as sent and the answer due.
type command struct {
	name string
	wire []byte
	want answer
}

// command encodes a request under the next tag. An empty name says the request.
func (s *session) command(r packet.Request, payload []byte) command {
	s.t.Helper()
	r.Tag = s.nextTag()
	wire, err := r.Append(nil, s.p, payload)
	if err != nil {
		s.t.Fatalf("%+v: %v", r, err)
	}
	return s.raw(describe(r), wire)
}

// raw is a request of any bytes, a whole number of beats.
func (s *session) raw(name string, wire []byte) command {
	return command{name, wire, s.expect(wire)}
}

// edited is the command with another header; word 0's tag is kept.
func (s *session) edited(c command, name string, edit func(header []byte)) command {
	wire := bytes.Clone(c.wire)
	edit(wire)
	return s.raw(c.name+", "+name, wire)
}

// cut is the command with TLAST on the given beat, counted from 1.
func (s *session) cut(c command, beats int) command {
	return s.raw(fmt.Sprintf("%s, cut to %d of %d beats", c.name, beats, c.want.beatsIn), c.wire[:beats*s.p.BeatBytes()])
}

// extended is the command with beats of filler after its payload.
func (s *session) extended(c command, beats int) command {
	filler := bytes.Repeat([]byte{0xff, 0x7b}, s.p.Lanes*beats) // 65504: would show as a score or a maximum
	return s.raw(fmt.Sprintf("%s, %d beats too long", c.name, beats), append(bytes.Clone(c.wire), filler...))
}

// again is the same command under the next tag.
func (s *session) again(c command) command {
	wire := bytes.Clone(c.wire)
	tag := s.nextTag()
	regmap.ReqTag.Put(wire, uint32(tag))
	c.wire, c.want.tag = wire, tag
	return c
}

func (s *session) nextTag() uint16 {
	s.tag = s.tag*5 + 0x2b1d // every tag once in 65536
	return s.tag
}

func describe(r packet.Request) string {
	switch r.Opcode {
	case regmap.OpSelect:
		if r.Selection == (packet.Selection{Sinks: r.Sinks, Recent: r.Recent, TopK: r.TopK}) {
			return fmt.Sprintf("SELECT of %d, %d rows, %d sinks, %d recent, top %d", r.Dims, r.Rows, r.Sinks, r.Recent, r.TopK)
		}
		return fmt.Sprintf("SELECT of %d, %d rows of %d, %+v", r.Dims, r.Rows, r.RowDims, r.Selection)
	case regmap.OpCompress:
		return fmt.Sprintf("COMPRESS of %d x %d, %d rows, keys %+v, values in groups of %d, %+v", r.Dims, r.RowDims, r.Rows, r.Layout, r.ValueGroup, r.Selection)
	case regmap.OpEcho, regmap.OpSource, regmap.OpSink:
		return fmt.Sprintf("%s of %d bytes", packet.OpcodeName(r.Opcode), r.Rows)
	}
	return fmt.Sprintf("%s of %d x %d, scheme %d, axis %d, group %d, %d bits, format %d, rotated by %d",
		packet.OpcodeName(r.Opcode), r.Rows, r.Dims, r.Scheme, r.Axis, r.Group, r.Bits, r.Format, r.Rotate)
}

// run queues the commands, receives and judges every answer, and returns the
// cycles of each.
func (s *session) run(cmds ...command) []uint32 {
	s.t.Helper()
	for _, c := range cmds {
		s.send(c)
	}
	cycles := make([]uint32, len(cmds))
	for i, c := range cmds {
		cycles[i] = s.receive(c)
	}
	return cycles
}

// each runs the commands in short queues.
func (s *session) each(cmds []command) {
	s.t.Helper()
	const queue = 6
	for ; len(cmds) > queue; cmds = cmds[queue:] {
		s.run(cmds[:queue]...)
	}
	s.run(cmds...)
}

func (s *session) send(c command) {
	s.t.Helper()
	if err := s.dev.Send(s.ctx, c.wire); err != nil {
		s.t.Fatalf("%s: Send: %v", c.name, err)
	}
}

// receive takes the next response, which must be the answer to c.
func (s *session) receive(c command) (cycles uint32) {
	s.t.Helper()
	b, err := s.dev.Recv(s.ctx, nil)
	if err != nil {
		s.t.Fatalf("%s: Recv: %v", c.name, err)
	}
	r, err := s.judge(b, c.want)
	if err != nil {
		s.t.Fatalf("%s (seed %d): %v", c.name, s.opts.Seed, err)
	}
	return r.Cycles
}

// judge compares a response packet with the answer due, field by field.
func (s *session) judge(b []byte, want answer) (packet.Response, error) {
	r, err := packet.ParseResponse(b, s.p)
	if err != nil {
		return r, err
	}
	if r.Tag != want.tag || r.Opcode != want.opcode {
		return r, fmt.Errorf("answers opcode %d tag %#04x, want opcode %d tag %#04x", r.Opcode, r.Tag, want.opcode, want.tag)
	}
	if r.Status != want.status {
		return r, fmt.Errorf("status %d (%v), want %d (%v)", r.Status, r.Status, want.status, want.status)
	}
	early := packet.Status(regmap.StOK)
	if want.refused {
		early = want.status
	}
	if got := packet.Status(regmap.RespStatus.Get(b)); got != early {
		return r, fmt.Errorf("the response header has status %d (%v), want %d", got, got, early)
	}
	if len(r.Payload) != len(want.payload) {
		return r, fmt.Errorf("%d payload bytes, want %d", len(r.Payload), len(want.payload))
	}
	if at := firstDifference(r.Payload, want.payload); at >= 0 {
		from, to := max(at-4, 0), min(at+12, len(want.payload))
		return r, fmt.Errorf("payload differs first at byte %d: bytes %d to %d are\n got %x\nwant %x", at, from, to, r.Payload[from:to], want.payload[from:to])
	}
	if r.BytesIn != want.bytesIn {
		return r, fmt.Errorf("the trailer counts %d bytes in, want %d", r.BytesIn, want.bytesIn)
	}
	if r.NonFinite != (want.nonFinite > 0) || r.Saturated != (want.saturated > 0) {
		return r, fmt.Errorf("flags non-finite %v, saturated %v; there were %d and %d such elements", r.NonFinite, r.Saturated, want.nonFinite, want.saturated)
	}
	if err := s.judgeFrame(b, len(r.Payload)); err != nil {
		return r, err
	}
	if least := max(want.beatsOut, s.p.HeaderBeats()+want.worked); int(r.Cycles) < least {
		return r, fmt.Errorf("%d cycles, but at least %d beats went through", r.Cycles, least)
	}
	if !s.opts.Live && (r.StallIn != 0 || r.StallOut != 0) {
		return r, fmt.Errorf("%d and %d cycles stalled on an ideal link", r.StallIn, r.StallOut)
	}
	return r, nil
}

// judgeFrame checks that every bit of a response that means nothing is zero.
func (s *session) judgeFrame(b []byte, payload int) error {
	head, body, trail := bytes.Clone(b[:regmap.HeaderBytes]), b[regmap.HeaderBytes:len(b)-regmap.HeaderBytes], bytes.Clone(b[len(b)-regmap.HeaderBytes:])
	for _, f := range []regmap.Field{regmap.RespOpcode, regmap.RespMagic, regmap.RespTag, regmap.RespStatus} {
		f.Put(head, 0)
	}
	flags := regmap.TrailFlags.Get(trail) &^ (1<<regmap.FlagNonFinite | 1<<regmap.FlagSaturated)
	for _, f := range []regmap.Field{
		regmap.TrailOpcode, regmap.TrailMagic, regmap.TrailTag, regmap.TrailStatus, regmap.TrailFlags, regmap.TrailBytesIn,
		regmap.TrailBytesOut, regmap.TrailCycles, regmap.TrailStallIn, regmap.TrailStallOut,
	} {
		f.Put(trail, 0)
	}
	switch {
	case !zero(head):
		return fmt.Errorf("reserved bits of the response header are set: %x", b[:regmap.HeaderBytes])
	case !zero(trail) || flags != 0:
		return fmt.Errorf("reserved bits of the trailer are set: %x", b[len(b)-regmap.HeaderBytes:])
	case !zero(body[payload:]):
		return fmt.Errorf("the padding after %d payload bytes is not zero: %x", payload, body[payload:])
	}
	return nil
}

func zero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}

func firstDifference(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

func (s *session) read(addr uint32) uint32 {
	s.t.Helper()
	v, err := s.dev.ReadReg(s.ctx, addr)
	if err != nil {
		s.t.Fatalf("ReadReg(%#03x): %v", addr, err)
	}
	return v
}

func (s *session) write(addr, value uint32) {
	s.t.Helper()
	if err := s.dev.WriteReg(s.ctx, addr, value); err != nil {
		s.t.Fatalf("WriteReg(%#03x, %#x): %v", addr, value, err)
	}
}

// has reports whether the device has a command.
func (s *session) has(op uint32) bool { return s.info.Has(1 << features[op]) }

// pack encodes binary16 patterns.
func pack(values []uint16) []byte {
	b := make([]byte, 0, 2*len(values))
	for _, v := range values {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	return b
}
