package lockstep

import (
	"context"
	"fmt"
	"time"

	"github.com/kvaccel/kvaccel/driver/rtl/simulation"
	"github.com/kvaccel/kvaccel/emulator/core"
)

// Speeds are in cycles a second.
type Speeds struct {
	Sampled float64 // emulator, every output and tap looked at
	Steps   float64 // emulator, steps alone
	RTL     float64 // Verilated RTL, every output and tap looked at
}

// Speed measures both sides on the pins of one run, which are made beforehand.
func (c Campaign) Speed(ctx context.Context, s Set) (Speeds, error) {
	cfg := Config{Set: s, Seed: c.Seed, Cycles: min(c.Cycles, 400_000), Only: c.Only, Regime: c.Regime}
	p, err := simulation.Start(ctx, c.program(s, "kv_rtl"))
	if err != nil {
		return Speeds{}, err
	}
	defer p.Close()
	ins, chunks, err := record(cfg, p.Hello.BuildHash)
	if err != nil {
		return Speeds{}, err
	}
	rate := func(start time.Time) float64 { return float64(cfg.Cycles) / time.Since(start).Seconds() }
	var v Speeds
	for _, sample := range []bool{true, false} {
		eng, err := core.New(cfg.Params, cfg.Features, p.Hello.BuildHash)
		if err != nil {
			return v, err
		}
		start := time.Now()
		var seen uint64
		for i := range ins {
			if sample {
				out, taps := eng.Outputs(), eng.Taps()
				seen += out.MData[0] + uint64(taps[0])
			}
			eng.Step(&ins[i])
		}
		if sample {
			v.Sampled = rate(start)
		} else {
			v.Steps = rate(start)
		}
		if sample && seen == 0 {
			return v, fmt.Errorf("%s: the emulator does not move", s.Name())
		}
	}
	start := time.Now()
	for _, b := range chunks {
		if _, err := p.Replay(ctx, b); err != nil {
			return v, err
		}
	}
	v.RTL = rate(start)
	return v, nil
}

// record makes the pins of a run, for both sides.
func record(cfg Config, buildHash uint32) ([]core.Inputs, [][]byte, error) {
	e, err := newEmulation(cfg, buildHash)
	if err != nil {
		return nil, nil, err
	}
	ins := make([]core.Inputs, cfg.Cycles)
	var chunks [][]byte
	for i := 0; i < len(ins); i += chunk {
		var b []byte
		for j := i; j < min(i+chunk, len(ins)); j++ {
			out := e.engine.Outputs()
			e.stimulus.next(&ins[j], &out)
			e.engine.Step(&ins[j])
			pi := pinsIn(&ins[j])
			b = pi.Append(b)
		}
		chunks = append(chunks, b)
	}
	return ins, chunks, nil
}
