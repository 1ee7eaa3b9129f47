package kvengine

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/host/hosttest"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/session"
)

// under gives the ladder with a ceiling.
func under(t *testing.T, bytes int64, change func(p *policy.Policy)) policy.Policy {
	t.Helper()
	p := hosttest.Policy(t, "ladder")
	p.Ceiling, p.Recent = &policy.Ceiling{Bytes: bytes}, 5
	if change != nil {
		change(&p)
	}
	return p.Resolve(60)
}

// tiersOf gives the tier that a cut has for each position.
func tiersOf(x standing, c cut) []uint8 {
	n := len(x.scores)
	out := make([]uint8, n)
	var others []int
	for i := range out {
		if out[i] = uint8(c.protected); i >= x.sinks && i < n-x.recent {
			others = append(others, i)
		}
	}
	slices.SortStableFunc(others, func(a, b int) int {
		switch {
		case x.scores[a] > x.scores[b]:
			return -1
		case x.scores[a] < x.scores[b]:
			return 1
		}
		return a - b
	})
	for rank, i := range others {
		switch {
		case rank < c.rank[0]:
			out[i] = 0
		case rank < c.rank[1]:
			out[i] = 1
		case rank < c.rank[2]:
			out[i] = 2
		case rank < c.topK:
			out[i] = 3
		default:
			out[i] = tierGone
		}
	}
	for i, t := range x.tiers { // no row goes up
		out[i] = max(out[i], t)
	}
	return out
}

// taken is the bytes and the damage of heads in tiers.
func taken(heads []standing, cuts []cut, size [tierCount + 1]int64) (bytes int64, hurt float64) {
	for h, x := range heads {
		for i, t := range tiersOf(x, cuts[h]) {
			bytes += size[t]
			if i >= x.sinks && i < len(x.scores)-x.recent {
				hurt += weight(x.scores[i]) / x.norm() * damage[t]
			}
		}
	}
	return bytes, hurt
}

// randomHeads makes heads of some positions, scores with ties among them.
func randomHeads(rng *rand.Rand, heads int) []standing {
	out := make([]standing, heads)
	for h := range out {
		n := 1 + rng.IntN(30)
		x := standing{sinks: rng.IntN(3), recent: 1 + rng.IntN(3), protected: rng.IntN(3)}
		for range n {
			x.scores = append(x.scores, rng.Uint64N(1<<uint(1+rng.IntN(30))))
			x.tiers = append(x.tiers, uint8(rng.IntN(tierCount)))
		}
		out[h] = x
	}
	return out
}

// A plan keeps the limit whenever that can be, its ends are in order, it stops as
// soon as it may, and the same heads give the same plan.
func TestPlan(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 9))
	size := [tierCount + 1]int64{264, 152, 88, 56, 0}
	for trial := range 400 {
		heads := randomHeads(rng, 1+rng.IntN(4))
		floor, all := int64(0), int64(0)
		for _, x := range heads {
			for i := range x.tiers {
				tier := x.tier(i)
				all += size[tier]
				if i < x.sinks || i >= len(x.tiers)-x.recent {
					floor += size[max(tier, protFloor)]
				}
			}
		}
		limit := rng.Int64N(all + 100)
		cuts := plan(heads, size, limit)
		bytes, _ := taken(heads, cuts, size)
		if bytes > max(limit, floor) {
			t.Fatalf("trial %d: %d bytes, want at most %d of %d, or %d that stay", trial, bytes, limit, all, floor)
		}
		if limit >= all && bytes != all {
			t.Fatalf("trial %d: %d of %d bytes stay with room for %d", trial, bytes, all, limit)
		}
		if bytes < limit-size[0]*3 && bytes < all { // one move of protected rows is the largest
			t.Fatalf("trial %d: %d bytes, %d were free", trial, bytes, limit)
		}
		for _, c := range cuts {
			if c.rank[0] > c.rank[1] || c.rank[1] > c.rank[2] || c.rank[2] > c.topK || c.rank[0] < 0 {
				t.Fatalf("trial %d: ends %+v", trial, c)
			}
		}
		if again := plan(heads, size, limit); !reflect.DeepEqual(again, cuts) {
			t.Fatalf("trial %d: another plan for the same heads", trial)
		}
	}
}

