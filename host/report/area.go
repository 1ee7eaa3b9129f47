package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"

	"github.com/kvaccel/kvaccel/driver/regmap"
)

// ErrTable says that figures of make synth cannot be read.
var ErrTable = errors.New("not a usable table of place and route")

// Source says where a figure of an engine comes from.
type Source string

// The sources, best first.
const (
	Measured     Source = "measured"     // make synth did this very build
	Interpolated Source = "interpolated" // between builds with fewer and with more lanes
	Extrapolated Source = "extrapolated" // beyond the builds that were measured
	Unknown      Source = "unknown"
)

// Area is what an engine takes of an FPGA and how fast it is there.
type Area struct {
	LUT, FF, DSP, BRAM float64 // LUT4 cells, flip-flops, multipliers, block RAMs of the engine alone
	From               Source
	Note               string  // what the area goes by, for people
	MHz                float64 // median after routing; 0: not known
	MHzFrom            Source
	MHzNote            string
}

// build is one engine that make synth did.
type build struct {
	board    string
	params   regmap.Params
	features uint32
	lut, ff  float64
	dsp, ram float64
	mhz      float64 // 0: not routed
}

func (b build) name() string {
	return fmt.Sprintf("l%d-d%d-t%d-n%d on %s", b.params.Lanes, b.params.MaxDim, b.params.TileTokens, b.params.MaxTokens, b.board)
}

// Table has the builds of one family of FPGAs.
type Table struct{ builds []build }

// ReadTable reads the results of make synth for the boards whose names begin with
// family, such as ecp5.
func ReadTable(files fs.FS, family string) (*Table, error) {
	names, err := fs.Glob(files, family+"*.json")
	if err != nil {
		return nil, err
	}
	t := &Table{}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		if err := t.add(text); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrTable, name, err)
		}
	}
	return t, nil
}

// top is the engine's row in a build's areas.
const top = "u_engine"

