package eval

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/host/llm"
	"github.com/kvaccel/kvaccel/host/llm/kvengine"
	"github.com/kvaccel/kvaccel/host/parallel"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/session"
)

// FullName is the run that the others are compared with.
const FullName = "full"

// The runs that every evaluation has: the full cache, and the needles' passages
// without their needles.
var (
	full   = Run{Name: FullName, Policy: policy.Full()}
	absent = Run{Name: "(needle absent)", Policy: policy.Full()}
)

// Full is the run that keeps everything.
func Full() Run { return full }

// key names a run with the settings behind its name.
func (r Run) key() string {
	b, err := json.Marshal(r.Policy)
	if err != nil {
		panic(err) // plain data
	}
	h := sha256.Sum256(b)
	return r.Name + " " + hex.EncodeToString(h[:6])
}

// evaluation is the state of one Evaluate.
type evaluation struct {
	Options
	m       *llm.Model
	devices chan driver.Device
	info    driver.Info
	needle  []needle
	why     string // there are no needles
	leftOut []string
	noRows  bool // the engine cannot do the controls that keep whole rows
	state   *state
	done    int
	total   int
	step    chan struct{} // guards done
}

// Evaluate runs every policy, and the controls at the bytes of each, over the
// text. It fails with ErrOptions and what the model, policies and devices fail with;
// cancelled, it leaves what was done in the state file.
func Evaluate(ctx context.Context, m *llm.Model, o Options) (*Result, error) {
	if err := o.Complete(m); err != nil {
		return nil, err
	}
	e := &evaluation{Options: o, m: m, step: make(chan struct{}, 1)}
	e.needle, e.why = o.needles(m)
	if err := e.openDevices(ctx); err != nil {
		return nil, err
	}
	defer e.closeDevices()
	if err := e.checkRuns(); err != nil {
		return nil, err
	}
	var err error
	if e.state, err = openState(o.State, e.fingerprint()); err != nil {
		return nil, err
	}
	defer e.state.close()
	main := e.withFull()
	e.total = e.units(len(main)) + len(e.needle)
	if e.Alone {
		if err := e.all(ctx, main); err != nil {
			return nil, err
		}
		return e.result(main, nil), nil
	}
	e.total += 3 * e.units(len(main)-1)
	if err := e.all(ctx, main); err != nil {
		return nil, err
	}
	controls := e.controls(main)
	e.total = e.units(len(main)) + len(e.needle) + e.units(len(controls))
	if err := e.all(ctx, controls); err != nil {
		return nil, err
	}
	res := e.result(main, controls)
	return res, e.fidelity(ctx, res)
}

// units is how many units runs have.
func (e *evaluation) units(runs int) int { return runs * (e.Limit + len(e.needle)) }

// withFull is the runs with full in front.
func (e *evaluation) withFull() []Run {
	runs := []Run{full}
	for _, r := range e.Runs {
		if r.Name != FullName {
			runs = append(runs, r)
		}
	}
	return runs
}

// openDevices opens one device per worker, or as many as there are.
func (e *evaluation) openDevices(ctx context.Context) error {
	if e.Workers == 0 {
		e.Workers = runtime.GOMAXPROCS(0)
	}
	e.devices = make(chan driver.Device, e.Workers)
	for i := range e.Workers {
		d, err := e.Open(ctx)
		if errors.Is(err, driver.ErrBusy) && i > 0 {
			e.Workers = i
			break
		}
		if err != nil {
			e.closeDevices()
			return err
		}
		e.info = d.Info()
		e.devices <- d
	}
	return nil
}

func (e *evaluation) closeDevices() {
	for len(e.devices) > 0 {
		(<-e.devices).Close()
	}
}

