package attncomp

import (
	"gonum.org/v1/gonum/mat"

	"github.com/kvaccel/kvaccel/host/attention"
	"github.com/kvaccel/kvaccel/host/trace"
)

// block is a few neighbouring layers.
type block struct {
	first     int // number of the first layer
	calibrate int // positions that maps are fitted on
	ridge     float64
	dims      int
	layers    []*layer
}

// layer is one layer as binary16 bits, and its prefix as float64.
type layer struct {
	trace.Layer
	x [2][]*mat.Dense // keys, values: by head, prefix x D
	q []*mat.Dense    // by key-value head: the queries of its group in the calibrated positions
}

// Keys and values, as an index.
const (
	keys = iota
	values
)

// load reads layers.
func (r *run) load(first, count int) (*block, error) {
	b := &block{first: first, calibrate: r.opt.Calibrate, ridge: r.opt.Ridge, dims: r.t.D}
	for l := first; l < first+count; l++ {
		bits, _, err := r.t.Layer(l, true)
		if err != nil {
			return nil, err
		}
		x := &layer{Layer: bits}
		for h := range r.t.Hkv {
			x.x[keys] = append(x.x[keys], matrix(bits.K[h], r.n, b.dims))
			x.x[values] = append(x.x[values], matrix(bits.V[h], r.n, b.dims))
			var q []float64
			for _, g := range r.group(x, h) {
				q = append(q, attention.Floats(g[:b.calibrate*b.dims])...)
			}
			x.q = append(x.q, mat.NewDense(len(q)/b.dims, b.dims, q))
		}
		b.layers = append(b.layers, x)
	}
	return b, nil
}

// group gives the queries of the heads that share key-value head h.
func (r *run) group(x *layer, h int) [][]uint16 {
	g := r.t.Hq / r.t.Hkv
	return x.Q[h*g : (h+1)*g]
}

func matrix(bits []uint16, n, dims int) *mat.Dense {
	return mat.NewDense(n, dims, attention.Floats(bits[:n*dims]))
}

// fit gives the rows of x that maps are fitted on.
func (b *block) fit(x *mat.Dense) *mat.Dense {
	_, c := x.Dims()
	return x.Slice(0, b.calibrate, 0, c).(*mat.Dense)
}

// part is rows that the cache holds, and who uses them.
type part struct {
	rows       *mat.Dense // prefix x w: the sum of its sources' rows, each times its map
	from       []origin
	perChannel bool // how they are best quantized
	users      []user
}

// origin is a head of the block whose keys or values rows are made of.
type origin struct {
	layer, head, kind int
	to                *mat.Dense // D x w; nil: as they are
}

// user is a head of the block that gets its keys or values from rows.
type user struct {
	layer, head int        // layer of the block
	kind        int        // keys or values
	back        *mat.Dense // w x D; nil: the rows are its own
}
