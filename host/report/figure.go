package report

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Figure is one picture.
type Figure struct {
	Name    string // of its files, without an ending
	Title   string
	Caption string
	SVG     template.HTML // for the page
	plot    *plot.Plot
}

// Size of the pictures.
const (
	figureWidth  = 22 * vg.Centimeter
	figureHeight = 12 * vg.Centimeter
)

// render gives a picture in a format of gonum's plot: svg or png.
func (f Figure) render(kind string) ([]byte, error) {
	w, err := f.plot.WriterTo(figureWidth, figureHeight, kind)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, err = w.WriteTo(&b)
	return b.Bytes(), err
}

// finish renders a figure for the page: the SVG element alone, with a
// description for who cannot see it.
func (f Figure) finish() (Figure, error) {
	b, err := f.render("svg")
	if err != nil {
		return f, err
	}
	at := bytes.Index(b, []byte("<svg"))
	if at < 0 {
		return f, fmt.Errorf("%s: the picture has no svg element", f.Name)
	}
	svg := strings.Replace(string(b[at:]), "<svg", fmt.Sprintf("<svg role=\"img\" aria-label=\"%s\"", template.HTMLEscapeString(f.Title)), 1)
	f.SVG = template.HTML(svg) // drawn here: labels are escaped by the canvas
	return f, nil
}

var classColors = map[Class]color.Color{
	Whole: color.Gray{40}, Quantizes: color.RGBA{0x1f, 0x6f, 0xb4, 0xff}, Evicts: color.RGBA{0xd9, 0x6b, 0x0b, 0xff}, Both: color.RGBA{0x2a, 0x8f, 0x3c, 0xff},
}

var classes = []Class{Whole, Quantizes, Evicts, Both}

// draw makes the figures of an input.
func (in *Input) draw() (out []Figure, err error) {
	for _, make := range []func() (*Figure, error){in.lossByBytes, in.lossByCycles, in.timeByArea, in.readingTime} {
		f, err := make()
		if err != nil {
			return nil, err
		}
		if f == nil {
			continue
		}
		done, err := f.finish()
		if err != nil {
			return nil, err
		}
		out = append(out, done)
	}
	return out, nil
}

// slug makes a file name of a text.
func slug(s string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(s)), "-")
}

func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = color.White
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.Padding = vg.Points(6)
	for _, s := range []*text.Style{&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle} {
		s.Font = font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, s.Font.Size)
	}
	p.Legend.Top, p.Legend.Padding = true, vg.Points(2)
	p.Add(plotter.NewGrid())
	return p
}

// lossByBytes draws every policy, the controls as lines, and the front.
func (in *Input) lossByBytes() (*Figure, error) {
	lines := in.Distinct()
	p := newPlot("Loss by bytes, "+in.Name, "bytes a token, everything counted", in.Measure())
	for i, c := range []struct {
		name string
		of   func(Line) *float64
	}{
		{"random rows", func(l Line) *float64 { return l.ControlRandom }},
		{"last rows", func(l Line) *float64 { return l.ControlRecent }},
		{"sinks and last rows", func(l Line) *float64 { return l.ControlStreaming }},
	} {
		var xy plotter.XYs
		for _, l := range lines {
			if v := c.of(l); v != nil {
				xy = append(xy, plotter.XY{X: l.BytesPerToken, Y: *v})
			}
		}
		if len(xy) < 2 {
			continue
		}
		slices.SortFunc(xy, func(a, b plotter.XY) int { return slices.Compare([]float64{a.X, a.Y}, []float64{b.X, b.Y}) })
		line, err := plotter.NewLine(xy)
		if err != nil {
			return nil, err
		}
		line.Color, line.Dashes, line.Width = color.Gray{uint8(90 + 40*i)}, plotutil.Dashes(i+1), vg.Points(1)
		p.Add(line)
		p.Legend.Add(c.name, line)
	}
	if err := addPoints(p, lines, func(l Line) float64 { return l.BytesPerToken }, in.Model); err != nil {
		return nil, err
	}
	caption := "Every point is a setting; numbers name those on the front, which the table below lists: no setting has both fewer bytes and less loss. Grey lines: whole fp16 rows at the same bytes."
	if in.Model {
		caption += " Bars: 95 % confidence intervals."
	}
	return &Figure{Name: slug(in.Name) + "-bytes", Title: p.Title.Text, Caption: caption, plot: p}, nil
}

