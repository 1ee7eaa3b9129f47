package model

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/verification/oracle"
)

func TestDecay(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	for range 300 {
		from := make([]uint64, 1+rng.IntN(30))
		for i := range from {
			from[i] = min(rng.Uint64()>>(20+rng.IntN(44)), MaxScore)
		}
		lambda := []uint16{0, 1, 0xffff, uint16(rng.Uint32())}[rng.IntN(4)]
		got := slices.Clone(from)
		Decay(got, uint64(lambda))
		want, _, _ := oracle.Engine{}.Scores(from, [][]uint16{make([]uint16, len(from))}, 1, lambda)
		if !slices.Equal(got, want) {
			t.Fatalf("%v decay by %d to %v, want %v", from, lambda, got, want)
		}
	}
}

func TestClamp(t *testing.T) {
	s := []uint64{0, MaxScore, MaxScore + 1, 1<<64 - 1}
	if n := Clamp(s); n != 2 || !slices.Equal(s, []uint64{0, MaxScore, MaxScore, MaxScore}) {
		t.Errorf("%d clamped: %v", n, s)
	}
}

func TestSquares(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 24))
	for i := range 3000 {
		row := elements(rng, 16*(1+rng.IntN(4)))
		for j := range row {
			switch i % 4 {
			case 0: // sums about the top
				row[j] = row[j]&0x83ff | 0x5000 + uint16(rng.IntN(3))<<10
			case 1: // squares below a unit
				row[j] = row[j]&0x83ff | uint16(rng.IntN(4))<<10
			case 2:
				row[j] = row[j]&0x83ff | 0x5800
			}
		}
		var s Squares
		bad := 0
		for x := pack(row); len(x) > 0; x = x[4:] { // as beats come in
			bad += s.Add(x[:4])
		}
		want, wantBad := oracle.KeyNorms([][]uint16{row})
		if s.Score() != uint64(want[0]) || bad != wantBad {
			t.Fatalf("row %x: %d, %d non-finite; want %d, %d", row, s.Score(), bad, want[0], wantBad)
		}
	}
}

func TestPool(t *testing.T) {
	rng := rand.New(rand.NewPCG(25, 26))
	var s Selector
	for range 2000 {
		scores := randomScores(rng, 1+rng.IntN(40))
		list := make([]uint64, len(scores))
		for i, v := range scores {
			list[i] = uint64(v)
		}
		half, maximum := 1+rng.IntN(7), rng.IntN(2) == 0
		got, full := s.Pool(list, half, maximum)
		want, sat := oracle.Engine{}.Pool(list, half, maximum)
		if !slices.Equal(got, want) || len(full) != sat || !slices.IsSorted(full) {
			t.Fatalf("%v, half %d, maximum %v: %v with %v at the top, want %v with %d", list, half, maximum, got, full, want, sat)
		}
		for _, j := range full {
			if got[j] != MaxScore {
				t.Fatalf("position %d is not at the top", j)
			}
		}
	}
}

func TestTiers(t *testing.T) {
	rng := rand.New(rand.NewPCG(27, 28))
	var s Selector
	for range 3000 {
		n := 1 + rng.IntN(150)
		scores := randomScores(rng, n)
		list := make([]uint64, n)
		for i, v := range scores {
			list[i] = uint64(v)
		}
		var ranks [NumTiers]int
		for i := range ranks {
			ranks[i] = rng.IntN(n + 1)
			if i > 0 && rng.IntN(3) == 0 {
				ranks[i] = ranks[i-1]
			}
		}
		slices.Sort(ranks[:])
		q := packet.Selection{Sinks: rng.IntN(n+1) / 2, Recent: rng.IntN(n+1) / 3, Rank: [3]int(ranks[:3]), TopK: ranks[3], ProtTier: rng.IntN(4)}
		tiers, passes := s.Tiers(list, q.Sinks, q.Recent, ranks, q.ProtTier)
		if want := oracle.Tiers(scores, q); !slices.Equal(tiers, want) {
			t.Fatalf("%v, %+v: %v, want %v", scores, q, tiers, want)
		}
		before := 0
		for i, k := range ranks {
			want := countPasses(scores, q.Sinks, q.Recent, k)
			if i < 3 && k == before && q.ProtTier != i {
				want = NoSearch
			}
			if passes[i] != want {
				t.Fatalf("%v, %+v: %d passes of search %d, want %d", scores, q, passes[i], i, want)
			}
			before = k
		}
	}
}

func TestStream(t *testing.T) {
	for _, seed := range []uint32{1, 2, 1 << 30, 1<<31 - 1, 0x12345678} {
		s := NewStream(seed)
		var got []byte
		for range 200 {
			got = binary.LittleEndian.AppendUint64(got, s.Next())
		}
		if want := (oracle.Engine{}).Stream(seed, 1600); !slices.Equal(got, want) {
			t.Errorf("seed %#x: %x, want %x", seed, got, want)
		}
	}
}
