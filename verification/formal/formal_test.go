package formal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every proof holds, and the first of its mutants is caught. `make formal` shows that
// all of them are, which takes some minutes more.
func TestProofs(t *testing.T) {
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	proofs, mutants := Proofs(), 0
	for i := range proofs {
		mutants += len(proofs[i].Mutants)
		proofs[i].Mutants = proofs[i].Mutants[:1]
	}
	var results []Result
	err = Run(t.Context(), root, proofs, 2, func(r Result) { results = append(results, r) })
	if err != nil {
		t.Fatal(err)
	}
	s := Sum(proofs, results)
	t.Logf("\n%s", s.Table())
	for _, r := range s.Bad {
		t.Errorf("%s", r.Explain())
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "verification.md"))
	if err != nil {
		t.Fatal(err)
	}
	count := fmt.Sprintf("%d proofs, %d assertions and %d mutants", s.Proofs, s.Asserts, mutants)
	if !strings.Contains(string(page), count) {
		t.Errorf("docs/verification.md does not say %q", count)
	}
}

// Every proof has a mutant and its wrapper, and every wrapper has its proof.
func TestComplete(t *testing.T) {
	wrappers := map[string]bool{"fv_order": true}
	for _, p := range Proofs() {
		wrappers[p.Name] = true
		if len(p.Mutants) == 0 {
			t.Errorf("%s has no mutant: nothing shows that it can fail", p.Name)
		}
	}
	files, err := filepath.Glob(filepath.Join("prop", "*.sv"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := filepath.Base(f[:len(f)-len(".sv")])
		if !wrappers[name] {
			t.Errorf("%s is not in the list of proofs", f)
		}
		delete(wrappers, name)
	}
	for name := range wrappers {
		t.Errorf("prop/%s.sv is missing", name)
	}
}

// The runner itself: a false property has to fail, an outdated mutant is refused, and a
// wrapper that looks at what the module has not is an error, not a proof.
func TestRunner(t *testing.T) {
	const head = "module fv_test (input logic clk_i);\n  logic q = 1'b0;\n  always_ff @(posedge clk_i) q <= 1'b0;\n"
	tests := []struct {
		name, body string
		bound      int
		ok, err    bool
	}{
		{"true", "  always_comb assert (!q);\nendmodule\n", 0, true, false},
		{"true, bounded", "  always_comb assert (!q);\nendmodule\n", 5, true, false},
		{"false", "  always_comb assert (q);\nendmodule\n", 0, false, false},
		{"false, bounded", "  logic [2:0] n = '0;\n  always_ff @(posedge clk_i) n <= n + 3'd1;\n  always_comb assert (n < 3'd4);\nendmodule\n", 5, false, false},
		{"bounded, too short to see it", "  logic [2:0] n = '0;\n  always_ff @(posedge clk_i) n <= n + 3'd1;\n  always_comb assert (n < 3'd4);\nendmodule\n", 4, true, false},
		{"not inductive", "  logic [2:0] n = '0;\n  always_ff @(posedge clk_i) if (n != 3'd3) n <= n == 3'd6 ? 3'd6 : n;\n  always_comb assert (n == 3'd0 || n == 3'd1 && q);\nendmodule\n", 0, true, false},
		{"undriven", "  (* hierconn *) wire \\dut.none ;\n  always_comb assert (\\dut.none );\nendmodule\n", 0, false, true},
		{"nothing to prove", "endmodule\n", 0, false, true},
		{"no Verilog", "  always_comb assert (;\n", 0, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			write(t, filepath.Join(root, "hdl", "rtl", "kv_pkg.sv"), "")
			write(t, filepath.Join(root, "verification", "formal", "prop", "fv_order.sv"), "")
			write(t, filepath.Join(root, "verification", "formal", "prop", "fv_test.sv"), head+tt.body)
			var got Result
			p := []Proof{{Name: "fv_test", Bound: tt.bound}}
			if err := Run(t.Context(), root, p, 1, func(r Result) { got = r }); err != nil {
				t.Fatal(err)
			}
			if got.OK != tt.ok || (got.Err != nil) != tt.err {
				t.Errorf("OK = %t, error %v", got.OK, got.Err)
			}
		})
	}
}

func TestOutdatedMutant(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "rtl")
	write(t, filepath.Join(from, "a.sv"), "x = 1;\nx = 1;\n")
	for _, m := range []Mutant{{File: "a.sv", Old: "y"}, {File: "a.sv", Old: "x = 1"}, {File: "b.sv", Old: "x"}} {
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
		if err := m.copy(from, to, []string{"a.sv"}); !errors.Is(err, ErrMutant) {
			t.Errorf("%+v: %v", m, err)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
