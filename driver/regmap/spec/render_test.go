package spec

import (
	"bytes"
	"os"
	"path/filepath"
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
		var used [8]uint64
		for _, f := range h.Fields {
			mask := (uint64(1)<<f.Width - 1) << f.Low
			if used[f.Word]&mask != 0 || f.Low+f.Width > 32 {
				t.Errorf("%s.%s overlaps another field or leaves its word", h.Name, f.Name)
			}
			used[f.Word] |= mask
		}
	}
}
