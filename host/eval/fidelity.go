package eval

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/host/compress"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/record"
	"github.com/kvaccel/kvaccel/host/trace"
)

// Fidelity says how the second tier was measured and whether it predicts the
// model.
type Fidelity struct {
	Queries      int           `json:"queries"` // later than the prefix
	Correlations []Correlation `json:"correlations"`
}

// RowFidelity has the medians over queries and heads, as package quality
// defines them: closeness of attention to that over the uncompressed rows.
type RowFidelity struct {
	OutputL2 float64 `json:"output_l2"`
	KL       float64 `json:"kl"`
	LostMass float64 `json:"lost_mass"`
	Recall   float64 `json:"topk_recall"`
}

// Correlation is how well a fidelity measure ranks the runs as the model does.
type Correlation struct {
	Measure  string  `json:"measure"`
	Runs     int     `json:"runs"`
	Spearman float64 `json:"spearman"` // with the change of loss; the recall's sign is turned
	Useful   bool    `json:"useful"`
}

// useful is the rank correlation below which a measure is said not to predict
// the model.
const useful = 0.7

// fidelityQueries is how many positions after the prefix fidelity is measured
// on.
const fidelityQueries = 128

// fidelity records the first window as a trace, measures every row on it and
// correlates that with the model's loss.
func (e *evaluation) fidelity(ctx context.Context, res *Result) error {
	n := min(e.Window, e.Prefix+fidelityQueries)
	rec, err := record.Run(ctx, e.m, e.Text[:n], record.Options{Source: e.TextName})
	if err != nil {
		return err
	}
	t, err := rec.Trace(e.TextName)
	if err != nil {
		return err
	}
	defer t.Close()
	dev := <-e.devices
	defer func() { e.devices <- dev }()
	rows := res.all()
	for i, row := range rows {
		if row.shaped || row.Policy.Ceiling != nil { // no prompt's compression: it goes on from step to step
			continue
		}
		// A control may have more rows than the prefix: those of later chunks.
		f, _, err := fidelityOf(ctx, dev, t, row.Policy.Within(e.Prefix), e.Prefix)
		if err != nil {
			return fmt.Errorf("fidelity of policy %s: %w", row.Name, err)
		}
		row.Fidelity = f
		if e.Progress != nil {
			e.Progress(i+1, len(rows))
		}
	}
	res.Fidelity = &Fidelity{Queries: n - e.Prefix, Correlations: correlate(slices.DeleteFunc(rows[1:], func(r *Row) bool { return r.Fidelity == nil }))}
	return nil
}

// all lists the rows, full first, and the controls.
func (r *Result) all() []*Row {
	var out []*Row
	for i := range r.Rows {
		out = append(out, &r.Rows[i])
	}
	for i := range r.Controls {
		out = append(out, &r.Controls[i])
	}
	return out
}

// fidelityOf compresses the prefix of a trace and measures attention on what
// comes later.
func fidelityOf(ctx context.Context, dev driver.Device, t *trace.Trace, pol policy.Policy, prefix int) (*RowFidelity, *compress.Result, error) {
	res, err := compress.Run(ctx, dev, t, pol, compress.Options{Prefix: prefix})
	if err != nil || res.Fidelity == nil {
		return nil, res, err
	}
	q := res.Fidelity
	return &RowFidelity{q.OutputL2.Median, q.KL.Median, q.LostMass.Median, q.Recall.Median}, res, nil
}

// correlate ranks the rows by each measure and by the change of loss. Rows
// other than full only: that a perfect cache loses nothing proves no measure.
func correlate(rows []*Row) []Correlation {
	loss := make([]float64, len(rows))
	for i, r := range rows {
		loss[i] = r.Delta.Mean
	}
	var out []Correlation
	for _, m := range []struct {
		name string
		of   func(*RowFidelity) float64
	}{
		{"attention output, relative L2", func(f *RowFidelity) float64 { return f.OutputL2 }},
		{"attention KL", func(f *RowFidelity) float64 { return f.KL }},
		{"lost attention mass", func(f *RowFidelity) float64 { return f.LostMass }},
		{"top-k recall", func(f *RowFidelity) float64 { return -f.Recall }},
	} {
		x := make([]float64, len(rows))
		for i, r := range rows {
			x[i] = m.of(r.Fidelity)
		}
		rho := Spearman(x, loss)
		out = append(out, Correlation{m.name, len(rows), rho, !math.IsNaN(rho) && rho >= useful})
	}
	return out
}