// lossByCycles draws what quality costs the engine.
func (in *Input) lossByCycles() (*Figure, error) {
	var lines []Line
	for _, l := range in.Lines {
		if l.CyclesPerToken > 0 {
			lines = append(lines, l)
		}
	}
	if len(lines) < 2 {
		return nil, nil
	}
	x := "engine cycles a token: select, quantize and restore"
	p := newPlot("Loss by cycles, "+in.Name, x, in.Measure())
	if err := addPoints(p, lines, func(l Line) float64 { return l.CyclesPerToken }, false); err != nil {
		return nil, err
	}
	return &Figure{Name: slug(in.Name) + "-cycles", Title: p.Title.Text, plot: p,
		Caption: "The same settings by what they cost the engine, on every build that was run; those that cost no cycles are left out. Numbers as above."}, nil
}

// addPoints draws lines of the table as points, by class, with the numbers of
// those on the front.
func addPoints(p *plot.Plot, lines []Line, x func(Line) float64, bars bool) error {
	for _, c := range classes {
		var xy plotter.XYs
		var errs plotter.YErrors
		for _, l := range lines {
			if l.Class == c {
				xy = append(xy, plotter.XY{X: x(l), Y: l.Loss})
				low, high := 0.0, 0.0
				if l.DeltaLow != nil && l.DeltaHigh != nil {
					low, high = l.Loss-*l.DeltaLow, *l.DeltaHigh-l.Loss
				}
				errs = append(errs, struct{ Low, High float64 }{low, high})
			}
		}
		if len(xy) == 0 {
			continue
		}
		if bars {
			b, err := plotter.NewYErrorBars(struct {
				plotter.XYs
				plotter.YErrors
			}{xy, errs})
			if err != nil {
				return err
			}
			b.LineStyle.Color, b.CapWidth = classColors[c], vg.Points(3)
			p.Add(b)
		}
		dots, err := plotter.NewScatter(xy)
		if err != nil {
			return err
		}
		dots.GlyphStyle = draw.GlyphStyle{Color: classColors[c], Radius: vg.Points(3), Shape: draw.CircleGlyph{}}
		p.Add(dots)
		p.Legend.Add(string(c), dots)
	}
	var numbers plotter.XYLabels
	for _, l := range lines {
		if l.Number > 0 {
			numbers.XYs, numbers.Labels = append(numbers.XYs, plotter.XY{X: x(l), Y: l.Loss}), append(numbers.Labels, fmt.Sprint(l.Number))
		}
	}
	if len(numbers.Labels) > 0 {
		labels, err := plotter.NewLabels(numbers)
		if err != nil {
			return err
		}
		labels.Offset = vg.Point{X: vg.Points(4), Y: vg.Points(4)}
		for i := range labels.TextStyle {
			labels.TextStyle[i].Font = p.Legend.TextStyle.Font
		}
		p.Add(labels)
	}
	room(&p.Y)
	logarithmic(&p.X)
	return nil
}

// room leaves space around the points.
func room(a *plot.Axis) {
	if !(a.Max > a.Min) {
		a.Max = a.Min + max(math.Abs(a.Min)*0.1, 1e-6)
	}
	pad := 0.05 * (a.Max - a.Min)
	a.Min, a.Max = a.Min-pad, a.Max+pad
}

// legendShare is what the legend takes of the width, at the right of the points.
const legendShare = 0.3

// logarithmic makes an axis of positive figures so, with room for the legend.
func logarithmic(a *plot.Axis) {
	if !(a.Max > a.Min) {
		a.Max = 2 * a.Min
	}
	factor := math.Pow(a.Max/a.Min, 0.05)
	a.Min, a.Max = a.Min/factor, a.Max*factor
	a.Max *= math.Pow(a.Max/a.Min, legendShare)
	a.Scale, a.Tick.Marker = plot.LogScale{}, decades{}
}

// decades are ticks at 1, 2 and 5 of every power of ten.
type decades struct{}

// Ticks implements plot.Ticker.
func (decades) Ticks(low, high float64) (out []plot.Tick) {
	for e := math.Floor(math.Log10(low)); e <= math.Log10(high); e++ {
		for _, m := range []float64{1, 2, 5} {
			if v := m * math.Pow(10, e); v >= low && v <= high {
				out = append(out, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'f', max(0, -int(e)), 64)})
			}
		}
	}
	return out
}
