// Command coverage runs the lockstep on engines that count what they do, and
// reports which lines, branches and signal bits of the Verilog were never seen at
// work; package verification/coverage says what counts.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/kvaccel/kvaccel/verification/coverage"
	"github.com/kvaccel/kvaccel/verification/lockstep"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c := lockstep.Campaign{Sets: sets(), Build: "build/coverage/rtl", Span: 200_000}
	flag.IntVar(&c.Cycles, "cycles", 2_000_000, "cycles of each engine")
	flag.Uint64Var(&c.Seed, "seed", 1, "first seed")
	flag.IntVar(&c.Workers, "workers", 0, "runs at a time; 0 is one for each processor")
	list := flag.Bool("list", false, "list also the holes that are explained")
	flag.Parse()
	open, err := run(ctx, c, *list)
	if err != nil {
		fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(2)
	}
	if open > 0 {
		os.Exit(1)
	}
}

// sets are the largest of the engines that the lockstep compares, with few and with
// many lanes: a signal bit that any engine has, one of these has.
func sets() []lockstep.Set {
	all := lockstep.Sets()
	return []lockstep.Set{all[0], all[2], all[4]}
}

// run gives the number of holes that nothing explains.
func run(ctx context.Context, c lockstep.Campaign, list bool) (int, error) {
	fmt.Fprintln(os.Stderr, "coverage: building engines that count, some minutes")
	if err := lockstep.Build(ctx, c.Sets, c.Build, false, "RTL_COVERAGE=1", "RTL_OPT=-O0"); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "kvaccel-coverage")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := os.Setenv("KVACCEL_COVERAGE", dir); err != nil {
		return 0, err
	}
	sum, err := c.Run(ctx)
	if err != nil {
		return 0, err
	}
	if len(sum.Differences) > 0 {
		return 0, fmt.Errorf("the lockstep found a difference: %v", sum.Differences[0])
	}
	counts := coverage.Counts{}
	if err := counts.ReadDir(dir); err != nil {
		return 0, err
	}
	table(counts)
	return holes(counts, list)
}

func table(c coverage.Counts) {
	hit, all := map[string]int{}, map[string]int{}
	row := func(name string, hit, all map[string]int) {
		fmt.Printf("| %-22s |", name)
		for _, k := range coverage.Kinds {
			fmt.Printf(" %6d of %6d |", hit[k], all[k])
		}
		fmt.Println()
	}
	fmt.Printf("| %-22s | %16s | %16s | %16s |\n|---|---|---|---|\n", "module", "lines", "branches", "toggles")
	for _, m := range c.Modules() {
		row(m.Name, m.Hit, m.All)
		for _, k := range coverage.Kinds {
			hit[k] += m.Hit[k]
			all[k] += m.All[k]
		}
	}
	row("all", hit, all)
}

// holes prints the holes and the reasons that cover some.
func holes(c coverage.Counts, list bool) (int, error) {
	reasons, err := coverage.Reasons()
	if err != nil {
		return 0, err
	}
	covered, open := make([]int, len(reasons)), 0
	sources := map[string][]string{}
	for _, p := range c.Holes() {
		i := coverage.Explain(reasons, p, line(sources, p))
		if i >= 0 {
			covered[i]++
		} else {
			open++
		}
		if i < 0 || list {
			fmt.Printf("%v\t%s\n", p, strings.TrimSpace(line(sources, p)))
		}
	}
	for i, r := range reasons {
		fmt.Printf("%5d holes in %s %s %s: %s\n", covered[i], r.File, r.Kind, r.Match, r.Why)
	}
	fmt.Printf("%d holes without a reason\n", open)
	return open, nil
}

// line is the text of a point's line, "" if the source is not there.
func line(sources map[string][]string, p coverage.Point) string {
	if _, ok := sources[p.File]; !ok {
		b, err := os.ReadFile(filepath.FromSlash(p.File))
		if err != nil {
			b = nil
		}
		sources[p.File] = strings.Split(string(b), "\n")
	}
	if s := sources[p.File]; p.Line >= 1 && p.Line <= len(s) {
		return s[p.Line-1]
	}
	return ""
}
