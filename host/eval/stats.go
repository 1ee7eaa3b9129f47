package eval

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Interval is a mean with its 95 % confidence interval.
type Interval struct {
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// confidence is that of every interval.
const confidence = 0.95

// paired gives the mean difference per token of what two runs sum up in the same
// blocks. Blocks, not tokens, are taken as independent: neighbouring tokens
// err together. The interval is Student's t over the blocks' residuals, a ratio
// estimate since the last block of a window may be shorter. A single block has none.
func paired(a, b []Block, of func(Block) float64) Interval {
	var sum, tokens float64
	for i := range a {
		sum += of(a[i]) - of(b[i])
		tokens += float64(a[i].Tokens)
	}
	m := sum / tokens
	if len(a) < 2 {
		return Interval{m, m, m}
	}
	square := 0.0
	for i := range a {
		e := of(a[i]) - of(b[i]) - m*float64(a[i].Tokens)
		square += e * e
	}
	n := float64(len(a))
	se := math.Sqrt(n/(n-1)*square) / tokens
	half := se * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile((1+confidence)/2)
	return Interval{m, m - half, m + half}
}

// Spearman is the rank correlation of two series, equal values sharing their
// mean rank; 0 if one of them is constant.
func Spearman(x, y []float64) float64 {
	a, b := ranks(x), ranks(y)
	mean := float64(len(a)+1) / 2
	var xy, xx, yy float64
	for i := range a {
		xy += (a[i] - mean) * (b[i] - mean)
		xx += (a[i] - mean) * (a[i] - mean)
		yy += (b[i] - mean) * (b[i] - mean)
	}
	if xx == 0 || yy == 0 {
		return 0
	}
	return xy / math.Sqrt(xx*yy)
}

func ranks(x []float64) []float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case x[a] < x[b]:
			return -1
		case x[a] > x[b]:
			return 1
		}
		return 0
	})
	out := make([]float64, len(x))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && x[order[j]] == x[order[i]] {
			j++
		}
		for k := i; k < j; k++ {
			out[order[k]] = float64(i+j+1) / 2
		}
		i = j
	}
	return out
}
