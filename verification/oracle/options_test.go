package oracle

import (
	"bytes"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

func TestScoresByHand(t *testing.T) {
	tinies := [][]uint16{{tiny, 0}, {tiny, 0}, {tiny, 0}}
	for _, c := range []struct {
		name     string
		start    []uint64
		rows     [][]uint16
		stepRows int
		lambda   uint16
		want     []int64
		sat      int
	}{
		{"from given scores", []uint64{5, 7}, tinies, 0, 0, []int64{8, 7}, 0},
		{"no rows", []uint64{5, scoreMax, scoreMax + 1, 1<<64 - 1}, nil, 0, 0, []int64{5, scoreMax, scoreMax, scoreMax}, 2},
		{"lambda 1/2 each row", []uint64{9, 1}, tinies, 1, 1 << 15, []int64{2, 0}, 0},         // 4+1, 2+1, 1+1
		{"lambda 1/2 every second row", []uint64{9, 8}, tinies, 2, 1 << 15, []int64{4, 2}, 0}, // 4+1+1, 3+1
		{"lambda just below 1", []uint64{scoreMax, 65536}, tinies[:1], 3, 0xffff, []int64{scoreMax - 1<<24 + 1, 65535}, 0},
		{"lambda 0", []uint64{scoreMax, 1}, tinies, 4095, 0, []int64{3, 0}, 0},
	} {
		got, _, sat := Scores(c.start, c.rows, c.stepRows, c.lambda)
		if !slices.Equal(got, c.want) || sat != c.sat {
			t.Errorf("%s: %v, %d; want %v, %d", c.name, got, sat, c.want, c.sat)
		}
	}
}

// The integer forms against the rational ones.
func TestScoresExactly(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 16))
	for range 3000 {
		v, lambda := rng.Int64N(1<<rng.IntN(41)), uint16(rng.Uint32())
		if rng.IntN(8) == 0 {
			v = scoreMax - rng.Int64N(3)
		}
		got, _, _ := Scores([]uint64{uint64(v)}, [][]uint16{{0}}, 1, lambda)
		if want := ExactDecay(v, lambda); got[0] != want.Int64() {
			t.Fatalf("%d decays by %d to %d, want %v", v, lambda, got[0], want)
		}
	}
	for i := range 600 {
		row := randomGroup(rng, 16*(1+rng.IntN(4)))
		switch i % 3 {
		case 0: // sums on both sides of what a score can tell apart
			for j := range row {
				row[j] = uint16(rng.IntN(2)<<15 + 0x5000 + rng.IntN(0xc00))
			}
		case 1: // products below the unit
			for j := range row {
				row[j] = uint16(rng.IntN(0x1800))
			}
		}
		got, bad := KeyNorms([][]uint16{row})
		want := 0
		for _, h := range row {
			if h&0x7c00 == 0x7c00 {
				want++
			}
		}
		if e := ExactKeyNorm(row); big.NewInt(got[0]).Cmp(e) != 0 || bad != want {
			t.Fatalf("row %x: score %d, %d non-finite; want %v, %d", row, got[0], bad, e, want)
		}
	}
	for range 300 {
		scores := make([]int64, 1+rng.IntN(20))
		for i := range scores {
			scores[i] = rng.Int64N(1 << (36 + rng.IntN(5)))
		}
		half := 1 + rng.IntN(7)
		got, sat := Pool(scores, half, false)
		most, none := Pool(scores, half, true)
		over := 0
		for j := range scores {
			want := ExactPool(scores, j, half)
			if want.Cmp(big.NewInt(scoreMax)) > 0 {
				want.SetInt64(scoreMax)
				over++
			}
			high := int64(-1)
			for i, v := range scores {
				if i-j <= half && j-i <= half {
					high = max(high, v)
				}
			}
			if got[j] != want.Int64() || most[j] != high {
				t.Fatalf("%v, half %d: position %d is %d and %d, want %v and %d", scores, half, j, got[j], most[j], want, high)
			}
		}
		if sat != over || none != 0 {
			t.Fatalf("%v, half %d: %d and %d saturated, want %d and 0", scores, half, sat, none, over)
		}
	}
}

func TestKeyNormsByHand(t *testing.T) {
	row := make([]uint16, 16)
	for _, c := range []struct {
		name string
		set  []uint16
		want int64
		bad  int
	}{
		{"zero", []uint16{negZero, nan}, scoreMax, 1},
		{"two and minus one", []uint16{two, minusOne}, scoreMax - 5<<24, 0},
		{"squares of 25/64 of a unit", []uint16{0x0900, 0x0900, 0x0900}, scoreMax - 1, 0},
		{"2^-12 squared", []uint16{0x0c00}, scoreMax - 1, 0},
		{"a little less", []uint16{0x0bff, 0x0001}, scoreMax, 0},
		{"255.875^2 is in range", []uint16{0x5bff}, scoreMax - 0x7ff*0x7ff<<18, 0}, // 2047/8
		{"256^2 is not", []uint16{0x5c00}, 0, 0},                                   // one unit beyond 2^40 - 1
		{"infinite", []uint16{negInf}, 0, 1},
		{"nearly 256^2", []uint16{0x5bff, 0xc7ff}, scoreMax - 0x7ff*0x7ff<<18 - 0x7ff*0x7ff<<8, 0}, // 2047/256
	} {
		clear(row)
		copy(row, c.set)
		got, bad := KeyNorms([][]uint16{row})
		if got[0] != c.want || bad != c.bad {
			t.Errorf("%s: %d, %d; want %d, %d", c.name, got[0], bad, c.want, c.bad)
		}
	}
}

