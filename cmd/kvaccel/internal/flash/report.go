package flash

import (
	"fmt"
	"text/tabwriter"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/driver/flash"
)

// report is what --json prints.
type report struct {
	SchemaVersion int     `json:"schema_version"`
	Outcome       string  `json:"outcome"` // written, would be written, runs already
	Board         string  `json:"board"`
	File          string  `json:"file"`
	Part          string  `json:"part"`
	Build         string  `json:"build"` // that the file says it is; empty: it does not say
	Method        string  `json:"method"`
	To            string  `json:"to"`
	Address       int64   `json:"address"`
	Bytes         int     `json:"bytes"`
	Verified      string  `json:"verified"`
	CameBack      string  `json:"came_back"`
	Engine        string  `json:"engine"` // build that answers
	Note          string  `json:"note"`
	Seconds       float64 `json:"seconds"`
}

func (r report) print(env *cli.Env) error {
	if env.JSON {
		return env.PrintJSON(r)
	}
	w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	place := r.To
	if r.To == string(flash.Flash) {
		place = fmt.Sprintf("%s at %#x", r.To, r.Address)
	}
	for _, row := range [][2]string{
		{"board", r.Board}, {"file", fmt.Sprintf("%s, %d bytes", r.File, r.Bytes)}, {"for", r.Part}, {"build", r.Build}, {"to", place + " by " + r.Method},
		{"outcome", r.Outcome}, {"verified", r.Verified}, {"came back as", r.CameBack}, {"engine", r.Engine}, {"note", r.Note},
	} {
		if row[1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", row[0], row[1])
		}
	}
	return w.Flush()
}

// hash prints a build hash; none is none.
func hash(v uint32) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%#08x", v)
}

// progress shows stages: a bar on a terminal, lines of JSON with --json, nothing
// elsewhere.
type progress struct {
	env    *cli.Env
	stage  string
	report func(done, total int)
	end    func()
}

func (p *progress) tell(stage string, done, total int) {
	if stage != p.stage {
		p.finish()
		p.stage = stage
		if p.env.JSON {
			fmt.Fprintf(p.env.Stderr, "{\"stage\":%q}\n", stage)
			return
		}
		p.report, p.end = p.env.Progress(stage)
	}
	if p.report != nil && total > 0 {
		p.report(done, total)
	}
}

func (p *progress) finish() {
	if p.end != nil {
		p.end()
	}
	p.report, p.end = nil, nil
}
