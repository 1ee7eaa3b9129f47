// Package quality measures what a compressed KV cache does to attention, on
// queries later than the compressed prefix. It is fidelity to the uncompressed
// trace, not accuracy of a model.
//
// For the query at position t >= n (n: the prefix) of a query head, with
// logits s_j = scale q k_j for j = 0..t and p = softmax(s): the compressed side
// has logits s'_j from the restored keys of the kept prefix positions, and s_j
// for the positions from n to t, which are kept uncompressed on both sides;
// p' is the softmax over those positions, S.
//
//   - output error: ||o - o'|| / ||o||, o = sum p_j v_j, o' = sum p'_j v'_j
//   - KL: KL(p_S || p') in nats, p_S being p renormalised to S. Without eviction
//     it is KL(p || p'); with it, that would be infinite, so what p has outside
//     S is told apart:
//   - lost mass: the sum of p_j over the positions not in S
//   - recall: of the [TopK] prefix positions of largest s_j, the share that is
//     among the TopK kept ones of largest s'_j
//
// All in float64; NaN in a trace counts as 0 and an infinity as +-65504, as in
// the engine.
package quality

import (
	"context"
	"math"

	"github.com/kvaccel/kvaccel/host/attention"
)

// TopK is how many positions the recall looks at, or as many as the prefix has.
const TopK = 32

// Head is what one key-value head is measured on. Matrices are row by row.
type Head struct {
	Scale        float64
	Prefix, T, D int
	K, V         []uint16   // T x D, of the trace
	Q            [][]uint16 // T x D for each query head of the group
	Positions    []int      // kept, ascending
	KeptK, KeptV []uint16   // len(Positions) x D, restored

	// BF16 says that K and V are bfloat16, KeptBF16 that KeptK and KeptV are; else
	// they are binary16. Q is binary16.
	BF16, KeptBF16 bool
}

// Samples are the measures of one key-value head, one entry for each query
// head of its group and later query.
type Samples struct{ OutputL2, KL, LostMass, Recall []float64 }

// Measure measures one head on the queries from Prefix to T-1. It fails only if
// ctx is cancelled.
func (h Head) Measure(ctx context.Context) (Samples, error) {
	m := newMeter(h)
	var s Samples
	for _, q := range h.Q {
		m.q = attention.Floats(q[h.Prefix*h.D:])
		for t := h.Prefix; t < h.T; t++ {
			if err := ctx.Err(); err != nil {
				return Samples{}, err
			}
			m.query(t, &s)
		}
	}
	return s, nil
}

// meter holds a head as float64 and room for one query.
type meter struct {
	Head
	q, k, v, k2, v2 []float64 // q: later rows only; k2, v2: restored
	kept            []bool    // by prefix position
	s, s2           []float64 // logits: of all positions; of the kept and then the later ones
	o, o2           []float64
	topRef, top     topK
}

// floats are the values of rows in a format.
func floats(bits []uint16, bf16 bool) []float64 {
	if bf16 {
		return attention.FloatsBF16(bits)
	}
	return attention.Floats(bits)
}

func newMeter(h Head) *meter {
	m := &meter{
		Head: h,
		k:    floats(h.K, h.BF16), v: floats(h.V, h.BF16), k2: floats(h.KeptK, h.KeptBF16), v2: floats(h.KeptV, h.KeptBF16),
		kept: make([]bool, h.Prefix),
		s:    make([]float64, h.T), s2: make([]float64, len(h.Positions)+h.T-h.Prefix),
		o: make([]float64, h.D), o2: make([]float64, h.D),
	}
	for _, j := range h.Positions {
		m.kept[j] = true
	}
	return m
}

// query measures the query at position t.
func (m *meter) query(t int, out *Samples) {
	q := m.q[(t-m.Prefix)*m.D:][:m.D]
	s := m.s[:t+1]
	attention.Logits(s, q, m.k, m.Scale)
	nk := len(m.Positions)
	s2 := m.s2[:nk+t+1-m.Prefix]
	attention.Logits(s2[:nk], q, m.k2, m.Scale)
	copy(s2[nk:], s[m.Prefix:])

	lse, lse2 := attention.LogSumExp(s), attention.LogSumExp(s2)
	kl, lost := m.divergence(s, s2, lse, lse2)
	out.OutputL2 = append(out.OutputL2, m.outputError(s, s2, lse, lse2))
	out.KL = append(out.KL, kl)
	out.LostMass = append(out.LostMass, lost)
	out.Recall = append(out.Recall, m.recall(s, s2))
}

// divergence gives KL(p_S || p') and the mass of p outside S.
func (m *meter) divergence(s, s2 []float64, lse, lse2 float64) (kl, lost float64) {
	onS := make([]float64, 0, len(s2)) // the logits of p on S, in the order of s2
	for _, j := range m.Positions {
		onS = append(onS, s[j])
	}
	onS = append(onS, s[m.Prefix:]...)
	lseS := attention.LogSumExp(onS)
	for i, x := range onS {
		kl += math.Exp(x-lseS) * ((x - lseS) - (s2[i] - lse2))
	}
	for j, kept := range m.kept {
		if !kept {
			lost += math.Exp(s[j] - lse)
		}
	}
	return max(kl, 0), min(lost, 1) // rounding may leave the range by a hair
}

// outputError is the relative L2 error of the attention output; 0 for 0/0, and
// 1 where an output of 0 became something.
func (m *meter) outputError(s, s2 []float64, lse, lse2 float64) float64 {
	clear(m.o)
	clear(m.o2)
	for j, x := range s {
		attention.AddScaled(m.o, math.Exp(x-lse), m.v[j*m.D:])
	}
	nk := len(m.Positions)
	for i, x := range s2 {
		row := m.v2
		at := i
		if i >= nk {
			row, at = m.v, m.Prefix+i-nk
		}
		attention.AddScaled(m.o2, math.Exp(x-lse2), row[at*m.D:])
	}
	var diff, norm float64
	for i, o := range m.o {
		d := o - m.o2[i]
		diff += d * d
		norm += o * o
	}
	switch {
	case diff == 0:
		return 0
	case norm == 0:
		return 1
	}
	return math.Sqrt(diff / norm)
}

// recall compares the positions of largest logits.
func (m *meter) recall(s, s2 []float64) float64 {
	k := min(TopK, m.Prefix)
	m.topRef.reset(k)
	for j, x := range s[:m.Prefix] {
		m.topRef.add(j, x)
	}
	m.top.reset(k)
	for i, j := range m.Positions {
		m.top.add(j, s2[i])
	}
	hits := 0
	for _, a := range m.topRef.list {
		for _, b := range m.top.list {
			if a.pos == b.pos {
				hits++
			}
		}
	}
	return float64(hits) / float64(k)
}

// topK keeps the k largest values of ascending positions, equal ones lowest
// position first.
type topK struct {
	k    int
	list []entry // falling
}

type entry struct {
	pos int
	x   float64
}

func (t *topK) reset(k int) { t.k, t.list = k, t.list[:0] }

func (t *topK) add(pos int, x float64) {
	if len(t.list) == t.k && x <= t.list[t.k-1].x {
		return
	}
	if len(t.list) < t.k {
		t.list = append(t.list, entry{})
	}
	i := len(t.list) - 1
	for ; i > 0 && t.list[i-1].x < x; i-- {
		t.list[i] = t.list[i-1]
	}
	t.list[i] = entry{pos, x}
}
