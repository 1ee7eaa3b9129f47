// Package mutation plants faults in the engine, in its Verilog and in its emulator,
// and asks which check notices.
//
// All faults are built into one program at a time, each behind a comparison with a
// number chosen when the program starts, so that a hundred faults cost one build: an
// expression E becomes id == 7 ? E' : E. A fault is found by what it does, on every
// pin and register at every clock edge (the lockstep), not by what was changed.
package mutation

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
)

// Fault is one small change of a source: text[From:To] becomes Text.
type Fault struct {
	ID   int    `json:"id"` // from 1; what the program is started with
	File string `json:"file"`
	Line int    `json:"line"`
	What string `json:"what"`
	Was  string `json:"was"`
	Text string `json:"text"`

	From, To int    `json:"-"`
	kind     string // of a fault of Go
}

// Variable is the environment variable that chooses the fault when a program starts.
const Variable = "KVACCEL_MUTANT"

// Key names a fault across changes elsewhere in the file.
func (f Fault) Key() string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s\x00%s\x00%s", f.File, f.What, f.Was, f.Text)
	return fmt.Sprintf("%s:%08x", f.File, uint32(h.Sum64()))
}

func (f Fault) String() string {
	return fmt.Sprintf("%s:%d: %s in %s", f.File, f.Line, f.What, shorten(f.Was))
}

func shorten(s string) string {
	if len(s) > 70 {
		return s[:67] + "..."
	}
	return s
}

// Sample draws n faults, as many from each file as its share of all faults, at
// least one, and numbers them. The same seed and faults give the same sample.
func Sample(all []Fault, n int, seed uint64) []Fault {
	r := rand.New(rand.NewPCG(seed, 0x6b76))
	byFile := map[string][]Fault{}
	var files []string
	for _, f := range all {
		if byFile[f.File] == nil {
			files = append(files, f.File)
		}
		byFile[f.File] = append(byFile[f.File], f)
	}
	slices.Sort(files)
	var out []Fault
	for _, file := range files {
		fs := byFile[file]
		share := len(fs)
		if n > 0 && n < len(all) {
			share = max(1, (n*len(fs)+len(all)/2)/len(all))
		}
		r.Shuffle(len(fs), func(i, j int) { fs[i], fs[j] = fs[j], fs[i] })
		out = append(out, fs[:min(share, len(fs))]...)
	}
	slices.SortStableFunc(out, func(a, b Fault) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return a.From - b.From
	})
	for i := range out {
		out[i].ID = i + 1
	}
	return out
}

// Plant builds faults of one file into its text: each expression is replaced by
// what choose makes of it and of the faults that concern it. Faults of expressions
// that lie within each other are not planted together: the later ones are returned.
func Plant(text string, faults []Fault, choose func(was string, faults []Fault) string) (planted string, left []Fault) {
	slices.SortStableFunc(faults, func(a, b Fault) int { return a.From - b.From })
	var b strings.Builder
	at := 0
	for i := 0; i < len(faults); {
		f := faults[i]
		same := []Fault{f}
		j := i + 1
		for ; j < len(faults) && faults[j].From < f.To; j++ {
			if faults[j].From == f.From && faults[j].To == f.To {
				same = append(same, faults[j])
			} else {
				left = append(left, faults[j])
			}
		}
		b.WriteString(text[at:f.From])
		b.WriteString(choose(text[f.From:f.To], same))
		at, i = f.To, j
	}
	b.WriteString(text[at:])
	return b.String(), left
}
