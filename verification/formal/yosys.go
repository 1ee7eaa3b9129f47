package formal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// The longest induction that is tried. What is true here is provable with one or two steps
// from good invariants; a longer one would only hide that they are missing.
const longestInduction = 6

func haveYosys() error {
	if _, err := exec.LookPath("yosys"); err != nil {
		return ErrNoYosys
	}
	return nil
}

// script is what Yosys has to do. SYNTHESIS leaves out the modules' own assertions, which
// are written for simulators.
func (j job) script(rtl string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	b.WriteString("read_verilog -sv -formal -DSYNTHESIS")
	for _, f := range j.proof.files() {
		fmt.Fprintf(&b, " %s", filepath.Join(rtl, f))
	}
	prop := filepath.Join(j.root, "verification", "formal", "prop")
	line(" %s %s", filepath.Join(prop, "fv_order.sv"), filepath.Join(prop, j.proof.Name+".sv"))
	params := ""
	for p := range strings.FieldsSeq(j.proof.Params) {
		name, value, _ := strings.Cut(p, "=")
		params += " -chparam " + name + " " + value
	}
	line("hierarchy -check -top %s%s", j.proof.Name, params)
	line("proc -noopt") // nothing may be tidied away that the wrapper looks at
	line("memory_collect")
	line("memory_map")
	line("flatten")
	line("check -assert") // a name of the wrapper that the module has not: undriven
	line("opt -full")
	line("select -count t:$assert")
	mode := fmt.Sprintf("-tempinduct -maxsteps %d", longestInduction)
	switch {
	case j.proof.Bound > 0:
		mode = fmt.Sprintf("-tempinduct -tempinduct-baseonly -maxsteps %d", j.proof.Bound)
	case j.mutant != nil:
		mode = fmt.Sprintf("-tempinduct -tempinduct-baseonly -maxsteps %d", mutantCycles)
	}
	line("sat -prove-asserts -set-assumes %s", mode)
	return b.String()
}

// yosys runs the script and gives what was printed.
func yosys(ctx context.Context, dir, script string) (string, error) {
	file := filepath.Join(dir, "prove.ys")
	if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
		return "", err
	}
	log := filepath.Join(dir, "yosys.log")
	out, err := exec.CommandContext(ctx, "yosys", "-q", "-l", log, file).CombinedOutput()
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("yosys: %w: %s", err, strings.TrimSpace(string(out)))
	}
	text, err := os.ReadFile(log)
	return string(text), err
}

var (
	assertsLine = regexp.MustCompile(`(?m)^(\d+) objects\.$`)
	stepLine    = regexp.MustCompile(`(?m)^\[(base case|induction step) (\d+)\]`)
)

// The verdicts of Yosys's sat.
const (
	saysInduction = "Induction step proven: SUCCESS!"
	saysBound     = "proved base case for"
	saysModel     = "model found for base case: FAIL!"
	saysTooLong   = "Reached maximum number of time steps -> proof failed."
)

// judge reads the verdict from what Yosys printed.
func (r *Result) judge(text string) error {
	m := assertsLine.FindStringSubmatch(text)
	if m == nil || m[1] == "0" {
		return errors.New("formal: Yosys saw nothing to prove")
	}
	r.Asserts, _ = strconv.Atoi(m[1])
	if all := stepLine.FindAllStringSubmatch(text, -1); all != nil {
		r.Steps, _ = strconv.Atoi(all[len(all)-1][2])
	}
	model := strings.Contains(text, saysModel)
	proved := strings.Contains(text, saysInduction) || strings.Contains(text, saysBound)
	if !model && !proved && !strings.Contains(text, saysTooLong) {
		return fmt.Errorf("formal: no verdict of Yosys in %s", r.Log)
	}
	r.OK = proved
	if r.Mutant != nil {
		r.OK = model
	}
	return nil
}
