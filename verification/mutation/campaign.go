package mutation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Verdict is what became of a fault.
type Verdict struct {
	Fault
	Key    string `json:"key"`
	By     string `json:"by"`     // what noticed: lockstep, assertion, crash, time-out, tests; "" is nothing
	Signal string `json:"signal"` // where the lockstep saw it
	Clocks int    `json:"clocks"` // compared until then
}

// Campaign runs a program that has faults built in, once for each.
type Campaign struct {
	Program string // the probe
	Engines string // its engines
	Few     int    // how many of Sets; 0 is all
	Cycles  int    // of a probe on each engine
	Seed    uint64
	Workers int
	Limit   time.Duration // for one probe
	Note    func(Verdict) // called for each, one at a time

	Tests string // test program that what the probe does not notice is run with; may be empty
	Dir   string // where the tests run
}

// unseen says that the lockstep, which steps, cannot reach a fault: the emulator's
// bursts are passed by a Device alone.
func unseen(f Fault) bool { return strings.HasPrefix(f.File, "burst") }

// Run probes each fault; verdicts come in the faults' order.
func (c Campaign) Run(ctx context.Context, faults []Fault) ([]Verdict, error) {
	workers := c.Workers
	if workers == 0 {
		workers = runtime.NumCPU()
	}
	out := make([]Verdict, len(faults))
	errs := make([]error, len(faults))
	next := make(chan int)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range next {
				v, err := c.judge(ctx, faults[i])
				mu.Lock()
				out[i], errs[i] = v, err
				if c.Note != nil && err == nil {
					c.Note(v)
				}
				mu.Unlock()
			}
		})
	}
	for i := range faults {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	wg.Wait()
	return out, errors.Join(append(errs, ctx.Err())...)
}

// judge runs the probe and, where that notices nothing, the tests.
func (c Campaign) judge(ctx context.Context, f Fault) (Verdict, error) {
	v := Verdict{Fault: f, Key: f.Key()}
	if !unseen(f) {
		var err error
		if v, err = c.probe(ctx, f); err != nil || v.By != "" {
			return v, err
		}
	}
	if c.Tests == "" {
		return v, nil
	}
	limited, cancel := context.WithTimeout(ctx, c.Limit)
	defer cancel()
	cmd := exec.CommandContext(limited, c.Tests, "-test.failfast")
	cmd.Env = append(os.Environ(), Variable+"="+strconv.Itoa(f.ID))
	cmd.Dir, cmd.WaitDelay = c.Dir, time.Second
	var failed *exec.ExitError
	switch err := cmd.Run(); {
	case ctx.Err() != nil:
		return v, ctx.Err()
	case limited.Err() != nil:
		v.By = "time-out"
	case errors.As(err, &failed):
		v.By = "tests"
	case err != nil:
		return v, err
	}
	return v, nil
}

// probe runs the program with one fault, or with none if its number is 0.
func (c Campaign) probe(ctx context.Context, f Fault) (Verdict, error) {
	v := Verdict{Fault: f, Key: f.Key()}
	limited, cancel := context.WithTimeout(ctx, c.Limit)
	defer cancel()
	cmd := exec.CommandContext(limited, c.Program, "-build", c.Engines, "-engines", strconv.Itoa(c.Few), "-cycles", strconv.Itoa(c.Cycles), "-seed", strconv.FormatUint(c.Seed, 10))
	cmd.Env = append(os.Environ(), Variable+"="+strconv.Itoa(f.ID))
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	switch text := stderr.String(); {
	case ctx.Err() != nil:
		return v, ctx.Err()
	case limited.Err() != nil:
		v.By = "time-out"
	case err == nil:
		var found Found
		if err := json.Unmarshal(stdout.Bytes(), &found); err != nil {
			return v, err
		}
		v.Clocks, v.Signal = found.Clocks, found.Signal
		if found.Differs {
			v.By = "lockstep"
		}
	case strings.Contains(text, "Assertion failed"), strings.Contains(text, "%Error"):
		v.By = "assertion"
	case strings.Contains(text, "panic"):
		v.By = "crash"
	default:
		v.By = "crash"
		if !strings.Contains(text, "probe:") {
			return v, errors.New(filepath.Base(c.Program) + ": " + err.Error() + "\n" + text)
		}
	}
	return v, nil
}
