package report

import (
	"bytes"
	"errors"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/hdl/syn/results"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/sweep"
	"github.com/kvaccel/kvaccel/host/sweep/sweeptest"
)

func TestFront(t *testing.T) {
	for _, c := range []struct {
		points [][]float64
		want   []bool
	}{
		{[][]float64{{1, 3}, {2, 2}, {3, 1}}, []bool{true, true, true}},
		{[][]float64{{1, 3}, {2, 3}, {1, 4}}, []bool{true, false, false}},
		{[][]float64{{1, 1}, {1, 1}, {2, 2}}, []bool{true, true, false}},
		{[][]float64{{1, 2, 3}, {1, 2, 4}, {0, 9, 9}}, []bool{true, false, true}},
		{nil, []bool{}},
	} {
		if got := front(c.points); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v: %v, want %v", c.points, got, c.want)
		}
	}
}

// measured is a build as make synth writes it; no clock for one that was not
// routed.
func measured(lanes, lut int, mhz string) string {
	b := fmt.Sprintf(`{"params": {"Lanes": %d, "MaxDim": 256, "TileTokens": 128, "MaxTokens": 4096, "Features": 15}, "area": {"u_engine": {"lut": %d, "ff": %d, "dsp": %d, "bram": 40}}`, lanes, lut, lut, lanes)
	if mhz != "" {
		b += `, "mhz": {"median": ` + mhz + `}`
	}
	return b + "}"
}

func files(builds ...string) fstest.MapFS {
	return fstest.MapFS{"ecp5-x.json": {Data: []byte(`{"schema_version": 1, "board": "ecp5-x", "builds": [` + strings.Join(builds, ",") + "]}")}}
}

func TestArea(t *testing.T) {
	tb, err := ReadTable(files(measured(4, 10000, "50"), measured(16, 40000, "")), "ecp5")
	if err != nil {
		t.Fatal(err)
	}
	p := regmap.Params{Lanes: 4, MaxDim: 256, TileTokens: 128, MaxTokens: 4096}
	for _, c := range []struct {
		lanes, dim int
		lut        float64
		from       Source
		mhz        Source
	}{
		{4, 256, 10000, Measured, Measured},
		{8, 256, 20000, Interpolated, Extrapolated},
		{2, 256, 5000, Extrapolated, Extrapolated},
		{4, 128, 10000, Interpolated, Interpolated},
		{16, 256, 40000, Measured, Extrapolated},
	} {
		p.Lanes, p.MaxDim = c.lanes, c.dim
		a := tb.Of(p, 15)
		if a.LUT != c.lut || a.From != c.from || a.MHz != 50 || a.MHzFrom != c.mhz || a.Note == "" || a.MHzNote == "" {
			t.Errorf("%d lanes: %+v", c.lanes, a)
		}
	}
	none, err := ReadTable(fstest.MapFS{}, "ecp5")
	if err != nil {
		t.Fatal(err)
	}
	if a := none.Of(p, 15); a.From != Unknown || a.MHzFrom != Unknown || a.LUT != 0 || a.MHz != 0 {
		t.Errorf("without a table: %+v", a)
	}
	one, err := ReadTable(files(measured(4, 10000, "")), "ecp5")
	if err != nil {
		t.Fatal(err)
	}
	if a := one.Of(regmap.DefaultParams(), 15); a.From != Extrapolated || a.LUT != 10000 || a.MHzFrom != Unknown {
		t.Errorf("of one build: %+v", a)
	}
}

