package eval

import (
	"math"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/host/llm"
	"github.com/kvaccel/kvaccel/host/llm/kvengine"
	"github.com/kvaccel/kvaccel/host/policy"
)

// SchemaVersion is that of Result as JSON; it changes when a field changes its
// meaning or goes away.
const SchemaVersion = 1

// Result is an evaluation. As JSON it is the report of kvaccel eval.
type Result struct {
	SchemaVersion int           `json:"schema_version"`
	Kind          string        `json:"kind"` // "model"
	Source        driver.Source `json:"source"`
	Device        driver.Info   `json:"device"`
	Model         string        `json:"model"`
	Config        llm.Config    `json:"config"`
	Text          string        `json:"text"`
	Window        int           `json:"window"`
	Prefix        int           `json:"prefix"`
	Chunk         int           `json:"chunk"`
	Windows       int           `json:"windows"`
	Block         int           `json:"block"`
	Predictions   int           `json:"predictions"` // scored, of each run
	Seed          uint64        `json:"seed"`
	Bytes         bool          `json:"byte_tokens"` // tokens are bytes

	LeftOut      []string  `json:"left_out,omitempty"`    // controls that the engine cannot do, and why
	NeedleNote   string    `json:"needle_note,omitempty"` // why there are none
	NeedleAbsent *Needle   `json:"needle_absent"`         // what guessing comes to
	Rows         []Row     `json:"rows"`                  // full first
	Controls     []Row     `json:"controls"`
	Fidelity     *Fidelity `json:"fidelity"`
}

// Row is one run.
type Row struct {
	Name   string        `json:"name"`
	Policy policy.Policy `json:"policy"` // resolved for the prefix
	Kept   int           `json:"kept"`   // positions of the prefix; under a ceiling all, as long as there is room

	Nats       float64  `json:"nats_per_token"`
	Perplexity float64  `json:"perplexity"`
	Delta      Interval `json:"delta_nats"`       // more nats per token than full
	Ratio      Interval `json:"perplexity_ratio"` // perplexity over full's
	KL         float64  `json:"kl_per_token"`
	SameTop    float64  `json:"same_top"`
	Right      float64  `json:"accuracy"` // the most likely token is the next one
	Needle     *Needle  `json:"needle"`

	BytesPerToken float64        `json:"bytes_per_token"` // mean over the steps, over positions seen
	Share         float64        `json:"share_of_full"`
	PeakBytes     int64          `json:"peak_bytes"` // most at any step
	Memory        kvengine.Bytes `json:"memory_sum"` // what they are made of, summed over all steps

	CyclesPerToken float64 `json:"cycles_per_token"` // a step's restore, and its share of select and quantize
	RestoreCycles  float64 `json:"restore_cycles"`   // restoring the whole cache once, mean
	SelectCycles   float64 `json:"select_cycles"`    // per token
	QuantizeCycles float64 `json:"quantize_cycles"`  // per token
	PromptCycles   float64 `json:"prompt_cycles"`    // compressing the prefix: select and quantize

	shaped bool

	ControlRows int          `json:"control_rows,omitempty"` // fp16 rows that take the same bytes
	Fidelity    *RowFidelity `json:"fidelity"`
}

// Needle is how well needles were found.
type Needle struct {
	Nats   float64   `json:"nats_per_token"` // over the letters to be found
	Right  float64   `json:"accuracy"`
	Depths []float64 `json:"nats_by_depth"` // of Depths
}

// result puts the units together.
func (e *evaluation) result(runs, controls []Run) *Result {
	r := &Result{
		SchemaVersion: SchemaVersion, Kind: "model", Source: e.info.Source, Device: e.info,
		Model: e.m.Name, Config: e.m.Config, Text: e.TextName, Window: e.Window, Prefix: e.Prefix, Chunk: e.Chunk, Windows: e.Limit, Block: e.Block,
		Predictions: e.Limit * (e.Window - e.Prefix - 1), Seed: e.Seed, Bytes: e.m.Vocab == byteVocab,
		LeftOut: e.leftOut, NeedleNote: e.why, NeedleAbsent: e.needleRow(absent),
	}
	for i, run := range runs {
		row := e.row(run)
		if i > 0 && !e.Alone {
			row.ControlRows = e.equal(run)
		}
		r.Rows = append(r.Rows, row)
	}
	for _, run := range controls {
		r.Controls = append(r.Controls, e.row(run))
	}
	return r
}

