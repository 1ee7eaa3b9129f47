package decode

import (
	"math"
	"slices"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/llm/kvengine"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/quality"
	"github.com/kvaccel/kvaccel/host/session"
)

// SchemaVersion is that of Result as JSON; it changes when a field changes its
// meaning or goes away.
const SchemaVersion = 1

// Result is what a replay found. As JSON it is the report of kvaccel run --decode.
type Result struct {
	SchemaVersion int           `json:"schema_version"`
	Source        driver.Source `json:"source"`
	Device        driver.Info   `json:"device"`
	Policy        policy.Policy `json:"policy"` // resolved for the prefill
	Trace         string        `json:"trace"`
	Model         string        `json:"model,omitempty"`
	Layers        int           `json:"layers"`
	Heads         int           `json:"heads"`
	KVHeads       int           `json:"kv_heads"`
	Dims          int           `json:"dims"`
	Prefill       int           `json:"prefill"`

	PrefillCycles Cycles          `json:"prefill_cycles"` // scoring and compressing it
	StepCycles    Spread          `json:"step_cycles"`    // all commands of a step
	SelectCycles  Spread          `json:"step_select_cycles"`
	QuantCycles   Spread          `json:"step_quantize_cycles"`
	RestoreCycles Spread          `json:"step_dequantize_cycles"`
	StepSeconds   float64         `json:"step_seconds"` // the median at the device's stated clock; 0 if it states none
	Bytes         kvengine.Bytes  `json:"bytes"`        // held after the last step
	PeakBytes     int64           `json:"peak_bytes"`   // most after any step
	FullBytes     int64           `json:"full_bytes"`   // of a cache that keeps all as fp16, after the last step
	Fidelity      *quality.Report `json:"fidelity"`     // of each step's query against the uncompressed trace
	Warnings      []string        `json:"warnings,omitempty"`

	Ceiling        int64             `json:"ceiling_bytes,omitempty"`
	PrefillDescent *kvengine.Descent `json:"prefill_descent,omitempty"`

	Steps []Step `json:"steps"`
}

// Step is one position.
type Step struct {
	Position int    `json:"position"`
	Cycles   Cycles `json:"cycles"`
	Bytes    int64  `json:"bytes"`       // held after it
	Kept     int    `json:"tokens_kept"` // by each head; the rounded mean if they differ

	Descent *kvengine.Descent `json:"descent,omitempty"` // under a ceiling, where it let not everything be
}

// Cycles are an engine's, stalls left out.
type Cycles struct {
	Select     uint64 `json:"select"`
	Quantize   uint64 `json:"quantize"`
	Dequantize uint64 `json:"dequantize"`
}

// Total is the sum.
func (c Cycles) Total() uint64 { return c.Select + c.Quantize + c.Dequantize }

func (c Cycles) since(o Cycles) Cycles {
	return Cycles{c.Select - o.Select, c.Quantize - o.Quantize, c.Dequantize - o.Dequantize}
}

// spent gives the cycles so far.
func spent(s *session.Session) Cycles {
	st := s.Stats()
	return Cycles{st[regmap.OpSelect].Cycles, st[regmap.OpQuantize].Cycles, st[regmap.OpDequantize].Cycles}
}

// Spread is how a number of cycles is spread over the steps.
type Spread struct {
	Median    float64 `json:"median"`
	P95       uint64  `json:"p95"` // 95 % of the steps take no more
	Worst     uint64  `json:"worst"`
	WorstStep int     `json:"worst_position"` // the first with the worst
	Total     uint64  `json:"total"`
}

func spread(steps []Step, of func(Cycles) uint64) Spread {
	var s Spread
	list := make([]uint64, len(steps))
	for i, x := range steps {
		v := of(x.Cycles)
		if list[i] = v; i == 0 || v > s.Worst {
			s.Worst, s.WorstStep = v, x.Position
		}
		s.Total += v
	}
	slices.Sort(list)
	n := len(list)
	s.Median = (float64(list[(n-1)/2]) + float64(list[n/2])) / 2
	s.P95 = list[int(math.Ceil(.95*float64(n)))-1]
	return s
}

// sum fills in what all steps came to.
func (r *replay) sum(res *Result) {
	res.StepCycles = spread(res.Steps, Cycles.Total)
	res.SelectCycles = spread(res.Steps, func(c Cycles) uint64 { return c.Select })
	res.QuantCycles = spread(res.Steps, func(c Cycles) uint64 { return c.Quantize })
	res.RestoreCycles = spread(res.Steps, func(c Cycles) uint64 { return c.Dequantize })
	if hz := res.Device.ClockHz; hz > 0 {
		res.StepSeconds = res.StepCycles.Median / hz
	}
	for _, s := range res.Steps {
		res.PeakBytes = max(res.PeakBytes, s.Bytes)
	}
	var q quality.Collector
	for i, s := range r.samples {
		q.Add(i/r.cfg.KVHeads, i%r.cfg.KVHeads, s)
	}
	res.Fidelity = q.Report(len(res.Steps), r.n)
}
