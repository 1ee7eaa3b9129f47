package traceinfo

import (
	"context"
	"errors"
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

// ErrNoQueries says that there is no attention to draw.
var ErrNoQueries = errors.New("the trace has no queries, hence no attention to draw")

// legendLayers is how many layers the legend has room for.
const legendLayers = 16

// Plot draws, for each layer, how much of the late queries' attention the best
// positions have. The ending of path, .png or .svg, says how.
func Plot(ctx context.Context, path string, in *Info) error {
	if in.Queries == 0 {
		return fmt.Errorf("%s: not drawn: %w", path, ErrNoQueries)
	}
	p := plot.New()
	p.BackgroundColor = color.White
	p.Title.Text = fmt.Sprintf("%s: where the last %d queries look", filepath.Base(in.File), in.Queries)
	p.X.Label.Text, p.Y.Label.Text = "best positions of each query, percent", "their attention weight, mean over heads and queries"
	p.Y.Min, p.Y.Max, p.X.Min = 0, 1, 0
	p.Add(plotter.NewGrid())
	for l := range in.Layers {
		xy := make(plotter.XYs, 100)
		for i := range xy {
			xy[i].X = float64(i + 1)
			for _, h := range in.HeadInfo[l*in.KVHeads : (l+1)*in.KVHeads] {
				if h.Attention != nil {
					xy[i].Y += h.Attention.Cumulative[i] / float64(in.KVHeads)
				}
			}
		}
		line, err := plotter.NewLine(xy)
		if err != nil {
			return fmt.Errorf("%s: not drawn: layer %d: %w", path, l, err)
		}
		line.Color, line.Dashes = plotutil.Color(l), plotutil.Dashes(l/7)
		p.Add(line)
		if in.Layers <= legendLayers {
			p.Legend.Add(fmt.Sprintf("layer %d", l), line)
		}
	}
	w, err := p.WriterTo(18*vg.Centimeter, 12*vg.Centimeter, strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), "."))
	if err != nil {
		return fmt.Errorf("%s: not drawn: %w", path, err)
	}
	return aside.WriteFile(ctx, path, func(out io.Writer) error { _, err := w.WriteTo(out); return err })
}
