package mutation

import (
	"context"

	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/verification/lockstep"
)

// Sets are the engines that faults are looked for on: small ones, whose limits are
// hit often, between them every command, and one that lacks most of them and all
// options.
func Sets() []lockstep.Set {
	return []lockstep.Set{
		{Params: regmap.Params{Lanes: 2, MaxDim: 32, TileTokens: 16, MaxTokens: 256}, Features: lockstep.AllFeatures},
		{Params: regmap.Params{Lanes: 2, MaxDim: 32, TileTokens: 16, MaxTokens: 256}, Features: 1<<regmap.FeatQuantize | 1<<regmap.FeatDequantize | 1<<regmap.FeatSelect},
		{Params: regmap.Params{Lanes: 8, MaxDim: 64, TileTokens: 32, MaxTokens: 256}, Features: lockstep.AllFeatures},
	}
}

// some are the first n of Sets, or all if n is 0.
func some(n int) []lockstep.Set {
	if n == 0 {
		return Sets()
	}
	return Sets()[:n]
}

// Probe is a short lockstep.
type Probe struct {
	Build   string // directory of the engines
	Engines int    // how many of Sets; 0 is all
	Cycles  int    // on each of them
	Seed    uint64
}

// Found is the first difference.
type Found struct {
	Differs bool   `json:"differs"`
	Cycle   int    `json:"cycle"`  // within its run
	Clocks  int    `json:"clocks"` // compared until then, over all runs
	Signal  string `json:"signal"` // the first one that differs
	Engine  string `json:"engine"` // on which
}

// Run compares, one engine after the other, up to the first difference.
func (p Probe) Run(ctx context.Context) (Found, error) {
	clocks := 0
	const span = 50_000
	for at := 0; at < p.Cycles; at += span {
		for _, s := range some(p.Engines) {
			c := lockstep.Campaign{Build: p.Build, Sets: []lockstep.Set{s}, Seed: p.Seed + uint64(at/span), Cycles: span, Span: span, Workers: 1}
			sum, err := c.Run(ctx)
			if err != nil {
				return Found{Clocks: clocks}, err
			}
			if len(sum.Differences) > 0 {
				d := sum.Differences[0]
				return Found{true, d.Cycle, clocks + d.Cycle, d.Fields[0].Name, s.Name()}, nil
			}
			clocks += span
		}
	}
	return Found{Clocks: clocks}, nil
}