func (t *Table) add(text []byte) error {
	var file struct {
		SchemaVersion int    `json:"schema_version"`
		Board         string `json:"board"`
		Builds        []struct {
			Params struct { // as scripts/synth.py names them
				Lanes, MaxDim, TileTokens, MaxTokens int
				Features                             uint32
			} `json:"params"`
			Area map[string]struct{ Lut, FF, DSP, Bram float64 } `json:"area"`
			MHz  *struct{ Median float64 }                       `json:"mhz"`
		} `json:"builds"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return err
	}
	if file.SchemaVersion != 1 {
		return fmt.Errorf("schema_version is %d, want 1", file.SchemaVersion)
	}
	for _, b := range file.Builds {
		a, ok := b.Area[top]
		if !ok || a.Lut <= 0 {
			continue
		}
		p := b.Params
		x := build{board: file.Board, params: regmap.Params{Lanes: p.Lanes, MaxDim: p.MaxDim, TileTokens: p.TileTokens, MaxTokens: p.MaxTokens}, features: p.Features, lut: a.Lut, ff: a.FF, dsp: a.DSP, ram: a.Bram}
		if b.MHz != nil {
			x.mhz = b.MHz.Median
		}
		t.builds = append(t.builds, x)
	}
	return nil
}

// Of gives area and speed of an engine. What was not measured goes by the builds
// with the next numbers of lanes below and above: the logarithm of the area is taken to be linear
// in that of the lanes. Block RAM goes by the memories, which lanes do not make larger.
func (t *Table) Of(p regmap.Params, features uint32) Area {
	a := t.area(p, features)
	t.speed(&a, p, features)
	return a
}

func (t *Table) area(p regmap.Params, features uint32) Area {
	for _, b := range t.builds {
		if b.params == p && b.features == features {
			return Area{LUT: b.lut, FF: b.ff, DSP: b.dsp, BRAM: b.ram, From: Measured, Note: b.name()}
		}
	}
	below, above := t.nearest(p, features, func(l int) bool { return l <= p.Lanes }), t.nearest(p, features, func(l int) bool { return l >= p.Lanes })
	switch {
	case below == nil && above == nil:
		return Area{From: Unknown, Note: "no build was measured"}
	case below != nil && above != nil && below.params.Lanes < above.params.Lanes:
		return between(*below, *above, p, Interpolated)
	case below != nil && above != nil: // as many lanes, other memories
		return Area{LUT: below.lut, FF: below.ff, DSP: below.dsp, BRAM: below.ram, From: Interpolated, Note: "that of " + below.name() + ", which has as many lanes"}
	}
	near := below
	if near == nil {
		near = above
	}
	far := t.nearest(p, features, func(l int) bool { return l != near.params.Lanes })
	if far == nil {
		return Area{LUT: near.lut, FF: near.ff, DSP: near.dsp, BRAM: near.ram, From: Extrapolated, Note: "that of " + near.name() + ", the only one"}
	}
	return between(*near, *far, p, Extrapolated)
}

// between draws the line through two builds to the lanes of p.
func between(a, b build, p regmap.Params, from Source) Area {
	at := math.Log2(float64(p.Lanes)/float64(a.params.Lanes)) / math.Log2(float64(b.params.Lanes)/float64(a.params.Lanes))
	mix := func(x, y float64) float64 {
		if x <= 0 || y <= 0 {
			return x + at*(y-x)
		}
		return math.Round(math.Exp(math.Log(x) + at*(math.Log(y)-math.Log(x))))
	}
	return Area{LUT: mix(a.lut, b.lut), FF: mix(a.ff, b.ff), DSP: mix(a.dsp, b.dsp), BRAM: mix(a.ram, b.ram), From: from, Note: "by " + a.name() + " and " + b.name()}
}

// nearest is the build that is most like p among those whose lanes are right.
func (t *Table) nearest(p regmap.Params, features uint32, lanes func(int) bool) *build {
	var best *build
	var least float64
	for i, b := range t.builds {
		if !lanes(b.params.Lanes) {
			continue
		}
		if d := distance(b, p, features); best == nil || d < least {
			best, least = &t.builds[i], d
		}
	}
	return best
}

// distance of a build from an engine: lanes first, then units left out, then
// memories.
func distance(b build, p regmap.Params, features uint32) float64 {
	log := func(x, y int) float64 { return math.Abs(math.Log2(float64(x) / float64(y))) }
	d := 100 * log(b.params.Lanes, p.Lanes)
	for f := b.features ^ features; f != 0; f &= f - 1 {
		d += 10
	}
	return d + log(b.params.MaxDim, p.MaxDim) + log(b.params.TileTokens, p.TileTokens) + log(b.params.MaxTokens, p.MaxTokens)
}

// speed takes the clock of the very build, or else of the routed build that is
// most like it: a guess, and marked so.
func (t *Table) speed(a *Area, p regmap.Params, features uint32) {
	routed := Table{}
	for _, b := range t.builds {
		if b.mhz > 0 {
			routed.builds = append(routed.builds, b)
		}
	}
	near := routed.nearest(p, features, func(int) bool { return true })
	if near == nil {
		a.MHzFrom, a.MHzNote = Unknown, "no build was routed"
		return
	}
	a.MHz, a.MHzFrom, a.MHzNote = near.mhz, Extrapolated, "that of "+near.name()
	lanes := make([]int, 0, len(routed.builds))
	for _, b := range routed.builds {
		lanes = append(lanes, b.params.Lanes)
	}
	switch {
	case near.params == p && near.features == features:
		a.MHzFrom, a.MHzNote = Measured, near.name()
	case slices.Min(lanes) <= p.Lanes && p.Lanes <= slices.Max(lanes):
		a.MHzFrom = Interpolated
	}
}

// Boards lists where the builds were placed, for people.
func (t *Table) Boards() string {
	var names []string
	for _, b := range t.builds {
		if !slices.Contains(names, b.board) {
			names = append(names, b.board)
		}
	}
	return strings.Join(names, ", ")
}
