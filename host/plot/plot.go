// Package plot draws what a run found.
package plot

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
	"gonum.org/v1/plot/vg/draw"

	"github.com/kvaccel/kvaccel/host/aside"
)

// ErrFormat says that a file's ending names no picture format.
var ErrFormat = errors.New("unknown picture format")

// ErrNothing says that there are no points to draw.
var ErrNothing = errors.New("nothing to draw")

// Point is one key-value head.
type Point struct {
	Layer, Head int
	Bytes       float64 // compressed
	Error       float64 // as the y axis says
}

// Chart is bytes against error, a point for each head, a colour for each layer
// and a shape for each head of a layer.
type Chart struct {
	Title  string
	YLabel string
	Points []Point
}

// Size of the picture.
const (
	width  = 18 * vg.Centimeter
	height = 12 * vg.Centimeter
)

// A legend has at most so many lines and takes so much of the points' width.
const (
	legendLines = 24
	legendShare = 0.18
)

// CheckPath reports whether a picture can be written to path, going by the
// file's ending: .png or .svg.
func CheckPath(path string) error {
	_, err := format(path)
	return err
}

func format(path string) (string, error) {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".png", ".svg":
		return ext[1:], nil
	default:
		return "", fmt.Errorf("%w: %s ends in %q, want .png or .svg", ErrFormat, path, ext)
	}
}

// Write draws the chart into the file at path, whole or not at all.
func Write(ctx context.Context, path string, c Chart) error {
	kind, err := format(path)
	if err != nil {
		return err
	}
	p, err := c.draw()
	if err != nil {
		return fmt.Errorf("%s: not written: %w", path, err)
	}
	w, err := p.WriterTo(width, height, kind)
	if err != nil {
		return fmt.Errorf("%s: not written: %w", path, err)
	}
	return aside.WriteFile(ctx, path, func(out io.Writer) error { _, err := w.WriteTo(out); return err })
}

func (c Chart) draw() (*plot.Plot, error) {
	if len(c.Points) == 0 {
		return nil, ErrNothing
	}
	p := plot.New()
	p.BackgroundColor = color.White
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.Title, "bytes per head, compressed", c.YLabel
	p.Title.Padding = vg.Points(6)
	p.X.Tick.Marker = plot.DefaultTicks{}
	p.Add(plotter.NewGrid())
	if err := c.addPoints(p); err != nil {
		return nil, err
	}
	spread(&p.X)
	spread(&p.Y)
	p.Y.Min = min(p.Y.Min, 0)
	c.addLegend(p)
	return p, nil
}

func (c Chart) addPoints(p *plot.Plot) error {
	for _, pt := range c.Points {
		s, err := plotter.NewScatter(plotter.XYs{{X: pt.Bytes, Y: pt.Error}})
		if err != nil {
			return fmt.Errorf("layer %d, head %d: %w", pt.Layer, pt.Head, err)
		}
		s.GlyphStyle = draw.GlyphStyle{Color: plotutil.Color(pt.Layer), Radius: vg.Points(4), Shape: shape(pt.Head)}
		p.Add(s)
	}
	return nil
}

// addLegend names the colours and shapes, as far as there is room, in a strip
// right of the points.
func (c Chart) addLegend(p *plot.Plot) {
	layers, heads := 0, 0
	for _, pt := range c.Points {
		layers, heads = max(layers, pt.Layer+1), max(heads, pt.Head+1)
	}
	if layers+heads > legendLines {
		return
	}
	p.Legend.Top = true
	p.Legend.Padding = vg.Points(3)
	for l := range layers {
		p.Legend.Add(fmt.Sprintf("layer %d", l), glyph{draw.GlyphStyle{Color: plotutil.Color(l), Radius: vg.Points(4), Shape: draw.CircleGlyph{}}})
	}
	for h := range heads {
		p.Legend.Add(fmt.Sprintf("head %d", h), glyph{draw.GlyphStyle{Color: color.Gray{96}, Radius: vg.Points(4), Shape: shape(h)}})
	}
	p.X.Max += legendShare * (p.X.Max - p.X.Min)
}

// shape tells the heads of a layer apart.
func shape(head int) draw.GlyphDrawer {
	shapes := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.CrossGlyph{}, draw.PlusGlyph{}, draw.RingGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}}
	return shapes[head%len(shapes)]
}

// glyph is a line of the legend.
type glyph struct{ style draw.GlyphStyle }

// Thumbnail implements plot.Thumbnailer.
func (g glyph) Thumbnail(c *draw.Canvas) { c.DrawGlyph(g.style, c.Center()) }

// spread leaves room around the points, also where all are the same.
func spread(a *plot.Axis) {
	room := 0.08 * (a.Max - a.Min)
	if room == 0 {
		room = max(0.05*a.Max, 1e-6)
	}
	a.Min, a.Max = max(0, a.Min-room), a.Max+room
}
