package eval

import (
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"image/color"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/kvaccel/kvaccel/host/aside"
)

// WriteCSV writes a line per run, the controls after the policies, whole or not
// at all.
func WriteCSV(ctx context.Context, path string, r *Result) error {
	return aside.WriteFile(ctx, path, func(w io.Writer) error {
		out := csv.NewWriter(w)
		out.Write([]string{
			"name", "control", "kept", "nats_per_token", "perplexity", "delta_nats", "delta_low", "delta_high", "kl_per_token", "same_top", "accuracy",
			"needle_nats", "needle_accuracy", "bytes_per_token", "share_of_full", "cycles_per_token", "restore_cycles", "select_cycles", "quantize_cycles",
			"prompt_cycles", "control_rows", "fidelity_output_l2", "fidelity_kl", "fidelity_lost_mass", "fidelity_recall",
		})
		for i, x := range r.all() {
			needle := []string{"", ""}
			if n := x.Needle; n != nil {
				needle = []string{number(n.Nats), number(n.Right)}
			}
			fidelity := make([]string, 4) // empty: a ceiling has none
			if f := x.Fidelity; f != nil {
				fidelity = []string{number(f.OutputL2), number(f.KL), number(f.LostMass), number(f.Recall)}
			}
			out.Write(slices.Concat([]string{
				x.Name, strconv.FormatBool(i >= len(r.Rows)), strconv.Itoa(x.Kept), number(x.Nats), number(x.Perplexity), number(x.Delta.Mean), number(x.Delta.Low), number(x.Delta.High),
				number(x.KL), number(x.SameTop), number(x.Right),
			}, needle, []string{
				number(x.BytesPerToken), number(x.Share), number(x.CyclesPerToken), number(x.RestoreCycles), number(x.SelectCycles), number(x.QuantizeCycles),
				number(x.PromptCycles), strconv.Itoa(x.ControlRows),
			}, fidelity))
		}
		out.Flush()
		return out.Error()
	})
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// Plot draws bytes per token against the change of loss: the policies by name,
// the controls as curves. The ending of path, .png or .svg, says how.
func Plot(ctx context.Context, path string, r *Result) error {
	p := plot.New()
	p.BackgroundColor = color.White
	p.Title.Text = fmt.Sprintf("%s on %s: what the bytes cost", r.Model, filepath.Base(r.Text))
	p.X.Label.Text, p.Y.Label.Text = "bytes per token, everything counted", "more nats per token than the full cache"
	p.Add(plotter.NewGrid())
	for i, kind := range Controls {
		var xy plotter.XYs
		for _, c := range r.Controls {
			if strings.HasPrefix(c.Name, kind+"=") {
				xy = append(xy, plotter.XY{X: c.BytesPerToken, Y: c.Delta.Mean})
			}
		}
		if len(xy) == 0 {
			continue
		}
		line, err := plotter.NewLine(sorted(xy))
		if err != nil {
			return fmt.Errorf("%s: not written: %w", path, err)
		}
		line.Color, line.Dashes = plotutil.Color(i), plotutil.Dashes(i+1)
		p.Add(line)
		p.Legend.Add(kind, line)
	}
	if err := addRows(p, r.Rows); err != nil {
		return fmt.Errorf("%s: not written: %w", path, err)
	}
	p.X.Max *= 1.06 // room for the last name
	p.Legend.Top = true
	w, err := p.WriterTo(24*vg.Centimeter, 15*vg.Centimeter, strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), "."))
	if err != nil {
		return fmt.Errorf("%s: not written: %w", path, err)
	}
	return aside.WriteFile(ctx, path, func(out io.Writer) error { _, err := w.WriteTo(out); return err })
}

// addRows draws the policies, each with its name beside it; names that would
// lie on one another go below each other.
func addRows(p *plot.Plot, rows []Row) error {
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Compare(b.Delta.Mean, a.Delta.Mean) })
	least, most := rows[len(rows)-1].Delta.Mean, rows[0].Delta.Mean
	line := max((most-least)*0.03, 1e-9) // height of a name
	width := rows[0].BytesPerToken
	for _, r := range rows {
		width = max(width, r.BytesPerToken)
	}
	width *= 0.14
	type place struct{ x, y float64 }
	var taken []place
	for _, r := range rows {
		at := place{r.BytesPerToken, r.Delta.Mean}
		dot, err := plotter.NewScatter(plotter.XYs{{X: at.x, Y: at.y}})
		if err != nil {
			return err
		}
		dot.GlyphStyle = draw.GlyphStyle{Color: color.Black, Radius: vg.Points(3), Shape: draw.CircleGlyph{}}
		for _, t := range taken {
			if math.Abs(t.x-at.x) < width && t.y-at.y < line {
				at.y = min(at.y, t.y-line)
			}
		}
		taken = append(taken, at)
		name, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{{X: at.x, Y: at.y}}, Labels: []string{"  " + r.Name}})
		if err != nil {
			return err
		}
		p.Add(dot, name)
	}
	return nil
}

func sorted(xy plotter.XYs) plotter.XYs {
	for i := range xy {
		for j := i; j > 0 && xy[j].X < xy[j-1].X; j-- {
			xy[j], xy[j-1] = xy[j-1], xy[j]
		}
	}
	return xy
}
