package lockstep

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/verification/rtltest"
)

// mutant is the RTL with one mistake.
type mutant struct {
	name     string
	file     string
	old, new string // old occurs exactly once
	features uint32 // of the engine it is built into
}

var mutants = []mutant{
	{"ready a clock late", "kv_skid.sv", "assign ready_o = ~full_q;", "assign ready_o = ~valid_q;", 1 << regmap.FeatEcho},
	{"ties rounded up", "kv_dequant_lane.sv", "up = half8_q & (below8_q | sig8_q[0]);", "up = half8_q;", 1 << regmap.FeatDequantize},
	{"equal scores highest lane first", "kv_select_emit.sv", "rank4_q <= rank;",
		"for (int i = 0; i < Lanes; i++) rank4_q[LaneB*i+:LaneB] <= ties[LaneB-1:0] - LaneB'(1) - rank[LaneB*i+:LaneB];", 1 << regmap.FeatSelect},
}

// The lockstep finds each of these within a few seconds' worth of cycles, and finds
// nothing in the RTL that they were made from.
func TestMutants(t *testing.T) {
	rtltest.Verilator(t)
	root, err := ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	p := regmap.Params{Lanes: 4, MaxDim: 32, TileTokens: 16, MaxTokens: 256}
	for i, m := range mutants {
		t.Run(strings.ReplaceAll(m.name, " ", "-"), func(t *testing.T) {
			dir := filepath.Join(root, "build", "mutants", strings.ReplaceAll(m.name, " ", "-"))
			m.make(t, filepath.Join(root, "hdl", "rtl"), filepath.Join(dir, "rtl"))
			c := Campaign{Build: dir, Sets: []Set{{p, m.features}}, Seed: uint64(i), Cycles: 400_000, Span: 100_000}
			if err := Build(t.Context(), c.Sets, dir, false, "RTL_DIR="+filepath.Join(dir, "rtl"), "RTL_OPT=-O1"); err != nil {
				t.Fatal(err)
			}
			sum, err := c.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(sum.Differences) == 0 {
				t.Errorf("not caught in %d cycles", c.Cycles)
				return
			}
			d := sum.Differences[0]
			t.Logf("caught in cycle %d by %s", d.Cycle, d.Fields[0].Name)
		})
	}
}

// make copies the RTL and puts the mistake in.
func (m mutant) make(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(to, m.file)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		t.Fatalf("%s has %q %d times, want once: bring the mutant up to date", m.file, m.old, n)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}
