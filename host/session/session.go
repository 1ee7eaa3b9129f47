// Package session streams work through an engine: attention rows to SELECT,
// rows of keys and values to QUANTIZE, DEQUANTIZE and COMPRESS, cut into the tiles that
// the engine takes and with several packets in flight. It checks every answer
// and counts what each command cost.
package session

import (
	"context"
	"errors"
	"fmt"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// ErrGeometry says that this engine cannot do a job of that shape.
var ErrGeometry = errors.New("the engine cannot do this shape")

// A packet is sent while fewer than maxPackets and less than maxBytes wait for
// their answers: enough to keep an engine busy, little enough to bound memory.
const (
	maxPackets = 8
	maxBytes   = 64 << 20
)

// rereadBeats is after how many beats sent the counters, which wrap at 2^32
// cycles, are read again. No command takes more than 8 cycles for a beat sent:
// DEQUANTIZE gives 8 for each beat of 2-bit codes.
const rereadBeats = 1 << 28

// Session uses one device. It is for one goroutine at a time. After a failed
// exchange with the device answers may be outstanding, so every later call
// fails with that error too; jobs refused before they were sent do no harm.
type Session struct {
	dev   driver.Device
	info  driver.Info
	tag   uint16
	stats map[uint32]*Stats
	err   error
}

// New makes a session on an open device. Closing the device is the caller's.
func New(dev driver.Device) *Session {
	return &Session{dev: dev, info: dev.Info(), stats: map[uint32]*Stats{}}
}

// Info is the device's.
func (s *Session) Info() driver.Info { return s.info }

// command is one request and what becomes of its answer.
type command struct {
	request packet.Request
	payload []byte
	out     int // bytes the answer must have; -1: done checks
	done    func(payload []byte) error
}

// pipe sends commands of one opcode with several in flight and attributes the
// engine's counters to that opcode.
type pipe struct {
	s       *Session
	op      uint32
	waiting []sent
	bytes   int // of the requests in waiting
	beats   int // sent since the counters were read
	before  counters
	buf     []byte
	resp    []byte
}

type sent struct {
	command
	bytes int
}

// batch runs what send pushes through a pipe for op, and waits for the answers.
func (s *Session) batch(ctx context.Context, op uint32, send func(p *pipe) error) error {
	if s.err != nil {
		return fmt.Errorf("the session ended before: %w", s.err)
	}
	p := &pipe{s: s, op: op}
	err := p.readCounters(ctx)
	if err == nil {
		err = send(p)
	}
	if err == nil {
		err = p.drain(ctx)
	}
	if err != nil {
		s.err = err
	}
	return err
}

// push sends a command, first taking answers until there is room for it.
func (p *pipe) push(ctx context.Context, c command) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.s.tag++
	c.request.Opcode, c.request.Tag = p.op, p.s.tag
	b, err := c.request.Append(p.buf[:0], p.s.info.Params, c.payload)
	if err != nil {
		return err
	}
	p.buf = b
	for len(p.waiting) > 0 && (len(p.waiting) >= maxPackets || p.bytes+len(b) > maxBytes) {
		if err := p.take(ctx); err != nil {
			return err
		}
	}
	if err := p.s.dev.Send(ctx, b); err != nil {
		return fmt.Errorf("sending %s: %w", packet.OpcodeName(p.op), err)
	}
	c.payload = nil
	p.waiting = append(p.waiting, sent{c, len(b)})
	p.bytes += len(b)
	if p.beats += len(b) / p.s.info.Params.BeatBytes(); p.beats >= rereadBeats {
		return p.drain(ctx)
	}
	return nil
}

// take receives the oldest outstanding answer.
func (p *pipe) take(ctx context.Context) error {
	c := p.waiting[0]
	p.waiting = p.waiting[1:]
	p.bytes -= c.bytes
	b, err := p.s.dev.Recv(ctx, p.resp[:0])
	if err != nil {
		return fmt.Errorf("receiving the answer to %s: %w", packet.OpcodeName(p.op), err)
	}
	p.resp = b
	r, err := packet.ParseResponse(b, p.s.info.Params)
	if err != nil {
		return fmt.Errorf("%w: %w", driver.ErrProtocol, err)
	}
	if r.Tag != c.request.Tag || r.Opcode != p.op {
		return fmt.Errorf("%w: got the answer to %s tag %d, %s tag %d was asked", driver.ErrProtocol,
			packet.OpcodeName(r.Opcode), r.Tag, packet.OpcodeName(p.op), c.request.Tag)
	}
	if err := r.Err(); err != nil {
		return err
	}
	if c.out >= 0 && len(r.Payload) != c.out {
		return fmt.Errorf("%w: %s answered %d bytes, want %d", driver.ErrProtocol, packet.OpcodeName(p.op), len(r.Payload), c.out)
	}
	p.count(r)
	return c.done(r.Payload)
}

