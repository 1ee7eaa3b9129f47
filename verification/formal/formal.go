// Package formal proves properties of the Verilog engine's modules with Yosys and shows,
// for each proof, that it fails when the module is broken.
//
// A proof is a wrapper module in prop/ that holds the module under proof, states what the
// environment may do (assume) and what must then be true in every cycle (assert). The
// wrapper's header says in words what that is. Proofs are by temporal induction, so they
// hold for all time, or bounded: for everything that can happen in the first so many cycles
// after reset. A mutant is a copy of the Verilog with one substitution; it counts as caught
// only if there is a counterexample from reset, not if merely the induction fails.
package formal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// Proof is one wrapper module and what it is proved with.
type Proof struct {
	Name    string   // of the wrapper module and, with .sv, its file in prop/
	Says    string   // what is proved, in a line
	RTL     []string // files of hdl/rtl it needs beside kv_pkg.sv
	Params  string   // parameters of the wrapper, "NAME=VALUE ..."; none: its defaults
	Bound   int      // cycles; 0: by induction
	Mutants []Mutant
}

// Mutant is the Verilog with one mistake.
type Mutant struct {
	Name     string
	File     string // in hdl/rtl
	Old, New string // Old occurs exactly once
}

// Result is the outcome of a proof, or of one of its mutants if Mutant is set.
type Result struct {
	Proof   *Proof
	Mutant  *Mutant
	OK      bool // proved; of a mutant: caught
	Asserts int
	Steps   int // length of the induction, cycles of the bound; of a mutant: cycles to the counterexample
	Time    time.Duration
	Err     error // no verdict at all
	Log     string
}

// Cycles in which a mutant's counterexample is looked for, if the proof has no bound.
const mutantCycles = 16

// Errors that callers may test for.
var (
	ErrNoYosys = errors.New("formal: yosys is not installed (scripts/setup.sh installs it)")
	ErrMutant  = errors.New("formal: the mutant does not fit the Verilog any more")
)

// Run works through the proofs and all their mutants with up to `workers` Yosys processes
// (0: one for each processor) and hands each result to report, which is not called
// concurrently. root is the repository's root; logs and copies of the Verilog go to a new
// folder in build/formal under it, in which only what went wrong stays.
func Run(ctx context.Context, root string, proofs []Proof, workers int, report func(Result)) error {
	if err := haveYosys(); err != nil {
		return err
	}
	out := filepath.Join(root, "build", "formal")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	out, err := os.MkdirTemp(out, "run-")
	if err != nil {
		return err
	}
	defer os.Remove(out) // stays if anything is in it
	var jobs []job
	for i := range proofs {
		p := &proofs[i]
		jobs = append(jobs, job{root: root, out: out, proof: p})
		for k := range p.Mutants {
			jobs = append(jobs, job{root: root, out: out, proof: p, mutant: &p.Mutants[k]})
		}
	}
	todo := make(chan job)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range min(cmp.Or(workers, runtime.NumCPU()), len(jobs)) {
		wg.Go(func() {
			for j := range todo {
				r := j.run(ctx)
				mu.Lock()
				report(r)
				mu.Unlock()
			}
		})
	}
	for _, j := range jobs {
		if ctx.Err() != nil {
			break
		}
		todo <- j
	}
	close(todo)
	wg.Wait()
	return ctx.Err()
}

// job is one call of Yosys.
type job struct {
	root   string
	out    string // folder of the run
	proof  *Proof
	mutant *Mutant
}

func (j job) run(ctx context.Context) Result {
	start := time.Now()
	r := Result{Proof: j.proof, Mutant: j.mutant}
	rtl := filepath.Join(j.root, "hdl", "rtl")
	name := j.proof.Name
	if j.proof.Params != "" {
		name += "-" + strings.NewReplacer(" ", "-", "'", "").Replace(j.proof.Params)
	}
	if j.mutant != nil {
		name += "-" + strings.ReplaceAll(j.mutant.Name, " ", "-")
	}
	dir := filepath.Join(j.out, name)
	r.Log = filepath.Join(dir, "yosys.log")
	if r.Err = os.Mkdir(dir, 0o755); r.Err != nil {
		return r
	}
	if j.mutant != nil {
		if r.Err = j.mutant.copy(rtl, filepath.Join(dir, "rtl"), j.proof.files()); r.Err != nil {
			return r
		}
		rtl = filepath.Join(dir, "rtl")
	}
	text, err := yosys(ctx, dir, j.script(rtl))
	if r.Err = err; err == nil {
		r.Err = r.judge(text)
	}
	r.Time = time.Since(start)
	if r.OK && r.Err == nil {
		r.Err = os.RemoveAll(dir)
	}
	return r
}

// files of hdl/rtl that the proof reads.
func (p *Proof) files() []string { return append([]string{"kv_pkg.sv"}, p.RTL...) }

// copy puts the files into a folder, with the mistake.
func (m *Mutant) copy(from, to string, files []string) error {
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	done := false
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(from, f))
		if err != nil {
			return err
		}
		if f == m.File {
			if n := strings.Count(string(text), m.Old); n != 1 {
				return fmt.Errorf("%w: %s has %q %d times, want once", ErrMutant, f, m.Old, n)
			}
			text = []byte(strings.Replace(string(text), m.Old, m.New, 1))
			done = true
		}
		if err := os.MkdirAll(filepath.Join(to, filepath.Dir(f)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, f), text, 0o644); err != nil {
			return err
		}
	}
	if !done {
		return fmt.Errorf("%w: the proof does not read %s", ErrMutant, m.File)
	}
	return nil
}
