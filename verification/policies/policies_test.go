// Package policies runs every policy on the emulator and on the Verilated
// engine: files, reports, cycles and counters must be the same to the last byte.
package policies

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/rtl"
	"github.com/kvaccel/kvaccel/emulator"
	"github.com/kvaccel/kvaccel/host/compress"
	"github.com/kvaccel/kvaccel/host/decode"
	"github.com/kvaccel/kvaccel/host/llm/kvengine"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/trace"
	"github.com/kvaccel/kvaccel/verification/rtltest"
)

// more are policies beside the presets: joins, and files with what no preset has.
var more = map[string]string{
	"h2o+quarot-4": "", "h2o+kivi-4": "", "adakv+kivi-2": "", "tova+q4_0": "", "h2o+tiers": "", "snapkv+tiers": "", "adakv+tiers": "", "knorm+tiers": "", "random+tiers": "", "streaming+tiers": "",
	"decay.yaml":    "version: 1\npolicy: h2o\ndefaults: {lambda: 0.97, pool: 7, pool-mode: max}\n",
	"channels.yaml": "version: 1\npolicy: h2o+kivi-4\ndefaults: {tiers: {fp16: 20, 8: 30, 4: 30, 2: 20}, protected: 8, scheme: sym, recent: 20, topk: 70}\n",
	"ceiling.yaml":  "version: 1\npolicy: ladder\ndefaults: {ceiling: 80KiB, lambda: 0.97, recent: 9, sinks: 2}\n",
	"rotated.yaml":  "version: 1\npolicy: snapkv+kivi-2\ndefaults: {rotate: 32, scheme: sym}\n",
	"bf16.yaml":     "version: 1\npolicy: h2o+kivi-4\ndefaults: {format: bf16, residual: 20}\n",
	"ranked.yaml":   "version: 1\npolicy: h2o+tiers\ndefaults: {format: bf16, protected: 8}\n",
	"heads.yaml": `version: 1
policy: h2o+kivi-2
rules:
- {layers: 0, heads: 1, set: {budget: 30%, k-bits: 8, k-axis: token}}
- {layers: 1-2, set: {tiers: {4: 60, 2: 40}, normalise: true, observe: 10%, probe: 5%}}
- {layers: 3, heads: 0, set: {scorer: key-norm, layout: q8_0, residual: 0}}
`,
}

// prefix keeps the runs short; every row of the sample's head is 64 wide.
const prefix = 150

const patience = 5 * time.Minute

// load gives a policy of a name, or of the text of a file.
func load(t *testing.T, name, text string) policy.Policy {
	t.Helper()
	p, err := policy.Lookup(name)
	if text != "" {
		p, err = policy.Parse(name, []byte(text))
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPoliciesDoNotDependOnTheEngine(t *testing.T) {
	if !rtltest.Wanted(t) {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience) // an engine that hangs is a failure of its own
	defer cancel()
	tr, err := trace.Sample()
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	all := map[string]string{}
	for _, p := range policy.Presets() {
		all[p.Name] = ""
	}
	for name, text := range more {
		all[name] = text
	}
	var engines []driver.Device
	for _, open := range []func(context.Context, driver.URI) (driver.Device, error){emulator.Open, rtl.Open} {
		dev, err := open(ctx, driver.URI{Scheme: []string{"emu", "rtl"}[len(engines)]})
		if err != nil {
			t.Fatalf("%v (%s=1 leaves this test out)", err, rtltest.LeaveOut)
		}
		defer dev.Close()
		engines = append(engines, dev)
	}
	for name, text := range all {
		pol := load(t, name, text)
		var runs, steps [2][]byte
		for i, dev := range engines {
			runs[i] = run(ctx, t, name, dev, tr, pol)
			steps[i] = replay(ctx, t, name, dev, tr, pol)
		}
		if !bytes.Equal(runs[0], runs[1]) {
			t.Errorf("%s: cache or report of a run differ: kvaccel run --policy %s --prefix %d -d rtl:", name, name, prefix)
		}
		if !bytes.Equal(steps[0], steps[1]) {
			t.Errorf("%s: reports of a replay differ: kvaccel run --decode --policy %s --prefill %d -d rtl:", name, name, prefix)
		}
	}
}

// run gives the report of a run, without the engine's name, and its cache; nothing
// for a policy that has none.
func run(ctx context.Context, t *testing.T, name string, dev driver.Device, tr *trace.Trace, pol policy.Policy) []byte {
	t.Helper()
	res, err := compress.Run(ctx, dev, tr, pol, compress.Options{Prefix: prefix})
	if errors.Is(err, compress.ErrStepwise) {
		return nil
	}
	if err != nil {
		t.Fatalf("%s on %s: %v", name, dev.Info().URI, err)
	}
	path := filepath.Join(t.TempDir(), "cache")
	if err := res.Cache.Write(ctx, path); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	res.Source, res.Device = "", driver.Info{}
	return append(report(t, res), file...)
}

// replay gives the report of some steps; nothing for a policy that has none.
func replay(ctx context.Context, t *testing.T, name string, dev driver.Device, tr *trace.Trace, pol policy.Policy) []byte {
	t.Helper()
	res, err := decode.Run(ctx, dev, tr, pol, decode.Options{Prefill: prefix, Steps: 4})
	if errors.Is(err, kvengine.ErrOnce) {
		return nil
	}
	if err != nil {
		t.Fatalf("%s on %s: %v", name, dev.Info().URI, err)
	}
	res.Source, res.Device = "", driver.Info{}
	return report(t, res)
}

func report(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
