package lockstep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/kvaccel/kvaccel/driver/rtl"
	"github.com/kvaccel/kvaccel/driver/rtl/simulation"
)

// Campaign is many runs over one or more engines.
type Campaign struct {
	Build   string // directory of the builds, as in build/rtl
	Sets    []Set
	Seed    uint64 // of the first run of each set; the others count up
	Cycles  int    // of each set, over all its runs
	Span    int    // cycles of one run
	Only    uint32
	Regime  string
	Workers int    // runs at a time; 0 is one for each processor
	All     bool   // go on after a difference
	Wave    string // directory for waveforms and shortened sequences; "" is none
	Shrink  int    // tries at shortening what led to a difference; 0 is not at all
}

// Summary is the outcome of a campaign.
type Summary struct {
	Cycles      map[string]int // compared, by the set's name
	Coverage    *Coverage
	Differences []*Difference
	Emulator    time.Duration // summed over runs
	RTL         time.Duration
}

// Run does all runs. An error means that a run could not be done; differences are
// in the summary.
func (c Campaign) Run(ctx context.Context) (*Summary, error) {
	if c.Workers == 0 {
		c.Workers = runtime.NumCPU()
	}
	runs, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	jobs := make(chan Config)
	sum := &Summary{Cycles: map[string]int{}, Coverage: newCoverage()}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range c.Workers {
		wg.Go(func() {
			for cfg := range jobs {
				r, err := c.one(runs, cfg)
				mu.Lock()
				d := sum.add(cfg, r, c.All)
				mu.Unlock()
				if d != nil && !c.All {
					cancel(errStop)
				}
				if err != nil {
					cancel(err)
				} else if d != nil && c.Wave != "" {
					if d.Waveform, err = c.waveform(ctx, cfg, d); err != nil {
						d.Waveform = fmt.Sprint("none: ", err)
					}
					if d.Shortest, err = c.shortest(ctx, cfg, d); err != nil {
						d.Shortest = fmt.Sprint("  not shortened: ", err)
					}
				}
			}
		})
	}
	c.feed(runs, jobs)
	wg.Wait()
	slices.SortFunc(sum.Differences, func(a, b *Difference) int { return a.Cycle - b.Cycle })
	if err := context.Cause(runs); err != nil && !errors.Is(err, errStop) {
		return sum, err
	}
	return sum, nil
}

var errStop = errors.New("a difference was found")

// add returns the run's difference if it is kept: only the first one is, unless all
// are asked for.
func (s *Summary) add(cfg Config, r Result, all bool) *Difference {
	s.Cycles[cfg.Name()] += r.Cycles
	s.Emulator += r.Emulator
	s.RTL += r.RTL
	if r.Coverage != nil {
		s.Coverage.Add(r.Coverage)
	}
	if r.Difference == nil || len(s.Differences) > 0 && !all {
		return nil
	}
	s.Differences = append(s.Differences, r.Difference)
	return r.Difference
}

// feed gives out the runs, the sets in turn.
func (c Campaign) feed(ctx context.Context, jobs chan<- Config) {
	defer close(jobs)
	for done, seed := 0, c.Seed; done < c.Cycles; done, seed = done+c.Span, seed+1 {
		for _, s := range c.Sets {
			cfg := Config{Set: s, Seed: seed, Cycles: min(c.Span, c.Cycles-done), Only: c.Only, Regime: c.Regime}
			select {
			case jobs <- cfg:
			case <-ctx.Done():
				return
			}
		}
	}
}

// one does one run on a simulation of its own.
func (c Campaign) one(ctx context.Context, cfg Config) (Result, error) {
	p, err := simulation.Start(ctx, c.program(cfg.Set, "kv_rtl"), fmt.Sprintf("--seed=%d", 1+cfg.Seed%1000))
	if err != nil {
		if ctx.Err() != nil {
			return Result{}, nil
		}
		return Result{}, err
	}
	defer p.Close()
	r, err := Run(ctx, cfg, p.Hello.BuildHash, p)
	if err != nil && ctx.Err() != nil {
		return r, nil // another run ended the campaign
	}
	return r, err
}

func (c Campaign) program(s Set, name string) string { return filepath.Join(c.Build, s.Name(), name) }

// waveBefore and waveAfter are the clocks around a difference in its waveform.
const (
	waveBefore = 20000
	waveAfter  = 50
)

