package kvengine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/host/compress"
	"github.com/kvaccel/kvaccel/host/hosttest"
	"github.com/kvaccel/kvaccel/host/llm"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/safetensors"
	"github.com/kvaccel/kvaccel/host/session"
	"github.com/kvaccel/kvaccel/host/trace"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// small is an engine that cuts rows into many tiles.
const small = "emu:?max-tokens=256&tile-tokens=32"

var shape = llm.Config{Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 32}

// feed makes n positions of random rows of all layers and attends.
func feed(t *testing.T, c *Cache, rng *rand.Rand, first, n int) {
	t.Helper()
	random := func(heads int) []float32 {
		x := make([]float32, n*heads*shape.HeadDim)
		for i := range x {
			x[i] = float32(rng.NormFloat64() * 2)
		}
		return x
	}
	for l := range shape.Layers {
		s := llm.Step{Layer: l, First: first, N: n, Q: random(shape.Heads), K: random(shape.KVHeads), V: random(shape.KVHeads)}
		s.Out = make([]float32, len(s.Q))
		if err := c.Attend(context.Background(), s); err != nil {
			t.Fatal(err)
		}
	}
}

// traceOf is what a recorder of this cache's rows and weights would have
// written.
func traceOf(t *testing.T, c *Cache) *trace.Trace {
	t.Helper()
	var entries []safetensors.Entry
	for l := range c.layers {
		var k, v, attn []uint16
		n := 0
		for _, h := range c.layers[l].heads {
			n = len(h.pos)
			k, v = append(k, h.k.fp16...), append(v, h.v.fp16...)
			for _, rows := range h.rows {
				for _, r := range rows {
					attn = append(append(attn, r...), make([]uint16, n-len(r))...)
				}
			}
		}
		for _, x := range []struct {
			what        string
			data        []uint16
			heads, cols int
		}{{"k", k, shape.KVHeads, shape.HeadDim}, {"v", v, shape.KVHeads, shape.HeadDim}, {"attn", attn, shape.Heads, n}} {
			entries = append(entries, safetensors.FP16(fmt.Sprintf("layers.%d.%s", l, x.what), x.data, int64(x.heads), int64(n), int64(x.cols)))
		}
	}
	return hosttest.Trace(t, nil, entries...)
}

// mixed has settings of their own for some heads.
func mixed() policy.Policy {
	p := policy.Full()
	p.Name, p.Rules = "mixed", []policy.Rule{
		{Layers: policy.Ranges{{First: 0, Last: 0}}, Set: policy.Override{BudgetPercent: hosttest.Ptr(40), Recent: hosttest.Ptr(9), Pool: hosttest.Ptr(3)}},
		{Heads: policy.Ranges{{First: 1, Last: 1}}, Set: policy.Override{KBits: hosttest.Ptr(4), Group: hosttest.Ptr(16)}},
	}
	return p
}

