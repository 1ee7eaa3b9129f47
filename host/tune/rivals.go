package tune

import (
	"errors"
	"fmt"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/host/eval"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/session"
)

// rivals are the fixed presets that a tuned policy is held against: alone, and
// joined, cut to its bytes where they have a budget.
var rivals = []string{
	"q8_0", "q4_0", "q4_1", "qserve-4", "quarot-4", "quarot-3", "kivi-4", "kivi-2", "zipcache",
	"streaming", "recent", "random", "h2o", "snapkv", "h2o+kivi-4", "h2o+kivi-2", "snapkv+kivi-4", "snapkv+kivi-2", "snapkv+q8_0",
}

// compare runs the rivals on the held-out positions. Ones that the engine cannot do
// are left out.
func (u *tuner) compare(r *Result) error {
	for _, name := range rivals {
		u.step(name)
		p, err := policy.Lookup(name)
		if err != nil {
			return err
		}
		o, err := u.atBytes(p, r.Tuned.Bytes)
		switch {
		case errors.Is(err, driver.ErrUnsupported), errors.Is(err, session.ErrGeometry):
			continue
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		}
		r.Presets = append(r.Presets, Preset{Name: name, Outcome: o, Over: o.Bytes > r.Tuned.Bytes})
	}
	return nil
}

// atBytes gives a policy the largest budget with which it takes at most so many
// bytes; one without a budget is taken as it is. Bytes rise with the budget, so that
// a few guesses by proportion come close.
func (u *tuner) atBytes(p policy.Policy, bytes int64) (Outcome, error) {
	if !p.Evicts() {
		return u.run(p)
	}
	lo, hi := 0, u.prefix+1 // a budget that fits, one that does not
	var best Outcome
	for tries := 0; hi-lo > 1 && tries < 7; tries++ {
		budget := (lo + hi) / 2
		q, err := eval.WithBudget(p, budget, u.prefix)
		if errors.Is(err, eval.ErrOptions) && budget < u.prefix/2 {
			lo = budget
			continue
		}
		if err != nil {
			return Outcome{}, err
		}
		o, err := u.run(q)
		if err != nil {
			return Outcome{}, err
		}
		if o.Bytes <= bytes {
			lo, best = budget, o
		} else {
			hi = budget
			if best.Bytes == 0 || best.Bytes > bytes {
				best = o
			}
		}
	}
	return best, nil
}

// Best is the preset with the least error among those that take no more bytes than
// the tuned policy; false if there is none.
func (r *Result) Best() (Preset, bool) {
	var best Preset
	found := false
	for _, p := range r.Presets {
		if !p.Over && (!found || p.Error < best.Error) {
			best, found = p, true
		}
	}
	return best, found
}
