package lockstep

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/rtl/simulation"
	"github.com/kvaccel/kvaccel/emulator/core"
)

// Machine replays pins, as a simulation does: one encoded simulation.PinsIn a
// clock, answered by as many simulation.PinsOut.
type Machine interface {
	Replay(ctx context.Context, in []byte) ([]byte, error)
}

// chunk is how many clocks the emulator is ahead of the RTL, at most.
const chunk = 4096

// Result is what a run was like.
type Result struct {
	Cycles     int
	Coverage   *Coverage
	Emulator   time.Duration // making the stimulus and stepping the emulator
	RTL        time.Duration // waiting for the RTL
	Difference *Difference   // nil if there is none
}

// Run compares the emulator with m for the run's cycles or up to the first
// difference. The first clock is not compared: what is on the pins before the
// first reset is undefined. A build hash is compared like everything else, so it
// must be the machine's.
func Run(ctx context.Context, c Config, buildHash uint32, m Machine) (Result, error) {
	e, err := newEmulation(c, buildHash)
	if err != nil {
		return Result{}, err
	}
	r := Result{Coverage: e.stimulus.coverage}
	for r.Cycles < c.Cycles {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		start := time.Now()
		n := min(chunk, c.Cycles-r.Cycles)
		e.run(n)
		made := time.Now()
		got, err := m.Replay(ctx, e.in)
		r.Emulator += made.Sub(start)
		r.RTL += time.Since(made)
		if err != nil {
			return r, fmt.Errorf("seed %d, %s, in cycles %d to %d: %w", c.Seed, c.Name(), r.Cycles, r.Cycles+n-1, err)
		}
		if r.Cycles == 0 {
			copy(got, e.want[:simulation.PinsOutSize])
		}
		if !bytes.Equal(got, e.want) {
			i := firstDifference(got, e.want)
			r.Difference, err = explain(c, buildHash, r.Cycles+i, got[i*simulation.PinsOutSize:])
			r.Cycles += i
			return r, err
		}
		r.Cycles += n
	}
	return r, nil
}

// firstDifference is the index of the first record that differs.
func firstDifference(got, want []byte) int {
	const n = simulation.PinsOutSize
	for i := 0; i < len(want)/n; i++ {
		if !bytes.Equal(got[i*n:(i+1)*n], want[i*n:(i+1)*n]) {
			return i
		}
	}
	return len(want) / n
}

// emulation is the emulator with everything around it.
type emulation struct {
	engine   *core.Engine
	stimulus *stimulus
	in, want []byte // records of the last chunk
	status   uint32
}

func newEmulation(c Config, buildHash uint32) (*emulation, error) {
	eng, err := core.New(c.Params, c.Features, buildHash)
	if err != nil {
		return nil, err
	}
	return &emulation{engine: eng, stimulus: newStimulus(c)}, nil
}

// run passes n clocks.
func (e *emulation) run(n int) {
	e.in, e.want = e.in[:0], e.want[:0]
	for range n {
		var in core.Inputs
		out, taps := e.engine.Outputs(), e.engine.Taps()
		e.stimulus.next(&in, &out)
		pi, po := pinsIn(&in), pinsOut(&out, taps)
		e.in, e.want = pi.Append(e.in), po.Append(e.want)
		e.watch(taps[15])
		e.engine.Step(&in)
	}
}

// skip passes n clocks in chunks, so that their records take no memory.
func (e *emulation) skip(n int) {
	for ; n > 0; n -= chunk {
		e.run(min(n, chunk))
	}
}

// watch counts what STATUS goes through.
func (e *emulation) watch(status uint32) {
	if status == e.status {
		return
	}
	if n := status >> regmap.StatInFlight & 0xF; n != e.status>>regmap.StatInFlight&0xF {
		e.stimulus.coverage.hit(fmt.Sprintf("inflight %d", n))
	}
	if rising := status &^ e.status; rising>>regmap.StatResetting&1 != 0 {
		e.stimulus.coverage.hit("soft reset")
	} else if e.status&status>>regmap.StatResetting&1 != 0 {
		e.stimulus.coverage.hit("discard")
	}
	e.status = status
}

func bit[T uint16 | uint32](b bool, at int) T {
	if b {
		return 1 << at
	}
	return 0
}

func pinsIn(in *core.Inputs) simulation.PinsIn {
	p := simulation.PinsIn{Data: in.SData, WData: in.WData, AWAddr: in.AWAddr, ARAddr: in.ARAddr}
	for i, b := range [...]bool{in.Reset, in.SValid, in.SLast, in.MReady, in.AWValid, in.WValid, in.BReady, in.ARValid, in.RReady} {
		p.Flags |= bit[uint16](b, i)
	}
	p.Flags |= uint16(in.WStrb) << simulation.InStrobeShift
	return p
}

func pinsOut(out *core.Outputs, taps [16]uint32) simulation.PinsOut {
	p := simulation.PinsOut{Data: out.MData, RData: out.RData, Taps: taps}
	for i, b := range [...]bool{out.SReady, out.MValid, out.MLast, out.AWReady, out.WReady, out.BValid, out.ARReady, out.RValid, out.IRQ} {
		p.Flags |= bit[uint16](b, i)
	}
	p.Flags |= uint16(out.BResp)<<simulation.OutBRespShift | uint16(out.RResp)<<simulation.OutRRespShift
	return p
}