// drain takes all outstanding answers and settles the counters.
func (p *pipe) drain(ctx context.Context) error {
	for len(p.waiting) > 0 {
		if err := p.take(ctx); err != nil {
			return err
		}
	}
	return p.settle(ctx)
}

// tooSmall is the error that a parameter of the engine is below what a job
// needs. It names an emulator option that would do, if there is one.
func (s *Session) tooSmall(what, option string, need, have, limit int) error {
	if need > limit {
		return fmt.Errorf("%w: %s, and the largest engine that can be built takes %d", ErrGeometry, what, limit)
	}
	size := have
	for size < need {
		size *= 2
	}
	return fmt.Errorf("%w: %s, this engine takes up to %d; one that does is -d 'emu:?%s=%d'", ErrGeometry, what, have, option, size)
}

// The largest parameters an engine can be built with; regmap.Params.Validate
// holds the same limits.
const (
	limitDim    = 512
	limitTile   = 256
	limitTokens = 65536
)

// CheckTile reports whether the engine can quantize and restore rows of dims
// elements in a layout, of any number (per channel: whole groups).
func (s *Session) CheckTile(l packet.Layout, dims int) error {
	if err := s.checkDims(dims); err != nil {
		return err
	}
	if _, err := packet.GroupCode(l.Group); err != nil {
		return fmt.Errorf("%w: %w", ErrGeometry, err)
	}
	if err := s.checkRows(l, dims); err != nil {
		return err
	}
	if l.Axis == regmap.AxisChannel {
		if l.Group == 0 {
			return fmt.Errorf("%w: a group of the whole row is per token only; per channel want 16, 32, 64 or 128", ErrGeometry)
		}
		if l.Group > s.info.Params.TileTokens {
			return s.tooSmall(fmt.Sprintf("groups of %d rows", l.Group), "tile-tokens", l.Group, s.info.Params.TileTokens, limitTile)
		}
		return nil
	}
	if l.Group != 0 && dims%l.Group != 0 {
		return fmt.Errorf("%w: groups of %d do not divide rows of %d elements; a smaller group or the row does", ErrGeometry, l.Group, dims)
	}
	return nil
}

// checkRows reports whether the engine takes rows of dims elements in the format
// of a layout, and rotates them as it says.
func (s *Session) checkRows(l packet.Layout, dims int) error {
	if l.Format == regmap.FormatBF16 {
		if err := s.Require("bfloat16", regmap.FeatBF16); err != nil {
			return err
		}
		if l.Block || l.Rotate != 0 {
			return fmt.Errorf("%w: rows of bfloat16 are neither rotated nor stored in ggml's blocks", ErrGeometry)
		}
	}
	if l.Rotate == 0 {
		return nil
	}
	if err := s.Require("a rotation", regmap.FeatRotate); err != nil {
		return err
	}
	if _, err := packet.RotateCode(l.Rotate); err != nil || dims%l.Rotate != 0 {
		what := fmt.Sprintf("a rotation of %d elements divides no", l.Rotate)
		if err != nil {
			what = "no rotation divides"
		}
		return fmt.Errorf("%w: %s rows of %d elements; there are 32, 64 and 128", ErrGeometry, what, dims)
	}
	return nil
}

// checkDims reports whether the engine takes rows of dims elements.
func (s *Session) checkDims(dims int) error {
	if dims < 1 || dims%regmap.DimStep != 0 {
		return fmt.Errorf("%w: rows of %d elements, want a multiple of %d", ErrGeometry, dims, regmap.DimStep)
	}
	if dims > s.info.Params.MaxDim {
		return s.tooSmall(fmt.Sprintf("rows of %d elements", dims), "max-dim", dims, s.info.Params.MaxDim, limitDim)
	}
	return nil
}

// CheckSelect reports whether the engine can select among n positions.
func (s *Session) CheckSelect(n int) error {
	if n < 1 {
		return fmt.Errorf("%w: a choice among %d positions", ErrGeometry, n)
	}
	if n > s.info.Params.MaxTokens {
		return s.tooSmall(fmt.Sprintf("a choice among %d positions", n), "max-tokens", n, s.info.Params.MaxTokens, limitTokens)
	}
	return nil
}
