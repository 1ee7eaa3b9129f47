package quality

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Report sums up the fidelity of a whole cache.
type Report struct {
	Queries  int          `json:"queries"`   // later positions measured
	TopK     int          `json:"topk"`      // positions the recall looks at
	OutputL2 Measure      `json:"output_l2"` // relative L2 error of the attention output
	KL       Measure      `json:"kl"`        // nats
	LostMass Measure      `json:"lost_mass"` // attention mass on dropped positions
	Recall   Measure      `json:"topk_recall"`
	Heads    []HeadReport `json:"heads"`
}

// Measure is one measure over all queries of all heads.
type Measure struct {
	Mean   float64 `json:"mean"`
	Median float64 `json:"median"`
	P95    float64 `json:"p95"` // 95 % of the queries are at least this good
	Worst  Worst   `json:"worst_head"`
}

// Worst is the key-value head with the worst median, the first one if equal.
type Worst struct {
	Layer  int     `json:"layer"`
	Head   int     `json:"head"`
	Median float64 `json:"median"`
}

// HeadReport is the mean, the median and the p95 of one key-value head.
type HeadReport struct {
	Layer    int         `json:"layer"`
	Head     int         `json:"head"`
	OutputL2 HeadMeasure `json:"output_l2"`
	KL       HeadMeasure `json:"kl"`
	LostMass HeadMeasure `json:"lost_mass"`
	Recall   HeadMeasure `json:"topk_recall"`
}

// HeadMeasure is one measure over the queries of one head.
type HeadMeasure struct {
	Mean   float64 `json:"mean"`
	Median float64 `json:"median"`
	P95    float64 `json:"p95"`
}

// Collector gathers the samples of heads into a report.
type Collector struct {
	all   Samples
	heads []HeadReport
}

// Add adds a head's samples. The order of calls is the order of the report.
func (c *Collector) Add(layer, head int, s Samples) {
	for _, f := range []struct {
		dst *[]float64
		src []float64
	}{{&c.all.OutputL2, s.OutputL2}, {&c.all.KL, s.KL}, {&c.all.LostMass, s.LostMass}, {&c.all.Recall, s.Recall}} {
		*f.dst = append(*f.dst, f.src...)
	}
	c.heads = append(c.heads, HeadReport{
		Layer: layer, Head: head,
		OutputL2: summary(s.OutputL2, false), KL: summary(s.KL, false), LostMass: summary(s.LostMass, false), Recall: summary(s.Recall, true),
	})
}

// Report sums up; queries is the number of later positions and prefix that of
// compressed ones. Without samples there is none.
func (c *Collector) Report(queries, prefix int) *Report {
	if len(c.all.KL) == 0 {
		return nil
	}
	measure := func(all []float64, of func(HeadReport) HeadMeasure, moreIsBetter bool) Measure {
		s := summary(all, moreIsBetter)
		m := Measure{Mean: s.Mean, Median: s.Median, P95: s.P95}
		for i, h := range c.heads {
			v := of(h).Median
			if i == 0 || !moreIsBetter && v > m.Worst.Median || moreIsBetter && v < m.Worst.Median {
				m.Worst = Worst{h.Layer, h.Head, v}
			}
		}
		return m
	}
	return &Report{
		Queries: queries, TopK: min(TopK, prefix), Heads: c.heads,
		OutputL2: measure(c.all.OutputL2, func(h HeadReport) HeadMeasure { return h.OutputL2 }, false),
		KL:       measure(c.all.KL, func(h HeadReport) HeadMeasure { return h.KL }, false),
		LostMass: measure(c.all.LostMass, func(h HeadReport) HeadMeasure { return h.LostMass }, false),
		Recall:   measure(c.all.Recall, func(h HeadReport) HeadMeasure { return h.Recall }, true),
	}
}

// summary gives the mean, the median, the mean of the middle two if there are two,
// and the value that the worst 5 % do not reach.
func summary(x []float64, moreIsBetter bool) HeadMeasure {
	if len(x) == 0 {
		return HeadMeasure{}
	}
	s := slices.Sorted(slices.Values(x))
	n := len(s)
	m := HeadMeasure{Mean: stat.Mean(s, nil), Median: (s[(n-1)/2] + s[n/2]) / 2}
	rank := int(math.Ceil(0.95*float64(n))) - 1
	if moreIsBetter {
		rank = n - 1 - rank
	}
	m.P95 = s[rank]
	return m
}
