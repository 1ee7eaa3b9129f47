package formal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Summary is what the results of a run come to.
type Summary struct {
	rows                             []row
	Proofs, Asserts, Mutants, Caught int
	Bad                              []Result // proofs that failed, mutants that survived, errors
}

// row is one proof and its mutants.
type row struct {
	proof           *Proof
	own             Result
	mutants, caught int
	seconds         float64
}

// Sum adds up the results of a run of these proofs, the very slice that was run.
func Sum(proofs []Proof, results []Result) Summary {
	var s Summary
	for i := range proofs {
		w := row{proof: &proofs[i]}
		for _, r := range results {
			if r.Proof != w.proof {
				continue
			}
			w.seconds += r.Time.Seconds()
			if r.Err != nil || !r.OK {
				s.Bad = append(s.Bad, r)
			}
			switch {
			case r.Mutant == nil:
				w.own = r
			case r.OK && r.Err == nil:
				w.caught++
				fallthrough
			default:
				w.mutants++
			}
		}
		if w.own.OK {
			s.Proofs++
			s.Asserts += w.own.Asserts
		}
		s.Mutants += w.mutants
		s.Caught += w.caught
		s.rows = append(s.rows, w)
	}
	return s
}

// Table is the summary for people: a line for each proof, and one for all.
func (s Summary) Table() string {
	var b strings.Builder
	const line = "%-12s %-58s %7s %-14s %8s %7s\n"
	fmt.Fprintf(&b, line, "proof", "what", "asserts", "method", "mutants", "seconds")
	for _, w := range s.rows {
		method := fmt.Sprintf("induction, %d", w.own.Steps)
		if w.proof.Bound > 0 {
			method = fmt.Sprintf("%d cycles", w.own.Steps)
		}
		if !w.own.OK {
			method = "FAILED"
		}
		fmt.Fprintf(&b, line, w.proof.Name, w.proof.Says, fmt.Sprint(w.own.Asserts), method,
			fmt.Sprintf("%d/%d", w.caught, w.mutants), fmt.Sprintf("%.1f", w.seconds))
	}
	fmt.Fprintf(&b, "%d of %d proofs hold, %d assertions; %d of %d mutants caught\n",
		s.Proofs, len(s.rows), s.Asserts, s.Caught, s.Mutants)
	return b.String()
}

// Explain says what is wrong with a bad result.
func (r Result) Explain() string {
	what := r.Proof.Name
	if r.Mutant != nil {
		what += ", mutant \"" + r.Mutant.Name + "\""
	}
	switch {
	case r.Err != nil:
		return fmt.Sprintf("%s: %v", what, r.Err)
	case r.Mutant != nil:
		return fmt.Sprintf("%s: survived %d cycles", what, r.Steps)
	}
	return fmt.Sprintf("%s: not proved, stopped at step %d", what, r.Steps)
}

// Root is the repository's root, found from the working directory upwards.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("formal: no go.mod above the working directory")
		}
		dir = up
	}
}
