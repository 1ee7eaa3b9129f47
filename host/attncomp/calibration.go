package attncomp

import (
	"context"
	"fmt"

	"gonum.org/v1/gonum/mat"

	"github.com/kvaccel/kvaccel/host/attention"
	"github.com/kvaccel/kvaccel/host/llm"
	"github.com/kvaccel/kvaccel/host/record"
)

// Calibration is what a model's rows were on some text: what maps are fitted on.
type Calibration struct {
	Tokens int
	model  llm.Config
	blocks []*block
}

// Calibrate runs windows of text through a model. A ridge of 0 is DefaultRidge.
func Calibrate(ctx context.Context, m *llm.Model, windows [][]int, ridge float64) (*Calibration, error) {
	if len(windows) == 0 {
		return nil, fmt.Errorf("%w: no text to fit maps on", ErrOptions)
	}
	if ridge == 0 {
		ridge = DefaultRidge
	}
	if !(ridge > 0 && ridge <= 1e6) {
		return nil, fmt.Errorf("%w: a ridge of %g, want more than 0, at most 1e6", ErrOptions, ridge)
	}
	c := &Calibration{model: m.Config}
	var all [][]float64 // rows so far, by layer, kind and head
	for _, tokens := range windows {
		if err := c.take(ctx, m, tokens, &all); err != nil {
			return nil, err
		}
	}
	d, group := m.HeadDim, m.Heads/m.KVHeads
	for l := 0; l < m.Layers; l += span {
		b := &block{first: l, calibrate: c.Tokens, ridge: ridge, dims: d}
		for i := l; i < min(l+span, m.Layers); i++ {
			x := &layer{}
			for h := range m.KVHeads {
				at := (i*m.KVHeads + h) * (2 + group)
				x.x[keys] = append(x.x[keys], mat.NewDense(c.Tokens, d, all[at]))
				x.x[values] = append(x.x[values], mat.NewDense(c.Tokens, d, all[at+1]))
				var q []float64
				for g := range group {
					q = append(q, all[at+2+g]...)
				}
				x.q = append(x.q, mat.NewDense(len(q)/d, d, q))
			}
			b.layers = append(b.layers, x)
		}
		c.blocks = append(c.blocks, b)
	}
	return c, nil
}

// take adds the rows of one window.
func (c *Calibration) take(ctx context.Context, m *llm.Model, tokens []int, all *[][]float64) error {
	rec, err := record.Run(ctx, m, tokens, record.Options{Source: "calibration"})
	if err != nil {
		return err
	}
	t, err := rec.Trace("calibration")
	if err != nil {
		return err
	}
	defer t.Close()
	group := m.Heads / m.KVHeads
	if *all == nil {
		*all = make([][]float64, m.Layers*m.KVHeads*(2+group))
	}
	for l := range m.Layers {
		x, _, err := t.Layer(l, true)
		if err != nil {
			return err
		}
		for h := range m.KVHeads {
			at := (l*m.KVHeads + h) * (2 + group)
			for i, rows := range append([][]uint16{x.K[h], x.V[h]}, x.Q[h*group:][:group]...) {
				(*all)[at+i] = append((*all)[at+i], attention.Floats(rows)...)
			}
		}
	}
	c.Tokens += len(tokens)
	return nil
}
