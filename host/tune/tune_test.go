package tune

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/kvaccel/kvaccel/host/compress"
	"github.com/kvaccel/kvaccel/host/hosttest"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/trace"
)

var few = []Candidate{{2, 2, 100, ""}, {4, 4, 100, ""}, {8, 8, 100, ""}, {16, 16, 100, ""}, {4, 3, 50, "h2o"}, {4, 3, 25, "snapkv"}}

func TestRunMeetsItsGoal(t *testing.T) {
	tr, err := trace.Sample()
	if err != nil {
		t.Fatal(err)
	}
	defer func(all []string) { rivals = all }(rivals)
	rivals = []string{"kivi-2", "h2o+kivi-4"}
	const budget = 150_000
	r, err := Run(t.Context(), hosttest.Device(t, "emu:"), tr, Options{Goal: Goal{Bytes: budget}, Candidates: few})
	if err != nil {
		t.Fatal(err)
	}
	if r.Tuned.Bytes > budget*21/20 || r.Tuned.Bytes < budget/2 {
		t.Errorf("%d bytes, %d were asked for", r.Tuned.Bytes, budget)
	}
	p, err := policy.Parse("x.yaml", r.File)
	if err != nil {
		t.Fatalf("the policy file: %v\n%s", err, r.File)
	}
	res, err := compress.Run(t.Context(), hosttest.Device(t, "emu:"), tr, p, compress.Options{Prefix: r.Prefix})
	if err != nil || res.BytesOut != r.Tuned.Bytes {
		t.Errorf("the file runs to %d bytes, %v, want %d", res.BytesOut, err, r.Tuned.Bytes)
	}
	if len(r.Presets) != 2 || r.Presets[1].Bytes > r.Tuned.Bytes {
		t.Errorf("presets %+v", r.Presets)
	}
}

func TestErrorGoalAndLimits(t *testing.T) {
	tr, err := trace.Sample()
	if err != nil {
		t.Fatal(err)
	}
	defer func(all []string) { rivals = all }(rivals)
	rivals = nil
	r, err := Run(t.Context(), hosttest.Device(t, "emu:"), tr, Options{Goal: Goal{MaxError: 0.05}, Candidates: few[:4]})
	if err != nil || r.Expected.Error > 0.05 {
		t.Errorf("error %g, %v", r.Expected.Error, err)
	}
	// Without POOL snapkv's candidates are left out, and said to be.
	r, err = Run(t.Context(), hosttest.Device(t, "emu:?features=0xf"), tr, Options{Goal: Goal{Bytes: 200_000}, Candidates: few})
	if err != nil || r.Tried[5].Skipped == "" || r.Tried[4].Skipped != "" {
		t.Errorf("%v, skipped %q and %q", err, r.Tried[5].Skipped, r.Tried[4].Skipped)
	}
	for _, g := range []Goal{{Bytes: 100}, {MaxError: 1e-9}} {
		if _, err := Run(t.Context(), hosttest.Device(t, "emu:"), tr, Options{Goal: g, Candidates: few[:2]}); !errors.Is(err, ErrGoal) {
			t.Errorf("%+v: %v", g, err)
		}
	}
}

func TestCandidatesArePolicies(t *testing.T) {
	for _, c := range Candidates() {
		if err := c.Policy().Validate(); err != nil {
			t.Errorf("%s: %v", c, err)
		}
	}
}

// Against every choice there is.
func TestPickIsNearTheBest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		heads := make([][]Item, 4)
		for h := range heads {
			for i := range 5 {
				heads[h] = append(heads[h], Item{i, float64(1 + r.IntN(50)), r.Float64()})
			}
		}
		budget := float64(40 + r.IntN(120))
		best, least, dear := 1e9, 0.0, 0.0
		for code := range 5 * 5 * 5 * 5 {
			var cost, loss float64
			for h, c := 0, code; h < 4; h, c = h+1, c/5 {
				cost, loss = cost+heads[h][c%5].Cost, loss+heads[h][c%5].Loss
			}
			if cost <= budget {
				best = min(best, loss)
			}
		}
		for _, items := range heads {
			low, worst := items[0].Cost, 0.0
			for _, it := range items {
				low, worst = min(low, it.Cost), max(worst, it.Loss)
			}
			least += low
			dear = max(dear, worst)
		}
		got, err := Pick(heads, budget, 0)
		if least > budget {
			if !errors.Is(err, ErrGoal) {
				t.Fatalf("a budget of %g for at least %g: %v", budget, least, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var cost, loss float64
		for _, it := range got {
			cost, loss = cost+it.Cost, loss+it.Loss
		}
		if cost > budget || loss > best+dear {
			t.Errorf("cost %g of %g, loss %g where %g is possible", cost, budget, loss, best)
		}
	}
}