func TestTiersByHand(t *testing.T) {
	scores := []int64{0, 9, 5, 5, 7, 1, 0, 9}
	for _, c := range []struct {
		s    packet.Selection
		want []uint8
	}{
		{packet.Selection{TopK: 3}, []uint8{4, 3, 4, 4, 3, 4, 4, 3}},
		{packet.Selection{Sinks: 1, Recent: 1, TopK: 3, Rank: [3]int{1, 1, 2}, ProtTier: 1}, []uint8{1, 0, 3, 4, 2, 4, 4, 1}},
		{packet.Selection{Sinks: 1, Recent: 1, TopK: 8, Rank: [3]int{8, 8, 8}, ProtTier: 3}, []uint8{3, 0, 0, 0, 0, 0, 0, 3}},
		{packet.Selection{Sinks: 8, TopK: 8, Rank: [3]int{8, 8, 8}, ProtTier: 2}, []uint8{2, 2, 2, 2, 2, 2, 2, 2}},
		{packet.Selection{}, []uint8{4, 4, 4, 4, 4, 4, 4, 4}},
	} {
		if got := Tiers(scores, c.s); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.s, got, c.want)
		}
	}
}

// Against the definition: a position is in the first tier of whose ranks fewer
// unprotected ones go before it.
func TestTiersAgainstDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 18))
	for range 500 {
		n := 1 + rng.IntN(30)
		scores := make([]int64, n)
		for j := range scores {
			scores[j] = rng.Int64N(6)
		}
		ranks := []int{rng.IntN(n + 1), rng.IntN(n + 1), rng.IntN(n + 1), rng.IntN(n + 1)}
		slices.Sort(ranks)
		s := packet.Selection{Sinks: rng.IntN(n+1) / 3, Recent: rng.IntN(n+1) / 3, Rank: [3]int(ranks), TopK: ranks[3], ProtTier: rng.IntN(4)}
		protected := func(j int) bool { return j < s.Sinks || j >= n-s.Recent }
		for j, got := range Tiers(scores, s) {
			before := 0
			for i := range n {
				if !protected(i) && (scores[i] > scores[j] || scores[i] == scores[j] && i < j) {
					before++
				}
			}
			want := slices.IndexFunc(ranks, func(k int) bool { return before < k })
			if want < 0 {
				want = regmap.TierDropped
			}
			if protected(j) {
				want = s.ProtTier
			}
			if int(got) != want {
				t.Fatalf("%v, %+v: position %d is in %d, want %d", scores, s, j, got, want)
			}
		}
	}
}

// Three rows of 16 in tiers 0, dropped and 3; then per channel, where the rows of
// a group are those kept.
func TestSectionByHand(t *testing.T) {
	rng := rand.New(rand.NewPCG(19, 20))
	rows := pack(randomGroup(rng, 3*16)...)
	copy(rows[4:], pack(nan))
	copy(rows[36:], pack(inf))
	l := packet.Layout{Scheme: regmap.SchemeSym, Group: 16}
	got, bad := Engine{}.Section(l, 16, []uint8{0, regmap.TierDropped, 3}, rows)
	l.Bits = 2
	tile, wantBad, _ := Engine{}.QuantizeTile(l, 1, 16, rows[64:])
	for _, h := range elements(rows[:32], 16) {
		if h&0x7c00 == 0x7c00 {
			wantBad++
		}
	}
	if want := append(bytes.Clone(rows[:32]), tile...); !bytes.Equal(got, want) || bad != wantBad {
		t.Errorf("per token: %x, %d; want %x, %d", got, bad, want, wantBad)
	}

	const n = 40
	rows = pack(randomGroup(rng, n*16)...)
	tiers := make([]uint8, n)
	var kept []byte
	for j := range tiers {
		tiers[j] = uint8(j % 5) // every fifth is dropped: 32 are left
		if j == 1 {
			tiers[j] = regmap.TierDropped // and 31
		}
		if tiers[j] != regmap.TierDropped {
			kept = append(kept, rows[32*j:32*j+32]...)
		}
	}
	l = packet.Layout{Axis: regmap.AxisChannel, Group: 16, Bits: 5}
	tile, _, _ = Engine{}.QuantizeTile(l, 16, 16, kept[:16*32])
	if got, _ := (Engine{}).Section(l, 16, tiers, rows); !bytes.Equal(got, append(tile, kept[16*32:]...)) {
		t.Errorf("per channel: %x", got)
	}
}

func TestStreamByHand(t *testing.T) {
	// Seed 1: b_0 = b_-31 + b_-28 = 1 + 0, 27 zeros, b_28 = b_-3 + b_0 = 1, then
	// b_31 = b_0 + b_3 = 1; b_56 = b_25 + b_28 = 1, b_59 = b_28 + b_31 = 0, b_62 =
	// b_31 + b_34 = 1.
	if got, want := (Engine{}).Stream(1, 8), []byte{1, 0, 0, 0x90, 0, 0, 0, 0x41}; !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
	// All ones: 28 zeros, and b_28 = b_-3 + b_0 = 1, as b_29 and b_30; b_31 = 0.
	if got, want := (Engine{}).Stream(1<<31-1, 4), []byte{0, 0, 0, 0x70}; !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}