func TestTableMistakes(t *testing.T) {
	for name, text := range map[string]string{"no JSON": "x", "version": `{"schema_version": 2}`} {
		if _, err := ReadTable(fstest.MapFS{"ecp5-x.json": {Data: []byte(text)}}, "ecp5"); !errors.Is(err, ErrTable) || !strings.Contains(err.Error(), "ecp5-x.json") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOwnTable reads the results in the repository.
func TestOwnTable(t *testing.T) {
	tb, err := ReadTable(results.Files, "ecp5")
	if err != nil {
		t.Fatal(err)
	}
	a := tb.Of(regmap.DefaultParams(), driver.AllFeatures())
	if a.LUT < 1000 || a.LUT > 200000 || math.IsNaN(a.LUT) || a.From == Unknown || !strings.Contains(tb.Boards(), "ecp5") {
		t.Errorf("%+v of %s", a, tb.Boards())
	}
}

// built sweeps some quick points and gives their report.
func built(t *testing.T) *Report {
	t.Helper()
	text := "name: shown\nabout: What <b>this</b> & that come to.\ninputs: {trace: sample, prefix: 500}\npolicies: [full, qserve-4, q8_0, {policy: streaming, budgets: [40, 900]}, {policy: streaming+qserve-4, budgets: [120]}]\nengine: {lanes: [4, 8]}\n"
	p, st := sweeptest.Plan(t, text, nil), sweeptest.Store(t)
	if _, err := sweep.Run(t.Context(), p, st, sweep.Options{Open: sweeptest.OpenEmu}); err != nil {
		t.Fatal(err)
	}
	tb, err := ReadTable(results.Files, "ecp5")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Build(t.Context(), st, tb, []string{"none"}); !errors.Is(err, ErrNothing) || !strings.Contains(err.Error(), "shown") {
		t.Errorf("no such sweep: %v", err)
	}
	r, err := Build(t.Context(), st, tb, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReport(t *testing.T) {
	r := built(t)
	s := r.Sections[0]
	if s.Finished != 10 || s.Failed != 2 || s.Missing != 0 || len(s.Failures) != 2 || len(r.Engines) != 2 {
		t.Errorf("%d finished, %d failed, %d missing, %d engines", s.Finished, s.Failed, s.Missing, len(r.Engines))
	}
	in := s.Inputs[0]
	if len(in.Lines) != 10 || len(in.Distinct()) != 5 || len(in.Figures) != 4 || len(in.Short) < 3 {
		t.Errorf("%d lines, %d settings, %d figures, %q", len(in.Lines), len(in.Distinct()), len(in.Figures), in.Short)
	}
	last := 0.0
	for i, l := range in.OnFront() {
		if l.Number != i+1 || l.BytesPerToken < last {
			t.Errorf("front: %s is number %d with %v bytes", l.Label, l.Number, l.BytesPerToken)
		}
		last = l.BytesPerToken
	}
	for _, l := range in.Lines {
		want := map[string]Class{"full": Whole, "qserve-4": Quantizes, "q8_0": Quantizes, "streaming @40": Evicts, "streaming+qserve-4 @120": Both}[l.Label]
		if l.Class != want {
			t.Errorf("%s is said to be %s, want %s", l.Label, l.Class, want)
		}
		if on := l.Engine == "l4-d256-t128-n4096"; l.Class == Whole && l.Front != on {
			t.Errorf("full on %s is on the front: %v, want %v: a larger engine gains it nothing", l.Engine, l.Front, on)
		}
		if restores := l.Class == Quantizes || l.Class == Both; (l.Limit > 0) != restores || restores && math.Abs(l.Limit-2048*l.Area.MHz/l.DequantizeCycles) > 1e-6 {
			t.Errorf("%s pays below %v MB/s, with %v cycles to restore a position", l.Label, l.Limit, l.DequantizeCycles)
		}
		if l.Area.LUT == 0 || l.HasBest != (l.Class != Whole) {
			t.Errorf("%s: %+v", l.Label, l)
		}
	}
}

// The table of ranges has the clocks of place and route, and the limits of the lines.
func TestReadingTable(t *testing.T) {
	r := built(t)
	in := r.Sections[0].Inputs[0]
	rows := strings.Split(strings.TrimSpace(in.readingTable()), "\n")
	if len(rows) != 4 || !strings.Contains(rows[0], "q8_0: memory decides below | engine decides up to") {
		t.Fatalf("%q", rows)
	}
	tb, err := ReadTable(results.Files, "ecp5")
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range r.Engines {
		a := tb.Of(e.Params, e.Features)
		at := slices.IndexFunc(in.Lines, func(l Line) bool { return l.Label == "q8_0" && l.Engine == e.Name })
		l := in.Lines[at]
		want := fmt.Sprintf("| %s | %.1f | %s: %s | %.0f | %.0f |", e.Name, a.MHz, a.MHzFrom, a.MHzNote, l.BytesPerToken*a.MHz/l.DequantizeCycles, l.Limit)
		if rows[2+i] != want {
			t.Errorf("got %s\nwant %s", rows[2+i], want)
		}
	}
}

// What a ceiling or tiers do is no full cache.
func TestClasses(t *testing.T) {
	for name, want := range map[string]Class{"full": Whole, "ladder": Both, "tiers": Quantizes, "h2o+tiers": Both, "zipcache": Quantizes, "h2o": Evicts} {
		p, err := policy.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		if c := classOf(sweep.Point{Policy: p}); c != want {
			t.Errorf("%s is said to be %s, want %s", name, c, want)
		}
	}
}

// outside finds what a page would load from elsewhere.
var outside = regexp.MustCompile(`(?i)(src|href)\s*=\s*["']?(https?:|//|file:)|@import|url\(\s*["']?(https?:|//)`)

func TestPage(t *testing.T) {
	r := built(t)
	b, err := r.HTML()
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, want := range []string{"shown", "What &lt;b&gt;this&lt;/b&gt; &amp; that", "12 points: 10 finished, 2 failed", "qserve-4", "l4-d256-t128-n4096", string(r.Engines[0].Area.MHzFrom) + ": ", "Points that failed", "--budget is 900", "<svg", "aria-label", "The sweep file", "best control"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q on the page", want)
		}
	}
	if m := outside.FindString(strings.ReplaceAll(text, "http://www.w3.org", "")); m != "" {
		t.Errorf("the page loads %q", m)
	}
	if strings.Count(text, "<svg") != 4 || strings.Contains(text, "<?xml") {
		t.Errorf("%d pictures", strings.Count(text, "<svg"))
	}
}

func TestWriteDir(t *testing.T) {
	r := built(t)
	dir := filepath.Join(t.TempDir(), "page")
	for range 2 { // the second time over the first
		if err := r.WriteDir(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
	}
	pictures := r.Pictures()
	if a, b := r.unused("x"), r.unused("x"); a != "x" || b != "x-2" {
		t.Errorf("two figures are called %s and %s", a, b)
	}
	for _, p := range pictures {
		f, err := os.Open(filepath.Join(dir, p.Name+".png"))
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(f)
		f.Close()
		if err != nil || img.Bounds().Dx() < 400 {
			t.Errorf("%s: %v", p.Name, err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, p.Name+".svg")); err != nil || !bytes.Contains(b, []byte("</svg>")) {
			t.Errorf("%s: %d bytes, %v", p.Name, len(b), err)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "index.html")); err != nil || len(pictures) != 4 || len(b) < 10000 {
		t.Errorf("page of %d bytes, %d pictures, %v", len(b), len(pictures), err)
	}
	if err := r.WriteDir(t.Context(), filepath.Join(dir, "index.html")); err == nil {
		t.Error("a file was taken for a directory")
	}
}
