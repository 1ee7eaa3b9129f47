package kvengine

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/host/hosttest"
	"github.com/kvaccel/kvaccel/host/session"
)

// Recast takes over positions, and attention rows head by head, with the rows it is given.
func TestRecast(t *testing.T) {
	prompt := New(shape, 3)
	feed(t, prompt, rand.New(rand.NewPCG(1, 5)), 0, 20)
	cfg := shape
	cfg.Layers, cfg.KVHeads, cfg.HeadDim = 1, 1, 16
	var seen []float32
	c := prompt.Recast(cfg, []int{1}, func(l, n int, k, v []float32) ([]float32, []float32) {
		if l != 1 || n != 20 || len(k) != 20*2*32 || len(v) != len(k) {
			t.Fatalf("layer %d, %d positions, %d and %d numbers", l, n, len(k), len(v))
		}
		seen = k
		out := make([]float32, n*16)
		for i := range out {
			out[i] = k[i/16*64+i%16] // the first half of head 0
		}
		return out, out
	})
	for h := range 2 {
		for j := range 20 {
			if want := prompt.layers[1].heads[h].k.floats[j*32:][:32]; !slices.Equal(seen[(j*2+h)*32:][:32], want) {
				t.Fatalf("head %d, position %d: %v, want %v", h, j, seen[(j*2+h)*32:][:32], want)
			}
		}
	}
	x := c.layers[0].heads[0]
	if len(c.layers) != 1 || !slices.Equal(x.pos, prompt.layers[1].heads[0].pos) || !slices.Equal(x.k.floats[16:32], seen[64:80]) || len(x.rows) != 4 {
		t.Errorf("%d layers, positions %v, %d query heads", len(c.layers), x.pos, len(x.rows))
	}
	for g, rows := range x.rows {
		if want := prompt.layers[1].heads[g/2].rows[g%2]; len(rows) != 3 || !slices.Equal(rows[2], want[2]) {
			t.Errorf("query head %d has other attention", g)
		}
	}
}

// Heads that hold different positions are not looked at together.
func TestLook(t *testing.T) {
	prompt := New(shape, RecordAll)
	feed(t, prompt, rand.New(rand.NewPCG(1, 5)), 0, 60)
	c, err := prompt.Fork(session.New(hosttest.Device(t, small)), hosttest.Policy(t, "h2o").Resolve(60), 1)
	if err != nil {
		t.Fatal(err)
	}
	q, out := make([]float32, 32), make([]float32, 32)
	if err := c.Look(0, 0, 1, q, out, 32, 1); err != nil {
		t.Errorf("before anything is dropped: %v", err)
	}
	if err := c.Compress(t.Context()); err != nil {
		t.Fatal(err)
	}
	if slices.Equal(c.Kept(0, 0), c.Kept(0, 1)) {
		t.Fatal("both heads hold the same: this says nothing")
	}
	if err := c.Look(0, 0, 1, q, out, 32, 1); !errors.Is(err, ErrHeads) {
		t.Errorf("got %v", err)
	}
	if err := c.Look(0, 1, 1, q, out, 32, 1); err != nil {
		t.Error(err)
	}
}
