// Package lockstep runs the Go emulator and the Verilated RTL side by side and
// compares every output pin, every register and every counter at every clock edge.
//
// Both are driven with the same pins: a random program of packets, legal and
// malformed, through ports that stall at random, with register traffic, soft resets
// and rst_i in the middle of it all. A seed and a parameter set give the same run
// again. The stimulus follows the outputs of the emulator as a source and a sink
// would, a chunk of clocks at a time; the chunk's pins are then replayed on the RTL.
//
// At the first difference the run ends with the cycle, the fields that differ, the
// cycles around it and the packets under way, and leaves a waveform of the RTL.
package lockstep

import (
	"fmt"
	"math/rand/v2"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/rtl"
)

// AllFeatures is the mask of an engine with every command and option.
var AllFeatures = driver.AllFeatures()

// Set is an engine to build: its parameters and commands.
type Set struct {
	Params   regmap.Params
	Features uint32
}

// Name is the directory of the set's build.
func (s Set) Name() string { return rtl.BuildName(s.Params, s.Features) }

// Sets are the engines that are compared by default: the standard one, small ones
// whose limits are hit often, every lane count, and such with commands and options
// left out.
func Sets() []Set {
	return []Set{
		{regmap.DefaultParams(), AllFeatures},
		{regmap.Params{Lanes: 8, MaxDim: 64, TileTokens: 32, MaxTokens: 256}, AllFeatures},
		{regmap.Params{Lanes: 2, MaxDim: 32, TileTokens: 16, MaxTokens: 256}, AllFeatures},
		{regmap.Params{Lanes: 4, MaxDim: 128, TileTokens: 128, MaxTokens: 512}, AllFeatures &^ (1<<regmap.FeatEcho | 1<<regmap.FeatPool | 1<<regmap.FeatKeyNorm)},
		{regmap.Params{Lanes: 16, MaxDim: 128, TileTokens: 64, MaxTokens: 1024}, AllFeatures},
		{regmap.Params{Lanes: 8, MaxDim: 32, TileTokens: 16, MaxTokens: 256}, 1<<regmap.FeatQuantize | 1<<regmap.FeatDequantize | 1<<regmap.FeatSelect | 1<<regmap.FeatDecay},
		{regmap.Params{Lanes: 2, MaxDim: 32, TileTokens: 16, MaxTokens: 256}, 1<<regmap.FeatEcho | 1<<regmap.FeatLink}, // the iCEBreaker's
	}
}

// Config is one run.
type Config struct {
	Set
	Seed   uint64
	Cycles int
	Only   uint32 // mask of opcodes that the program is made of; 0 is all
	Regime string // the only regime used, by name; "" is all in turn
}

// Command is what to type to see the run again.
func (c Config) Command() string {
	s := fmt.Sprintf("go run ./verification/lockstep/cmd/lockstep -seed %d -cycles %d -span %d -lanes %d -max-dim %d -tile-tokens %d -max-tokens %d",
		c.Seed, c.Cycles, c.Cycles, c.Params.Lanes, c.Params.MaxDim, c.Params.TileTokens, c.Params.MaxTokens)
	if c.Features != AllFeatures {
		s += fmt.Sprintf(" -features %d", c.Features)
	}
	if c.Only != 0 {
		s += fmt.Sprintf(" -only %d", c.Only)
	}
	if c.Regime != "" {
		s += " -regime " + c.Regime
	}
	return s
}

// random is the only source of chance in a run.
type random struct{ *rand.Rand }

func newRandom(c Config) random {
	p := c.Params
	return random{rand.New(rand.NewPCG(c.Seed, uint64(p.Lanes)<<48^uint64(p.MaxDim)<<32^uint64(p.TileTokens)<<20^uint64(p.MaxTokens)<<3^uint64(c.Features)))}
}

// chance is true n times in d.
func (r random) chance(n, d int) bool { return r.IntN(d) < n }

// upTo is a number from 1 to n, small ones as likely as large ones in the
// logarithm.
func (r random) upTo(n int) int {
	bits := 0
	for m := n; m > 0; m >>= 1 {
		bits++
	}
	return min(n, 1+r.IntN(1<<r.IntN(bits+1)))
}

// pick draws an index with the given weights.
func (r random) pick(weights ...int) int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	n := r.IntN(sum)
	for i, w := range weights {
		if n < w {
			return i
		}
		n -= w
	}
	return len(weights) - 1
}

func pickOne[T any](r random, of ...T) T { return of[r.IntN(len(of))] }
