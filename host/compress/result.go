package compress

import (
	"strings"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/cache"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/quality"
	"github.com/kvaccel/kvaccel/host/session"
	"github.com/kvaccel/kvaccel/host/trace"
)

// SchemaVersion is that of Result and Restored as JSON; it changes when a
// field changes its meaning or goes away.
const SchemaVersion = 1

// Result is what a run found. As JSON it is the report of kvaccel run.
type Result struct {
	SchemaVersion int           `json:"schema_version"`
	Source        driver.Source `json:"source"`
	Device        driver.Info   `json:"device"`
	Policy        policy.Policy `json:"policy"` // resolved for the prefix
	Trace         TraceInfo     `json:"trace"`

	BytesIn     int64       `json:"bytes_in"`  // prefix in 16 bits an element, keys and values
	BytesOut    int64       `json:"bytes_out"` // sum of Bytes
	Bytes       cache.Bytes `json:"bytes"`
	BitsPerElem float64     `json:"bits_per_element"`      // bits out per element of the prefix
	BitsPerKept float64     `json:"bits_per_kept_element"` // bits out per element kept
	Ratio       float64     `json:"ratio"`                 // bytes in / bytes out
	TokensIn    int         `json:"tokens_in"`             // positions of the prefix
	TokensKept  int         `json:"tokens_kept"`           // of each head; their rounded mean if they differ

	Costs
	Fidelity     *quality.Report `json:"fidelity"`                // nil without later queries or without Q
	FidelityNote string          `json:"fidelity_note,omitempty"` // why it is nil
	Heads        []HeadBytes     `json:"heads"`
	Warnings     []string        `json:"warnings,omitempty"`

	Cache *cache.Cache `json:"-"`
}

// TraceInfo says what was compressed.
type TraceInfo struct {
	File      string  `json:"file"`
	Model     string  `json:"model,omitempty"`
	Layers    int     `json:"layers"`
	Heads     int     `json:"heads"` // query heads; 0 if the trace has no queries
	KVHeads   int     `json:"kv_heads"`
	Tokens    int     `json:"tokens"`
	Dims      int     `json:"dims"`
	Prefix    int     `json:"prefix"`
	Scale     float64 `json:"attention_scale"`
	Rows      string  `json:"rows"`       // format of the rows as the engine got them: fp16 or bf16
	Scores    string  `json:"scores"`     // recorded, computed, mixed or none
	Saturated int64   `json:"saturated"`  // values beyond the range of the rows' format, taken as its largest
	NonFinite int64   `json:"non_finite"` // NaN and infinities
}

// HeadBytes is what one key-value head came to.
type HeadBytes struct {
	Layer int         `json:"layer"`
	Head  int         `json:"head"`
	Kept  int         `json:"tokens_kept"`
	Total int64       `json:"bytes_out"`
	Bytes cache.Bytes `json:"bytes"`
}

// Costs is what the engine spent.
type Costs struct {
	Cycles        Cycles                   `json:"cycles"`
	BeatsPerCycle map[string]float64       `json:"beats_per_cycle"` // by command, headers included: beats out for DEQUANTIZE, beats in for the others
	Commands      map[string]session.Stats `json:"commands"`
	Seconds       float64                  `json:"seconds"` // total cycles at the device's stated clock; 0 if it states none
}

// Cycles counts engine cycles, stalls left out.
type Cycles struct {
	Total      uint64            `json:"total"`
	PerCommand map[string]uint64 `json:"per_command"`
}

// costs sums up a session. Commands are named in lower case.
func costs(s *session.Session) Costs {
	c := Costs{Cycles: Cycles{PerCommand: map[string]uint64{}}, BeatsPerCycle: map[string]float64{}, Commands: map[string]session.Stats{}}
	for op, st := range s.Stats() {
		if st.Commands == 0 {
			continue
		}
		name := strings.ToLower(packet.OpcodeName(op))
		c.Commands[name] = st
		c.Cycles.PerCommand[name] = st.Cycles
		c.Cycles.Total += st.Cycles
		beats := st.BeatsIn
		if op == regmap.OpDequantize {
			beats = st.BeatsOut
		}
		if st.Cycles > 0 {
			c.BeatsPerCycle[name] = float64(beats) / float64(st.Cycles)
		}
	}
	if hz := s.Info().ClockHz; hz > 0 {
		c.Seconds = float64(c.Cycles.Total) / hz
	}
	return c
}

func traceInfo(t *trace.Trace, n int) TraceInfo {
	return TraceInfo{
		File: t.Name, Model: t.Model, Layers: t.Layers, Heads: t.Hq, KVHeads: t.Hkv, Tokens: t.T, Dims: t.D, Prefix: n, Scale: t.Scale, Scores: "none",
	}
}

// account fills in the bytes of a finished cache.
func (r *Result) account() {
	c := r.Cache
	for l := range c.Layers {
		for h := range c.Layers[l] {
			b := c.Bytes(l, h)
			r.Bytes.Add(b)
			r.Heads = append(r.Heads, HeadBytes{l, h, len(c.Layers[l][h].Positions), b.Total(), b})
		}
	}
	r.BytesIn, r.BytesOut = c.BytesIn(), r.Bytes.Total()
	r.TokensIn, r.TokensKept = c.Prefix, meanKept(c)
	if r.BytesOut > 0 {
		r.Ratio = float64(r.BytesIn) / float64(r.BytesOut)
	}
	r.BitsPerElem = 16 * float64(r.BytesOut) / float64(r.BytesIn)
	if kept := keptRows(c); kept > 0 { // a share of a very short prefix may be nothing
		r.BitsPerKept = 8 * float64(r.BytesOut) / float64(kept*2*c.Dims)
	}
}

// keptRows is how many rows all heads keep.
func keptRows(c *cache.Cache) int {
	n := 0
	for l := range c.Layers {
		for h := range c.Layers[l] {
			n += len(c.Layers[l][h].Positions)
		}
	}
	return n
}

// meanKept is how many rows a head keeps, rounded.
func meanKept(c *cache.Cache) int {
	heads := len(c.Layers) * len(c.Layers[0])
	return (keptRows(c) + heads/2) / heads
}
