package policy

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

func ptr[T any](v T) *T { return &v }

func lookup(t *testing.T, name string) Policy {
	t.Helper()
	p, err := Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPresets(t *testing.T) {
	for _, ps := range Presets() {
		if err := ps.Policy.Validate(); err != nil {
			t.Errorf("%s: %v", ps.Name, err)
		}
		if got := lookup(t, ps.Name); !reflect.DeepEqual(got, ps.Policy) || got.Name != ps.Name {
			t.Errorf("%s: lookup gives %+v", ps.Name, got)
		}
		if ps.Formula == "" || ps.Source == "" {
			t.Errorf("%s: no formula or source", ps.Name)
		}
	}
	if p := lookup(t, "full"); p.Evicts() || p.Quantizes() || p.Group != 32 || p.Residual != 0 {
		t.Errorf("full: %+v", p)
	}
	if p := lookup(t, "streaming").Resolve(448); p.Sinks != 4 || p.Recent != 89 || p.TopK == nil || *p.TopK != 0 || p.NeedsScores(448) || p.Kept(448) != 93 {
		t.Errorf("streaming: %+v", p)
	}
	if p := lookup(t, "h2o").Resolve(448); p.Recent != 44 || *p.TopK != 44 || p.Sinks != 0 || !p.NeedsScores(448) || p.Kept(448) != 88 || p.Observe != ObserveAll {
		t.Errorf("h2o: %+v", p)
	}
	if p := lookup(t, "h2o").Resolve(3); p.Kept(3) != 1 {
		t.Errorf("h2o keeps %d of 3", p.Kept(3))
	}
	p := lookup(t, "kivi-2")
	k, kq := p.KLayout(64)
	v, vq := p.VLayout(64)
	if want := (packet.Layout{Scheme: regmap.SchemeAsym, Axis: regmap.AxisChannel, Group: 32, Bits: 2}); k != want || !kq || p.Residual != 128 {
		t.Errorf("kivi-2 keys: %+v %v", k, kq)
	}
	if want := (packet.Layout{Scheme: regmap.SchemeAsym, Axis: regmap.AxisToken, Group: 32, Bits: 2}); v != want || !vq {
		t.Errorf("kivi-2 values: %+v %v", v, vq)
	}
	if k, ok := lookup(t, "qserve-4").KLayout(64); !ok || k.Group != 0 || k.Axis != regmap.AxisToken || k.Bits != 4 {
		t.Errorf("qserve-4 keys: %+v", k)
	}
}

func TestJoins(t *testing.T) {
	p := lookup(t, "kivi-4+h2o")
	if q := lookup(t, "h2o + kivi-4"); !reflect.DeepEqual(p, q) || p.Name != "h2o+kivi-4" {
		t.Errorf("the order matters: %+v, %+v", p, q)
	}
	r := p.Resolve(448)
	if r.KBits != 4 || r.KAxis != Channel || r.Recent != 44 || *r.TopK != 44 || r.Residual != 44 {
		t.Errorf("h2o+kivi-4: %+v", r)
	}
	// Enough recent rows leave KIVI's own window in force.
	if r := p.Resolve(4096); r.Recent != 409 || r.Residual != 128 {
		t.Errorf("h2o+kivi-4 of 4096: %+v", r)
	}
	if p := lookup(t, "full+kivi-4"); !reflect.DeepEqual(p, lookup(t, "kivi-4")) {
		t.Errorf("full+kivi-4: %+v", p)
	}
	if p := lookup(t, "h2o+qserve-4"); p.ResidualInRecent || p.Residual != 0 {
		t.Errorf("h2o+qserve-4: %+v", p)
	}
	for name, want := range map[string]error{
		"h2o+streaming": ErrConflict, "kivi-2+kivi-4": ErrConflict, "h2o+h2o": ErrConflict,
		"": ErrUnknown, "h2o+": ErrUnknown, "H2O": ErrUnknown, "kivi": ErrUnknown,
		"kvquant": ErrEngineLacks, "h2o+gear": ErrEngineLacks, "zipcache+kivi-4": ErrConflict, "h2o+zipcache": ErrConflict, "tiers+kivi-2": ErrConflict,
	} {
		if _, err := Lookup(name); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", name, err, want)
		}
	}
	for _, pl := range Plans() {
		if _, err := Lookup(pl.Name); !errors.Is(err, ErrEngineLacks) || !strings.Contains(err.Error(), pl.Needs) {
			t.Errorf("%s: %v does not say what is missing", pl.Name, err)
		}
	}
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Policy)
		word   string // the error must have it; empty: valid
	}{
		"full":                    {func(p *Policy) {}, ""},
		"7 bits":                  {func(p *Policy) { p.KBits = 7 }, "k-bits is 7"},
		"0 bits":                  {func(p *Policy) { p.VBits = 0 }, "v-bits is 0"},
		"axis":                    {func(p *Policy) { p.VAxis = "row" }, "v-axis"},
		"scheme":                  {func(p *Policy) { p.Scheme = "both" }, "scheme"},
		"group 48":                {func(p *Policy) { p.Group = 48 }, "group is 48"},
		"row per channel":         {func(p *Policy) { p.KBits, p.KAxis, p.Group = 4, Channel, GroupRow }, "k-axis channel"},
		"row per channel of fp16": {func(p *Policy) { p.KAxis, p.Group = Channel, GroupRow }, ""},
		"row per token":           {func(p *Policy) { p.KBits, p.Group = 4, GroupRow }, ""},
		"negative residual":       {func(p *Policy) { p.Residual = -1 }, "residual is -1"},
		"negative sinks":          {func(p *Policy) { p.Sinks = -4 }, "sinks is -4"},
		"negative recent":         {func(p *Policy) { p.Recent = -4 }, "recent is -4"},
		"negative topk":           {func(p *Policy) { p.TopK = ptr(-4) }, "topk is -4"},
		"negative observe":        {func(p *Policy) { p.Observe = -4 }, "observe is -4"},
		"nothing kept":            {func(p *Policy) { p.TopK = ptr(0) }, "nothing would be kept"},
		"even window":             {func(p *Policy) { p.Pool = 16 }, "pool is 16, want an odd window of 1 to 15"},
		"wide window":             {func(p *Policy) { p.Pool = 17 }, "pool is 17"},
		"max of one":              {func(p *Policy) { p.PoolMax = true }, "pool of 3"},
		"lambda":                  {func(p *Policy) { p.Lambda = ptr(1.5) }, "lambda is 1.5"},
		"lambda NaN":              {func(p *Policy) { p.Lambda = ptr(math.NaN()) }, "lambda"},
		"decay of norms":          {func(p *Policy) { p.Lambda, p.Scorer = ptr(.5), KeyNorm }, "no queries"},
		"no decay of norms":       {func(p *Policy) { p.Lambda, p.Scorer = ptr(1.), KeyNorm }, ""},
		"normalised decay":        {func(p *Policy) { p.Lambda, p.Normalise = ptr(.5), true }, "normalise"},
		"summed norms":            {func(p *Policy) { p.Pool, p.Scorer = 3, KeyNorm }, "pool-mode max"},
		"pooled norms":            {func(p *Policy) { p.Pool, p.PoolMax, p.Scorer = 3, true, KeyNorm }, ""},
		"shared norms":            {func(p *Policy) { p.Shared, p.Scorer = true, KeyNorm }, "shared"},
		"adaptive":                {func(p *Policy) { p.Adaptive = ptr(101) }, "adaptive is 101"},
		"adaptive and shared":     {func(p *Policy) { p.Adaptive, p.Shared = ptr(10), true }, "adaptive"},
		"scorer":                  {func(p *Policy) { p.Scorer = "best" }, "best"},
		"tiers of 90":             {func(p *Policy) { p.Tiers = &Tiers{0, 0, 50, 40} }, "90 %"},
		"negative tiers":          {func(p *Policy) { p.Tiers = &Tiers{-10, 50, 50, 10} }, "-10"},
		"tiers and bits":          {func(p *Policy) { p.Tiers, p.VBits = &Tiers{100}, 4 }, "v-bits"},
		"tiers and key bits":      {func(p *Policy) { p.Tiers, p.KBits = &Tiers{100}, 4 }, "k-bits 4"},
		"tiers and channel":       {func(p *Policy) { p.Tiers, p.KAxis = &Tiers{100}, Channel }, "one width"},
		"tiers with channel":      {func(p *Policy) { p.Tiers, p.KAxis, p.KBits = &Tiers{100}, Channel, 4 }, ""},
		"tiers and residual":      {func(p *Policy) { p.Tiers, p.Residual = &Tiers{100}, 4 }, "residual"},
		"tiers in blocks":         {func(p *Policy) { p.Tiers, p.Layout, p.Scheme = &Tiers{100}, Q80, Sym }, "layout"},
		"protected":               {func(p *Policy) { p.Tiers, p.Protected = &Tiers{100}, 3 }, "protected is 3"},
		"rule of shared":          {func(p *Policy) { p.Rules = []Rule{{Set: Override{Shared: ptr(true)}}} }, "rule 1"},
		"share over 100":          {func(p *Policy) { p.TopKPercent = 101 }, "101"},
		"only sinks":              {func(p *Policy) { p.TopK, p.Sinks = ptr(0), 1 }, ""},
	} {
		p := Full()
		c.change(&p)
		err := p.Validate()
		if c.word == "" && err != nil || c.word != "" && (!errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.word)) {
			t.Errorf("%s: got %v, want %q", name, err, c.word)
		}
	}
}