// waveform replays a run on the traced build, which it makes if need be, and
// returns the file.
func (c Campaign) waveform(ctx context.Context, cfg Config, d *Difference) (string, error) {
	if err := Build(ctx, []Set{cfg.Set}, c.Build, true); err != nil {
		return "", err
	}
	if err := os.MkdirAll(c.Wave, 0o755); err != nil {
		return "", err
	}
	file := filepath.Join(c.Wave, fmt.Sprintf("%s-seed-%d.fst", cfg.Name(), cfg.Seed))
	p, err := simulation.Start(ctx, c.program(cfg.Set, "kv_rtl_trace"),
		"--trace="+file, fmt.Sprintf("--trace-from=%d", max(0, d.Cycle-waveBefore)), fmt.Sprintf("--seed=%d", 1+cfg.Seed%1000))
	if err != nil {
		return "", err
	}
	defer p.Close()
	e, err := newEmulation(cfg, d.BuildHash)
	if err != nil {
		return "", err
	}
	end := d.Cycle + waveAfter
	for at := 0; at < end; at += chunk {
		e.run(min(chunk, end-at))
		if _, err := p.Replay(ctx, e.in); err != nil {
			return "", err
		}
	}
	return file, nil
}

// shortest shortens the sequence that led to a difference, keeps it in a file and
// describes it.
func (c Campaign) shortest(ctx context.Context, cfg Config, d *Difference) (string, error) {
	if c.Shrink == 0 {
		return "", nil
	}
	s, err := Record(cfg, d.BuildHash, d.Cycle+1)
	if err != nil {
		return "", err
	}
	if s, err = Shrink(ctx, s, c.Shrink, c.fresh(ctx, cfg)); err != nil {
		return "", err
	}
	b, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	file := filepath.Join(c.Wave, fmt.Sprintf("%s-seed-%d.json", cfg.Name(), cfg.Seed))
	if err := os.WriteFile(file, b, 0o644); err != nil {
		return "", err
	}
	text, err := s.Describe()
	return fmt.Sprintf("%s\n  in %s; again: go run ./verification/lockstep/cmd/lockstep -replay %s", text, file, file), err
}

// fresh gives simulations in their first state.
func (c Campaign) fresh(ctx context.Context, cfg Config) func() (Machine, func(), error) {
	return func() (Machine, func(), error) {
		p, err := simulation.Start(ctx, c.program(cfg.Set, "kv_rtl"), fmt.Sprintf("--seed=%d", 1+cfg.Seed%1000))
		if err != nil {
			return nil, nil, err
		}
		return p, func() { p.Close() }, nil
	}
}

// Replay plays a sequence that was kept, on its engine, and gives the clock of the
// first difference, -1 if there is none, and what the sequence does.
func (c Campaign) Replay(ctx context.Context, file string) (int, string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return -1, "", err
	}
	var s Sequence
	if err := json.Unmarshal(b, &s); err != nil || len(s.Pins)%simulation.PinsInSize != 0 {
		return -1, "", fmt.Errorf("%s is no sequence (%v)", file, err)
	}
	if err := Build(ctx, []Set{s.Set}, c.Build, false); err != nil {
		return -1, "", err
	}
	m, end, err := c.fresh(ctx, Config{Set: s.Set})()
	if err != nil {
		return -1, "", err
	}
	defer end()
	s.BuildHash = m.(*simulation.Process).Hello.BuildHash
	text, err := s.Describe()
	if err != nil {
		return -1, "", err
	}
	at, err := s.Differs(ctx, m)
	return at, text, err
}

// Build makes the programs of the sets, unless they are up to date. The sources
// are those of the module that the working directory is in, unless further
// variables of make say otherwise.
func Build(ctx context.Context, sets []Set, dir string, trace bool, variables ...string) error {
	target := "rtl"
	if trace {
		target = "rtl-trace"
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	root, err := ModuleRoot()
	if err != nil {
		return err
	}
	for _, s := range sets {
		args := append([]string{"-s", target, "RTL_OUT=" + abs}, rtl.MakeVariables(s.Params, s.Features)...)
		cmd := exec.CommandContext(ctx, "make", append(args, variables...)...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
		}
	}
	return nil
}

// ModuleRoot is the nearest directory upwards that has a go.mod.
func ModuleRoot() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for d := wd; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			return d, nil
		}
		if filepath.Dir(d) == d {
			return "", fmt.Errorf("no go.mod in %s or above it: run this inside the repository", wd)
		}
	}
}
