package report

import (
	"fmt"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// timeByArea draws, where several builds were run, what a larger engine buys.
func (in *Input) timeByArea() (*Figure, error) {
	byLabel := map[string]plotter.XYs{}
	engines := map[string]bool{}
	measured := map[float64]bool{} // by area
	for _, l := range in.Lines {
		if l.Area.From != Unknown && l.Micros > 0 {
			byLabel[l.Label] = append(byLabel[l.Label], plotter.XY{X: l.Area.LUT, Y: l.Micros})
			measured[l.Area.LUT] = l.Area.From == Measured && l.Area.MHzFrom == Measured
			engines[l.Engine] = true
		}
	}
	if len(engines) < 2 {
		return nil, nil
	}
	p := newPlot("Time by area, "+in.Name, "LUT4 cells of the engine", "microseconds a token, at the clock of place and route")
	n := 0
	for _, l := range in.OnFront() {
		xy := byLabel[l.Label]
		if len(xy) < 2 || n == 7 {
			continue
		}
		slices.SortFunc(xy, func(a, b plotter.XY) int { return slices.Compare([]float64{a.X, a.Y}, []float64{b.X, b.Y}) })
		line, dots, err := plotter.NewLinePoints(xy)
		if err != nil {
			return nil, err
		}
		line.Color = plotutil.Color(n)
		style := draw.GlyphStyle{Color: line.Color, Radius: vg.Points(3), Shape: draw.RingGlyph{}}
		dots.GlyphStyle = style
		dots.GlyphStyleFunc = func(i int) draw.GlyphStyle {
			s := style
			if measured[xy[i].X] {
				s.Shape = draw.CircleGlyph{}
			}
			return s
		}
		p.Add(line, dots)
		p.Legend.Add(l.Label, line, dots)
		n++
	}
	if n == 0 {
		return nil, nil
	}
	room(&p.X)
	room(&p.Y)
	p.X.Max += legendShare * (p.X.Max - p.X.Min)
	return &Figure{Name: slug(in.Name) + "-area", Title: p.Title.Text, plot: p,
		Caption: "Settings on the front that cost cycles, one point a build of the engine. Rings: area or clock were not measured but reckoned, as the table of engines says."}, nil
}

// memories are the bandwidths, in MB/s, between which reading is drawn: a slow
// serial flash and a module of DDR4.
const (
	slowest = 20
	fastest = 20000
)

// readingTime draws, for the smallest setting that loses little, how long reading a
// position takes by the bandwidth of the memory: fp16 rows, and compressed ones through each
// engine. Reading and restoring overlap, so the slower of the two counts.
func (in *Input) readingTime() (*Figure, error) {
	at := in.readable()
	if at == nil {
		return nil, nil
	}
	p := newPlot("Microseconds to read a position of the cache, "+at.Label+", "+in.Name, "bandwidth of the memory, MB/s", "")
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, decades{}
	add := func(name string, n int, time func(bandwidth float64) float64) error {
		var xy plotter.XYs
		for b := float64(slowest); b <= fastest; b *= 1.05 {
			xy = append(xy, plotter.XY{X: b, Y: time(b)})
		}
		line, err := plotter.NewLine(xy)
		if err != nil {
			return err
		}
		line.Color, line.Width = plotutil.Color(n), vg.Points(1.5)
		if n == 0 {
			line.Color, line.Dashes = classColors[Whole], plotutil.Dashes(1)
		}
		p.Add(line)
		p.Legend.Add(name, line)
		return nil
	}
	if err := add("fp16, no engine", 0, func(b float64) float64 { return at.fullBytes() / b }); err != nil {
		return nil, err
	}
	n := 1
	for _, l := range in.Lines {
		if l.Label != at.Label || n > 7 {
			continue
		}
		name := fmt.Sprintf("%s at %.3g MHz", l.Engine, l.Area.MHz)
		if err := add(name, n, func(b float64) float64 { return max(l.BytesPerToken/b, l.restore()) }); err != nil {
			return nil, err
		}
		n++
	}
	logarithmic(&p.X)
	return &Figure{Name: slug(in.Name) + "-reading", Title: p.Title.Text, plot: p,
		Caption: "Where a line is flat the engine decides, not the memory; right of where it meets the dashed line, fp16 rows are read faster than the engine restores compressed ones."}, nil
}
