package attncomp

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/kvaccel/kvaccel/host/compress"
	"github.com/kvaccel/kvaccel/host/hosttest"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/safetensors"
	"github.com/kvaccel/kvaccel/host/trace"
)

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
	return hosttest.Trace(t, nil, entries...)
}

func compare(t *testing.T, tr *trace.Trace, o Options) *Result {
	t.Helper()
	if o.Prefix == 0 {
		o.Prefix = testN
	}
	r, err := Run(t.Context(), hosttest.Device(t, "emu:"), tr, o)
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

// Without a method it is the same as a policy of those bits: bytes and errors.
func TestEngineAloneIsThePolicy(t *testing.T) {
	tr := openTrace(t, 3, noise, true)
	r := compare(t, tr, Options{Methods: []string{"none"}, Bits: []int{FP16, 8, 4, 2}})
	for _, b := range []int{8, 4, 2} {
		p := policy.Full()
		p.KBits, p.VBits, p.KAxis = b, b, policy.Channel
		want, err := compress.Run(t.Context(), hosttest.Device(t, "emu:"), tr, p, compress.Options{Prefix: testN})
		if err != nil {
			t.Fatal(err)
		}
		x := find(t, r, "none", 0, b)
		if x.OutputL2 != want.Fidelity.OutputL2 || x.KL != want.Fidelity.KL || x.Bytes != want.BytesOut || r.FullBytes != want.BytesIn {
			t.Errorf("%d bits: %d of %d bytes, %+v; the policy has %d of %d, %+v", b, x.Bytes, r.FullBytes, x.OutputL2, want.BytesOut, want.BytesIn, want.Fidelity.OutputL2)
		}
	}
}
