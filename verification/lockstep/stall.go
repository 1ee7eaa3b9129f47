package lockstep

// regime is how the outside of the engine behaves for a while.
type regime struct {
	name      string
	length    int // about how many clocks it lasts
	streams   stallKind
	bus       stallKind
	registers int // register accesses begun, in 1/65536 per clock
	gap       int // packets followed by an idle gap, in 1/65536
	gapMax    int // its clocks at most
	soft      int // writes of CTRL that are a soft reset, in 1/8192
	reset     int // rst_i, in millionths per clock
	malformed int // packets in a hundred that are
	burst     int // packets in a hundred that repeat the last header
}

// The regimes, with their weights. Most of the time the engine gets work done.
var regimes = []struct {
	weight int
	regime
}{
	{4, regime{"ideal", 12000, always, always, 0, 0, 1, 0, 0, 4, 60}},
	{3, regime{"busy", 12000, mild, mixed, 2000, 8000, 60, 0, 10, 12, 60}},
	{3, regime{"stuttering", 9000, mixed, mixed, 1000, 16000, 300, 30, 40, 25, 40}},
	{2, regime{"queued", 20000, mild, always, 1000, 8000, 1, 0, 0, 0, 98}}, // long runs of one kind: what fills the engine to its gates
	{1, regime{"registers", 4000, mild, mixed, 40000, 16000, 100, 60, 40, 25, 40}},
	{1, regime{"resets", 4000, mild, always, 8000, 8000, 40, 6000, 1500, 25, 40}},
	{1, regime{"malformed", 6000, mild, always, 1000, 8000, 30, 20, 40, 85, 30}},
	{1, regime{"short", 6000, mild, always, 1000, 20000, 20, 20, 40, 20, 70}},
}

func (r random) regime(only string) regime {
	weights := make([]int, len(regimes))
	for i, g := range regimes {
		if only == "" || only == g.name {
			weights[i] = g.weight
		}
	}
	g := regimes[r.pick(weights...)].regime
	g.length = 1 + r.IntN(2*g.length)
	return g
}

// stallKind is how a port's valid or ready behaves.
type stallKind int

const (
	always stallKind = iota // never stalls
	mild                    // mostly goes, stutters at times
	mixed                   // any probability, sometimes none for long
)

// throttle says clock by clock whether a port goes on. Its probability changes in
// phases.
type throttle struct {
	kind stallKind
	p    int // in 1/65536
	left int // clocks of this phase
}

func (t *throttle) set(k stallKind) { *t = throttle{kind: k} }

func (t *throttle) goes(r random) bool {
	if t.kind == always {
		return true
	}
	if t.left == 0 {
		t.phase(r)
	}
	t.left--
	switch t.p {
	case 0:
		return false
	case 1 << 16:
		return true
	}
	return int(r.Uint32()&0xFFFF) < t.p
}

func (t *throttle) phase(r random) {
	t.left = r.upTo(600)
	weights := []int{60, 20, 10, 6, 3, 1}
	if t.kind == mixed {
		weights = []int{25, 20, 25, 15, 10, 5}
	}
	switch r.pick(weights...) {
	case 0:
		t.p = 1 << 16
	case 1:
		t.p = 60000
	case 2:
		t.p = 32768
	case 3:
		t.p = 6000
	case 4:
		t.p, t.left = 800, r.upTo(1500)
	case 5:
		t.p, t.left = 0, r.upTo(3000)
	}
}
