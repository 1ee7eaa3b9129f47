// Command probe compares the emulator it was built with and Verilated engines for
// some cycles and says, on stdout as JSON, at which cycle they first differ.
// Package verification/mutation runs it with a fault chosen in the environment.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"github.com/kvaccel/kvaccel/verification/mutation"
)

func main() {
	var p mutation.Probe
	flag.StringVar(&p.Build, "build", "", "directory of the engines")
	flag.IntVar(&p.Engines, "engines", 0, "how many of the engines; 0 is all")
	flag.IntVar(&p.Cycles, "cycles", 300_000, "cycles on each engine")
	flag.Uint64Var(&p.Seed, "seed", 1, "first seed")
	flag.Parse()
	found, err := p.Run(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}
