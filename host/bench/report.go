package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kvaccel/kvaccel/driver"
)

// SchemaVersion counts incompatible changes of a Report's JSON.
const SchemaVersion = 1

// Report is what a device did beside what is promised.
type Report struct {
	SchemaVersion int           `json:"schema_version"`
	Source        driver.Source `json:"source"`
	Device        driver.Info   `json:"device"`
	Set           string        `json:"set"` // "full" or "quick"
	Traces        []string      `json:"traces"`
	Rows          []Row         `json:"rows"`
	Broken        []string      `json:"broken"` // ids of the promises that do not hold
	Absent        []string      `json:"absent"` // ids of those that could not be measured
}

// Row is one promise and what was measured.
type Row struct {
	Promise
	Absent  string  `json:"absent,omitempty"`  // why nothing was measured
	Kept    bool    `json:"kept"`              // every point is; false if nothing was measured
	Worst   *Point  `json:"worst"`             // the point with the least room to its limit; null if nothing was measured
	Count   int     `json:"count"`             // of points
	Points  []Point `json:"points,omitempty"`  // what is judged
	Samples []Point `json:"samples,omitempty"` // what the medians are of; not judged one by one
}

// Point is one measured value.
type Point struct {
	Settings Settings `json:"settings"`
	Measured float64  `json:"measured"`
	Promised float64  `json:"promised"`
	Kept     bool     `json:"kept"`
	Of       int      `json:"of,omitempty"`  // samples that a median is of
	Min      float64  `json:"min,omitempty"` // of the samples
	Max      float64  `json:"max,omitempty"`
}

// room is how far from its limit a point is, as a share of it: negative if beyond.
func (p Point) room(l Limit) float64 {
	r := (p.Promised - p.Measured) / p.Promised
	if l.AtLeast {
		return -r
	}
	return r
}

// Setting is one thing that a point was measured with.
type Setting struct {
	Key   string
	Value any // int or string
}

// Settings are in a fixed order.
type Settings []Setting

// String is key=value, joined by slashes, as Go benchmarks name their cases.
func (s Settings) String() string {
	parts := make([]string, len(s))
	for i, x := range s {
		parts[i] = fmt.Sprintf("%s=%v", x.Key, x.Value)
	}
	return strings.Join(parts, "/")
}

// MarshalJSON gives an object with the keys in their order.
func (s Settings) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, x := range s {
		k, err1 := json.Marshal(x.Key)
		v, err2 := json.Marshal(x.Value)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(k)
		b.WriteByte(':')
		b.Write(v)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Err wraps driver.ErrVerify if a promise is broken.
func (r *Report) Err() error {
	if len(r.Broken) == 0 {
		return nil
	}
	return fmt.Errorf("%w: promises broken on %s: %s", driver.ErrVerify, r.Device.URI, strings.Join(r.Broken, ", "))
}

// Brief is the report without the single points.
func (r *Report) Brief() *Report {
	b := *r
	b.Rows = slices.Clone(r.Rows)
	for i := range b.Rows {
		b.Rows[i].Points, b.Rows[i].Samples = nil, nil
	}
	return &b
}

// judge settles a row whose points or samples are all in.
func (r *Row) judge() {
	r.Count, r.Kept = len(r.Points), len(r.Points) > 0
	for i := range r.Points {
		p := &r.Points[i]
		p.Kept = r.Limit.kept(p.Measured, p.Promised)
		r.Kept = r.Kept && p.Kept
		if r.Worst == nil || p.room(r.Limit) < r.Worst.room(r.Limit) {
			r.Worst = p
		}
	}
}

// median is the middle value, or the mean of the two, of at least one.
func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}
