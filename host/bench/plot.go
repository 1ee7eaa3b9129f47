package bench

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/kvaccel/kvaccel/host/aside"
)

// ErrNothing says that no search was measured that could be drawn.
var ErrNothing = errors.New("no search was measured: nothing to draw")

// Size of the picture: two panels.
const (
	plotWidth  = 26 * vg.Centimeter
	plotHeight = 11 * vg.Centimeter
)

// curve is a named line of points by x.
type curve struct {
	name   string
	style  int         // colour and shape
	dashes []vg.Length // none: drawn through its points
	at     map[float64]float64
}

// raise keeps the largest y at x.
func (c *curve) raise(x, y float64) {
	if c.at == nil {
		c.at = map[float64]float64{}
	}
	c.at[x] = max(c.at[x], y)
}

// Plot draws the cycles of a search into the file at path, .svg or .png by its
// ending: over n, at the worst k, and over k, at the largest n.
func (r *Report) Plot(ctx context.Context, path string) error {
	overN, overK, n := r.curves()
	if len(overN) == 0 {
		return fmt.Errorf("%s: not drawn: %w", path, ErrNothing)
	}
	left, err := panel("cycles of a SELECT's search, worst k", "positions n", overN)
	if err != nil {
		return fmt.Errorf("%s: not drawn: %w", path, err)
	}
	left.X.Scale, left.X.Tick.Marker = plot.LogScale{}, powers(overN)
	left.Y.Scale, left.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{}
	left.X.Max *= 30 // beside the curves there is room for the legend
	panels := [][]*plot.Plot{{left}}
	if len(overK) > 0 {
		right, err := panel(fmt.Sprintf("the same over k, n = %d", n), "k / n", overK)
		if err != nil {
			return fmt.Errorf("%s: not drawn: %w", path, err)
		}
		right.X.Min, right.X.Max, right.Y.Min = 0, 1.4, 0
		panels[0] = append(panels[0], right)
	}
	c, err := draw.NewFormattedCanvas(plotWidth, plotHeight, strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), "."))
	if err != nil {
		return fmt.Errorf("%s: not drawn: %w", path, err)
	}
	tiles := draw.Tiles{Rows: 1, Cols: len(panels[0]), PadX: vg.Centimeter, PadRight: vg.Millimeter * 4}
	for i, at := range plot.Align(panels, tiles, draw.New(c))[0] {
		panels[0][i].Draw(at)
	}
	return aside.WriteFile(ctx, path, func(w io.Writer) error { _, err := c.WriteTo(w); return err })
}

// curves takes the searches of a report apart: worst cycles by scores over n, and
// over k/n at the largest n, which is given too.
func (r *Report) curves() (overN, overK []curve, n int) {
	for _, row := range r.Rows {
		for _, p := range row.Points {
			if row.Unit == Cycles && row.Feature == "SELECT" {
				n = max(n, p.Settings.number("n"))
			}
		}
	}
	styles := 0
	for _, row := range r.Rows {
		if row.Unit != Cycles || row.Feature != "SELECT" || len(row.Points) == 0 {
			continue
		}
		limit := curve{name: "promise: " + row.ID, dashes: []vg.Length{vg.Points(4), vg.Points(3)}}
		byScores := map[string]*curve{}
		byShare := map[string]*curve{}
		for _, p := range row.Points {
			at := p.Settings.number("n")
			name := p.Settings.text("scores")
			if name == "" {
				name = row.ID + ": median"
			}
			if byScores[name] == nil {
				byScores[name], byShare[name] = &curve{name: name}, &curve{name: name}
			}
			limit.raise(float64(at), p.Promised)
			byScores[name].raise(float64(at), p.Measured)
			if k := p.Settings.number("k"); at == n && k > 0 && k < n {
				byShare[name].raise(float64(k)/float64(n), p.Measured)
			}
		}
		overN = append(overN, limit)
		for _, name := range slices.Sorted(maps.Keys(byScores)) {
			byScores[name].style, byShare[name].style = styles, styles
			styles++
			overN = append(overN, *byScores[name])
			if len(byShare[name].at) > 0 {
				overK = append(overK, *byShare[name])
			}
		}
	}
	return overN, overK, n
}

// panel draws curves with a legend.
func panel(title, xLabel string, curves []curve) (*plot.Plot, error) {
	p := plot.New()
	p.BackgroundColor = color.White
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, xLabel, "cycles"
	p.Title.Padding = vg.Points(6)
	p.Legend.Top = true
	p.Add(plotter.NewGrid())
	for _, c := range curves {
		var xys plotter.XYs
		for _, x := range slices.Sorted(maps.Keys(c.at)) {
			xys = append(xys, plotter.XY{X: x, Y: c.at[x]})
		}
		line, points, err := plotter.NewLinePoints(xys)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		line.Color, line.Dashes = colour(c.style), c.dashes
		points.GlyphStyle = draw.GlyphStyle{Color: colour(c.style), Radius: vg.Points(2.5), Shape: plotutil.Shape(c.style)}
		if c.dashes != nil {
			line.Color = color.Gray{96}
			p.Add(line)
			p.Legend.Add(c.name, line)
			continue
		}
		p.Add(line, points)
		p.Legend.Add(c.name, line, points)
	}
	return p, nil
}

// colour is one of two times seven.
func colour(style int) color.Color {
	if n := len(plotutil.SoftColors); style >= n {
		return plotutil.DarkColors[style%n]
	}
	return plotutil.SoftColors[style]
}

// powers marks the powers of two among the x of curves.
func powers(curves []curve) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	seen := map[int]bool{}
	for _, c := range curves {
		for x := range c.at {
			if n := int(x); n&(n-1) == 0 && !seen[n] {
				seen[n] = true
				ticks = append(ticks, plot.Tick{Value: x, Label: fmt.Sprint(n)})
			}
		}
	}
	slices.SortFunc(ticks, func(a, b plot.Tick) int { return int(a.Value - b.Value) })
	return ticks
}

// number is the value of a setting, 0 if it is not there.
func (s Settings) number(key string) int {
	for _, x := range s {
		if v, ok := x.Value.(int); ok && x.Key == key {
			return v
		}
	}
	return 0
}

// text is the value of a setting, empty if it is not there.
func (s Settings) text(key string) string {
	for _, x := range s {
		if v, ok := x.Value.(string); ok && x.Key == key {
			return v
		}
	}
	return ""
}