// checkRuns finds out what the engine cannot do before anything is run, and
// leaves out the controls that it cannot.
func (e *evaluation) checkRuns() error {
	d := <-e.devices
	defer func() { e.devices <- d }()
	s := session.New(d)
	check := func(r Run) error {
		cfg := r.held(e.m.Config)
		err := kvengine.Check(s, r.Policy, cfg)
		if err == nil {
			err = kvengine.CheckAhead(r.Policy, cfg, e.Chunk)
		}
		for l := 0; l < cfg.Layers && err == nil; l++ {
			for h := range cfg.KVHeads {
				if p := r.Policy.At(l, h); (p.Evicts() || p.Ceiling != nil) && err == nil {
					err = s.CheckSelect(max(e.Prefix, min(e.Window, p.Kept(e.Window)+e.Chunk)))
				}
			}
		}
		return err
	}
	var runs []Run
	for _, r := range e.Runs {
		switch err := check(r); {
		case err == nil:
			runs = append(runs, r)
		case !r.Control:
			return fmt.Errorf("policy %s: %w", r.Name, err)
		default:
			e.leftOut = append(e.leftOut, fmt.Sprintf("%s: %v", r.Name, err))
		}
	}
	e.Runs = runs
	if e.Alone {
		return nil
	}
	if err := check(control("random", e.Window)); err != nil {
		e.leftOut = append(e.leftOut, fmt.Sprintf("%s: %v", strings.Join(Controls, ", "), err))
		e.noRows = true
	}
	return nil
}

// all does what is not done yet of some runs.
func (e *evaluation) all(ctx context.Context, runs []Run) error {
	for w := range e.Limit {
		t := e.Text[w*e.Window:][:e.Window]
		p := passage{tokens: t, prefix: e.Prefix, scored: e.Prefix}
		if err := e.passage(ctx, p, unitKey{index: w}, runs); err != nil {
			return fmt.Errorf("window %d: %w", w, err)
		}
	}
	for i, n := range e.needle {
		if err := e.passage(ctx, n.passage, unitKey{needle: true, index: i}, runs); err != nil {
			return fmt.Errorf("needle %d: %w", i, err)
		}
		if err := e.passage(ctx, n.absent, unitKey{needle: true, index: i}, []Run{absent}); err != nil {
			return fmt.Errorf("needle %d: %w", i, err)
		}
	}
	return nil
}

// passage decodes one passage with each run; the prompt is read once, and full
// goes first: it is the reference of the others.
func (e *evaluation) passage(ctx context.Context, p passage, key unitKey, runs []Run) error {
	var todo []Run
	for _, r := range runs {
		key.run = r.key()
		if !e.state.has(key) {
			todo = append(todo, r)
		}
	}
	e.report(len(runs) - len(todo))
	if len(todo) == 0 {
		return nil
	}
	prompt, err := read(ctx, e.m, p, recorded(todo, e.m.Config))
	if err != nil {
		return err
	}
	d := decoder{m: e.m, chunk: e.Chunk, block: e.Block}
	if key.needle {
		d.block = math.MaxInt
	}
	reference, logits, err := e.unit(ctx, d, prompt, p, key, full)
	if err != nil {
		return err
	}
	d.full = logits
	return parallel.Each(ctx, len(todo), func(i int) error {
		u := reference
		if todo[i].Name != FullName {
			var err error
			if u, _, err = e.unit(ctx, d, prompt, p, key, todo[i]); err != nil {
				return fmt.Errorf("policy %s: %w", todo[i].Name, err)
			}
		}
		if err := e.state.add(u); err != nil {
			return err
		}
		e.report(1)
		return nil
	})
}

// unit decodes one passage with one run on a device that is free.
func (e *evaluation) unit(ctx context.Context, d decoder, prompt *kvengine.Cache, p passage, key unitKey, r Run) (Unit, scores, error) {
	var dev driver.Device
	select {
	case dev = <-e.devices:
	case <-ctx.Done():
		return Unit{}, nil, ctx.Err()
	}
	defer func() { e.devices <- dev }()
	u, logits, err := d.decode(ctx, session.New(dev), prompt, p, r, e.Seed)
	u.Needle, u.Index = key.needle, key.index
	return u, logits, err
}

// recorded is how many queries' attention rows a prompt has to keep for runs.
func recorded(runs []Run, cfg llm.Config) int {
	most := 0
	for _, r := range runs {
		n := kvengine.Observed(r.Policy, r.held(cfg))
		if n == kvengine.RecordAll {
			return n
		}
		most = max(most, n)
	}
	return most
}

func (e *evaluation) report(n int) {
	e.step <- struct{}{}
	e.done += n
	if e.Progress != nil && n > 0 {
		e.Progress(min(e.done, e.total), e.total)
	}
	<-e.step
}
