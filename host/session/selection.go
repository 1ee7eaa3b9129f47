package session

import (
	"fmt"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// Selection asks which of N positions to keep: the first Sinks, the last
// Recent, and of the others the TopK with the highest scores, the lower
// position first if equal.
//
// Scores are sums of weights in units of 2^-24, from 0 or from ScoresIn on. In
// place of attention rows there may be KeyRows: the lower the norm of a key,
// the better.
type Selection struct {
	N                   int
	Sinks, Recent, TopK int      // each at most N
	Weights             []uint16 // attention rows: whole rows of N binary16 weights; none, without scores or keys, is one row of zeros

	ScoresIn  []uint64 // the N scores so far; nil: all 0
	ScoresOut bool     // the scores are wanted; not with Pool

	// Before each step of StepRows rows every score is multiplied by Lambda /
	// 65536 and rounded down. With StepRows 0 nothing decays.
	StepRows int
	Lambda   uint16

	// Pool is the window over which scores are summed, or with PoolMax their
	// maximum taken, before they are compared: odd, up to 15; 0 and 1 pool nothing.
	Pool    int
	PoolMax bool

	KeyRows []uint16 // N rows of RowDims binary16
	RowDims int      // elements of a key row

	// Form is how the engine gives the answer. With regmap.ResultTiers, of the
	// TopK the highest Rank[0] are in tier 0, those up to Rank[1] in tier 1,
	// up to Rank[2] in tier 2 and the rest in tier 3; protected positions are in ProtTier.
	Form     uint32
	Rank     [3]int
	ProtTier int
}

// Selected is what a selection came to.
type Selected struct {
	Positions []int    // kept, ascending
	Tiers     []uint8  // of all N positions, regmap.TierDropped for those not kept; nil without tiers
	Scores    []uint64 // of all N positions; nil if not asked for
}

// FeatureError says that the engine was built without something a job needs.
type FeatureError struct {
	Feature int    // regmap.Feat*
	What    string // the job
	URI     string // the device
}

func (e *FeatureError) Error() string {
	c, _ := regmap.FeatCodes.Find(uint32(e.Feature))
	return fmt.Sprintf("%v: %s needs the feature %s (%s), which was left out of this engine (%s)", driver.ErrUnsupported, e.What, c.Name, c.Doc, e.URI)
}

// Unwrap makes it a driver.ErrUnsupported.
func (e *FeatureError) Unwrap() error { return driver.ErrUnsupported }

// Require fails with a *FeatureError unless the engine was built with all the
// features, regmap.Feat*, that what needs.
func (s *Session) Require(what string, features ...int) error {
	for _, f := range features {
		if !s.info.Has(1 << f) {
			return &FeatureError{f, what, s.info.URI}
		}
	}
	return nil
}

// features lists the options that a selection takes.
func (sel Selection) features() []int {
	var list []int
	for _, f := range []struct {
		used    bool
		feature int
	}{
		{sel.Pool > 1, regmap.FeatPool},
		{sel.StepRows > 0, regmap.FeatDecay},
		{sel.KeyRows != nil, regmap.FeatKeyNorm},
		{sel.Form == regmap.ResultTiers, regmap.FeatTiers},
	} {
		if f.used {
			list = append(list, f.feature)
		}
	}
	return list
}

// MaxPool is the widest pooling window.
const MaxPool = 2*regmap.MaxPoolHalf + 1

// check refuses what the engine would refuse, with the reason.
func (s *Session) checkSelection(sel Selection) error {
	if err := s.CheckSelect(sel.N); err != nil {
		return err
	}
	if err := s.Require("this selection", sel.features()...); err != nil {
		return err
	}
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrGeometry, fmt.Sprintf(format, args...))
	}
	for _, f := range []struct {
		name string
		v    int
	}{{"sinks", sel.Sinks}, {"recent", sel.Recent}, {"topk", sel.TopK}} {
		if f.v < 0 || f.v > sel.N {
			return bad("%s is %d, want 0 to %d, the number of positions", f.name, f.v, sel.N)
		}
	}
	maxSteps := 1<<regmap.ReqStepRows.Width - 1
	rows := len(sel.Weights) / sel.N
	switch {
	case len(sel.Weights)%sel.N != 0:
		return bad("%d weights are no whole rows of %d", len(sel.Weights), sel.N)
	case rows > regmap.MaxAttnRows:
		return bad("%d attention rows, a selection takes up to %d; observe fewer queries", rows, regmap.MaxAttnRows)
	case sel.ScoresIn != nil && len(sel.ScoresIn) != sel.N:
		return bad("%d scores so far for %d positions", len(sel.ScoresIn), sel.N)
	case sel.Pool < 0 || sel.Pool > MaxPool || sel.Pool > 1 && sel.Pool%2 == 0:
		return bad("a pooling window of %d, want an odd one of up to %d", sel.Pool, MaxPool)
	case sel.PoolMax && sel.Pool <= 1:
		return bad("pooling by the maximum needs a window of 3 to %d", MaxPool)
	case sel.Pool > 1 && sel.ScoresOut:
		return bad("pooled scores cannot be had back: ask for the scores without pooling")
	case sel.StepRows < 0 || sel.StepRows > maxSteps:
		return bad("steps of %d attention rows, want up to %d", sel.StepRows, maxSteps)
	case sel.StepRows > 0 && rows == 0:
		return bad("scores decay before each step of attention rows, and there are no rows")
	case sel.StepRows == 0 && sel.Lambda != 0:
		return bad("a decay needs the number of rows of a step")
	}
	if err := s.checkTiers(sel); err != nil {
		return err
	}
	return s.checkKeyRows(sel)
}

