package attncomp

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/kvaccel/kvaccel/host/attention"
)

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
