package attncomp

import (
	"fmt"

	"gonum.org/v1/gonum/mat"
)

// basis gives the right singular vectors of x, a column each, largest singular value
// first: m x m.
func basis(x *mat.Dense) (*mat.Dense, error) {
	n, m := x.Dims()
	var a mat.Matrix = x
	if n > m { // the singular vectors are those of R in X = QR, which is smaller
		var qr mat.QR
		qr.Factorize(x)
		var r mat.Dense
		qr.RTo(&r)
		a = r.Slice(0, m, 0, m)
	}
	var svd mat.SVD
	if !svd.Factorize(a, mat.SVDFullV) {
		return nil, fmt.Errorf("%w: singular values of %d x %d did not converge", ErrNumeric, n, m)
	}
	var v mat.Dense
	svd.VTo(&v)
	return &v, nil
}

// moment gives xᵀx with its diagonal raised by a share of its mean, the ridge: then
// directions that few rows have do little harm.
func moment(x *mat.Dense, ridge float64) *mat.SymDense {
	_, m := x.Dims()
	var s mat.SymDense
	s.SymOuterK(1, x.T())
	mean := s.Trace() / float64(m)
	if mean == 0 {
		mean = 1 // nothing but zeros: any map will do
	}
	for i := range m {
		s.SetSym(i, i, s.At(i, i)+ridge*mean)
	}
	return &s
}

// factor gives L with L Lᵀ the second moment of x, and its inverse.
func factor(x *mat.Dense, ridge float64) (l, inverse *mat.Dense, err error) {
	var c mat.Cholesky
	if !c.Factorize(moment(x, ridge)) {
		return nil, nil, fmt.Errorf("%w: second moment of the queries", ErrNumeric)
	}
	var t, ti mat.TriDense
	c.LTo(&t)
	if err := ti.InverseTri(&t); err != nil {
		return nil, nil, fmt.Errorf("%w: second moment of the queries: %w", ErrNumeric, err)
	}
	return mat.DenseCopyOf(&t), mat.DenseCopyOf(&ti), nil
}

// solve gives the map M that makes ||x M - y|| least, but for the ridge, and what is
// left of ||y||² after it, as a share.
func solve(x, y *mat.Dense, ridge float64) (m *mat.Dense, left float64, err error) {
	var c mat.Cholesky
	if !c.Factorize(moment(x, ridge)) {
		return nil, 0, fmt.Errorf("%w: second moment of the rows", ErrNumeric)
	}
	var xy, d mat.Dense
	xy.Mul(x.T(), y)
	m = new(mat.Dense)
	if err := c.SolveTo(m, &xy); err != nil {
		return nil, 0, fmt.Errorf("%w: least squares: %w", ErrNumeric, err)
	}
	d.Mul(x, m)
	d.Sub(&d, y)
	if norm := mat.Norm(y, 2); norm > 0 {
		left = mat.Norm(&d, 2) / norm
		left *= left
	}
	return m, left, nil
}

// beside puts matrices of as many rows next to each other.
func beside(xs []*mat.Dense) *mat.Dense {
	n, width := 0, 0
	for _, x := range xs {
		r, c := x.Dims()
		n, width = r, width+c
	}
	out := mat.NewDense(n, width, nil)
	at := 0
	for _, x := range xs {
		_, c := x.Dims()
		out.Slice(0, n, at, at+c).(*mat.Dense).Copy(x)
		at += c
	}
	return out
}

// mean is the mean of matrices of the same shape.
func mean(xs []*mat.Dense) *mat.Dense {
	out := mat.DenseCopyOf(xs[0])
	for _, x := range xs[1:] {
		out.Add(out, x)
	}
	out.Scale(1/float64(len(xs)), out)
	return out
}