// Compressing a prompt gives what kvaccel run gives for its trace: the same
// positions, rows and bytes.
func TestPromptLikeRun(t *testing.T) {
	ctx := context.Background()
	const n = 90
	prompt := New(shape, RecordAll)
	rng := rand.New(rand.NewPCG(3, 4))
	feed(t, prompt, rng, 0, 50)
	feed(t, prompt, rng, 50, n-50)
	tr := traceOf(t, prompt)
	dev := hosttest.Device(t, small)
	names := []string{"full", "h2o+kivi-2", "tova+q8_0", "streaming+kivi-4", "random+qserve-4", "adakv+kivi-4", "pyramidkv+q4_0", "mixed", "h2o+quarot-3", "h2o+kivi-4/bf16", "knorm+qserve-4/bf16", "full/bf16"}
	for _, p := range policy.Presets() {
		names = append(names, p.Name)
	}
	for _, name := range names {
		pol := mixed()
		if name, bf16 := strings.CutSuffix(name, "/bf16"); name != "mixed" {
			if pol = hosttest.Policy(t, name); bf16 {
				pol.Format = policy.BF16
			}
		}
		pol.Residual = min(pol.Residual, 20)
		heads, err := pol.Heads(n, shape.Layers, shape.KVHeads)
		if err != nil {
			t.Fatal(err)
		}
		pol = policy.Merge(pol.Resolve(n), heads)
		if pol.Tiers != nil {
			if _, err := prompt.Fork(session.New(dev), pol, 0); !errors.Is(err, ErrOnce) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		res, err := compress.Run(ctx, dev, tr, pol, compress.Options{Prefix: n})
		if pol.Ceiling != nil {
			if !errors.Is(err, compress.ErrStepwise) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		want, err := compress.Restore(ctx, dev, res.Cache, nil)
		if err != nil {
			t.Fatal(err)
		}
		c, err := prompt.Fork(session.New(dev), pol, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Compress(ctx); err != nil {
			t.Fatal(err)
		}
		for l, heads := range want.Layers {
			for h, w := range heads {
				got := c.layers[l].heads[h]
				if !slices.Equal(got.pos, w.Positions) || !slices.Equal(c.Kept(l, h), w.Positions) {
					t.Errorf("%s: layer %d head %d keeps %v, want %v", name, l, h, got.pos, w.Positions)
				}
				if !slices.Equal(got.k.floats, got.k.appendFloats(nil, w.K)) || !slices.Equal(got.v.floats, got.v.appendFloats(nil, w.V)) {
					t.Errorf("%s: layer %d head %d: rows differ", name, l, h)
				}
			}
		}
		if b := c.Bytes(n); b.Bytes != res.Bytes {
			t.Errorf("%s: takes %+v, want %+v", name, b.Bytes, res.Bytes)
		}
	}
}

// watcher follows one head through a decode with nothing but its rows: every
// weight a position was ever given, and what was once restored.
type watcher struct {
	sums map[int]uint64
	rows map[int][2][]float32
}

// look takes in the attention rows that came since the last Compress.
func (w *watcher) look(h *head) {
	for _, rows := range h.rows {
		for _, r := range rows {
			for j, x := range r {
				w.sums[h.pos[j]] += uint64(fp16.ToFloat64(x) * 0x1p24)
			}
		}
	}
}

// best gives the positions that the policy should keep.
func (w *watcher) best(pos []int, p policy.Policy) []int {
	n := len(pos)
	if p.Kept(n) >= n {
		return pos
	}
	middle := slices.Clone(pos[p.Sinks : n-p.Recent])
	slices.SortStableFunc(middle, func(a, b int) int { return cmp.Compare(w.sums[b], w.sums[a]) })
	kept := append(slices.Clone(pos[:p.Sinks]), middle[:*p.TopK]...)
	kept = append(kept, pos[n-p.Recent:]...)
	slices.Sort(kept)
	return kept
}

// Decoding keeps by the sum of all weights since the beginning, exactly, though
// only the new rows are sent as they are; quantized rows never change again; and what is
// dropped is gone.
func TestDecode(t *testing.T) {
	ctx := context.Background()
	const n = 60
	three := 3
	prompt := New(shape, RecordAll)
	rng := rand.New(rand.NewPCG(5, 6))
	feed(t, prompt, rng, 0, n)
	for _, c := range []struct {
		name   string
		change func(p *policy.Policy)
	}{
		{"full", func(p *policy.Policy) {}},
		{"h2o", func(p *policy.Policy) { p.Sinks = 2 }},
		{"h2o+kivi-4", func(p *policy.Policy) { p.Group, p.Residual, p.ResidualInRecent, p.TopKPercent = 16, 5, false, 50 }},
		{"h2o+kivi-2", func(p *policy.Policy) { p.Group, p.Residual, p.ResidualInRecent, p.TopKPercent = 16, 0, false, 70 }},
		{"streaming+q8_0", func(p *policy.Policy) {}},
		{"kivi-2", func(p *policy.Policy) { p.Residual = 10 }},
		{"qserve-4", func(p *policy.Policy) { p.Residual = three }},
	} {
		pol := hosttest.Policy(t, c.name)
		c.change(&pol)
		pol = pol.Resolve(n)
		cc, err := prompt.Fork(session.New(hosttest.Device(t, small)), pol, 1)
		if err != nil {
			t.Fatal(err)
		}
		watch := make([]watcher, shape.Layers*shape.KVHeads)
		for i := range watch {
			watch[i] = watcher{map[int]uint64{}, map[int][2][]float32{}}
		}
		rng := rand.New(rand.NewPCG(7, 8))
		at := n
		for _, chunk := range []int{0, 1, 7, 16, 1, 40} {
			if chunk > 0 {
				feed(t, cc, rng, at, chunk)
			}
			at += chunk
			step(ctx, t, c.name, cc, watch)
		}
	}
}

// step compresses once and holds every head against its watcher.
func step(ctx context.Context, t *testing.T, name string, c *Cache, watch []watcher) {
	t.Helper()
	var want [][]int
	for i := range watch {
		h := &c.layers[i/shape.KVHeads].heads[i%shape.KVHeads]
		watch[i].look(h)
		want = append(want, watch[i].best(h.pos, c.plan[i/shape.KVHeads][i%shape.KVHeads]))
	}
	if err := c.Compress(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range watch {
		h := &c.layers[i/shape.KVHeads].heads[i%shape.KVHeads]
		if !slices.Equal(h.pos, want[i]) {
			t.Fatalf("%s: head %d keeps %v, want %v", name, i, h.pos, want[i])
		}
		if len(h.k.floats) != len(h.pos)*shape.HeadDim || len(h.v.floats) != len(h.pos)*shape.HeadDim {
			t.Fatalf("%s: head %d has %d and %d elements for %d positions", name, i, len(h.k.floats), len(h.v.floats), len(h.pos))
		}
		for j, p := range h.pos {
			now := [2][]float32{h.k.floats[j*shape.HeadDim:][:shape.HeadDim], h.v.floats[j*shape.HeadDim:][:shape.HeadDim]}
			for s, part := range []*part{&h.k, &h.v} {
				before := watch[i].rows[p][s]
				if before != nil && !slices.Equal(before, now[s]) {
					t.Fatalf("%s: head %d: quantized row %d changed", name, i, p)
				}
				if before == nil && j < part.codedRows() {
					r := watch[i].rows[p]
					r[s] = slices.Clone(now[s])
					watch[i].rows[p] = r
				}
			}
		}
		checkWindow(t, name, c, h)
	}
}

// checkWindow holds how many rows are fp16 against the window: all others but
// what fills no group.
func checkWindow(t *testing.T, name string, c *Cache, h *head) {
	t.Helper()
	for _, s := range c.coded() {
		if s.h != h {
			continue
		}
		p := s.part
		rows := len(p.fp16) / shape.HeadDim
		most := s.residual
		if s.layout.Axis == 1 {
			most += s.layout.Group - 1
		}
		if rows > most || rows+p.codedRows() != len(h.pos) {
			t.Errorf("%s: %d fp16 rows and %d quantized ones of %d, want at most %d fp16", name, rows, p.codedRows(), len(h.pos), most)
		}
	}
}

// Of a group per channel the bytes stay until its last row is dropped; per
// token they go with the row.
func TestDroppedRows(t *testing.T) {
	c, err := newCoded(t, "kivi-4")
	if err != nil {
		t.Fatal(err)
	}
	h := &c.layers[0].heads[0]
	before := c.Bytes(0)
	h.keep([]int{0, 3, 40}, shape.HeadDim) // of 48: groups 0 to 31 and the fp16 rest per channel, 48 rows per token
	after := c.Bytes(0)
	// Keys: the one group stays whole. Values: 3 of 48 rows stay.
	if n := len(h.k.groups); n != 1 || h.k.codedRows() != 2 || len(h.k.fp16) != shape.HeadDim {
		t.Errorf("keys: %d groups, %d rows, %d fp16 elements", n, h.k.codedRows(), len(h.k.fp16))
	}
	if n := len(h.v.groups); n != 3 || len(h.v.fp16) != 0 {
		t.Errorf("values: %d groups, %d fp16 elements", n, len(h.v.fp16))
	}
	// A value row is 16 bytes of codes and 4 of scales; a key row left fp16 64.
	if d := before.Codes - after.Codes; d != 45*16 {
		t.Errorf("codes fell by %d", d)
	}
	if d := before.Scales - after.Scales; d != 45*4 {
		t.Errorf("scales fell by %d", d)
	}
	if d := before.Residual - after.Residual; d != 15*64 {
		t.Errorf("fp16 rows fell by %d", d)
	}
	h.keep([]int{2}, shape.HeadDim)
	if len(h.k.groups) != 0 || len(h.v.groups) != 1 {
		t.Errorf("%d key groups and %d value rows stay", len(h.k.groups), len(h.v.groups))
	}
}

// newCoded is a cache of 48 positions compressed without a window.
func newCoded(t *testing.T, name string) (*Cache, error) {
	prompt := New(shape, 0)
	feed(t, prompt, rand.New(rand.NewPCG(1, 1)), 0, 48)
	pol := hosttest.Policy(t, name)
	pol.Residual = 0
	c, err := prompt.Fork(session.New(hosttest.Device(t, small)), pol.Resolve(48), 0)
	if err != nil {
		return nil, err
	}
	return c, c.Compress(context.Background())
}

// What is scored by all queries goes on from the sums, with decay and pooling, as
// if every row had been sent since the beginning.
func TestScoresGoOn(t *testing.T) {
	ctx := context.Background()
	const n, steps = 40, 6
	for name, o := range map[string]policy.Override{
		"plain": {}, "decay": {Lambda: hosttest.Ptr(.8)}, "pooled": {Pool: hosttest.Ptr(5)}, "pooled decay": {Lambda: hosttest.Ptr(.9), Pool: hosttest.Ptr(3), PoolMax: hosttest.Ptr(true)}, "shared": {Shared: hosttest.Ptr(true), Lambda: hosttest.Ptr(.5)},
	} {
		pol := hosttest.Policy(t, "h2o").With(o).With(policy.Override{Recent: hosttest.Ptr(5), TopK: hosttest.Ptr(30)}).Resolve(n)
		prompt := New(shape, RecordAll)
		feed(t, prompt, rand.New(rand.NewPCG(5, 6)), 0, n)
		c, err := prompt.Fork(session.New(hosttest.Device(t, small)), pol, 1)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(7, 8))
		want := make([]map[int]uint64, shape.Layers*shape.KVHeads) // scores by position
		for i := range want {
			want[i] = map[int]uint64{}
		}
		for at := range steps {
			for _, x := range c.sets() {
				addRows(want[x.l*shape.KVHeads+x.h], x, c.plan[x.l][x.h])
			}
			var keep [][]int
			for _, x := range c.sets() {
				keep = append(keep, bestOf(want[x.l*shape.KVHeads+x.h], x.heads[0].pos, c.plan[x.l][x.h]))
			}
			if err := c.Compress(ctx); err != nil {
				t.Fatal(err)
			}
			for i, x := range c.sets() {
				for h := range x.heads {
					if !slices.Equal(x.heads[h].pos, keep[i]) {
						t.Fatalf("%s: step %d: layer %d head %d keeps %v, want %v", name, at, x.l, x.h+h, x.heads[h].pos, keep[i])
					}
				}
			}
			feed(t, c, rng, n+3*at, 3)
		}
	}
}

// addRows adds the rows that came to the scores of a set, query by query.
func addRows(scores map[int]uint64, x set, p policy.Policy) {
	for i := range x.heads[0].rows[0] {
		if p.Lambda != nil {
			for j, s := range scores {
				scores[j] = s * uint64(*p.Lambda*65536+.5) / 65536
			}
		}
		for _, h := range x.heads {
			for _, rows := range h.rows {
				for j, w := range rows[i] {
					scores[h.pos[j]] += uint64(fp16.ToFloat64(w) * 0x1p24)
				}
			}
		}
	}
}

// bestOf gives the positions that stay by their pooled scores.
func bestOf(scores map[int]uint64, pos []int, p policy.Policy) []int {
	list := make([]uint64, len(pos))
	for i, j := range pos {
		list[i] = scores[j]
	}
	pooled := p.Pooled(list, maxScore)
	var rest, kept []int
	for i := range pos {
		if i < len(pos)-p.Recent {
			rest = append(rest, i)
		} else {
			kept = append(kept, pos[i])
		}
	}
	slices.SortStableFunc(rest, func(a, b int) int { return cmp.Compare(pooled[b], pooled[a]) })
	for _, i := range rest[:min(len(rest), *p.TopK)] {
		kept = append(kept, pos[i])
	}
	slices.Sort(kept)
	return kept
}

// A position's random rank does not depend on when it is asked for.
func TestRandomRanks(t *testing.T) {
	all := randomRows(9, 1, 2, []int{0, 1, 2, 3, 4, 5})
	some := randomRows(9, 1, 2, []int{1, 4, 5})
	if !slices.Equal(some, []uint16{all[1], all[4], all[5], all[7], all[10], all[11]}) {
		t.Errorf("%v of %v", some, all)
	}
	if slices.Equal(all, randomRows(8, 1, 2, []int{0, 1, 2, 3, 4, 5})) {
		t.Error("the seed changes nothing")
	}
}
