// Formal runs the proofs of the Verilog engine and their mutants and prints a table. It
// fails if a proof does, or if a mutant survives.
//
//	go run ./verification/formal/cmd/formal [-j 4] [-run kv_skid] [-v]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/kvaccel/kvaccel/verification/formal"
)

func main() {
	workers := flag.Int("j", 0, "Yosys processes at a time (0: one for each processor)")
	only := flag.String("run", "", "only proofs whose name contains this")
	verbose := flag.Bool("v", false, "each mutant as it ends")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *workers, *only, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, workers int, only string, verbose bool) error {
	root, err := formal.Root()
	if err != nil {
		return err
	}
	var proofs []formal.Proof
	for _, p := range formal.Proofs() {
		if strings.Contains(p.Name, only) {
			proofs = append(proofs, p)
		}
	}
	if len(proofs) == 0 {
		return fmt.Errorf("no proof is called %q", only)
	}
	start := time.Now()
	var results []formal.Result
	err = formal.Run(ctx, root, proofs, workers, func(r formal.Result) {
		results = append(results, r)
		if verbose && r.Mutant != nil && r.OK {
			fmt.Printf("%s: %s: caught in %d cycles, %.1f s\n", r.Proof.Name, r.Mutant.Name, r.Steps, r.Time.Seconds())
		}
	})
	if err != nil {
		return err
	}
	s := formal.Sum(proofs, results)
	fmt.Print(s.Table())
	fmt.Printf("%.0f s\n", time.Since(start).Seconds())
	for _, r := range s.Bad {
		log, err := filepath.Rel(root, r.Log)
		if err != nil {
			log = r.Log
		}
		fmt.Fprintf(os.Stderr, "%s (%s)\n", r.Explain(), log)
	}
	if len(s.Bad) > 0 {
		return fmt.Errorf("%d of %d did not end as they should", len(s.Bad), len(results))
	}
	return nil
}
