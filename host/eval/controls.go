package eval

import (
	"fmt"

	"github.com/kvaccel/kvaccel/host/llm"
	"github.com/kvaccel/kvaccel/host/policy"
)

// Control names the three ways to spend bytes that every policy is set beside:
// whole fp16 rows, drawn at random, the last ones, or the last ones and four sinks.
var Controls = []string{"random", "recent", "streaming"}

const controlSinks = 4

// Control gives the control of a kind, one of [Controls], that keeps n fp16 rows.
func Control(kind string, n int) Run { return control(kind, n) }

// control gives a control that keeps n fp16 rows.
func control(kind string, n int) Run {
	p := policy.Full()
	zero := 0
	switch kind {
	case "random":
		p.TopK, p.Scorer = &n, policy.Random
	case "recent":
		p.Recent, p.TopK = n, &zero
	default:
		p.Sinks = min(controlSinks, n)
		p.Recent, p.TopK = n-p.Sinks, &zero
	}
	p.Name = fmt.Sprintf("%s=%d", kind, n)
	return Run{Name: p.Name, Policy: p}
}

// rowBytes is what a kept fp16 row and its position take, all layers and heads
// together.
func rowBytes(c llm.Config) int64 { return int64(c.Layers*c.KVHeads) * int64(4*c.HeadDim+2) }

// controlBytes is what a control of n rows takes, summed over the steps of a
// window: what [Unit.account] comes to.
func (o *Options) controlBytes(c llm.Config, n int) int64 {
	rows := int64(0)
	for at := o.Prefix; at < o.Window-1; at += o.Chunk {
		steps := int64(min(o.Chunk, o.Window-1-at))
		rows += steps*int64(min(n, at)) + steps*(steps+1)/2
	}
	return rows * rowBytes(c)
}

// equal is the number of rows whose bytes come closest to those of a run's
// windows.
func (e *evaluation) equal(r Run) int {
	want := int64(0)
	for w := range e.Limit {
		want += e.state.get(unitKey{run: r.key(), index: w}).Memory.Total()
	}
	want /= int64(e.Limit)
	best := 1
	off := func(n int) int64 { return max(want-e.controlBytes(e.m.Config, n), e.controlBytes(e.m.Config, n)-want) }
	for n := 2; n <= e.Window; n++ {
		if off(n) < off(best) {
			best = n
		}
	}
	return best
}

// controls are those at the bytes of each run but full; none if the engine
// cannot do them.
func (e *evaluation) controls(runs []Run) []Run {
	var list []Run
	seen := map[int]bool{}
	for _, r := range runs[1:] {
		if e.noRows {
			break
		}
		n := e.equal(r)
		if seen[n] {
			continue
		}
		seen[n] = true
		for _, kind := range Controls {
			list = append(list, control(kind, n))
		}
	}
	return list
}
