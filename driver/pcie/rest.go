package pcie

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// clearing notes what the counters will differ by when they are cleared. That is
// known if nothing is under way.
func (d *device) clearing(ctx context.Context) error {
	v, err := d.registers.ReadReg(ctx, regmap.RegStatus)
	if err != nil {
		return err
	}
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	d.base = traffic{beatsIn: -d.s.wrote, packetsOut: -d.s.taken}
	d.sure = v == 0 && d.outstanding == 0 && !d.s.writing && len(d.s.out) == 0
	return nil
}

// softReset writes CTRL and returns when the engine is at rest and every packet
// that it gave meanwhile has been taken and dropped.
func (d *device) softReset(ctx context.Context, ctrl uint32) error {
	d.s.forget()
	d.outstanding = 0
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%w: the soft reset does not end", driver.ErrTimeout))
	defer cancel()
	err := d.registers.WriteReg(ctx, regmap.RegCtrl, ctrl)
	if err == nil {
		err = d.rest(ctx)
	}
	if err != nil {
		return cause(ctx, err)
	}
	d.s.remember()
	return nil
}

// cause prefers our own reason to the context's.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); ctx.Err() != nil && err == ctx.Err() {
		return c
	}
	return err
}

// traffic is how far the streams have come, by the engine's counters and by ours,
// which agree when nothing is on the way.
type traffic struct{ beatsIn, packetsOut, wrote, taken uint32 }

func (d *device) traffic(ctx context.Context) (t traffic, err error) {
	if t.beatsIn, err = d.registers.ReadReg(ctx, regmap.RegBeatsIn); err != nil {
		return t, err
	}
	if t.packetsOut, err = d.registers.ReadReg(ctx, regmap.RegPackets); err != nil {
		return t, err
	}
	t.wrote, t.taken = d.s.counts()
	return t, nil
}

// rest waits until the request under way is written, the engine idle, and nothing
// on the way to or from it. If the counters were cleared amid work, or do not add
// up, silence has to do.
func (d *device) rest(ctx context.Context) error {
	if err := d.s.until(ctx, func() bool { return !d.s.writing }); err != nil {
		return err
	}
	var last traffic
	for since := time.Now(); ; {
		if err := d.idle(ctx); err != nil {
			return err
		}
		t, err := d.traffic(ctx)
		if err != nil {
			return err
		}
		enough := silence
		if d.sure {
			enough = longSilence
			if t.beatsIn-t.wrote == d.base.beatsIn && t.packetsOut-t.taken == d.base.packetsOut {
				return nil
			}
		}
		if t != last {
			last, since = t, time.Now()
		}
		if time.Since(since) > enough {
			d.rebase(t)
			return nil
		}
		if err := sleep(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}

const (
	silence     = 20 * time.Millisecond
	longSilence = 500 * time.Millisecond
)

// rebase notes what the counters differ by while nothing is on the way.
func (d *device) rebase(t traffic) {
	d.base = traffic{beatsIn: t.beatsIn - t.wrote, packetsOut: t.packetsOut - t.taken}
	d.sure = true
}

// idle waits until STATUS reads 0, taking what the engine still has to give.
func (d *device) idle(ctx context.Context) error {
	for pause := 10 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		v, err := d.registers.ReadReg(ctx, regmap.RegStatus)
		if err != nil || v == 0 {
			return err
		}
		d.s.expect()
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, t time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(t):
		return nil
	}
}

// start gives a fresh engine, whatever a former user left in it or on the way from
// it: at rest, all old responses taken, counters at 0.
func (d *device) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%w: the engine does not come to rest", driver.ErrTimeout))
	defer cancel()
	err := d.registers.WriteReg(ctx, regmap.RegCtrl, 1<<regmap.CtrlSoftReset)
	if err == nil {
		err = d.idle(ctx)
	}
	if err == nil {
		err = d.fence(ctx)
	}
	if err == nil {
		err = d.s.until(ctx, func() bool { return !d.s.writing })
	}
	var t traffic
	if err == nil {
		t, err = d.traffic(ctx)
	}
	if err != nil {
		return cause(ctx, err)
	}
	d.rebase(t)
	d.s.remember()
	return driver.Fresh(ctx, d)
}

// fence sends a command and takes all that comes up to its answer, which it knows
// by its content: there is no other way to tell what was on the way.
func (d *device) fence(ctx context.Context) error {
	r := packet.Request{Opcode: regmap.OpEcho, Tag: uint16(rand.Uint32())}
	var token []byte
	if d.info.Has(1 << regmap.FeatEcho) { // otherwise the refusal has the tag
		token = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, rand.Uint64()), rand.Uint64())
		r.Rows = len(token)
	}
	request, err := r.Append(nil, d.info.Params, token)
	if err != nil {
		return err
	}
	if err := d.s.send(request); err != nil {
		return err
	}
	for {
		raw, err := d.s.receive(ctx, nil)
		if err != nil {
			return err
		}
		got, err := packet.ParseResponse(raw, d.info.Params)
		if err == nil && got.Opcode == r.Opcode && got.Tag == r.Tag && bytes.Equal(got.Payload, token) {
			return nil
		}
		d.s.expect()
	}
}
