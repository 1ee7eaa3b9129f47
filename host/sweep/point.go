// Package sweep runs policies, engine builds, budgets, traces and texts against
// each other, each combination once: a point. What a point came to is kept in one
// SQLite file under a hash of everything that decides it, so that a sweep can be
// interrupted, extended and run again without repeating anything.
package sweep

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/policy"
)

// Kind says what is measured at a point.
type Kind string

// The kinds.
const (
	Fidelity Kind = "fidelity" // a trace is compressed and attention compared, as by kvaccel run
	Model    Kind = "model"    // a model predicts with a compressed cache, as by kvaccel eval
)

// Blob is a file by what is in it.
type Blob struct {
	Name   string `json:"name"` // base name, as a directory of it needs it
	Digest string `json:"sha256"`
	Size   int64  `json:"size"`
	Path   string `json:"path,omitempty"` // where the machine that made the plan has it
}

// Input is what a point compresses.
type Input struct {
	Name    string `json:"name"`
	Kind    Kind   `json:"kind"`
	Trace   *Blob  `json:"trace,omitempty"` // nil with Kind Fidelity: the built-in sample
	Model   []Blob `json:"model,omitempty"`
	Text    *Blob  `json:"text,omitempty"`
	Prefix  int    `json:"prefix"` // positions compressed
	Window  int    `json:"window,omitempty"`
	Chunk   int    `json:"chunk,omitempty"`
	Windows int    `json:"windows,omitempty"`
	Block   int    `json:"block,omitempty"`
	Needles int    `json:"needles,omitempty"` // per depth; negative: none
	Seed    uint64 `json:"seed,omitempty"`
	Digest  string `json:"digest"` // of the trace, or of model and text

	heads int // key-value heads of all layers: what a result's size goes by
}

// Point is one combination, with everything that decides what it comes to.
type Point struct {
	Input   Input         `json:"input"`
	Policy  policy.Policy `json:"policy"` // resolved for the prefix
	Device  string        `json:"device"` // URI of the engine, all parameters named
	Refused string        `json:"refused,omitempty"`

	// What the lists and reports call it; no part of what decides.
	Label  string `json:"label"`  // policy and its settings
	Family string `json:"family"` // the policy as the file names it
	Budget string `json:"budget,omitempty"`
}

// keyFormat changes when the same point would be measured otherwise.
const keyFormat = 1

// Key is the hash under which a point's result is kept: of the inputs'
// contents, the policy's settings, the engine, the register map and the program.
// Names and paths are no part of it.
func (p Point) Key(program string) string {
	in := p.Input
	in.Name, in.Trace, in.Model, in.Text = "", nil, nil, nil
	pol := p.Policy
	pol.Name = ""
	b, err := json.Marshal(struct {
		Format  int           `json:"format"`
		Program string        `json:"program"`
		SpecID  uint32        `json:"spec_id"`
		Input   Input         `json:"input"`
		Policy  policy.Policy `json:"policy"`
		Device  string        `json:"device"`
		Refused string        `json:"refused"`
	}{keyFormat, program, regmap.SpecID, in, pol, p.Device, p.Refused})
	if err != nil {
		panic(err) // plain data
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:16])
}
