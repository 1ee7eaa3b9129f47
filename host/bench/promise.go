// Package bench measures on a device what the engine promises of its timing, and
// says which promises it keeps.
//
// The promises are one table, [Promises]. Everything is measured from outside,
// over driver.Device: by the cycles that a response states and by the engine's
// counters, both without the cycles that the link lost. The figures are therefore
// the same on the emulator, the Verilated RTL and a board.
package bench

import (
	"slices"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// Judged says what of a sweep is held against the limit.
type Judged string

// The ways of judging.
const (
	Each   Judged = "each"   // every point
	Median Judged = "median" // per n, the median of the samples
)

// Limit is fixed + perWord * ceil(n/Lanes), n being the positions of a SELECT.
type Limit struct {
	AtLeast bool    `json:"at_least"` // the limit is a floor, not a ceiling
	Fixed   float64 `json:"fixed"`
	PerWord float64 `json:"per_word"`
}

// at is the limit for a SELECT of some words; commands without n have 0.
func (l Limit) at(words int) float64 { return l.Fixed + l.PerWord*float64(words) }

// kept reports whether a measured value is within the limit.
func (l Limit) kept(measured, limit float64) bool {
	if l.AtLeast {
		return measured >= limit
	}
	return measured <= limit
}

// Promise is one line of the timing promises.
type Promise struct {
	ID      string `json:"id"`
	What    string `json:"what"`
	Unit    string `json:"unit"`
	Limit   Limit  `json:"limit"`
	Judged  Judged `json:"judged"`
	Feature string `json:"feature"` // the command it is about

	sweep func(*bench) error
}

// The units of measured values.
const (
	BeatsPerCycle = "beats/cycle"
	Cycles        = "cycles"
)

// Promises is the table. How each is measured is said at its sweep.
var Promises = []Promise{
	{"quantize", "QUANTIZE of back-to-back tiles: beats of rows taken per cycle, headers and all",
		BeatsPerCycle, Limit{true, 0.98, 0}, Each, "QUANTIZE", quantizeTiles},
	{"dequantize", "DEQUANTIZE of back-to-back tiles: beats of rows given per cycle, headers and all",
		BeatsPerCycle, Limit{true, 0.98, 0}, Each, "DEQUANTIZE", dequantizeTiles},
	{"compress", "COMPRESS: beats of K and V rows taken per cycle, the choice before them left out",
		BeatsPerCycle, Limit{true, 0.95, 0}, Each, "COMPRESS", compressRows},
	{"select-rows", "SELECT: beats of attention rows taken per cycle",
		BeatsPerCycle, Limit{true, 0.98, 0}, Each, "SELECT", selectRows},
	{"select-search", "SELECT: last row's last beat to the end of the keep list, any scores, any k",
		Cycles, Limit{false, 300, 6}, Each, "SELECT", selectSearch},
	{"select-real", "the same at the median of real traces",
		Cycles, Limit{false, 250, 2.5}, Median, "SELECT", selectReal},
	{"select-long", "the same at lengths no trace at hand has: real weights, head laid after head",
		Cycles, Limit{false, 250, 2.5}, Median, "SELECT", selectLong},
	{"token-latency", "QUANTIZE of a per-token row: an element's way beyond the fill of its group",
		Cycles, Limit{false, 32, 0}, Each, "QUANTIZE", tokenLatency},
}

// absent says why a device cannot be held to a promise; empty if it can.
func (p Promise) absent(info driver.Info) string {
	i := slices.IndexFunc(regmap.FeatCodes, func(f regmap.Code) bool { return f.Name == p.Feature })
	if !info.Has(1 << regmap.FeatCodes[i].Value) {
		return p.Feature + " was left out of this engine"
	}
	return ""
}