// Of small heads, all ways to fill them are tried: none takes no more bytes and hurts less.
func TestPlanIsOptimal(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	size := [tierCount + 1]int64{264, 152, 88, 56, 0}
	for trial := range 30 {
		heads := make([]standing, 2)
		for h := range heads {
			for range 4 { // three that can go down and a recent one
				heads[h].scores = append(heads[h].scores, 1+rng.Uint64N(1000))
			}
			heads[h].tiers, heads[h].recent, heads[h].protected = make([]uint8, 4), 1, protFloor
			heads[h].tiers[3] = protFloor
		}
		cuts := plan(heads, size, rng.Int64N(8*size[0]))
		bytes, hurt := taken(heads, cuts, size)
		for code := range 15625 { // 5^6
			other, at := [2][]uint8{{0, 0, 0, protFloor}, {0, 0, 0, protFloor}}, code
			for i := range 6 {
				other[i/3][i%3] = uint8(at % 5)
				at /= 5
			}
			var b int64
			var d float64
			for h, tiers := range other {
				for i, tier := range tiers {
					b += size[tier]
					if i < 3 {
						d += weight(heads[h].scores[i]) / heads[h].norm() * damage[tier]
					}
				}
			}
			if b <= bytes && d < hurt*(1-1e-9) {
				t.Fatalf("trial %d: %v takes %d bytes and hurts %g; the plan %d and %g", trial, other, b, d, bytes, hurt)
			}
		}
	}
}

