package oracle

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSelectByHand(t *testing.T) {
	row := func(h ...uint16) []uint16 { return h }
	for _, c := range []struct {
		name               string
		rows               [][]uint16
		sinks, recent, top int
		want               []int
		bad, sat           int
	}{
		{"highest two", [][]uint16{row(half, one, 0, two)}, 0, 0, 2, []int{1, 3}, 0, 0},
		{"sum of rows", [][]uint16{row(half, one, 0), row(one, 0, 0)}, 0, 0, 1, []int{0}, 0, 0},
		{"lower position wins", [][]uint16{row(one, one, one, one)}, 0, 0, 2, []int{0, 1}, 0, 0},
		{"sinks and recent do not compete", [][]uint16{row(two, one, half, one, two)}, 1, 1, 1, []int{0, 1, 4}, 0, 0},
		{"none but protected", [][]uint16{row(0, two, two, two, 0)}, 1, 1, 0, []int{0, 4}, 0, 0},
		{"protected overlap", [][]uint16{row(0, 0, 0)}, 2, 2, 3, []int{0, 1, 2}, 0, 0},
		{"k beyond what is left", [][]uint16{row(0, 0, 0, 0)}, 1, 1, 4, []int{0, 1, 2, 3}, 0, 0},
		{"nothing", [][]uint16{row(one, two)}, 0, 0, 0, []int{}, 0, 0},
		{"zeros compete", [][]uint16{row(0, negZero, tiny, 0)}, 0, 0, 2, []int{0, 2}, 0, 0},
		{"one unit above a large score", [][]uint16{row(top, top, 0x7bfe), row(0, tiny, 0)}, 0, 0, 1, []int{1}, 0, 0},
		{"negative, NaN, infinite", [][]uint16{row(minusOne, nan, tiny, inf, negInf, negNaN)}, 0, 0, 2, []int{2, 3}, 5, 0},
		// 2 * 65504 is beyond 65536 - 2^-24: both stand at the top and tie, and
		// one more addition changes nothing but the count.
		{"saturated", [][]uint16{row(top, top, top), row(top, top, 0x4fff), row(0, one, 0)}, 0, 0, 1, []int{0}, 0, 3},
		// 65504 + 31.984375 + 2^-6 is one unit beyond the top, a little less is not.
		{"just not saturated", [][]uint16{row(0x4ffe, 0x4fff), row(top, top), row(0, 0x23ff)}, 0, 0, 1, []int{1}, 0, 0},
		{"just saturated", [][]uint16{row(0x4fff, 0x4fff), row(top, top), row(0x23ff, 0x2400)}, 0, 0, 1, []int{1}, 0, 1},
	} {
		scores, bad, sat := Scores(nil, c.rows, 0, 0)
		keep := Keep(scores, c.sinks, c.recent, c.top)
		if !slices.Equal(keep, c.want) || bad != c.bad || sat != c.sat {
			t.Errorf("%s: %v, %d, %d; want %v, %d, %d", c.name, keep, bad, sat, c.want, c.bad, c.sat)
		}
	}
}

// Against the definition: a position stays if it is protected, or if fewer than
// k unprotected ones go before it; scores are rational sums.
func TestSelectAgainstDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	limit := new(big.Rat).SetFrac64(scoreMax, 1<<24)
	for range 500 {
		n := 1 + rng.IntN(24)
		rows := make([][]uint16, 1+rng.IntN(4))
		for i := range rows {
			rows[i] = randomGroup(rng, n)
		}
		exact := make([]*big.Rat, n)
		for j := range exact {
			exact[j] = new(big.Rat)
			for _, row := range rows {
				if clean, _ := Sanitise(row[j]); clean < 0x8000 {
					exact[j].Add(exact[j], Value(clean))
				}
				if exact[j].Cmp(limit) > 0 {
					exact[j].Set(limit)
				}
			}
		}
		sinks, recent, k := rng.IntN(n+1)/(1+rng.IntN(4)), rng.IntN(n+1)/(1+rng.IntN(4)), rng.IntN(n+1)
		protected := func(j int) bool { return j < sinks || j >= n-recent }
		want := []int{}
		for j := range n {
			before := 0
			for i := range n {
				if c := exact[i].Cmp(exact[j]); !protected(i) && (c > 0 || c == 0 && i < j) {
					before++
				}
			}
			if protected(j) || before < k {
				want = append(want, j)
			}
		}
		scores, _, _ := Scores(nil, rows, 0, 0)
		got := Keep(scores, sinks, recent, k)
		if !slices.Equal(got, want) || len(got) != min(n, sinks+recent+k) {
			t.Fatalf("n %d, %d sinks, %d recent, k %d: got %v, want %v", n, sinks, recent, k, got, want)
		}
	}
}