func TestQuantizedRows(t *testing.T) {
	for _, c := range []struct {
		kept, residual, bits int
		axis                 Axis
		want                 int
	}{
		{448, 128, 4, Channel, 320}, {448, 128, 4, Token, 320}, {100, 128, 4, Token, 0}, {100, 128, 4, Channel, 0},
		{100, 0, 4, Channel, 96}, {100, 0, 4, Token, 100}, {100, 5, 4, Channel, 64}, {31, 0, 2, Channel, 0}, {448, 0, 16, Token, 0}, {0, 0, 4, Token, 0},
	} {
		p := Full()
		p.Residual = c.residual
		if got := p.QuantizedRows(c.kept, c.bits, c.axis); got != c.want {
			t.Errorf("%+v: got %d", c, got)
		}
	}
}

func TestOverride(t *testing.T) {
	p := lookup(t, "h2o+kivi-4").With(Override{Recent: ptr(10), TopK: ptr(5), Residual: ptr(64), KBits: ptr(2), VAxis: ptr(Channel), Scheme: ptr(Sym), Sinks: ptr(2), Observe: ptr(7)}).Resolve(1000)
	want := Policy{Name: "h2o+kivi-4", KBits: 2, VBits: 4, KAxis: Channel, VAxis: Channel, Scheme: Sym, Group: 32, Residual: 64, Sinks: 2, Recent: 10, TopK: ptr(5), Observe: 7}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got %+v, want %+v", p, want)
	}
	if q := lookup(t, "h2o"); q.TopK != nil {
		t.Error("an override changed the preset")
	}
	if p := Full().With(Override{Sinks: ptr(4), Residual: ptr(9), Observe: ptr(3)}); p.Evicts() || len(p.Warnings()) != 3 {
		t.Errorf("without topk: %+v, warnings %q", p, p.Warnings())
	}
	if w := lookup(t, "h2o+kivi-4").Warnings(); len(w) != 0 {
		t.Errorf("warnings %q", w)
	}
}

