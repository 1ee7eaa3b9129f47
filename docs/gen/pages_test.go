package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPagesAreFresh(t *testing.T) {
	const root = "../.."
	want, err := pages(root)
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range want {
		have, err := os.ReadFile(filepath.Join(root, path))
		if err != nil || !bytes.Equal(have, text) {
			t.Errorf("%s is stale: run go generate ./docs/gen (%v)", path, err)
		}
	}
	on, err := filepath.Glob(filepath.Join(root, "docs/modules/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range on {
		if rel, _ := filepath.Rel(root, path); want[filepath.ToSlash(rel)] == nil {
			t.Errorf("%s is of no module: remove it", rel)
		}
	}
}

// A page without a contract, or without ports, tells nothing.
func TestEveryModuleOpensWithItsContract(t *testing.T) {
	files, err := filepath.Glob("../../hdl/rtl/*.sv")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		m, ok := parse(string(text))
		if !ok {
			continue
		}
		if len(m.contract) < 100 || len(m.ports) < 2 || m.name != strings.TrimSuffix(filepath.Base(f), ".sv") {
			t.Errorf("%s: module %q, %d ports, contract %q", f, m.name, len(m.ports), m.contract)
		}
	}
}

func TestParse(t *testing.T) {
	m, ok := parse("// Adds.\n//\n// a_i  one\nmodule kv_add #(\n    parameter int unsigned Width = 8,  // of a\n    localparam int unsigned X = 2\n) (\n    input  logic clk_i,\n    input logic [Width-1:0] a_i,\n    output logic [7:0] q_o\n);\n  kv_sub #(\n  ) u_sub ();\n  kv_sub u_b (.a);\nendmodule\n")
	if !ok || m.name != "kv_add" || m.contract != "Adds.\n\na_i  one" || len(m.params) != 1 || len(m.ports) != 3 || len(m.uses) != 1 {
		t.Fatalf("%+v", m)
	}
	if m.ports[1][2] != "`[Width-1:0]`" || m.ports[2][2] != "8" || m.params[0][2] != "of a" {
		t.Fatalf("%+v", m)
	}
}
