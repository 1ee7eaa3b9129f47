package spec

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestGeneratedFilesAreFresh(t *testing.T) {
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		have, err := os.ReadFile(filepath.Join("..", "..", "..", f.Path))
		if err != nil || !bytes.Equal(have, f.Text) {
			t.Errorf("%s is stale: run go generate ./driver/regmap (%v)", f.Path, err)
		}
	}
}

func TestIDIgnoresProseAndLatencies(t *testing.T) {
	before := ID()
	defer func(doc string, lat uint64) {
		Registers[0].Doc, Timing.Values[0].Value = doc, lat
	}(Registers[0].Doc, Timing.Values[0].Value)
	Registers[0].Doc += " changed"
	Timing.Values[0].Value++
	if ID() != before {
		t.Error("SPEC_ID changed with prose or a latency")
	}
	defer func(a uint32) { Registers[1].Addr = a }(Registers[1].Addr)
	Registers[1].Addr += 4
	if ID() == before {
		t.Error("SPEC_ID did not change with a register address")
	}
}

func TestTableIsConsistent(t *testing.T) {
	seen := map[uint32]string{}
	for _, r := range Registers {
		if r.Addr%4 != 0 || seen[r.Addr] != "" {
			t.Errorf("register %s at %#x: unaligned or taken by %s", r.Name, r.Addr, seen[r.Addr])
		}
		seen[r.Addr] = r.Name
	}
	for _, h := range Headers {
		for i, f := range h.Fields {
			if f.Low+f.Width > 32 {
				t.Errorf("%s.%s leaves its word", h.Name, f.Name)
			}
			for _, g := range h.Fields[:i] {
				if f.Word == g.Word && f.Low < g.Low+g.Width && g.Low < f.Low+f.Width && shareCommand(f, g) {
					t.Errorf("%s.%s overlaps %s", h.Name, f.Name, g.Name)
				}
			}
		}
	}
}

// shareCommand says whether some command reads both fields.
func shareCommand(f, g Field) bool {
	if f.Commands == "" || g.Commands == "" {
		return true
	}
	for _, c := range strings.Split(f.Commands, ", ") {
		if slices.Contains(strings.Split(g.Commands, ", "), c) {
			return true
		}
	}
	return false
}