// kept is how many positions of the prefix a head keeps; the rounded mean, if
// heads differ.
func (e *evaluation) kept(p policy.Policy) int {
	sum, heads := 0, e.m.Layers*e.m.KVHeads
	for l := range e.m.Layers {
		for h := range e.m.KVHeads {
			sum += p.At(l, h).Kept(e.Prefix)
		}
	}
	return (sum + heads/2) / heads
}

// row sums up one run.
func (e *evaluation) row(r Run) Row {
	row := Row{Name: r.Name, Policy: r.Policy, Kept: e.kept(r.Policy), shaped: r.Shape != nil, Needle: e.needleRow(r)}
	var mine, ref []Block
	var positions int64
	var prompt, decode Cycles
	for w := range e.Limit {
		u := e.state.get(unitKey{run: r.key(), index: w})
		mine = append(mine, u.Blocks...)
		ref = append(ref, e.state.get(unitKey{run: full.key(), index: w}).Blocks...)
		row.Memory.Add(u.Memory)
		row.PeakBytes = max(row.PeakBytes, u.Peak)
		positions += u.Positions
		prompt.add(u.Prompt)
		decode.add(u.Decode)
	}
	b := sum(mine)
	n := float64(b.Tokens)
	row.Nats, row.KL, row.SameTop, row.Right = b.NLL/n, b.KL/n, float64(b.Same)/n, float64(b.Right)/n
	row.Perplexity = math.Exp(row.Nats)
	row.Delta = paired(mine, ref, func(b Block) float64 { return b.NLL })
	row.Ratio = Interval{math.Exp(row.Delta.Mean), math.Exp(row.Delta.Low), math.Exp(row.Delta.High)}
	row.BytesPerToken = float64(row.Memory.Total()) / float64(positions)
	row.Share = row.BytesPerToken / float64(e.m.Layers*e.m.KVHeads*4*e.m.HeadDim)
	row.RestoreCycles = float64(prompt.Dequantize+decode.Dequantize) / float64(prompt.Restores+decode.Restores)
	if decode.Tokens > 0 {
		row.SelectCycles = float64(decode.Select) / float64(decode.Tokens)
		row.QuantizeCycles = float64(decode.Quantize) / float64(decode.Tokens)
	}
	row.CyclesPerToken = row.RestoreCycles + row.SelectCycles + row.QuantizeCycles
	row.PromptCycles = float64(prompt.Select+prompt.Quantize) / float64(e.Limit)
	return row
}

// needleRow sums up a run's needles; nil without any.
func (e *evaluation) needleRow(r Run) *Needle {
	if len(e.needle) == 0 {
		return nil
	}
	blocks := make([][]Block, len(Depths))
	var all []Block
	for i, n := range e.needle {
		b := e.state.get(unitKey{r.key(), true, i}).Blocks
		blocks[n.depth] = append(blocks[n.depth], b...)
		all = append(all, b...)
	}
	b := sum(all)
	out := &Needle{Nats: b.NLL / float64(b.Tokens), Right: float64(b.Right) / float64(b.Tokens)}
	for _, d := range blocks {
		b := sum(d)
		out.Depths = append(out.Depths, b.NLL/float64(b.Tokens))
	}
	return out
}

func sum(blocks []Block) (s Block) {
	for _, b := range blocks {
		s.Tokens += b.Tokens
		s.NLL += b.NLL
		s.KL += b.KL
		s.Same += b.Same
		s.Right += b.Right
	}
	return s
}

// Control gives a row's control of a kind, nil if there is none.
func (r *Result) Control(row Row, kind string) *Row {
	name := control(kind, row.ControlRows).Name
	for i := range r.Controls {
		if row.ControlRows > 0 && r.Controls[i].Name == name {
			return &r.Controls[i]
		}
	}
	return nil
}
