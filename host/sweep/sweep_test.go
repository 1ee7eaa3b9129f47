package sweep_test

import (
	"context"
	"database/sql"
	"encoding/csv"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/host/compress"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/sweep"
	"github.com/kvaccel/kvaccel/host/sweep/sweeptest"
	"github.com/kvaccel/kvaccel/host/trace"
)

const golm = "../llm/testdata/golm"

const four = `name: four
inputs: {trace: sample, prefix: 500}
policies: [full, qserve-4, {policy: streaming+q8_0, budgets: [16, 1000]}]
engine: {max-tokens: 1024}
`

func TestPlan(t *testing.T) {
	p := sweeptest.Plan(t, "name: p\ninputs: {trace: sample, prefix: [64, 128]}\npolicies: [full, h2o, {policy: kivi-4, bits: [2, 4], group: [32, 64]}]\nbudgets: [10%, 32]\nengine: {lanes: [4, 8]}\n", nil)
	if want := 2 * 2 * (1 + 2 + 4); len(p.Points) != want || len(p.Unique()) != want {
		t.Fatalf("%d points, %d different, want %d", len(p.Points), len(p.Unique()), want)
	}
	labels := map[string]bool{}
	for _, pt := range p.Points {
		labels[pt.Label] = true
		if pt.Policy.TopKPercent != 0 || pt.Policy.RecentPercent != 0 {
			t.Errorf("%s is not resolved", pt.Label)
		}
	}
	for _, want := range []string{"full", "h2o @10%", "h2o @32", "kivi-4 bits=2 group=64"} {
		if !labels[want] {
			t.Errorf("no %q in %v", want, labels)
		}
	}
	if n := p.Points[2].Policy.Kept(64); n != 32 {
		t.Errorf("%s keeps %d of 64", p.Points[2].Label, n)
	}
}

func TestKeys(t *testing.T) {
	p := sweeptest.Plan(t, four, nil)
	pt := p.Points[1]
	key := pt.Key("test")
	for name, change := range map[string]func(*sweep.Point) string{
		"program": func(pt *sweep.Point) string { return "other" },
		"device":  func(pt *sweep.Point) string { pt.Device += "0"; return "test" },
		"policy":  func(pt *sweep.Point) string { pt.Policy.KBits = 8; return "test" },
		"prefix":  func(pt *sweep.Point) string { pt.Input.Prefix++; return "test" },
		"input":   func(pt *sweep.Point) string { pt.Input.Digest = "x"; return "test" },
	} {
		other := pt
		if program := change(&other); other.Key(program) == key {
			t.Errorf("%s does not change the key", name)
		}
	}
	pt.Label, pt.Policy.Name, pt.Input.Name, pt.Family = "a", "b", "c", "d"
	if pt.Key("test") != key {
		t.Error("a name changes the key")
	}
}

