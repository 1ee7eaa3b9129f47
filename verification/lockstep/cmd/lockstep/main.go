// Command lockstep compares the Go emulator with the Verilated RTL at every clock
// edge; package verification/lockstep says how.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/verification/lockstep"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := run(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "lockstep:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

func run(ctx context.Context) (bool, error) {
	c := lockstep.Campaign{Sets: lockstep.Sets()}
	one := lockstep.Set{Params: regmap.DefaultParams(), Features: lockstep.AllFeatures}
	features := uint(one.Features)
	only, speed := uint(0), false
	flag.StringVar(&c.Build, "build", "build/rtl", "directory of the builds")
	flag.Uint64Var(&c.Seed, "seed", 1, "first seed")
	flag.IntVar(&c.Cycles, "cycles", 1_000_000, "cycles of each engine")
	flag.IntVar(&c.Span, "span", 500_000, "cycles of one seed")
	flag.IntVar(&c.Workers, "workers", 0, "runs at a time; 0 is one for each processor")
	flag.IntVar(&one.Params.Lanes, "lanes", one.Params.Lanes, "with any of these, only that engine is compared")
	flag.IntVar(&one.Params.MaxDim, "max-dim", one.Params.MaxDim, "")
	flag.IntVar(&one.Params.TileTokens, "tile-tokens", one.Params.TileTokens, "")
	flag.IntVar(&one.Params.MaxTokens, "max-tokens", one.Params.MaxTokens, "")
	flag.UintVar(&features, "features", features, "commands built in")
	flag.UintVar(&only, "only", 0, "mask of the opcodes to use; 0 is all")
	flag.StringVar(&c.Regime, "regime", "", "use only this kind of traffic: ideal, busy, stuttering, queued, registers, resets, malformed, short")
	flag.BoolVar(&c.All, "all", false, "go on after a difference")
	flag.StringVar(&c.Wave, "wave", "build/lockstep", "directory for waveforms; empty for none")
	flag.IntVar(&c.Shrink, "shrink", 600, "tries at shortening what led to a difference; 0 for none")
	replay := flag.String("replay", "", "play a shortened sequence from its file instead")
	flag.BoolVar(&speed, "speed", false, "measure both sides alone on the same stimulus instead")
	flag.Parse()
	c.Only, one.Features = uint32(only), uint32(features)
	flag.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "lanes", "max-dim", "tile-tokens", "max-tokens", "features":
			c.Sets = []lockstep.Set{one}
		}
	})
	if *replay != "" {
		at, text, err := c.Replay(ctx, *replay)
		if err == nil {
			fmt.Printf("%s\nfirst difference in clock %d (-1: none)\n", text, at)
		}
		return at < 0, err
	}
	if err := lockstep.Build(ctx, c.Sets, c.Build, false); err != nil {
		return false, err
	}
	if speed {
		return true, measure(ctx, c)
	}
	return campaign(ctx, c)
}

func campaign(ctx context.Context, c lockstep.Campaign) (bool, error) {
	start := time.Now()
	sum, err := c.Run(ctx)
	if err != nil {
		return false, err
	}
	total := 0
	for _, s := range c.Sets {
		fmt.Printf("%-28s %12d cycles compared\n", s.Name(), sum.Cycles[s.Name()])
		total += sum.Cycles[s.Name()]
	}
	took := time.Since(start)
	fmt.Printf("%d cycles in %.1f s, %.0f a second; a run spends %.0f%% of its time in the emulator and the stimulus\n",
		total, took.Seconds(), float64(total)/took.Seconds(), 100*sum.Emulator.Seconds()/max(1e-9, (sum.Emulator+sum.RTL).Seconds()))
	fmt.Println("seen:")
	sum.Coverage.Print(os.Stdout)
	for _, d := range sum.Differences {
		fmt.Println(d)
	}
	if len(sum.Differences) == 0 {
		fmt.Println("no difference")
	}
	return len(sum.Differences) == 0, nil
}

func measure(ctx context.Context, c lockstep.Campaign) error {
	fmt.Println("cycles a second on the same pins, one processor; the RTL's include sampling every pin and the pipe")
	for _, s := range c.Sets {
		r, err := c.Speed(ctx, s)
		if err != nil {
			return err
		}
		fmt.Printf("%-28s emulator %.2fM (steps alone %.2fM), Verilator %.3fM\n", s.Name(), r.Sampled/1e6, r.Steps/1e6, r.RTL/1e6)
	}
	return nil
}