// follow steps a cache under a ceiling and holds every step against the one before.
func follow(t *testing.T, pol policy.Policy, ahead int) (descents []Descent, kept [][]int) {
	t.Helper()
	ctx := context.Background()
	prompt := New(shape, RecordAll)
	rng := rand.New(rand.NewPCG(5, 6))
	feed(t, prompt, rng, 0, 60)
	before := slices.Clone(prompt.layers[0].heads[0].k.fp16)
	c, err := prompt.Fork(session.New(hosttest.Device(t, small)), pol, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Ahead(ahead); err != nil {
		t.Fatal(err)
	}
	check := session.New(hosttest.Device(t, small))
	rows := map[[3]int][2][]uint16{} // by layer, head and position: as last seen
	tiers := map[[3]int]uint8{}
	at := 60
	for range 12 {
		look(c, func(id [3]int, _ uint8, kv [2][]uint16) { rows[id] = kv })
		if err := c.Compress(ctx); err != nil {
			t.Fatal(err)
		}
		if got := c.Bytes(0).Total(); got+int64(ahead)*c.RowBytes().Total() > pol.Ceiling.Bytes || c.Ceiling() != pol.Ceiling.Bytes {
			t.Fatalf("position %d: %d bytes are held and %d rows come under a ceiling of %d", at, got, ahead, pol.Ceiling.Bytes)
		}
		look(c, func(id [3]int, tier uint8, kv [2][]uint16) {
			if tier < tiers[id] {
				t.Fatalf("%v went up from tier %d to %d", id, tiers[id], tier)
			}
			for kind, was := range rows[id] {
				if want := recoded(t, check, c.ladder, was, tiers[id], tier); !slices.Equal(kv[kind], want) {
					t.Fatalf("%v, tier %d after %d: not what QUANTIZE and DEQUANTIZE give for what was there", id, tier, tiers[id])
				}
			}
			tiers[id] = tier
		})
		if d := c.Descent(); d != nil {
			descents = append(descents, *d)
			checkDescent(t, c, *d)
		}
		feed(t, c, rng, at, ahead)
		at += ahead
	}
	for i := range shape.Layers * shape.KVHeads {
		kept = append(kept, c.Kept(i/shape.KVHeads, i%shape.KVHeads))
	}
	if !slices.Equal(before, prompt.layers[0].heads[0].k.fp16) {
		t.Error("the prompt's rows were changed")
	}
	return descents, kept
}

// look shows all rows of a cache.
func look(c *Cache, show func(id [3]int, tier uint8, kv [2][]uint16)) {
	d := shape.HeadDim
	for i := range shape.Layers * shape.KVHeads {
		l, h := i/shape.KVHeads, i%shape.KVHeads
		x := c.layers[l].heads[h]
		positions, k, v := c.Rows(l, h)
		for j, p := range positions {
			tier := uint8(0)
			if j < len(x.tiers) {
				tier = x.tiers[j]
			}
			show([3]int{l, h, p}, tier, [2][]uint16{k[j*d:][:d], v[j*d:][:d]})
		}
	}
}

// recoded is what a row becomes in a tier.
func recoded(t *testing.T, s *session.Session, x *ladder, row []uint16, from, to uint8) []uint16 {
	t.Helper()
	if from == to {
		return row
	}
	codes, err := s.Quantize(t.Context(), []session.Rows{{Layout: x.at(to), Dims: len(row), Data: row}})
	if err != nil {
		t.Fatal(err)
	}
	back, err := s.Dequantize(t.Context(), codes)
	if err != nil {
		t.Fatal(err)
	}
	return back[0]
}

// checkDescent holds what is told against what is there.
func checkDescent(t *testing.T, c *Cache, d Descent) {
	t.Helper()
	if d.Before <= c.ladder.limit || d.After > c.ladder.limit || len(d.Heads) != shape.Layers*shape.KVHeads {
		t.Fatalf("%+v under %d bytes", d, c.ladder.limit)
	}
	for _, h := range d.Heads {
		x := c.layers[h.Layer].heads[h.Head]
		var rows [4]int
		for _, tier := range x.tiers {
			rows[tier]++
		}
		if rows != h.Rows {
			t.Fatalf("layer %d head %d holds %v, told are %v", h.Layer, h.Head, rows, h.Rows)
		}
	}
}

func TestCeilingHolds(t *testing.T) {
	lambda := .9
	for name, c := range map[string]struct {
		ahead  int
		bytes  int64
		change func(p *policy.Policy)
		gone   bool
	}{
		"roomy":     {1, 40_000, nil, false},
		"tight":     {1, 16_000, nil, true},
		"least":     {1, 1_600, nil, true},
		"chunks":    {7, 14_000, nil, true},
		"sinks":     {1, 9_000, func(p *policy.Policy) { p.Sinks = 4 }, true},
		"no memory": {1, 9_000, func(p *policy.Policy) { p.Lambda = new(float64) }, true},
		"decay":     {3, 9_000, func(p *policy.Policy) { p.Lambda = &lambda }, true},
		"symmetric": {1, 12_000, func(p *policy.Policy) { p.Scheme, p.Group = policy.Sym, 16 }, true},
		"groups":    {2, 12_000, func(p *policy.Policy) { p.Group = 32 }, true},
		"rotated":   {1, 9_000, func(p *policy.Policy) { p.Rotate = policy.RotateRow }, true},
		"bf16":      {1, 9_000, func(p *policy.Policy) { p.Format = policy.BF16 }, true},
	} {
		t.Run(name, func(t *testing.T) {
			pol := under(t, c.bytes, c.change)
			descents, kept := follow(t, pol, c.ahead)
			held := 0
			for _, pos := range kept {
				held += len(pos)
				if n := len(pos); n < pol.Sinks+pol.Recent || !slices.IsSorted(pos) || pol.Sinks > 0 && pos[pol.Sinks-1] != pol.Sinks-1 {
					t.Errorf("holds %v", pos)
				}
			}
			if all := len(kept) * (60 + 12*c.ahead); (held < all) != c.gone {
				t.Errorf("%d of %d rows are left", held, all)
			}
			if (len(descents) == 0) != (name == "roomy") {
				t.Errorf("%d descents", len(descents))
			}
			again, _ := follow(t, pol, c.ahead)
			if !reflect.DeepEqual(again, descents) {
				t.Error("a second time it went otherwise")
			}
		})
	}
}

// With no decay, what goes has no higher sum of all its weights than what stays.
func TestLowestGo(t *testing.T) {
	pol := under(t, 12_000, func(p *policy.Policy) { p.Lambda = nil })
	prompt := New(shape, RecordAll)
	rng := rand.New(rand.NewPCG(5, 6))
	feed(t, prompt, rng, 0, 60)
	c, err := prompt.Fork(session.New(hosttest.Device(t, small)), pol, 1)
	if err != nil {
		t.Fatal(err)
	}
	watch := watcher{sums: map[int]uint64{}}
	for at := 60; at < 90; at++ {
		h := &c.layers[1].heads[1]
		watch.look(h)
		held := slices.Clone(h.pos)
		if err := c.Compress(t.Context()); err != nil {
			t.Fatal(err)
		}
		least := ^uint64(0)
		for j, p := range h.pos {
			if j < len(h.pos)-pol.Recent {
				least = min(least, watch.sums[p])
			}
		}
		for _, p := range held {
			if !slices.Contains(h.pos, p) && watch.sums[p] > least {
				t.Fatalf("position %d went with %d, %d was held", p, watch.sums[p], least)
			}
		}
		for j, s := range h.sums {
			if s != watch.sums[h.pos[j]] {
				t.Fatalf("position %d has %d, want %d", h.pos[j], s, watch.sums[h.pos[j]])
			}
		}
		feed(t, c, rng, at, 1)
	}
}

func TestCeilingTooLow(t *testing.T) {
	prompt := New(shape, RecordAll)
	feed(t, prompt, rand.New(rand.NewPCG(5, 6)), 0, 60)
	if _, err := prompt.Fork(session.New(hosttest.Device(t, small)), under(t, 1_400, nil), 1); !errors.Is(err, ErrCeiling) {
		t.Errorf("1400 bytes: %v", err)
	}
	c, err := prompt.Fork(session.New(hosttest.Device(t, small)), under(t, 1_600, nil), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Ahead(2); !errors.Is(err, ErrCeiling) {
		t.Errorf("two ahead: %v", err)
	}
	if _, err := New(shape, 3).Fork(session.New(hosttest.Device(t, small)), under(t, 9_000, nil), 1); !errors.Is(err, policy.ErrInvalid) {
		t.Errorf("few rows recorded: %v", err)
	}
}
