package attncomp

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/host/eval"
	"github.com/kvaccel/kvaccel/host/llm"
)

// DefaultFit is how many windows maps are fitted on.
const DefaultFit = 2

// ModelOptions of a comparison with a model in the loop: [eval.Options] say how it is
// run. Zero values stand for the defaults.
type ModelOptions struct {
	eval.Options          // Runs are the policies that every method is combined with; nil is the full cache alone
	Fit          int      // windows of the text that maps are fitted on, the first ones; the others judge
	Ridge        float64  // see Options
	Methods      []string // nil is all that a decoder can run with
	Ranks        []int    // nil is 1/4, 1/2, 3/4 of the dims
}

// ModelResult is what methods cost a model.
type ModelResult struct {
	SchemaVersion int           `json:"schema_version"`
	Source        driver.Source `json:"source"`
	Device        driver.Info   `json:"device"`
	Model         string        `json:"model"`
	Config        llm.Config    `json:"config"`
	Text          string        `json:"text"`
	Calibrated    int           `json:"calibrated_on"` // tokens
	Window        int           `json:"window"`
	Prefix        int           `json:"prefix"`
	Chunk         int           `json:"chunk"`
	Windows       int           `json:"windows"`
	Predictions   int           `json:"predictions"`
	FullNats      float64       `json:"full_nats_per_token"`
	FullBytes     int64         `json:"full_bytes_per_token"`
	Rows          []ModelRow    `json:"rows"`
}

// ModelRow is one method at one rank with one policy.
type ModelRow struct {
	Method   string        `json:"method"`
	Rank     int           `json:"rank,omitempty"`
	Policy   string        `json:"policy"`
	Skipped  string        `json:"skipped,omitempty"`
	Bytes    float64       `json:"bytes_per_token"` // rows, everything counted but the maps
	MapBytes int64         `json:"map_bytes"`       // once for the model, whatever is decoded
	Delta    eval.Interval `json:"delta_nats"`
	KL       float64       `json:"kl_per_token"`
	SameTop  float64       `json:"same_top"`
	Cycles   float64       `json:"cycles_per_token"`
	Best     bool          `json:"best"` // no other row has both fewer bytes and less loss
}

// inDecoder lists the methods that a decoder can run with.
func inDecoder() []string {
	return slices.DeleteFunc(Methods(), func(s string) bool { return s == "joint-2" })
}

// RunModel decodes a text with the cache of a model held in the form of each method,
// combined with each policy through the engine. It fails as [Calibrate], [Calibration.Maps] and
// eval.Evaluate do; what a policy or the engine cannot do with a method's rows is told in
// ModelRow.Skipped.
func RunModel(ctx context.Context, m *llm.Model, opt ModelOptions) (*ModelResult, error) {
	if err := opt.complete(m); err != nil {
		return nil, err
	}
	w := opt.Window
	var fit [][]int
	for i := range opt.Fit {
		fit = append(fit, opt.Text[i*w:][:w])
	}
	opt.Text = opt.Text[opt.Fit*w:]
	c, err := Calibrate(ctx, m, fit, opt.Ridge)
	if err != nil {
		return nil, err
	}
	rows, runs, err := opt.runs(c)
	if err != nil {
		return nil, err
	}
	opt.Runs, opt.Alone = runs, true
	res, err := eval.Evaluate(ctx, m, opt.Options)
	if err != nil {
		return nil, err
	}
	out := &ModelResult{
		SchemaVersion: SchemaVersion, Source: res.Source, Device: res.Device, Model: res.Model, Config: res.Config, Text: res.Text, Calibrated: c.Tokens,
		Window: res.Window, Prefix: res.Prefix, Chunk: res.Chunk, Windows: res.Windows, Predictions: res.Predictions, FullNats: res.Rows[0].Nats,
		FullBytes: int64(m.Layers * m.KVHeads * 4 * m.HeadDim), Rows: rows,
	}
	out.fill(res)
	return out, nil
}

// complete fills in defaults.
func (o *ModelOptions) complete(m *llm.Model) error {
	if o.Window == 0 {
		o.Window = min(m.Context, 4096)
	}
	if o.Fit == 0 {
		o.Fit = DefaultFit
	}
	if o.Fit < 1 || len(o.Text)/max(o.Window, 1) <= o.Fit {
		return fmt.Errorf("%w: %s has %d tokens, %d windows of %d: maps fitted on %d leave none to judge by", ErrOptions, o.TextName, len(o.Text), len(o.Text)/max(o.Window, 1), o.Window, o.Fit)
	}
	if o.Window > m.Context {
		return fmt.Errorf("%w: windows of %d, want at most %d, the model's max_position_embeddings", ErrOptions, o.Window, m.Context)
	}
	if len(o.Methods) == 0 {
		o.Methods = inDecoder()
	}
	if d := m.HeadDim; o.Ranks == nil {
		o.Ranks = []int{max(1, d/4), max(1, d/2), max(1, d*3/4)}
	}
	if len(o.Runs) == 0 {
		o.Runs = []eval.Run{eval.Full()}
	}
	return nil
}

// runs combines methods and policies; rows are those of the runs, and of what is left out.
func (o *ModelOptions) runs(c *Calibration) (rows []ModelRow, runs []eval.Run, err error) {
	for _, name := range o.Methods {
		all, err := c.Maps(name, o.Ranks)
		if err != nil {
			return nil, nil, err
		}
		for _, x := range all {
			for _, p := range o.Runs {
				row := ModelRow{Method: name, Rank: x.Rank, Policy: p.Name, MapBytes: x.Bytes}
				if (p.Policy.Evicts() || p.Policy.Ceiling != nil) && x.Mixed() && !p.Policy.Shared {
					row.Skipped = "its heads take keys and values from different heads, which drop different positions; policies with one choice for all heads of a layer (shared) go"
					rows = append(rows, row)
					continue
				}
				rows = append(rows, row)
				runs = append(runs, eval.Run{Name: row.name(), Policy: p.Policy, Control: true, Shape: x})
			}
		}
	}
	return rows, runs, nil
}

// name is that of a row's run.
func (r ModelRow) name() string {
	if r.Rank == 0 {
		return r.Method + " " + r.Policy
	}
	return fmt.Sprintf("%s/%d %s", r.Method, r.Rank, r.Policy)
}

// fill puts the evaluation's figures into the rows.
func (r *ModelResult) fill(res *eval.Result) {
	for i := range r.Rows {
		row := &r.Rows[i]
		at := slices.IndexFunc(res.Rows, func(x eval.Row) bool { return x.Name == row.name() })
		if at < 0 {
			for _, s := range res.LeftOut {
				if why, ok := strings.CutPrefix(s, row.name()+": "); ok {
					row.Skipped = why
				}
			}
			continue
		}
		x := res.Rows[at]
		row.Bytes, row.Delta, row.KL, row.SameTop, row.Cycles = x.BytesPerToken, x.Delta, x.KL, x.SameTop, x.CyclesPerToken
	}
	for i := range r.Rows {
		a := &r.Rows[i]
		a.Best = a.Skipped == "" && !slices.ContainsFunc(r.Rows, func(b ModelRow) bool {
			return b.Skipped == "" && b.Bytes <= a.Bytes && b.Delta.Mean <= a.Delta.Mean && (b.Bytes < a.Bytes || b.Delta.Mean < a.Delta.Mean)
		})
	}
}
