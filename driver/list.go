package driver

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kvaccel/kvaccel/driver/regmap"
)

// Candidate is a device that a machine seems to have: found, not opened.
type Candidate struct {
	URI         string `json:"uri"`         // opens this one and no other
	Description string `json:"description"` // what it says of itself
	Problem     string `json:"problem"`     // why it cannot be opened as it is; empty if nothing is known
}

// Lister finds the devices of a scheme without opening any. No device is no
// error; what keeps it from looking is.
type Lister func(ctx context.Context) ([]Candidate, error)

// RegisterLister adds the way to find devices of a scheme.
func (r *Registry) RegisterLister(scheme string, list Lister) {
	if r.listers == nil {
		r.listers = map[string]Lister{}
	}
	r.listers[scheme] = list
}

// Lister gives the way to find devices of a scheme, or nil.
func (r *Registry) Lister(scheme string) Lister { return r.listers[scheme] }

// Choose gives the only candidate. Of none it fails with ErrNotFound, of several
// with ErrAmbiguous and the list of them.
func Choose(what string, list []Candidate) (Candidate, error) {
	switch len(list) {
	case 1:
		return list[0], nil
	case 0:
		return Candidate{}, fmt.Errorf("%w: %s", ErrNotFound, what)
	}
	var b strings.Builder
	for _, c := range slices.SortedFunc(slices.Values(list), func(a, b Candidate) int { return strings.Compare(a.URI, b.URI) }) {
		fmt.Fprintf(&b, "\n  -d '%s'  %s", c.URI, c.Description)
	}
	return Candidate{}, fmt.Errorf("%w: %s; choose one:%s", ErrAmbiguous, what, b.String())
}

// Interrupter is a Device that can wait for the engine's interrupt.
type Interrupter interface {
	// WaitInterrupt returns when the interrupt is raised. Which event raises it
	// is for IRQ_ENABLE to say; it stays raised until IRQ_STATUS is cleared.
	WaitInterrupt(ctx context.Context) error
}

// Fresh gives a device without work, counters, errors and interrupts, as one is
// that was just powered up, by registers alone.
func Fresh(ctx context.Context, d Device) error {
	for _, w := range []struct{ addr, value uint32 }{
		{regmap.RegCtrl, 1 << regmap.CtrlSoftReset},
		{regmap.RegIrqEnable, 0},
		{regmap.RegScratch, 0},
		{regmap.RegCtrl, 1 << regmap.CtrlClear},
	} {
		if err := d.WriteReg(ctx, w.addr, w.value); err != nil {
			return err
		}
	}
	return nil
}
