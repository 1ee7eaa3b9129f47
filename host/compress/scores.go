package compress

import (
	"context"

	"github.com/kvaccel/kvaccel/host/attention"
	"github.com/kvaccel/kvaccel/host/parallel"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/safetensors"
	"github.com/kvaccel/kvaccel/host/trace"
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

// weights gives the attention rows that SELECT adds for one key-value head:
// for each observed query position one row of n weights per query head of the
// group. Recorded weights are taken as they stand; otherwise they are computed.
func weights(ctx context.Context, t *trace.Trace, l int, layer trace.Layer, kv, n, observe int) ([]uint16, safetensors.Converted, error) {
	group := t.Hq / t.Hkv
	first := observed(t, l, n, observe)
	rows := make([]uint16, (n-first)*group*n)
	row := func(query, g int) []uint16 { return rows[((query-first)*group+g)*n:][:n] }
	if t.AttnRows(l) > 0 {
		c, err := recorded(t, l, kv*group, group, first, n, row)
		return rows, c, err
	}
	k := attention.Floats(layer.K[kv][:n*t.D])
	q := make([][]float64, group)
	for g := range q {
		q[g] = attention.Floats(layer.Q[kv*group+g][:n*t.D])
	}
	err := parallel.Each(ctx, n-first, func(i int) error {
		query := first + i
		buf := make([]float64, n)
		for g := range q {
			attention.Weights(row(query, g), q[g][query*t.D:][:t.D], k, query, t.Scale, buf)
		}
		return nil
	})
	return rows, safetensors.Converted{}, err
}

// recorded copies the first n weights of each recorded row, of group query
// heads from head on.
func recorded(t *trace.Trace, l, head, group, first, n int, row func(query, g int) []uint16) (total safetensors.Converted, err error) {
	for g := range group {
		w, c, err := t.Attn(l, head+g, first, n-first)
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
