// Command mutants plants faults in the engine's Verilog and in the emulator and
// reports which checks notice each; package verification/mutation says how.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/kvaccel/kvaccel/verification/mutation"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var o mutation.Options
	flag.IntVar(&o.RTL, "rtl", 160, "faults to plant in the Verilog; 0 for all there are")
	flag.IntVar(&o.Emulator, "emulator", 150, "faults to plant in the emulator; 0 for all there are")
	flag.IntVar(&o.Cycles, "cycles", 400_000, "cycles of each engine before a fault counts as a survivor")
	flag.Uint64Var(&o.Seed, "seed", 1, "of the choice of faults and of the traffic")
	flag.IntVar(&o.Workers, "workers", 0, "probes at a time; 0 is one for each processor")
	flag.StringVar(&o.Build, "build", "build/mutation", "directory for what is built")
	report := flag.String("o", "", "file for all verdicts as JSON")
	flag.Parse()
	r, err := mutation.Run(ctx, o, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2)
	}
	if *report != "" {
		b, err := json.MarshalIndent(r, "", " ")
		if err == nil {
			err = os.WriteFile(*report, append(b, '\n'), 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "mutants:", err)
			os.Exit(2)
		}
	}
	r.Print(os.Stdout)
	if r.Unexplained() > 0 {
		os.Exit(1)
	}
}
