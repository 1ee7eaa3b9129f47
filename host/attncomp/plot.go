package attncomp

import (
	"context"
	"fmt"
	"image/color"
	"io"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"

	"github.com/kvaccel/kvaccel/host/aside"
)

// Plot draws bytes against mean error, a colour for each method. The ending of path,
// .png or .svg, says how.
func Plot(ctx context.Context, path string, r *Result) error {
	p := plot.New()
	p.BackgroundColor = color.White
	p.Title.Text = fmt.Sprintf("%s: judged by %d later queries", filepath.Base(r.Trace), r.Queries)
	p.X.Label.Text, p.Y.Label.Text = "bytes, share of binary16", "attention output, mean relative L2 error"
	p.X.Min, p.Y.Min = 0, 0
	p.Legend.Top = true
	p.Add(plotter.NewGrid())
	points := map[string]plotter.XYs{}
	for _, x := range r.Rows {
		if x.Skipped == "" {
			points[x.Method] = append(points[x.Method], plotter.XY{X: 1 / x.Ratio, Y: x.OutputL2.Mean})
		}
	}
	for i, m := range methods {
		if points[m.name] == nil {
			continue
		}
		s, err := plotter.NewScatter(points[m.name])
		if err != nil {
			return fmt.Errorf("%s: not drawn: %s: %w", path, m.name, err)
		}
		s.Color, s.Shape, s.Radius = plotutil.Color(i), plotutil.Shape(i), vg.Points(3.5)
		p.Add(s)
		p.Legend.Add(m.name, s)
	}
	w, err := p.WriterTo(18*vg.Centimeter, 12*vg.Centimeter, strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), "."))
	if err != nil {
		return fmt.Errorf("%s: not drawn: %w", path, err)
	}
	return aside.WriteFile(ctx, path, func(out io.Writer) error { _, err := w.WriteTo(out); return err })
}
