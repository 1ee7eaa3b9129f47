package mutation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kvaccel/kvaccel/verification/lockstep"
)

// Where is a project to plant faults in.
type Where struct {
	Root  string // of the module
	Build string // directory for what is built
}

// RTL draws n faults of the engine's Verilog, builds them into an engine for each
// set and gives the faults that were planted. The engines are below
// Build/rtl-mutants.
func (w Where) RTL(ctx context.Context, sets []lockstep.Set, n int, seed uint64) ([]Fault, error) {
	source := filepath.Join(w.Root, "hdl", "rtl")
	texts, names, err := read(source, "*.sv")
	if err != nil {
		return nil, err
	}
	var all []Fault
	for _, name := range names {
		all = append(all, Verilog(name, texts[name])...)
	}
	faults := Sample(all, n, seed)
	out := filepath.Join(w.Build, "rtl-mutants")
	dir := filepath.Join(out, "rtl")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	planted, err := plantAll(texts, faults, chooseVerilog, dir)
	if err != nil {
		return nil, err
	}
	list, err := os.ReadFile(filepath.Join(source, "files.f"))
	if err != nil {
		return nil, err
	}
	for name, text := range map[string]string{
		"kv_mutant.sv": verilogSelector, "kv_mutant.cpp": verilogSelectorCPP,
		"files.f": "kv_mutant.sv\n" + string(list) + "kv_mutant.cpp\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return planted, lockstep.Build(ctx, sets, out, false, "RTL_DIR="+dir, "RTL_OPT=-O1")
}

// read gives the files of a directory that match, by name.
func read(dir, pattern string) (texts map[string]string, names []string, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		return nil, nil, err
	}
	texts = map[string]string{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, nil, err
		}
		name := filepath.Base(path)
		texts[name], names = string(b), append(names, name)
	}
	if len(names) == 0 {
		return nil, nil, fmt.Errorf("no %s in %s", pattern, dir)
	}
	slices.Sort(names)
	return texts, names, nil
}

// plantAll writes every text with its faults into dir, and gives the faults that
// found a place.
func plantAll(texts map[string]string, faults []Fault, choose func(string, []Fault) string, dir string) ([]Fault, error) {
	byFile := map[string][]Fault{}
	for _, f := range faults {
		byFile[f.File] = append(byFile[f.File], f)
	}
	var planted []Fault
	for name, text := range texts {
		out, left := Plant(text, byFile[name], choose)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(out), 0o644); err != nil {
			return nil, err
		}
		for _, f := range byFile[name] {
			if !slices.ContainsFunc(left, func(l Fault) bool { return l.ID == f.ID }) {
				planted = append(planted, f)
			}
		}
	}
	slices.SortFunc(planted, func(a, b Fault) int { return a.ID - b.ID })
	return planted, nil
}

// Emulator draws n faults of the emulator's clocked code and builds the probe with
// them: program is the path of the result. Faults that do not compile are replaced
// by the next ones until the build succeeds.
// The emulator's own tests with them become program.test.
func (w Where) Emulator(ctx context.Context, n int, seed uint64, program string) ([]Fault, error) {
	source := filepath.Join(w.Root, "emulator", "core")
	texts, names, err := read(source, "*.go")
	if err != nil {
		return nil, err
	}
	var all []Fault
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			delete(texts, name)
			continue
		}
		fs, err := Go(name, texts[name])
		if err != nil {
			return nil, err
		}
		all = append(all, fs...)
	}
	dir := filepath.Join(w.Build, "_emulator") // the go command looks into no directory of such a name
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	faults := Sample(all, n, seed)
	for range 20 {
		faults, err = plantAll(texts, faults, chooseGo, dir)
		if err != nil {
			return nil, err
		}
		overlay, err := writeOverlay(source, dir, texts)
		if err != nil {
			return nil, err
		}
		bad, err := compile(ctx, w.Root, overlay, program)
		if err != nil {
			return nil, err
		}
		if len(bad) == 0 {
			return faults, compileTests(ctx, w.Root, overlay, program+".test")
		}
		faults = slices.DeleteFunc(faults, func(f Fault) bool { return slices.Contains(bad, f.ID) })
	}
	return nil, errors.New("the emulator with planted faults does not compile")
}

// writeOverlay tells the go command to take the files of dir instead of those of
// source.
func writeOverlay(source, dir string, texts map[string]string) (string, error) {
	replace := map[string]string{}
	for name := range texts {
		replace[filepath.Join(source, name)] = filepath.Join(dir, name)
	}
	selector := filepath.Join(dir, "mutant.go")
	if err := os.WriteFile(selector, fmt.Appendf(nil, goSelector, "core"), 0o644); err != nil {
		return "", err
	}
	replace[filepath.Join(source, "mutant.go")] = selector
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, b, 0o644)
}

var (
	compileError = regexp.MustCompile(`(?m)^\S*?([\w.]+\.go):(\d+):\d+: `)
	goID         = regexp.MustCompile(`mutantID [!=]= (\d+)|mutantPick\((\d+),`)
)

// compileTests builds the emulator's tests.
func compileTests(ctx context.Context, root, overlay, program string) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay="+overlay, "-o", program, "./emulator/core")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go test -c: %w\n%s", err, out)
	}
	return nil
}

// compile builds the probe and gives the numbers of the faults on lines that do not
// compile.
func compile(ctx context.Context, root, overlay, program string) (bad []int, err error) {
	cmd := exec.CommandContext(ctx, "go", "build", "-gcflags=-e", "-overlay="+overlay, "-o", program, "./verification/mutation/cmd/probe")
	cmd.Dir = root
	out, buildErr := cmd.CombinedOutput()
	if buildErr == nil {
		return nil, nil
	}
	for _, m := range compileError.FindAllStringSubmatch(string(out), -1) {
		line, _ := strconv.Atoi(m[2])
		text, err := os.ReadFile(filepath.Join(filepath.Dir(overlay), m[1]))
		if err != nil {
			continue
		}
		lines := strings.Split(string(text), "\n")
		if line < 1 || line > len(lines) {
			continue
		}
		for _, id := range goID.FindAllStringSubmatch(lines[line-1], -1) {
			n, _ := strconv.Atoi(id[1] + id[2])
			bad = append(bad, n)
		}
	}
	if len(bad) == 0 {
		return nil, fmt.Errorf("go build: %w\n%s", buildErr, out)
	}
	return bad, nil
}
