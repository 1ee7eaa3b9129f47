package attncomp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/emulator"
	"github.com/kvaccel/kvaccel/host/attention"
	"github.com/kvaccel/kvaccel/host/compress"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/safetensors"
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

const (
	testT, testN, testD = 120, 100, 32
	testHq, testHkv     = 4, 2
)

// source makes the rows of a trace: head h of layer l.
type source func(kind string, l, h int) []uint16

func random(seed uint64, rows, dims int) *mat.Dense {
	r := rand.New(rand.NewPCG(seed, 99))
	x := mat.NewDense(rows, dims, nil)
	for i := range rows {
		for j := range dims {
			x.Set(i, j, r.NormFloat64())
		}
	}
	return x
}

// seed tells tensors apart.
func seed(kind string, l, h int) uint64 { return uint64(kind[0])*1000 + uint64(10*l+h) }

// noise has nothing in common anywhere.
func noise(kind string, l, h int) []uint16 { return bits(random(seed(kind, l, h), testT, testD)) }

// times gives x M with entries of moderate size.
func times(x, m mat.Matrix) []uint16 {
	var y mat.Dense
	y.Mul(x, m)
	y.Scale(1/math.Sqrt(testD), &y)
	return bits(&y)
}

func openTrace(t *testing.T, layers int, rows source, withQ bool) *trace.Trace {
	t.Helper()
	var entries []safetensors.Entry
	for l := range layers {
		for _, kind := range []string{"k", "v", "q"} {
			heads := testHkv
			if kind == "q" {
				if heads = testHq; !withQ {
					continue
				}
			}
			var data []uint16
			for h := range heads {
				data = append(data, rows(kind, l, h)...)
			}
			entries = append(entries, safetensors.FP16(fmt.Sprintf("layers.%d.%s", l, kind), data, int64(heads), testT, testD))
		}
	}
	var b bytes.Buffer
	if err := safetensors.Write(&b, nil, entries); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.New("t.safetensors", bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	tr, err := trace.New(f)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func compare(t *testing.T, tr *trace.Trace, o Options) *Result {
	t.Helper()
	if o.Prefix == 0 {
		o.Prefix = testN
	}
	r, err := Run(t.Context(), device(t, "emu:"), tr, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func find(t *testing.T, r *Result, method string, rank, bits int) Row {
	t.Helper()
	for _, x := range r.Rows {
		if x.Method == method && x.Rank == rank && x.Bits == bits {
			return x
		}
	}
	t.Fatalf("no row %s %d %d", method, rank, bits)
	return Row{}
}

// Each method finds what was put into a trace, and only it: error of the method meant
// for it, and of another that cannot do it.
func TestFindsWhatRowsHaveInCommon(t *testing.T) {
	narrow := func(kind string, l, h int) []uint16 { // every head in 8 dims of its own
		return times(random(seed(kind, l, h), testT, 8), random(seed(kind, l, h)+500, 8, testD))
	}
	group := func(kind string, l, _ int) []uint16 { // all heads of a layer in the same 8 numbers
		return times(random(seed(kind, l, 0), testT, 8), random(seed(kind, l, 0)+500, 8, testD))
	}
	mapped := func(kind string, l, h int) []uint16 { // head 1 is head 0 with its dims stretched by 1 to 5
		x := random(seed(kind, l, 0), testT, testD)
		for i := range testT {
			for j := range testD {
				x.Set(i, j, x.At(i, j)*float64(1+h*(j%5)))
			}
		}
		return bits(x)
	}
	across := func(kind string, l, h int) []uint16 { // two layers in the same 8 numbers
		return times(random(seed(kind, l/2, h), testT, 8), random(seed(kind, l, h)+500, 8, testD))
	}
	same := func(kind string, l, h int) []uint16 { return noise(kind, l/2, h) }
	crossed := func(kind string, l, h int) []uint16 { // layer 1 is a map of layer 0's other head
		if l%2 == 0 {
			return noise(kind, l, h)
		}
		return times(random(seed(kind, l-1, 1-h), testT, testD), random(seed(kind, l, h)+500, testD, testD))
	}
	for name, c := range map[string]struct {
		rows     source
		rank     int
		can      string
		cannot   string
		cannotBy float64
	}{
		"narrow heads":  {narrow, 8, "lowrank", "joint", -1}, // joint at 2 x 8 columns can too
		"weighed":       {narrow, 8, "lowrank-q", "lowrank", -1},
		"equal heads":   {group, 4, "joint", "lowrank", .1},
		"merged":        {group, 4, "merge", "share", .5},
		"mapped heads":  {mapped, 8, "merge-fit", "merge", .3},
		"two layers":    {across, 4, "joint-2", "joint", .1},
		"same layers":   {same, 8, "share", "merge", .3},
		"crossed heads": {crossed, 8, "share-fit", "share", .3},
	} {
		r := compare(t, openTrace(t, 2, c.rows, true), Options{Methods: []string{c.can, c.cannot}, Ranks: []int{c.rank}, Bits: []int{FP16}, Ridge: 1e-5})
		for _, x := range r.Rows {
			switch {
			case x.Method == "none" && x.OutputL2.Worst.Median != 0:
				t.Errorf("%s: nothing done, error %g", name, x.OutputL2.Worst.Median)
			case x.Method == c.can && x.OutputL2.P95 > 5e-3:
				t.Errorf("%s: %s has error %g", name, x.Method, x.OutputL2.P95)
			case x.Method == c.cannot && x.OutputL2.Mean < c.cannotBy:
				t.Errorf("%s: %s has error %g", name, x.Method, x.OutputL2.Mean)
			}
		}
	}
}

// Keys are large where no query looks: weighed by the queries the rank goes elsewhere.
func TestWeighsByQueries(t *testing.T) {
	rows := func(kind string, l, h int) []uint16 {
		x := random(seed(kind, l, h), testT, testD)
		for i := range testT {
			for j := range testD {
				switch {
				case kind == "k" && j < 16:
					x.Set(i, j, 8*x.At(i, j))
				case kind == "q" && j < 16:
					x.Set(i, j, 0)
				case kind == "q":
					x.Set(i, j, 2*x.At(i, j))
				}
			}
		}
		return bits(x)
	}
	r := compare(t, openTrace(t, 1, rows, true), Options{Methods: []string{"lowrank", "lowrank-q"}, Ranks: []int{16}, Bits: []int{FP16}, Ridge: 1e-4})
	if plain, weighed := find(t, r, "lowrank", 16, FP16).KL.Median, find(t, r, "lowrank-q", 16, FP16).KL.Median; weighed > .01 || plain < .5 {
		t.Errorf("KL %g, by the queries %g", plain, weighed)
	}
}

// The first singular vectors are the best basis of so many: the rest of the squares
// are those of the smaller singular values, and random bases lose more.
func TestBasis(t *testing.T) {
	for _, shape := range [][2]int{{50, 12}, {12, 12}, {7, 12}} {
		x := random(3, shape[0], shape[1])
		v, err := basis(x)
		if err != nil {
			t.Fatal(err)
		}
		var svd mat.SVD
		svd.Factorize(x, mat.SVDNone)
		s := svd.Values(nil)
		for k := 1; k <= len(s); k++ {
			b := v.Slice(0, shape[1], 0, k)
			var p, y mat.Dense
			p.Mul(x, b)
			y.Mul(&p, b.T())
			y.Sub(&y, x)
			want := 0.
			for _, f := range s[k:] {
				want += f * f
			}
			if got := mat.Norm(&y, 2); math.Abs(got*got-want) > 1e-9 {
				t.Errorf("%v, rank %d: %g lost, want %g", shape, k, got*got, want)
			}
		}
	}
}

// Without a method it is the same as a policy of those bits: bytes and errors.
func TestEngineAloneIsThePolicy(t *testing.T) {
	tr := openTrace(t, 3, noise, true)
	r := compare(t, tr, Options{Methods: []string{"none"}, Bits: []int{FP16, 8, 4, 2}})
	for _, b := range []int{8, 4, 2} {
		p := policy.Full()
		p.KBits, p.VBits, p.KAxis = b, b, policy.Channel
		want, err := compress.Run(t.Context(), device(t, "emu:"), tr, p, compress.Options{Prefix: testN})
		if err != nil {
			t.Fatal(err)
		}
		x := find(t, r, "none", 0, b)
		if x.OutputL2 != want.Fidelity.OutputL2 || x.KL != want.Fidelity.KL || x.Bytes != want.BytesOut || r.FullBytes != want.BytesIn {
			t.Errorf("%d bits: %d of %d bytes, %+v; the policy has %d of %d, %+v", b, x.Bytes, r.FullBytes, x.OutputL2, want.BytesOut, want.BytesIn, want.Fidelity.OutputL2)
		}
	}
}

// Bytes follow from shapes: 3 layers, so that the last has no partner.
func TestBytes(t *testing.T) {
	const n, d, h, l = testN, testD, testHkv, 3
	r := compare(t, openTrace(t, l, noise, true), Options{Ranks: []int{16}, Bits: []int{FP16, 4}})
	coded := func(w int64) int64 { return 96*w/2 + 96*w/32*4 + 4*w*2 } // per channel, 4 rows over
	token := int64(n*d/2 + n*d/32*4)
	for _, c := range []struct {
		method     string
		rank       int
		rows, map_ int64
		quantized  int64
	}{
		{"none", 0, l * h * 2 * n * d * 2, 0, l * h * (coded(d) + token)},
		{"lowrank", 16, l * h * 2 * n * 16 * 2, l * h * 2 * 16 * d * 2, l * h * 2 * coded(16)},
		{"lowrank-q", 16, l * h * 2 * n * 16 * 2, l * h * 2 * 16 * d * 2, l * h * 2 * coded(16)},
		{"joint", 16, l * 2 * n * 32 * 2, l * h * 2 * 32 * d * 2, l * 2 * coded(32)},
		{"joint-2", 16, 2*n*64*2 + 2*n*32*2, 4*2*64*d*2 + 2*2*32*d*2, 2*coded(64) + 2*coded(32)},
		{"merge", 0, l * 2 * n * d * 2, 0, l * (coded(d) + token)},
		{"merge-fit", 0, l * 2 * n * d * 2, l * h * 2 * d * d * 2, l * (coded(d) + token)},
		{"share", 0, 2 * h * 2 * n * d * 2, 0, 2 * h * (coded(d) + token)},
		{"share-fit", 0, 2 * h * 2 * n * d * 2, h * 2 * d * d * 2, 2 * h * (coded(d) + token)},
	} {
		a, b := find(t, r, c.method, c.rank, FP16), find(t, r, c.method, c.rank, 4)
		if a.RowBytes != c.rows || a.MapBytes != c.map_ || a.Bytes != c.rows+c.map_ || b.RowBytes != c.quantized || b.MapBytes != c.map_ {
			t.Errorf("%s: rows %d (4 bits: %d), maps %d (%d); want %d (%d), %d", c.method, a.RowBytes, b.RowBytes, a.MapBytes, b.MapBytes, c.rows, c.quantized, c.map_)
		}
		if a.Ratio != float64(r.FullBytes)/float64(a.Bytes) || a.Limit != float64(r.FullBytes)/float64(a.RowBytes) {
			t.Errorf("%s: ratios %g, %g", c.method, a.Ratio, a.Limit)
		}
	}
	if len(r.Rows) != 2*len(methods) || len(r.Alike) != l-1 {
		t.Errorf("%d rows, %d pairs of layers", len(r.Rows), len(r.Alike))
	}
}

// Maps fitted on a part do not know what comes later.
func TestCalibrate(t *testing.T) {
	rows := func(kind string, l, h int) []uint16 {
		x := random(seed(kind, l, h), testT, testD)
		for i := range testT {
			for j := range testD { // 16 dims first, the other 16 later
				if kind != "q" && (i < 50) != (j < 16) {
					x.Set(i, j, 0)
				}
			}
		}
		return bits(x)
	}
	tr := openTrace(t, 2, rows, true)
	o := Options{Methods: []string{"lowrank"}, Ranks: []int{16, 32}, Bits: []int{FP16}}
	all := compare(t, tr, o)
	o.Calibrate = 50
	part := compare(t, tr, o)
	if part.Calibrated != 50 || all.Calibrated != testN {
		t.Errorf("fitted on %d and %d", part.Calibrated, all.Calibrated)
	}
	if a, b := find(t, all, "lowrank", 32, FP16).OutputL2.Mean, find(t, part, "lowrank", 32, FP16).OutputL2.Mean; a > 5e-3 || b > 5e-3 {
		t.Errorf("full rank: %g, %g", a, b)
	}
	if a, b := find(t, all, "lowrank", 16, FP16).OutputL2.Mean, find(t, part, "lowrank", 16, FP16).OutputL2.Mean; b < a+.05 {
		t.Errorf("rank 16: %g on all, %g on the first half", a, b)
	}
}

// The ridge draws a map towards nothing, and without one it is exact.
func TestSolve(t *testing.T) {
	x, m := random(5, 40, 6), random(6, 6, 4)
	var y mat.Dense
	y.Mul(x, m)
	last := 0.
	for i, ridge := range []float64{1e-9, 1e-2, 1, 1e6} {
		got, left, err := solve(x, &y, ridge)
		if err != nil {
			t.Fatal(err)
		}
		var d mat.Dense
		d.Sub(got, m)
		if i == 0 && mat.Norm(&d, 2) > 1e-6 || left < last || i == 3 && left < .99 {
			t.Errorf("ridge %g: off by %g, %g left", ridge, mat.Norm(&d, 2), left)
		}
		last = left
	}
}

func TestAlike(t *testing.T) {
	rows := func(kind string, l, h int) []uint16 {
		if kind == "v" && l == 1 { // layer 1: the same keys and queries, values negated
			x := attention.Floats(noise(kind, 0, h))
			for i := range x {
				x[i] = -x[i]
			}
			return bits(mat.NewDense(testT, testD, x))
		}
		return noise(kind, l/2, h)
	}
	r := compare(t, openTrace(t, 3, rows, true), Options{Methods: []string{"none"}, Bits: []int{FP16}})
	if a := r.Alike[0]; a.Layers != [2]int{0, 1} || math.Abs(a.Keys-1) > 1e-9 || math.Abs(a.Values+1) > 1e-9 || math.Abs(a.Outputs+1) > 1e-9 {
		t.Errorf("%+v", a)
	}
	if a := r.Alike[1]; a.Layers != [2]int{1, 2} || math.Abs(a.Keys) > .1 || math.Abs(a.Values) > .1 {
		t.Errorf("%+v", a)
	}
}

// What the engine cannot take is told, and the rest is done.
func TestSkips(t *testing.T) {
	tr := openTrace(t, 2, noise, true)
	o := Options{Prefix: testN, Methods: []string{"lowrank", "joint", "joint-2"}, Ranks: []int{12, 24}, Bits: []int{FP16, 8}}
	for uri, want := range map[string]map[string]string{
		"emu:":            {"lowrank 12": "multiple of 16", "lowrank 24": "multiple of 16", "joint 12": "multiple of 16", "joint 24": "", "joint-2 12": "", "joint-2 24": ""},
		"emu:?max-dim=64": {"joint 24": "", "joint-2 12": "", "joint-2 24": "max-dim"},
		"emu:?features=0": {"none 0": "QUANTIZE", "joint 24": "QUANTIZE"},
	} {
		r, err := Run(t.Context(), device(t, uri), tr, o)
		if err != nil {
			t.Fatalf("%s: %v", uri, err)
		}
		for _, x := range r.Rows {
			word, looked := want[fmt.Sprintf("%s %d", x.Method, x.Rank)]
			switch {
			case x.Bits == FP16 && (x.Skipped != "" || x.Bytes == 0):
				t.Errorf("%s: %+v", uri, x)
			case x.Bits == 8 && looked && (word == "" && x.Skipped != "" || word != "" && !strings.Contains(x.Skipped, word)):
				t.Errorf("%s: %s %d: %q, want %q", uri, x.Method, x.Rank, x.Skipped, word)
			case x.Skipped != "" && (x.Best || x.Bytes != 0 || x.RowBytes != 0):
				t.Errorf("%s: %+v", uri, x)
			}
		}
	}
}

func TestVerdicts(t *testing.T) {
	row := func(method string, bits int, rows, maps int64, mean float64) Row {
		x := Row{Method: method, Bits: bits, RowBytes: rows, MapBytes: maps, Bytes: rows + maps}
		x.OutputL2.Mean = mean
		return x
	}
	r := Result{Rows: []Row{
		row("none", FP16, 100, 0, 0), row("none", 8, 50, 0, .1), row("none", 2, 10, 0, .9),
		row("joint", 4, 20, 40, .05), row("merge", 4, 40, 0, .2), {Method: "share", Bits: 8, Skipped: "no"}, row("share", 4, 45, 5, .3),
	}}
	markBest(r.Rows)
	best := ""
	for _, x := range r.Rows {
		if x.Best {
			best += fmt.Sprintf("%s%d ", x.Method, x.Bits)
		}
	}
	if best != "none16 none8 none2 joint4 merge4 " {
		t.Errorf("best are %s", best)
	}
	v := r.Verdicts()
	if len(v) != 4 || v[0].Other.Method != "merge" || v[0].Better() || v[1].Other != nil || v[1].Better() || !v[2].Long || v[2].Other.Method != "joint" || !v[2].Better() || v[3].Other != nil {
		t.Errorf("%+v", v)
	}
}

func TestRefuses(t *testing.T) {
	tr, bare := openTrace(t, 2, noise, true), openTrace(t, 2, noise, false)
	for name, c := range map[string]struct {
		tr    *trace.Trace
		o     Options
		want  error
		words string
	}{
		"no later queries": {tr, Options{Prefix: testT}, compress.ErrPrefix, "t.safetensors|120"},
		"negative":         {tr, Options{Prefix: -1}, compress.ErrPrefix, "-1"},
		"calibrate":        {tr, Options{Prefix: 50, Calibrate: 51}, ErrOptions, "51|50"},
		"rank":             {tr, Options{Ranks: []int{33}}, ErrOptions, "33|32"},
		"rank of 0":        {tr, Options{Ranks: []int{0}}, ErrOptions, "rank 0"},
		"ridge":            {tr, Options{Ridge: -1}, ErrOptions, "ridge of -1"},
		"bits":             {tr, Options{Bits: []int{7}}, ErrOptions, "7 bits"},
		"method":           {tr, Options{Methods: []string{"magic"}}, ErrOptions, "magic|joint-2"},
		"no queries":       {bare, Options{}, trace.ErrMissing, "layers.0.q"},
	} {
		_, err := Run(t.Context(), device(t, "emu:"), c.tr, c.o)
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
}

// NaN, infinities, zeros and a prefix of one position leave every figure a number.
func TestStaysFinite(t *testing.T) {
	wild := func(kind string, l, h int) []uint16 {
		x := noise(kind, l, h)
		for i := range x {
			switch i % 7 {
			case 0:
				x[i] = 0x7e00
			case 1:
				x[i] = 0x7c00
			case 2:
				x[i] = fp16.FromFloat64(-65504)
			}
		}
		return x
	}
	zero := func(string, int, int) []uint16 { return make([]uint16, testT*testD) }
	for name, rows := range map[string]source{"wild": wild, "zero": zero} {
		for _, n := range []int{1, testN} {
			r := compare(t, openTrace(t, 2, rows, true), Options{Prefix: n, Ranks: []int{16}, Bits: []int{FP16, 2}})
			if _, err := json.Marshal(r); err != nil {
				t.Errorf("%s, prefix %d: %v", name, n, err)
			}
		}
	}
}

func TestCancelAndProgress(t *testing.T) {
	tr := openTrace(t, 3, noise, true)
	var last, total int
	o := Options{Prefix: testN, Methods: []string{"merge", "lowrank"}, Ranks: []int{16, 32}, Bits: []int{FP16}, Progress: func(d, n int) { last, total = d, n }}
	if _, err := Run(t.Context(), device(t, "emu:"), tr, o); err != nil || last != total || total != 3*4 {
		t.Errorf("%v at %d of %d", err, last, total)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o.Progress = func(int, int) { cancel() }
	if _, err := Run(ctx, device(t, "emu:"), tr, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestPlot(t *testing.T) {
	r := compare(t, openTrace(t, 1, noise, true), Options{Methods: []string{"merge"}, Bits: []int{FP16, 4}})
	path := filepath.Join(t.TempDir(), "x.svg")
	if err := Plot(t.Context(), path, r); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(b), "<svg") || !strings.Contains(string(b), "merge") || strings.Contains(string(b), "joint") {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}
