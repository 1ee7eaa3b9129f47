package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/trace"
)

// ErrOption says that a device cannot be measured with the options given.
var ErrOption = errors.New("cannot be measured")

// Options of a run. The zero value is the full set on the sample trace.
type Options struct {
	Quick    bool                  // fewer points of each sweep
	Only     []string              // ids of the promises to measure; all if empty
	Rows     int                   // rows of a tile; 0: as many as the engine takes
	Dims     int                   // elements of a tile's row; 0: 128, or as many as the engine takes
	Traces   []*trace.Trace        // where real scores come from; the sample if empty
	Progress func(done, total int) // called now and then; may be nil
}

// Run measures the promises on a device. A broken one is no error here: see
// Report.Err.
func Run(ctx context.Context, dev driver.Device, opt Options) (*Report, error) {
	info := dev.Info()
	b := &bench{ctx: ctx, dev: dev, p: info.Params, opt: opt}
	if err := b.checkOptions(); err != nil {
		return nil, err
	}
	if len(b.opt.Traces) == 0 {
		t, err := trace.Sample()
		if err != nil {
			return nil, err
		}
		defer t.Close()
		b.opt.Traces = []*trace.Trace{t}
	}
	r := &Report{SchemaVersion: SchemaVersion, Source: info.Source, Device: info, Set: "full", Broken: []string{}, Absent: []string{}}
	if opt.Quick {
		r.Set = "quick"
	}
	for _, t := range b.opt.Traces {
		r.Traces = append(r.Traces, t.Name)
	}
	for i, p := range Promises {
		if opt.Progress != nil {
			opt.Progress(i, len(Promises))
		}
		if len(opt.Only) > 0 && !slices.Contains(opt.Only, p.ID) {
			continue
		}
		row, err := b.row(p, info)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.ID, err)
		}
		switch {
		case row.Absent != "":
			r.Absent = append(r.Absent, p.ID)
		case !row.Kept:
			r.Broken = append(r.Broken, p.ID)
		}
		r.Rows = append(r.Rows, row)
	}
	return r, nil
}

func (b *bench) row(p Promise, info driver.Info) (Row, error) {
	row := Row{Promise: p, Absent: p.absent(info)}
	if row.Absent != "" {
		return row, nil
	}
	b.into = &row
	if err := p.sweep(b); err != nil {
		return row, err
	}
	row.judge()
	if row.Count == 0 {
		row.Absent = "nothing to measure fits this engine"
	}
	return row, nil
}

// checkOptions settles the shape of a tile.
func (b *bench) checkOptions() error {
	o := &b.opt
	var ids []string
	for _, p := range Promises {
		ids = append(ids, p.ID)
	}
	for _, id := range o.Only {
		if !slices.Contains(ids, id) {
			return fmt.Errorf("%w: %q is no promise; there are %s", ErrOption, id, strings.Join(ids, ", "))
		}
	}
	if o.Rows == 0 {
		o.Rows = b.p.TileTokens
	}
	if o.Dims == 0 {
		o.Dims = min(128, b.p.MaxDim)
	}
	if o.Rows < 1 || o.Rows > b.p.TileTokens {
		return fmt.Errorf("%w: tiles of %d rows, this engine takes 1 to %d", ErrOption, o.Rows, b.p.TileTokens)
	}
	if o.Dims < regmap.DimStep || o.Dims > b.p.MaxDim || o.Dims%regmap.DimStep != 0 {
		return fmt.Errorf("%w: rows of %d elements, this engine takes multiples of %d up to %d", ErrOption, o.Dims, regmap.DimStep, b.p.MaxDim)
	}
	return nil
}

// bench is a device under measurement.
type bench struct {
	ctx  context.Context
	dev  driver.Device
	p    regmap.Params
	opt  Options
	into *Row // where the values of the sweep under way go
	tag  uint16
	resp []byte
}

// point puts down a value that is judged; words is the size of a SELECT.
func (b *bench) point(measured float64, words int, s Settings) {
	b.into.Points = append(b.into.Points, Point{Settings: s, Measured: measured, Promised: b.into.Limit.at(words)})
}

// rate puts down beats per cycle. More than one is none: the device counts wrongly.
func (b *bench) rate(beats, cycles int, s Settings) error {
	if cycles < beats {
		return fmt.Errorf("%w: the engine counts %d cycles for %d beats (%v)", driver.ErrProtocol, cycles, beats, s)
	}
	b.point(float64(beats)/float64(cycles), 0, s)
	return nil
}

// tooSoon is the error of a command that is said to have taken fewer cycles than
// its beats.
func tooSoon(cycles uint32) error {
	return fmt.Errorf("%w: the answer says %d cycles, fewer than the command has beats", driver.ErrProtocol, cycles)
}

// window is how many requests wait for their answers at most: more than an
// engine has in flight, so that it never waits for the next.
const window = 2 * regmap.MaxInFlight

// exchange sends a request count times, takes the answers, whose payloads must
// have size bytes, and gives the last one.
func (b *bench) exchange(r packet.Request, payload []byte, count, size int) (last packet.Response, err error) {
	wire, err := r.Append(nil, b.p, payload)
	if err != nil {
		return last, err
	}
	sent, first := 0, b.tag
	b.tag += uint16(count)
	for i := range count {
		for ; sent < min(count, i+window); sent++ {
			regmap.ReqTag.Put(wire, uint32(first+uint16(sent)))
			if err := b.dev.Send(b.ctx, wire); err != nil {
				return last, fmt.Errorf("sending %s: %w", packet.OpcodeName(r.Opcode), err)
			}
		}
		if last, err = b.receive(r.Opcode, first+uint16(i), size); err != nil {
			return last, err
		}
	}
	return last, nil
}

// receive takes one answer and checks that it is the one expected.
func (b *bench) receive(op uint32, tag uint16, size int) (packet.Response, error) {
	raw, err := b.dev.Recv(b.ctx, b.resp[:0])
	if err != nil {
		return packet.Response{}, fmt.Errorf("receiving the answer to %s: %w", packet.OpcodeName(op), err)
	}
	b.resp = raw
	resp, err := packet.ParseResponse(raw, b.p)
	if err != nil {
		return resp, fmt.Errorf("%w: %w", driver.ErrProtocol, err)
	}
	if err := resp.Err(); err != nil {
		return resp, err
	}
	if resp.Tag != tag || resp.Opcode != op || len(resp.Payload) != size {
		return resp, fmt.Errorf("%w: %s tag %d answered %d bytes, want %s tag %d and %d bytes", driver.ErrProtocol,
			packet.OpcodeName(resp.Opcode), resp.Tag, len(resp.Payload), packet.OpcodeName(op), tag, size)
	}
	return resp, nil
}

// busy is the engine's count of cycles in which it was busy and not stalled,
// modulo 2^32.
func (b *bench) busy() (uint32, error) {
	var v [3]uint32
	for i, addr := range []uint32{regmap.RegActive, regmap.RegStallIn, regmap.RegStallOut} {
		var err error
		if v[i], err = b.dev.ReadReg(b.ctx, addr); err != nil {
			return 0, fmt.Errorf("reading the engine's counters: %w", err)
		}
	}
	return v[0] - v[1] - v[2], nil
}
