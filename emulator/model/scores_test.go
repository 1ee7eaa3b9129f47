package model

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/verification/oracle"
)

func TestAccumulate(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		n, rows := 1+rng.IntN(40), make([][]uint16, 1+rng.IntN(100))
		scores := make([]uint64, n)
		bad, sat := 0, 0
		kind := rng.IntN(3)
		for i := range rows {
			rows[i] = elements(rng, n)
			for j := range rows[i] {
				switch kind {
				case 0: // weights
					rows[i][j] &= 0x7fff
				case 1: // large ones, which saturate in 64 rows or so
					rows[i][j] = maxFinite - rows[i][j]&0x1ff
				}
			}
			x := pack(append(slices.Clone(rows[i]), elements(rng, 3)...))
			b, s := Accumulate(scores, x)
			bad, sat = bad+b, sat+s
		}
		want, wantBad, wantSat := oracle.Scores(nil, rows, 0, 0)
		if bad != wantBad || sat != wantSat {
			t.Fatalf("counts %d, %d; want %d, %d", bad, sat, wantBad, wantSat)
		}
		for j, v := range want {
			if scores[j] != uint64(v) {
				t.Fatalf("score %d is %d, want %d", j, scores[j], v)
			}
		}
	}
}

// randomScores gives scores of several kinds: few different ones, close ones,
// saturated ones, any.
func randomScores(rng *rand.Rand, n int) []int64 {
	s := make([]int64, n)
	kind, base := rng.IntN(5), rng.Int64N(MaxScore-100)
	for i := range s {
		switch kind {
		case 0:
			s[i] = rng.Int64N(3)
		case 1:
			s[i] = base + rng.Int64N(100)
		case 2:
			s[i] = MaxScore - max(rng.Int64N(4)-2, 0)
		case 3:
			s[i] = rng.Int64N(1 << (1 + rng.IntN(40)))
		case 4:
			s[i] = base
		}
	}
	return s
}

func TestSelect(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	var s Selector
	for range 4000 {
		n := 1 + rng.IntN(200)
		scores := randomScores(rng, n)
		sinks, recent, k := rng.IntN(n+1), rng.IntN(n+1), rng.IntN(n+1)
		if rng.IntN(2) == 0 {
			sinks, recent = min(sinks, 4), min(recent, 8)
		}
		list := make([]uint64, n)
		for i, v := range scores {
			list[i] = uint64(v)
		}
		kept, passes := s.Select(list, sinks, recent, k)
		want := oracle.Keep(scores, sinks, recent, k)
		if len(kept) != len(want) || len(kept) != min(n, sinks+recent+k) {
			t.Fatalf("%d kept, want %d", len(kept), len(want))
		}
		for i, j := range want {
			if int(kept[i]) != j {
				t.Fatalf("scores %v, sinks %d, recent %d, k %d: kept %v, want %v", scores, sinks, recent, k, kept, want)
			}
		}
		if w := countPasses(scores, sinks, recent, k); passes != w {
			t.Fatalf("scores %v, sinks %d, recent %d, k %d: %d passes, want %d", scores, sinks, recent, k, passes, w)
		}
	}
}

// countPasses says from sorted scores how many digits tell the k highest
// unprotected ones from the rest: a pass ends the search if all that share the
// digits of the k-th so far are kept.
func countPasses(scores []int64, sinks, recent, k int) int {
	var free []int64
	for j, v := range scores {
		if j >= sinks && j < len(scores)-recent {
			free = append(free, v)
		}
	}
	if k == 0 || k >= len(free) {
		return 0
	}
	slices.Sort(free)
	slices.Reverse(free)
	top := 0
	for v := free[0]; v > 15; v >>= 4 {
		top++
	}
	for digit := top; ; digit-- {
		if free[k-1]>>(4*digit) != free[k]>>(4*digit) || digit == 0 {
			return top - digit + 1
		}
	}
}
