package compress

import (
	"context"
	"math/rand/v2"
	"slices"

	"github.com/kvaccel/kvaccel/host/attention"
	"github.com/kvaccel/kvaccel/host/parallel"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/safetensors"
	"github.com/kvaccel/kvaccel/host/trace"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// queries lists, ascending, the query positions of layer l that feed the scores of
// an n-position prefix: its last p.Observe, and p.Probe of those before drawn at
// random; as far as weights were recorded.
func queries(t *trace.Trace, l, n int, p policy.Policy) []int {
	least := 0
	if rows := t.AttnRows(l); rows > 0 {
		least = t.T - rows
	}
	first := least
	if p.Observe != policy.ObserveAll {
		first = max(least, n-p.Observe)
	}
	var list []int
	rng := rand.New(rand.NewPCG(uint64(l), probeStream))
	if before := first - least; before > 0 {
		for _, q := range rng.Perm(before)[:min(p.Probe, before)] {
			list = append(list, least+q)
		}
	}
	slices.Sort(list)
	for q := first; q < n; q++ {
		list = append(list, q)
	}
	return list
}

// probeStream keeps the draw of queries apart from that of scores.
const probeStream = 1 << 32

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

// weights gives the attention rows that SELECT adds: for each query position listed
// one row of n weights per query head listed. Recorded weights are taken as they
// stand; otherwise they are computed.
func weights(ctx context.Context, t *trace.Trace, l int, layer trace.Layer, heads []int, n int, queries []int) ([]uint16, safetensors.Converted, error) {
	rows := make([]uint16, len(queries)*len(heads)*n)
	row := func(query, i int) []uint16 { return rows[(query*len(heads)+i)*n:][:n] }
	if t.AttnRows(l) > 0 {
		c, err := recorded(t, l, heads, n, queries, row)
		return rows, c, err
	}
	k, q := make([][]float64, len(heads)), make([][]float64, len(heads))
	for i, head := range heads {
		k[i] = layer.Floats(layer.K[head/(t.Hq/t.Hkv)][:n*t.D])
		q[i] = attention.Floats(layer.Q[head][:n*t.D])
	}
	err := parallel.Each(ctx, len(queries), func(i int) error {
		buf := make([]float64, n)
		for g := range q {
			attention.Weights(row(i, g), q[g][queries[i]*t.D:][:t.D], k[g], queries[i], t.Scale, buf)
		}
		return nil
	})
	return rows, safetensors.Converted{}, err
}

// recorded copies the first n weights of each recorded row of the query heads
// listed, reading neighbouring queries together.
func recorded(t *trace.Trace, l int, heads []int, n int, queries []int, row func(query, i int) []uint16) (total safetensors.Converted, err error) {
	for g, head := range heads {
		for at, run := 0, 0; at < len(queries); at += run {
			for run = 1; at+run < len(queries) && queries[at+run] == queries[at]+run; run++ {
			}
			w, c, err := t.Attn(l, head, queries[at], run)
			if err != nil {
				return total, err
			}
			total.Add(c)
			for i := range run {
				copy(row(at+i, g), w[i*t.T:])
			}
		}
	}
	return total, nil
}
