// Command coverage runs the lockstep on engines that count what they do, and
// reports which lines and branches of the Verilog were never seen at work, and how
// many signal bits were; package verification/coverage says what counts. With -statements it reads
// what go test -cover prints instead.
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
	c := lockstep.Campaign{Build: "build/coverage/rtl"}
	flag.IntVar(&c.Cycles, "cycles", 600_000, "cycles of each engine; 0: report what was counted last")
	flag.Uint64Var(&c.Seed, "seed", 1, "first seed")
	flag.IntVar(&c.Workers, "workers", 0, "runs at a time; 0 is one for each processor")
	list := flag.Bool("list", false, "list also the holes that are explained")
	wide := flag.Bool("wide", false, "also an engine of 8 lanes, which takes many minutes to build")
	page := flag.String("page", "", "page of figures to update")
	statements := flag.Bool("statements", false, "read the output of go test -cover on standard input, and nothing else")
	flag.Parse()
	c.Sets, c.Span = sets(*wide), max(c.Cycles/2, 1)
	run := func() (int, error) { return lines(ctx, c, *list, *page) }
	if *statements {
		run = func() (int, error) { return 0, packages(*page) }
	}
	open, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(2)
	}
	if open > 0 {
		os.Exit(1)
	}
}

// sets are the engines: the smallest with everything built in, whose limits are
// hit often, and one of the usual width.
func sets(wide bool) []lockstep.Set {
	all := lockstep.Sets()
	if wide {
		return []lockstep.Set{all[2], all[1]}
	}
	return all[2:3]
}

// lines gives the number of holes that nothing explains.
func lines(ctx context.Context, c lockstep.Campaign, list bool, page string) (int, error) {
	counts := coverage.Counts{}
	if err := count(ctx, c, counts); err != nil {
		return 0, err
	}
	table := counts.Table()
	explained, open, err := holes(counts, list)
	if err != nil {
		return 0, err
	}
	fmt.Print(table, "\n", explained)
	if page == "" || open > 0 {
		return open, nil
	}
	head, err := os.ReadFile(filepath.Join(kept, "run.txt"))
	if err != nil {
		return open, err
	}
	return open, coverage.PutSection(page, "Verilog", string(head)+table+"\nWhat was never seen, and why:\n\n"+explained)
}

// kept is where the engines leave their counts.
const kept = "build/coverage/counts"

// count runs the lockstep and adds up what the engines leave; without cycles, what
// they left the last time.
func count(ctx context.Context, c lockstep.Campaign, counts coverage.Counts) error {
	if c.Cycles == 0 {
		return counts.ReadDir(kept)
	}
	fmt.Fprintln(os.Stderr, "coverage: building engines that count")
	if err := lockstep.Build(ctx, c.Sets, c.Build, false, "RTL_COVERAGE=1", "RTL_OPT=-O0"); err != nil {
		return err
	}
	dir, err := filepath.Abs(kept)
	if err == nil {
		err = os.RemoveAll(dir)
	}
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.Setenv("KVACCEL_COVERAGE", dir)
	}
	if err != nil {
		return err
	}
	sum, err := c.Run(ctx)
	if err != nil {
		return err
	}
	if len(sum.Differences) > 0 {
		return fmt.Errorf("the lockstep found a difference: %v", sum.Differences[0])
	}
	var names []string
	for _, s := range c.Sets {
		names = append(names, "`"+s.Name()+"`")
	}
	run := fmt.Sprintf("Engines %s, %d cycles each, seed %d.\n\n", strings.Join(names, ", "), c.Cycles, c.Seed)
	if err := os.WriteFile(filepath.Join(dir, "run.txt"), []byte(run), 0o644); err != nil {
		return err
	}
	return counts.ReadDir(dir)
}

// holes prints the points without a reason, and gives the reasons with the number
// of points that each covers.
func holes(c coverage.Counts, list bool) (explained string, open int, err error) {
	reasons, err := coverage.Reasons()
	if err != nil {
		return "", 0, err
	}
	points := make([]int, len(reasons))
	sources := map[string][]string{}
	for _, p := range c.Holes() {
		text := line(sources, p)
		i := coverage.Explain(reasons, p, text)
		if i >= 0 {
			points[i]++
		} else {
			open++
		}
		if i < 0 || list {
			fmt.Printf("%v\t%s\n", p, strings.TrimSpace(text))
		}
	}
	var b strings.Builder
	b.WriteString("| holes | where | reason |\n|---|---|---|\n")
	for i, r := range reasons {
		if points[i] == 0 {
			fmt.Fprintf(os.Stderr, "coverage: holes.json: nothing is a hole of %s %s %q\n", r.File, r.Kind, r.Match)
			continue
		}
		kind := r.Kind
		if kind == "" {
			kind = "any"
		}
		fmt.Fprintf(&b, "| %d | `%s`, %s | %s |\n", points[i], r.File, kind, r.Why)
	}
	fmt.Fprintf(&b, "\n%d holes without a reason.\n", open)
	return b.String(), open, nil
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

// packages reports the share of statements of each Go package.
func packages(page string) error {
	list, err := coverage.Statements(os.Stdin)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("Statements that a package's own tests run; many are also run by the tests of others.\n\n| package | statements |\n|---|---|\n")
	for _, p := range list {
		share := fmt.Sprintf("%.1f %%", p.Statements)
		if p.NoTests {
			share = "no tests of its own"
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.TrimPrefix(p.Path, "github.com/kvaccel/kvaccel/"), share)
	}
	fmt.Print(b.String())
	if page == "" {
		return nil
	}
	return coverage.PutSection(page, "Go", b.String())
}