func TestKeptDoesNotOverflow(t *testing.T) {
	const huge = int(^uint(0) >> 1)
	p := Full()
	p.Sinks, p.Recent, p.TopK = huge, huge, ptr(huge)
	if p.Kept(10) != 10 || p.NeedsScores(10) {
		t.Errorf("kept %d, needs scores %v", p.Kept(10), p.NeedsScores(10))
	}
}

func TestJSONRoundTrip(t *testing.T) {
	for _, name := range []string{"full", "h2o", "streaming", "h2o+kivi-4", "tova+q4_0", "snapkv", "adakv+kivi-2", "zipcache", "h2o+tiers"} {
		p := lookup(t, name)
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if has := strings.Contains(string(b), `"layout"`); has != (p.Layout != Native) {
			t.Errorf("%s: %s", name, b)
		}
		var q Policy
		if err := json.Unmarshal(b, &q); err != nil || !reflect.DeepEqual(p, q) {
			t.Errorf("%s: %s became %+v (%v)", name, b, q, err)
		}
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		got  func() (int, error)
		want int // -1: an error
	}{
		{func() (int, error) { return ParseGroup("row") }, GroupRow},
		{func() (int, error) { return ParseGroup("64") }, 64},
		{func() (int, error) { return ParseGroup("0") }, -1},
		{func() (int, error) { return ParseObserve("all") }, ObserveAll},
		{func() (int, error) { return ParseObserve("32") }, 32},
		{func() (int, error) { return ParseObserve("0") }, -1},
		{func() (int, error) { return ParseObserve("some") }, -1},
	} {
		if got, err := c.got(); c.want < 0 && !errors.Is(err, ErrInvalid) || c.want >= 0 && (err != nil || got != c.want) {
			t.Errorf("got %d, %v, want %d", got, err, c.want)
		}
	}
}
