package compress

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator"
	"github.com/kvaccel/kvaccel/host/cache"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/safetensors"
	"github.com/kvaccel/kvaccel/host/session"
	"github.com/kvaccel/kvaccel/host/trace"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

func device(t *testing.T, uri string) driver.Device {
	t.Helper()
	var r driver.Registry
	r.Register("emu", emulator.Open)
	dev, err := r.Open(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dev.Close() })
	return dev
}

func lookup(t *testing.T, name string) policy.Policy {
	t.Helper()
	p, err := policy.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func ptr[T any](v T) *T { return &v }

const (
	testT, testD, testLayers = 200, 32, 2
	testHq, testHkv          = 4, 2
)

// testTrace has random keys, values and queries.
func testTrace(t *testing.T) *trace.Trace {
	t.Helper()
	return openTrace(t,
		tensor("layers.0.k", false, testHkv, testT, testD), tensor("layers.0.v", false, 1, testHkv, testT, testD), tensor("layers.0.q", false, testHq, testT, testD),
		tensor("layers.1.k", false, testHkv, testT, testD), tensor("layers.1.v", false, testHkv, testT, testD), tensor("layers.1.q", false, testHq, testT, testD))
}

// cases are policies of every kind that a run can be given.
func cases(t *testing.T) map[string]policy.Policy {
	m := map[string]policy.Policy{}
	for _, name := range []string{"full", "streaming", "h2o", "kivi-2", "kivi-4", "qserve-4", "h2o+kivi-4", "streaming+qserve-4"} {
		m[name] = lookup(t, name)
	}
	for name, o := range map[string]policy.Override{
		"sym 8":         {KBits: ptr(8), VBits: ptr(8), Scheme: ptr(policy.Sym), Group: ptr(16)},
		"sym 3 channel": {KBits: ptr(3), VBits: ptr(3), Scheme: ptr(policy.Sym), Group: ptr(64), KAxis: ptr(policy.Channel), VAxis: ptr(policy.Channel), Residual: ptr(7)},
		"only values":   {VBits: ptr(5), Group: ptr(32)},
		"only keys":     {KBits: ptr(6), KAxis: ptr(policy.Channel), Group: ptr(16), Residual: ptr(1)},
		"sinks":         {TopK: ptr(20), Sinks: ptr(3), Recent: ptr(5), Observe: ptr(10), KBits: ptr(2), VBits: ptr(2), Group: ptr(policy.GroupRow)},
		"residual wins": {KBits: ptr(4), VBits: ptr(4), Residual: ptr(1000)},
		"all kept":      {TopK: ptr(1000)},
	} {
		m[name] = policy.Full().With(o)
	}
	return m
}

// ranked is the selection done the slow way: exact sums, sorted.
func ranked(w []uint16, n int, p policy.Policy) []int {
	scores := make([]uint64, n)
	for i, h := range w {
		scores[i%n] += uint64(fp16.ToFloat64(h) * (1 << 24))
	}
	var kept, rest []int
	for j := range n {
		if j < p.Sinks || j >= n-p.Recent {
			kept = append(kept, j)
		} else {
			rest = append(rest, j)
		}
	}
	slices.SortStableFunc(rest, func(a, b int) int {
		switch {
		case scores[a] > scores[b]:
			return -1
		case scores[a] < scores[b]:
			return 1
		}
		return a - b
	})
	kept = append(kept, rest[:min(len(rest), *p.TopK)]...)
	slices.Sort(kept)
	return kept
}

func TestKeepsTheRightRows(t *testing.T) {
	dev := device(t, "emu:")
	tr := testTrace(t)
	for name, pol := range cases(t) {
		res, err := Run(t.Context(), dev, tr, pol, Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rest, err := Restore(t.Context(), dev, res.Cache, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		n := DefaultPrefix(testT)
		p := pol.Resolve(n)
		if res.TokensIn != n || res.TokensKept != p.Kept(n) || !reflect.DeepEqual(res.Policy, p) {
			t.Errorf("%s: %d of %d kept, policy %+v", name, res.TokensKept, res.TokensIn, res.Policy)
		}
		for l := range testLayers {
			layer, _, err := tr.Layer(l, true)
			if err != nil {
				t.Fatal(err)
			}
			for h := range testHkv {
				got := rest.Layers[l][h]
				want := cache.All(n)
				if p.Evicts() {
					w, _, err := weights(t.Context(), tr, l, layer, h, n, p.Observe)
					if err != nil {
						t.Fatal(err)
					}
					want = ranked(w, n, p)
				}
				if !reflect.DeepEqual(got.Positions, want) {
					t.Fatalf("%s: layer %d head %d kept %d, want %d", name, l, h, got.Positions, want)
				}
				checkRows(t, name+" keys", p, p.KBits, p.KAxis, gather(layer.K[h], want, testD), got.K)
				checkRows(t, name+" values", p, p.VBits, p.VAxis, gather(layer.V[h], want, testD), got.V)
			}
		}
	}
}

// checkRows holds restored rows against the originals: those of the residual
// window bit for bit, the others within half a step of their group.
func checkRows(t *testing.T, name string, p policy.Policy, bits int, axis policy.Axis, orig, got []uint16) {
	t.Helper()
	if len(orig) != len(got) {
		t.Fatalf("%s: %d elements, want %d", name, len(got), len(orig))
	}
	rows := len(orig) / testD
	q := max(rows-p.Residual, 0)
	if bits == policy.FP16Bits {
		q = 0
	} else if axis == policy.Channel {
		q -= q % p.Group
	}
	if !slices.Equal(orig[q*testD:], got[q*testD:]) {
		t.Fatalf("%s: the residual window changed", name)
	}
	group := p.Group
	if group == policy.GroupRow {
		group = testD
	}
	groups := map[[2]int][]int{} // elements by group
	for i := range q * testD {
		row, col := i/testD, i%testD
		key := [2]int{row, col / group}
		if axis == policy.Channel {
			key = [2]int{row / group, col}
		}
		groups[key] = append(groups[key], i)
	}
	changed := 0
	for key, members := range groups {
		low, high, most := math.Inf(1), math.Inf(-1), 0.0
		for _, i := range members {
			x := fp16.ToFloat64(orig[i])
			low, high, most = min(low, x), max(high, x), max(most, math.Abs(x))
		}
		step := (high - low) / (math.Exp2(float64(bits)) - 1)
		if p.Scheme == policy.Sym {
			step = most / (math.Exp2(float64(bits-1)) - 1)
		}
		for _, i := range members {
			// Half a step, and what rounding scale and result to fp16 adds.
			if d := math.Abs(fp16.ToFloat64(orig[i]) - fp16.ToFloat64(got[i])); d > step*.5+most*0x1p-9 {
				t.Fatalf("%s: group %v, element %d: %g became %g, the step is %g", name, key, i, fp16.ToFloat64(orig[i]), fp16.ToFloat64(got[i]), step)
			}
			if orig[i] != got[i] {
				changed++
			}
		}
	}
	if q > 0 && bits < 8 && changed == 0 {
		t.Errorf("%s: nothing was quantized", name)
	}
}

// The cache is the same whatever engine made it, and a file of it restores to
// the same rows.
func TestCacheDoesNotDependOnTheEngine(t *testing.T) {
	dir := t.TempDir()
	for name, pol := range cases(t) {
		var first []byte
		var rows [][]RestoredHead
		for _, uri := range []string{"emu:", "emu:?lanes=2&tile-tokens=64", "emu:?lanes=16&max-dim=32&max-tokens=256&tile-tokens=256"} {
			res, err := Run(t.Context(), device(t, uri), testTrace(t), pol, Options{Prefix: 150})
			if err != nil {
				t.Fatalf("%s on %s: %v", name, uri, err)
			}
			path := filepath.Join(dir, "c")
			if err := res.Cache.Write(t.Context(), path); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			c, err := cache.Read(path)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			r, err := Restore(t.Context(), device(t, uri), c, nil)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if first == nil {
				first, rows = b, r.Layers
			}
			if !bytes.Equal(b, first) {
				t.Errorf("%s: the file made on %s differs from that made on emu:", name, uri)
			}
			if !reflect.DeepEqual(r.Layers, rows) {
				t.Errorf("%s: rows restored on %s differ from those restored on emu:", name, uri)
			}
		}
	}
}

// What the report says must follow from the cache and the packets.
func TestReportAddsUp(t *testing.T) {
	dev := device(t, "emu:")
	p := regmap.DefaultParams()
	res, err := Run(t.Context(), dev, testTrace(t), lookup(t, "h2o+kivi-4").With(policy.Override{Recent: ptr(40), TopK: ptr(60), Observe: ptr(3)}), Options{Prefix: 175})
	if err != nil {
		t.Fatal(err)
	}
	heads := testLayers * testHkv
	// 100 kept, the last 40 fp16: 32 keys and 60 values quantized a head.
	want := cache.Bytes{
		Codes: int64(heads * (32 + 60) * testD / 2), Scales: int64(heads * (32 + 60) * testD / 32 * 4),
		Residual: int64(heads * (68 + 40) * testD * 2), Positions: int64(heads * 100 * 2),
	}
	in := int64(heads * 2 * 175 * testD * 2)
	if res.Bytes != want || res.BytesOut != want.Total() || res.BytesIn != in || res.TokensKept != 100 || res.TokensIn != 175 {
		t.Errorf("bytes %+v (%d of %d), want %+v (%d of %d)", res.Bytes, res.BytesOut, res.BytesIn, want, want.Total(), in)
	}
	if res.Ratio != float64(in)/float64(want.Total()) || math.Abs(res.BitsPerElem*res.Ratio-16) > 1e-12 || math.Abs(res.BitsPerKept*100-res.BitsPerElem*175) > 1e-9 {
		t.Errorf("ratio %g, bits %g, per kept %g", res.Ratio, res.BitsPerElem, res.BitsPerKept)
	}
	sum := int64(0)
	for _, h := range res.Heads {
		sum += h.Total
	}
	if sum != res.BytesOut || len(res.Heads) != heads {
		t.Errorf("%d heads add up to %d", len(res.Heads), sum)
	}
	beats := func(bytes int) uint64 { return uint64((bytes + p.BeatBytes() - 1) / p.BeatBytes()) }
	hb := uint64(p.HeaderBeats())
	for name, c := range map[string]struct{ commands, in, out uint64 }{
		"select": {uint64(heads), uint64(heads) * (hb + 3*2*beats(175*2)), uint64(heads) * (2*hb + beats(200))},
		"quantize": {uint64(2 * heads), uint64(heads) * (2*hb + beats(32*testD*2) + beats(60*testD*2)),
			uint64(heads) * (4*hb + beats(32*testD*5/8) + beats(60*testD*5/8))},
		"dequantize": {uint64(2 * heads), uint64(heads) * (2*hb + beats(32*testD*5/8) + beats(60*testD*5/8)),
			uint64(heads) * (4*hb + beats(32*testD*2) + beats(60*testD*2))},
	} {
		st := res.Commands[name]
		if st.Commands != c.commands || st.BeatsIn != c.in || st.BeatsOut != c.out {
			t.Errorf("%s: %d commands, %d beats in, %d out, want %+v", name, st.Commands, st.BeatsIn, st.BeatsOut, c)
		}
		if st.Cycles < max(c.in, c.out) || st.Cycles > st.CommandCycles+64*st.Commands || st.StallOut != 0 {
			t.Errorf("%s: %+v", name, st)
		}
		if bpc := res.BeatsPerCycle[name]; bpc <= 0 || bpc > 1 {
			t.Errorf("%s: %g beats per cycle", name, bpc)
		}
		if res.Cycles.PerCommand[name] != st.Cycles {
			t.Errorf("%s: %d cycles, %d in the list", name, st.Cycles, res.Cycles.PerCommand[name])
		}
	}
	total := uint64(0)
	for _, c := range res.Cycles.PerCommand {
		total += c
	}
	if total != res.Cycles.Total || len(res.Cycles.PerCommand) != 3 {
		t.Errorf("%d cycles, %v", res.Cycles.Total, res.Cycles.PerCommand)
	}
	if f := res.Fidelity; f == nil || f.Queries != 25 || len(f.Heads) != heads || f.OutputL2.Median <= 0 || f.LostMass.Median <= 0 {
		t.Errorf("fidelity %+v", f)
	}
}

// Cycles are a property of the work: a second run takes the same number.
func TestCyclesRepeat(t *testing.T) {
	dev := device(t, "emu:")
	var first Costs
	for i := range 2 {
		res, err := Run(t.Context(), dev, testTrace(t), lookup(t, "h2o+kivi-4"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = res.Costs
		} else if !reflect.DeepEqual(first, res.Costs) {
			t.Errorf("first %+v, then %+v", first, res.Costs)
		}
	}
}

func TestSampleFidelity(t *testing.T) {
	dev := device(t, "emu:")
	tr, err := trace.Sample()
	if err != nil {
		t.Fatal(err)
	}
	run := func(name string) *Result {
		res, err := Run(t.Context(), dev, tr, lookup(t, name), Options{})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	full, four, two, both := run("full"), run("kivi-4"), run("kivi-2"), run("h2o+kivi-4")
	if f := full.Fidelity; full.Ratio != 1 || f.OutputL2.P95 != 0 || f.KL.P95 != 0 || f.LostMass.P95 != 0 || f.Recall.P95 != 1 || f.Queries != 64 {
		t.Errorf("full: ratio %g, %+v", full.Ratio, f)
	}
	if a, b := four.Fidelity, two.Fidelity; !(0 < a.KL.Median && a.KL.Median < b.KL.Median && a.OutputL2.Median < b.OutputL2.Median && a.LostMass.P95 == 0 && a.Recall.Median > b.Recall.Median) {
		t.Errorf("4 bits: %+v, 2 bits: %+v", a, b)
	}
	if f := both.Fidelity; f.LostMass.Median <= 0 || f.LostMass.Median > .5 || both.Ratio < 6 {
		t.Errorf("h2o+kivi-4: ratio %g, %+v", both.Ratio, f)
	}
}

func TestNoLaterQueries(t *testing.T) {
	res, err := Run(t.Context(), device(t, "emu:"), testTrace(t), lookup(t, "h2o+kivi-4"), Options{Prefix: testT})
	if err != nil || res.Fidelity != nil || res.FidelityNote == "" || res.TokensIn != testT {
		t.Fatalf("%+v %v", res, err)
	}
	b, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"schema_version", "source", "device", "policy", "trace", "bytes_in", "bytes_out", "bits_per_element", "ratio", "tokens_in", "tokens_kept", "cycles", "beats_per_cycle", "fidelity"} {
		if v, ok := m[key]; !ok || (v == nil) != (key == "fidelity") {
			t.Errorf("%s is %v", key, v)
		}
	}
	if m["source"] != "emulator" {
		t.Errorf("source %v", m["source"])
	}
}

// NaN and infinities are counted, and spoil no figure.
func TestNonFiniteTrace(t *testing.T) {
	spoilt := func(name string, shape ...int64) safetensors.Entry {
		e := tensor(name, false, shape...)
		write := e.Write
		e.Write = func(w io.Writer) error {
			var b bytes.Buffer
			if err := write(&b); err != nil {
				return err
			}
			for i, h := range []uint16{0x7e00, 0x7c00, 0xfc00, 0xfe01} {
				binary.LittleEndian.PutUint16(b.Bytes()[2*(i*37+5):], h)
			}
			_, err := w.Write(b.Bytes())
			return err
		}
		return e
	}
	tr := openTrace(t, spoilt("layers.0.k", 1, 100, 32), spoilt("layers.0.v", 1, 100, 32), spoilt("layers.0.q", 2, 100, 32))
	res, err := Run(t.Context(), device(t, "emu:"), tr, lookup(t, "kivi-4").With(policy.Override{Residual: ptr(0), TopK: ptr(70)}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if res.Trace.NonFinite != 12 || res.Commands["quantize"].NonFinite == 0 {
		t.Errorf("%d counted in the trace, %d by the engine", res.Trace.NonFinite, res.Commands["quantize"].NonFinite)
	}
	if _, err := json.Marshal(res); err != nil {
		t.Error(err)
	}
}

func TestRefuses(t *testing.T) {
	k, v := tensor("layers.0.k", false, 2, 100, 32), tensor("layers.0.v", false, 2, 100, 32)
	bare := openTrace(t, k, v)
	odd := openTrace(t, tensor("layers.0.k", false, 2, 100, 40), tensor("layers.0.v", false, 2, 100, 40))
	late := openTrace(t, k, v, tensor("layers.0.attn", true, 2, 10, 100))
	for name, c := range map[string]struct {
		tr    *trace.Trace
		pol   policy.Policy
		opt   Options
		uri   string
		want  error
		words string
	}{
		"scores without q":   {bare, lookup(t, "h2o"), Options{}, "emu:", trace.ErrMissing, "t.safetensors|layers.0.q|h2o"},
		"attn after prefix":  {late, lookup(t, "h2o"), Options{Prefix: 90}, "emu:", trace.ErrMissing, "layers.0.attn|90 to 99"},
		"rows of 40":         {odd, lookup(t, "kivi-4"), Options{}, "emu:", session.ErrGeometry, "t.safetensors|rows of 40|multiple of 16"},
		"small tiles":        {bare, lookup(t, "kivi-4"), Options{}, "emu:?tile-tokens=16", session.ErrGeometry, "groups of 32|tile-tokens=32"},
		"few positions":      {openTrace(t, tensor("layers.0.k", false, 1, 400, 16), tensor("layers.0.v", false, 1, 400, 16)), lookup(t, "streaming"), Options{}, "emu:?max-tokens=256", session.ErrGeometry, "350|max-tokens=512"},
		"prefix too long":    {bare, lookup(t, "kivi-4"), Options{Prefix: 101}, "emu:", ErrPrefix, "100 positions|101"},
		"prefix negative":    {bare, lookup(t, "kivi-4"), Options{Prefix: -1}, "emu:", ErrPrefix, "-1"},
		"impossible policy":  {bare, policy.Full().With(policy.Override{KBits: ptr(7)}), Options{}, "emu:", policy.ErrInvalid, "k-bits"},
		"group over the row": {bare, lookup(t, "kivi-4").With(policy.Override{Group: ptr(64)}), Options{}, "emu:", session.ErrGeometry, "values|64"},
	} {
		_, err := Run(t.Context(), device(t, c.uri), c.tr, c.pol, c.opt)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
			continue
		}
		for _, w := range strings.Split(c.words, "|") {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v does not say %q", name, err, w)
			}
		}
	}
	// What needs no scores runs without queries, and says why there is no fidelity.
	for _, name := range []string{"kivi-4", "streaming"} {
		res, err := Run(t.Context(), device(t, "emu:"), bare, lookup(t, name), Options{})
		if err != nil || res.Fidelity != nil || !strings.Contains(res.FidelityNote, "layers.0.q") {
			t.Errorf("%s without queries: %v, note %q", name, err, res.FidelityNote)
		}
	}
	// Rows of 40 can be kept whole, or dropped.
	if _, err := Run(t.Context(), device(t, "emu:"), odd, lookup(t, "streaming"), Options{}); err != nil {
		t.Errorf("rows of 40 without quantization: %v", err)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var stages []string
	_, err := Run(ctx, device(t, "emu:"), testTrace(t), lookup(t, "h2o+kivi-4"), Options{Progress: func(p Progress) {
		stages = append(stages, p.Stage)
		if p.Layer == 1 && p.Stage == "quantize" {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v after %v", err, stages)
	}
}

func TestProgressReachesTheEnd(t *testing.T) {
	for _, name := range []string{"full", "h2o+kivi-4"} {
		var seen []Progress
		if _, err := Run(t.Context(), device(t, "emu:"), testTrace(t), lookup(t, name), Options{Progress: func(p Progress) { seen = append(seen, p) }}); err != nil {
			t.Fatal(err)
		}
		for i, p := range seen {
			if p.Done != i || p.Total != len(seen)-1 {
				t.Fatalf("%s: step %d is %+v of %d", name, i, p, len(seen))
			}
		}
	}
}