func TestPlanMistakes(t *testing.T) {
	sample := "\npolicies: [h2o]\n"
	for _, c := range []struct {
		text, want string
		is         error
	}{
		{"name: x\ninputs: {trace: sample, prefix: 512}" + sample, "x.yaml:2: prefix is 512", sweep.ErrFile},
		{"name: x\ninputs: {trace: none.safetensors}" + sample, "x.yaml:2: ", fs.ErrNotExist},
		{"name: x\ninputs: [{trace: sample}, {trace: sample}]" + sample, "two inputs are called", sweep.ErrFile},
		{"name: x\ninputs: {trace: sample}" + sample + "engine: {lanes: 3}\n", "x.yaml:4: engine: ", driver.ErrOption},
		{"name: x\ninputs: {trace: sample}" + sample + "engine: {device: 'usb:', lanes: 4}\n", "only emu: and rtl:", driver.ErrOption},
		{"name: x\ninputs: {model: /none, text: /none}" + sample, "x.yaml:2: ", fs.ErrNotExist},
	} {
		f, err := sweep.Read(sweeptest.Write(t, c.text, nil))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = f.Plan(t.Context(), "emu:", "test"); !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

func TestRun(t *testing.T) {
	p, st := sweeptest.Plan(t, four, nil), sweeptest.Store(t)
	sum, err := sweep.Run(t.Context(), p, st, sweep.Options{Open: sweeptest.OpenEmu})
	if err != nil {
		t.Fatal(err)
	}
	if want := (sweep.Summary{Points: 4, Computed: 3, Failed: 1}); sum != want || !errors.Is(sum.Err(), sweep.ErrFailed) {
		t.Errorf("%+v (%v), want %+v", sum, sum.Err(), want)
	}
	got := sweeptest.Rows(t, st, "four")
	if len(got) != 4 || got[3].State != "failed" || !strings.Contains(got[3].Error, "1000") {
		t.Fatalf("%+v", got)
	}
	if got[0].BytesPerToken != 2048 || got[0].Loss != 0 || got[0].ControlRecent != nil {
		t.Errorf("full: %+v", got[0])
	}
	want := direct(t)
	r := got[1]
	if r.Loss != want.Fidelity.OutputL2.Median || r.BytesPerToken != float64(want.BytesOut)/500 || r.CyclesPerToken != float64(want.Cycles.Total)/500 || *r.Recall != want.Fidelity.Recall.Median {
		t.Errorf("the sweep has %+v, a run gives loss %v, %d bytes, %d cycles", r, want.Fidelity.OutputL2.Median, want.BytesOut, want.Cycles.Total)
	}
	if r.ControlRecent == nil || r.ControlRandom == nil || r.ControlStreaming == nil || r.Nats != nil {
		t.Errorf("controls %v %v %v, nats %v", r.ControlRecent, r.ControlRandom, r.ControlStreaming, r.Nats)
	}
	if b, err := st.Report(t.Context(), r.Key); err != nil || !strings.Contains(string(b), `"bytes_per_kept`) && !strings.Contains(string(b), `"bits_per_kept_element"`) {
		t.Errorf("report of %d bytes, %v", len(b), err)
	}
}

// direct is what kvaccel run gives for the second point of four.
func direct(t *testing.T) *compress.Result {
	t.Helper()
	tr, err := trace.Sample()
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	dev, err := sweeptest.OpenEmu(t.Context(), "emu:?max-tokens=1024")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	pol, err := policy.Lookup("qserve-4")
	if err != nil {
		t.Fatal(err)
	}
	res, err := compress.Run(t.Context(), dev, tr, pol, compress.Options{Prefix: 500})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestNothingIsRepeated stops a run after one point and goes on; and changes the
// file: only what is new is computed.
func TestNothingIsRepeated(t *testing.T) {
	text := "name: r\ninputs: {trace: sample, prefix: 500}\npolicies: [full, qserve-4, kivi-2, q8_0]\n"
	whole := sweeptest.Store(t)
	if _, err := sweep.Run(t.Context(), sweeptest.Plan(t, text, nil), whole, sweep.Options{Open: sweeptest.OpenEmu, Workers: 1}); err != nil {
		t.Fatal(err)
	}
	st := sweeptest.Store(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := sweep.Run(ctx, sweeptest.Plan(t, text, nil), st, sweep.Options{Open: sweeptest.OpenEmu, Workers: 1, Progress: func(done, _ int) {
		if done == 2 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	if n := len(sweeptest.Rows(t, st, "r")); n != 2 {
		t.Fatalf("%d points after the interruption, want 2", n)
	}
	var opened atomic.Int32
	counting := func(ctx context.Context, uri string) (driver.Device, error) {
		opened.Add(1)
		return sweeptest.OpenEmu(ctx, uri)
	}
	sum, err := sweep.Run(t.Context(), sweeptest.Plan(t, text, nil), st, sweep.Options{Open: counting, Workers: 4})
	if want := (sweep.Summary{Points: 4, Finished: 2, Computed: 2}); err != nil || sum != want || opened.Load() > 2 {
		t.Errorf("%+v, %v, %d engines opened; want %+v", sum, err, opened.Load(), want)
	}
	if a, b := sweeptest.Plain(sweeptest.Rows(t, whole, "r")), sweeptest.Plain(sweeptest.Rows(t, st, "r")); !reflect.DeepEqual(a, b) {
		t.Errorf("an interrupted run differs:\n%+v\n%+v", a, b)
	}
	more := strings.Replace(text, "full, ", "tova, ", 1)
	sum, err = sweep.Run(t.Context(), sweeptest.Plan(t, more, nil), st, sweep.Options{Open: sweeptest.OpenEmu})
	if want := (sweep.Summary{Points: 4, Finished: 3, Computed: 1}); err != nil || sum != want {
		t.Errorf("another policy: %+v, %v; want %+v", sum, err, want)
	}
	sum, err = sweep.Run(t.Context(), sweeptest.Plan(t, more, nil), st, sweep.Options{Open: sweeptest.OpenEmu, Fresh: true})
	if want := (sweep.Summary{Points: 4, Computed: 4}); err != nil || sum != want {
		t.Errorf("afresh: %+v, %v; want %+v", sum, err, want)
	}
}

func TestModel(t *testing.T) {
	abs, err := filepath.Abs(golm)
	if err != nil {
		t.Fatal(err)
	}
	p := sweeptest.Plan(t, "name: m\ninputs: {name: go, model: "+abs+", text: "+abs+"/sample.txt, window: 160, prefix: 128, windows: 1, block: 8, needles: 0}\npolicies: [full, q4_0]\n", nil)
	st := sweeptest.Store(t)
	if _, err := sweep.Run(t.Context(), p, st, sweep.Options{Open: sweeptest.OpenEmu}); err != nil {
		t.Fatal(err)
	}
	got := sweeptest.Rows(t, st, "m")
	if len(got) != 2 || got[0].Failed() || got[1].Failed() {
		t.Fatalf("%+v", got)
	}
	f, q := got[0], got[1]
	if f.Input != "go" || f.Kind != sweep.Model || f.BytesPerToken != 2048 || f.Loss != 0 || f.ControlRecent != nil {
		t.Errorf("full: %+v", f)
	}
	if q.DeltaNats == nil || q.Nats == nil || math.Abs(*q.Nats-*f.Nats-q.Loss) > 1e-12 || q.ControlRows == 0 || q.ControlRecent == nil || q.Needle != nil || q.CyclesPerToken == 0 {
		t.Errorf("q4_0: %+v", q)
	}
}

func TestCSV(t *testing.T) {
	p, st := sweeptest.Plan(t, four, nil), sweeptest.Store(t)
	if _, err := sweep.Run(t.Context(), p, st, sweep.Options{Open: sweeptest.OpenEmu}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.csv")
	if err := st.WriteCSV(t.Context(), "four", path); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil || len(lines) != 5 || lines[0][0] != "sweep" || lines[2][5] != "qserve-4" {
		t.Errorf("%v, %v", lines, err)
	}
	for _, c := range lines[0] {
		if c == "report" {
			t.Error("the JSON is in the table")
		}
	}
}

func TestStoreMistakes(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other.db")
	db, err := sql.Open("sqlite", other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE t (x)"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	newer := filepath.Join(dir, "newer.db")
	st, err := sweep.OpenStore(t.Context(), newer)
	if err != nil {
		t.Fatal(err)
	}
	st.Close()
	if db, err = sql.Open("sqlite", newer); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("PRAGMA user_version = 9"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	for path, want := range map[string]string{text: "not a database", other: "something else", newer: "version 9"} {
		if _, err := sweep.OpenStore(t.Context(), path); !errors.Is(err, sweep.ErrStore) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if b, err := os.ReadFile(text); err != nil || !strings.HasPrefix(string(b), "not a database") {
		t.Errorf("the file that was no store is now %d bytes, %v", len(b), err)
	}
	empty := filepath.Join(dir, "empty.db")
	if err := os.WriteFile(empty, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := sweep.OpenResults(t.Context(), empty); !errors.Is(err, sweep.ErrStore) {
		t.Errorf("an empty file as results: %v", err)
	}
	if _, err := sweep.OpenResults(t.Context(), filepath.Join(dir, "none.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := sweep.OpenStore(t.Context(), filepath.Join(dir, "none", "x.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}
