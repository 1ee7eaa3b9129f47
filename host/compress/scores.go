package compress

import (
	"context"
	"math/rand/v2"

	"github.com/kvaccel/kvaccel/host/attention"
	"github.com/kvaccel/kvaccel/host/parallel"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/safetensors"
	"github.com/kvaccel/kvaccel/host/trace"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// observed is the range of query positions of layer l that feed the scores of
// an n-position prefix: its last `observe`, as far as weights were recorded.
func observed(t *trace.Trace, l, n, observe int) (first int) {
	if observe != policy.ObserveAll {
		first = max(0, n-observe)
	}
	if rows := t.AttnRows(l); rows > 0 {
		first = max(first, t.T-rows)
	}
	return first
}

// queryHeads lists the query heads whose rows rank the positions of key-value
// head kv: those of its group, or all of the layer.
func queryHeads(t *trace.Trace, kv int, all bool) []int {
	group := t.Hq / t.Hkv
	first, count := kv*group, group
	if all {
		first, count = 0, t.Hq
	}
	heads := make([]int, count)
	for i := range heads {
		heads[i] = first + i
	}
	return heads
}

// randomRows gives two rows whose sum ranks n positions in random order: the
// first has the upper ten bits of a uniform number in [0, 1), the second the next ten.
func randomRows(l, h, n int) []uint16 {
	rng := rand.New(rand.NewPCG(uint64(l), uint64(h)))
	rows := make([]uint16, 2*n)
	for j := range n {
		rows[j] = fp16.FromFloat64(float64(rng.IntN(1<<10)) * 0x1p-10)
		rows[n+j] = fp16.FromFloat64(float64(rng.IntN(1<<10)) * 0x1p-20)
	}
	return rows
}

// weights gives the attention rows that SELECT adds: for each observed query
// position one row of n weights per query head listed. Recorded weights are taken as they
// stand; otherwise they are computed.
func weights(ctx context.Context, t *trace.Trace, l int, layer trace.Layer, heads []int, n, observe int) ([]uint16, safetensors.Converted, error) {
	first := observed(t, l, n, observe)
	rows := make([]uint16, (n-first)*len(heads)*n)
	row := func(query, i int) []uint16 { return rows[((query-first)*len(heads)+i)*n:][:n] }
	if t.AttnRows(l) > 0 {
		c, err := recorded(t, l, heads, first, n, row)
		return rows, c, err
	}
	k, q := make([][]float64, len(heads)), make([][]float64, len(heads))
	for i, head := range heads {
		k[i] = attention.Floats(layer.K[head/(t.Hq/t.Hkv)][:n*t.D])
		q[i] = attention.Floats(layer.Q[head][:n*t.D])
	}
	err := parallel.Each(ctx, n-first, func(i int) error {
		query := first + i
		buf := make([]float64, n)
		for g := range q {
			attention.Weights(row(query, g), q[g][query*t.D:][:t.D], k[g], query, t.Scale, buf)
		}
		return nil
	})
	return rows, safetensors.Converted{}, err
}

// recorded copies the first n weights of each recorded row of the query heads
// listed.
func recorded(t *trace.Trace, l int, heads []int, first, n int, row func(query, i int) []uint16) (total safetensors.Converted, err error) {
	for g, head := range heads {
		w, c, err := t.Attn(l, head, first, n-first)
		if err != nil {
			return total, err
		}
		total.Add(c)
		for i := range n - first {
			copy(row(first+i, g), w[i*t.T:])
		}
	}
	return total, nil
}
