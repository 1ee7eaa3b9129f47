package mutation

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/kvaccel/kvaccel/verification/lockstep"
)

// Options of a whole campaign.
type Options struct {
	RTL, Emulator int // faults; 0 is all there are
	Cycles        int // on each engine
	Engines       int // how many of Sets; 0 is all
	Seed          uint64
	Workers       int
	Build         string
}

// Side is one half of a campaign: the Verilog, or the emulator.
type Side struct {
	Name     string    `json:"name"`
	Verdicts []Verdict `json:"verdicts"`
}

// Report is the outcome of a campaign.
type Report struct {
	Seed   uint64 `json:"seed"`
	Cycles int    `json:"cycles"`
	Sides  []Side `json:"sides"`
}

// explained says of faults that nothing can notice why that is so, by Key.
//
//go:embed equivalent.json
var explainedJSON []byte

func explained() (map[string]string, error) {
	m := map[string]string{}
	return m, json.Unmarshal(explainedJSON, &m)
}

// Run plants and probes faults on both sides. Progress goes to log. Before the
// faults it shows that without one nothing differs.
func Run(ctx context.Context, o Options, log io.Writer) (*Report, error) {
	root, err := lockstep.ModuleRoot()
	if err != nil {
		return nil, err
	}
	build, err := filepath.Abs(o.Build)
	if err != nil {
		return nil, err
	}
	w := Where{root, build}
	r := &Report{Seed: o.Seed, Cycles: o.Cycles}
	if o.RTL >= 0 {
		if err := w.rtlSide(ctx, o, r, log); err != nil {
			return r, err
		}
	}
	if o.Emulator >= 0 {
		if err := w.emulatorSide(ctx, o, r, log); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (w Where) rtlSide(ctx context.Context, o Options, r *Report, log io.Writer) error {
	fmt.Fprintln(log, "mutants: building the engines with faults")
	faults, err := w.RTL(ctx, some(o.Engines), o.RTL, o.Seed)
	if err != nil {
		return err
	}
	probe := filepath.Join(w.Build, "probe")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", probe, "./verification/mutation/cmd/probe")
	cmd.Dir = w.Root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return w.side(ctx, o, r, log, "Verilog", Campaign{Program: probe, Engines: filepath.Join(w.Build, "rtl-mutants")}, faults)
}

func (w Where) emulatorSide(ctx context.Context, o Options, r *Report, log io.Writer) error {
	fmt.Fprintln(log, "mutants: building the emulator with faults")
	probe := filepath.Join(w.Build, "probe-mutants")
	faults, err := w.Emulator(ctx, o.Emulator, o.Seed, probe)
	if err != nil {
		return err
	}
	engines := filepath.Join(w.Root, "build", "rtl")
	if err := lockstep.Build(ctx, some(o.Engines), engines, false); err != nil {
		return err
	}
	c := Campaign{Program: probe, Engines: engines, Tests: probe + ".test", Dir: filepath.Join(w.Root, "emulator", "core")}
	return w.side(ctx, o, r, log, "emulator", c, faults)
}

// side runs one half.
func (w Where) side(ctx context.Context, o Options, r *Report, log io.Writer, name string, c Campaign, faults []Fault) error {
	c.Cycles, c.Few, c.Seed, c.Workers, c.Limit = o.Cycles, o.Engines, o.Seed, o.Workers, 3*time.Minute
	clean, err := c.judge(ctx, Fault{})
	if err != nil {
		return err
	}
	if clean.By != "" {
		return fmt.Errorf("without a fault the %s already fails: %s, %s after %d clocks", name, clean.By, clean.Signal, clean.Clocks)
	}
	done := 0
	c.Note = func(v Verdict) {
		done++
		by := v.By
		if by == "" {
			by = "SURVIVES"
		}
		fmt.Fprintf(log, "mutants: %s %d/%d %s: %v\n", name, done, len(faults), by, v.Fault)
	}
	verdicts, err := c.Run(ctx, faults)
	if err != nil {
		return err
	}
	r.Sides = append(r.Sides, Side{name, verdicts})
	return nil
}

// Survivors are the faults that nothing noticed.
func (s Side) Survivors() []Verdict {
	return slices.DeleteFunc(slices.Clone(s.Verdicts), func(v Verdict) bool { return v.By != "" })
}

// Unexplained counts the survivors that equivalent.json does not explain.
func (r *Report) Unexplained() int {
	why, err := explained()
	n := 0
	for _, s := range r.Sides {
		for _, v := range s.Survivors() {
			if why[v.Key] == "" || err != nil {
				n++
			}
		}
	}
	return n
}

// Print writes a table of what noticed and a list of the survivors.
func (r *Report) Print(w io.Writer) {
	why, err := explained()
	if err != nil {
		fmt.Fprintln(w, "equivalent.json:", err)
	}
	fmt.Fprintf(w, "%-9s %7s %9s %10s %6s %6s %9s %9s %14s\n", "side", "faults", "lockstep", "assertion", "tests", "crash", "time-out", "survive", "median clocks")
	for _, s := range r.Sides {
		n := map[string]int{}
		var clocks []int
		for _, v := range s.Verdicts {
			n[v.By]++
			if v.By == "lockstep" {
				clocks = append(clocks, v.Clocks)
			}
		}
		slices.Sort(clocks)
		median := 0
		if len(clocks) > 0 {
			median = clocks[len(clocks)/2]
		}
		fmt.Fprintf(w, "%-9s %7d %9d %10d %6d %6d %9d %9d %14d\n", s.Name, len(s.Verdicts), n["lockstep"], n["assertion"], n["tests"], n["crash"], n["time-out"], n[""], median)
	}
	for _, s := range r.Sides {
		for _, v := range s.Survivors() {
			reason := why[v.Key]
			if reason == "" {
				reason = "NOT EXPLAINED"
			}
			fmt.Fprintf(w, "%s survives: %v\n  becomes: %s\n  %s: %s\n", s.Name, v.Fault, shorten(v.Text), v.Key, reason)
		}
	}
}