func (s *Session) checkTiers(sel Selection) error {
	r := sel.Rank
	switch {
	case sel.Form > regmap.ResultTiers:
		return fmt.Errorf("%w: a selection of form %d", ErrGeometry, sel.Form)
	case sel.Form != regmap.ResultTiers && (r != [3]int{} || sel.ProtTier != 0):
		return fmt.Errorf("%w: ranks and a tier of the protected positions, but no tiers are asked for", ErrGeometry)
	case r[0] < 0 || r[0] > r[1] || r[1] > r[2] || r[2] > sel.TopK:
		return fmt.Errorf("%w: tiers end at ranks %d, %d and %d, want ascending ones up to the %d positions kept for their score", ErrGeometry, r[0], r[1], r[2], sel.TopK)
	case sel.ProtTier < 0 || sel.ProtTier > 3:
		return fmt.Errorf("%w: tier %d, want 0 to 3", ErrGeometry, sel.ProtTier)
	}
	return nil
}

func (s *Session) checkKeyRows(sel Selection) error {
	if sel.KeyRows == nil {
		if sel.RowDims != 0 {
			return fmt.Errorf("%w: the elements of key rows are given, but no key rows", ErrGeometry)
		}
		return nil
	}
	if sel.ScoresIn != nil || sel.Weights != nil || sel.StepRows != 0 {
		return fmt.Errorf("%w: key norms take the place of attention rows and scores so far", ErrGeometry)
	}
	if err := s.checkDims(sel.RowDims); err != nil {
		return err
	}
	if len(sel.KeyRows) != sel.N*sel.RowDims {
		return fmt.Errorf("%w: %d key rows of %d elements take %d, %d were given", ErrGeometry, sel.N, sel.RowDims, sel.N*sel.RowDims, len(sel.KeyRows))
	}
	return nil
}

// request gives the header's fields of a checked selection. RowDims is set
// only for key norms.
func (sel Selection) request() packet.Request {
	r := packet.Request{
		Rows: len(sel.Weights) / sel.N, Dims: sel.N, RowDims: sel.RowDims,
		Selection: packet.Selection{
			Sinks: sel.Sinks, Recent: sel.Recent, TopK: sel.TopK,
			PoolHalf: sel.Pool / 2, PoolMax: sel.PoolMax, StepRows: sel.StepRows, Lambda: sel.Lambda,
			ScoresIn: sel.ScoresIn != nil, ScoresOut: sel.ScoresOut, KeyNorm: sel.KeyRows != nil,
			Result: sel.Form, Rank: sel.Rank, ProtTier: sel.ProtTier,
		},
	}
	if sel.blank() {
		r.Rows = 1
	}
	return r
}

// blank reports whether nothing ranks the positions: the engine gets a row of
// zeros.
func (sel Selection) blank() bool {
	return len(sel.Weights) == 0 && sel.ScoresIn == nil && sel.KeyRows == nil
}

// kept is how many positions stay.
func (sel Selection) kept() int { return min(sel.N, sel.Sinks+sel.Recent+sel.TopK) }
