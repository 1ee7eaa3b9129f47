// Package traceinfo describes a KV trace: ranges, channels that stand out, and
// where attention goes. It is what one looks at before choosing a scheme:
// outlier channels ask for keys per channel, sinks for kept first positions,
// concentrated attention for eviction.
package traceinfo

import (
	"context"
	"math"
	"slices"

	"github.com/kvaccel/kvaccel/host/attention"
	"github.com/kvaccel/kvaccel/host/parallel"
	"github.com/kvaccel/kvaccel/host/trace"
)

// SchemaVersion is that of Info as JSON.
const SchemaVersion = 1

// Info describes a trace.
type Info struct {
	SchemaVersion int               `json:"schema_version"`
	File          string            `json:"file"`
	Metadata      map[string]string `json:"metadata"`
	Layers        int               `json:"layers"`
	KVHeads       int               `json:"kv_heads"`
	Heads         int               `json:"heads"` // query heads; 0: no queries
	Tokens        int               `json:"tokens"`
	Dims          int               `json:"dims"`
	Scale         float64           `json:"attention_scale"`
	Bytes         int64             `json:"bytes"`      // keys and values as fp16
	NonFinite     int64             `json:"non_finite"` // NaN and infinities
	Saturated     int64             `json:"saturated"`  // beyond the fp16 range
	AttnRows      int               `json:"attn_rows"`  // recorded, in the layer with the fewest
	Queries       int               `json:"queries"`    // late ones that Attention is over; 0: there are no queries
	HeadInfo      []Head            `json:"head_info"`  // by layer and KV head
}

// Head describes one key-value head.
type Head struct {
	Layer     int        `json:"layer"`
	Head      int        `json:"head"`
	K         Range      `json:"k"`
	V         Range      `json:"v"`
	Attention *Attention `json:"attention"` // nil without queries
}

// Range describes the rows of keys or of values.
type Range struct {
	Min      float64 `json:"min"`
	Max      float64 `json:"max"`
	RMS      float64 `json:"rms"`
	Outliers []int   `json:"outlier_channels"` // largest magnitude at least OutlierRatio times the median channel's
	Worst    float64 `json:"worst_channel_ratio"`
}

// OutlierRatio is from where on a channel counts as one that stands out.
const OutlierRatio = 4

// Attention is where the late queries of a group look, means over them.
type Attention struct {
	Sinks      float64   `json:"sinks"`         // weight on the first SinkPositions positions
	Recent     float64   `json:"recent"`        // weight on the last RecentPositions
	TopShare   float64   `json:"top_share"`     // weight on the best TopPercent percent
	For90      float64   `json:"share_for_90"`  // share of the positions that 90 % of the weight takes
	HeavyMost  []int     `json:"heavy_hitters"` // the positions of largest mean weight
	Cumulative []float64 `json:"cumulative"`    // weight on the best 1, 2, ... 100 % of the positions
}

// What Attention counts.
const (
	SinkPositions   = 4
	RecentPositions = 32
	TopPercent      = 5
	LateQueries     = 64
	heavyHitters    = 8
)

// Measure reads a whole trace, a layer at a time.
func Measure(ctx context.Context, t *trace.Trace, progress func(done, total int)) (*Info, error) {
	in := &Info{
		SchemaVersion: SchemaVersion, File: t.Name, Metadata: t.Metadata, Layers: t.Layers, KVHeads: t.Hkv, Heads: t.Hq, Tokens: t.T, Dims: t.D, Scale: t.Scale,
		Bytes: int64(t.Layers) * int64(t.Hkv) * int64(t.T) * int64(t.D) * 4, HeadInfo: make([]Head, t.Layers*t.Hkv), AttnRows: t.AttnRows(0),
	}
	for l := range t.Layers {
		if progress != nil {
			progress(l, t.Layers)
		}
		layer, c, err := t.Layer(l, true)
		if err != nil {
			return nil, err
		}
		in.NonFinite += c.NonFinite
		in.Saturated += c.Saturated
		in.AttnRows = min(in.AttnRows, t.AttnRows(l))
		if layer.Q != nil {
			in.Queries = min(LateQueries, t.T)
		}
		err = parallel.Each(ctx, t.Hkv, func(h int) error {
			k := attention.Floats(layer.K[h])
			x := Head{Layer: l, Head: h, K: rangeOf(k, t.D), V: rangeOf(attention.Floats(layer.V[h]), t.D)}
			if layer.Q != nil {
				group := t.Hq / t.Hkv
				x.Attention = look(layer.Q[h*group:(h+1)*group], k, t)
			}
			in.HeadInfo[l*t.Hkv+h] = x
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return in, nil
}

// rangeOf describes rows of dims elements.
func rangeOf(x []float64, dims int) Range {
	r := Range{Min: math.Inf(1), Max: math.Inf(-1), Outliers: []int{}}
	most := make([]float64, dims)
	square := 0.0
	for i, f := range x {
		r.Min, r.Max = min(r.Min, f), max(r.Max, f)
		most[i%dims] = max(most[i%dims], math.Abs(f))
		square += f * f
	}
	r.RMS = math.Sqrt(square / float64(len(x)))
	order := slices.Sorted(slices.Values(most))
	median := (order[(dims-1)/2] + order[dims/2]) / 2
	if median == 0 {
		return r
	}
	r.Worst = order[dims-1] / median
	for c, m := range most {
		if m >= OutlierRatio*median {
			r.Outliers = append(r.Outliers, c)
		}
	}
	return r
}

// look averages the attention of the late queries of a group.
func look(q [][]uint16, k []float64, t *trace.Trace) *Attention {
	a := &Attention{Cumulative: make([]float64, 100)}
	total := make([]float64, t.T)
	first := t.T - min(LateQueries, t.T)
	count := float64((t.T - first) * len(q))
	for _, head := range q {
		rows := attention.Floats(head[first*t.D:])
		for pos := first; pos < t.T; pos++ {
			w := make([]float64, pos+1)
			attention.Logits(w, rows[(pos-first)*t.D:][:t.D], k, t.Scale)
			attention.Softmax(w)
			a.add(w, total, count)
		}
	}
	order := make([]int, t.T)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case total[i] > total[j]:
			return -1
		case total[i] < total[j]:
			return 1
		}
		return 0
	})
	a.HeavyMost = order[:min(heavyHitters, t.T)]
	return a
}

// add takes in one query's weights.
func (a *Attention) add(w, total []float64, count float64) {
	n := len(w)
	for j, x := range w {
		total[j] += x / count
		if j < SinkPositions {
			a.Sinks += x / count
		}
		if j >= n-RecentPositions {
			a.Recent += x / count
		}
	}
	slices.Sort(w)
	slices.Reverse(w)
	sum, percent, reached := 0.0, 0, false
	for j, x := range w {
		sum += x
		if !reached && sum >= 0.9 {
			a.For90 += float64(j+1) / float64(n) / count
			reached = true
		}
		for percent < 100 && j+1 >= (n*(percent+1)+99)/100 {
			a.Cumulative[percent] += sum / count
			percent++
		}
	}
	a.TopShare = a.Cumulative[TopPercent-1]
}
