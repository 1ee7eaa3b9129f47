package attncomp

import (
	"gonum.org/v1/gonum/mat"
)

// method is a way to store a block. prepare does what does not depend on the rank.
type method struct {
	name    string
	ranked  bool
	prepare func(b *block) (build func(rank int) []part, err error)
}

// methods are all there are; the first is the engine alone.
var methods = []method{
	{"none", false, none},
	{"lowrank", true, func(b *block) (func(int) []part, error) { return lowRank(b, false) }},
	{"lowrank-q", true, func(b *block) (func(int) []part, error) { return lowRank(b, true) }},
	{"joint", true, func(b *block) (func(int) []part, error) { return joint(b, 1) }},
	{"joint-2", true, func(b *block) (func(int) []part, error) { return joint(b, span) }},
	{"merge", false, func(b *block) (func(int) []part, error) { return merge(b, false) }},
	{"merge-fit", false, func(b *block) (func(int) []part, error) { return merge(b, true) }},
	{"share", false, func(b *block) (func(int) []part, error) { return share(b, false) }},
	{"share-fit", false, func(b *block) (func(int) []part, error) { return share(b, true) }},
}

// Methods names them.
func Methods() (names []string) {
	for _, m := range methods {
		names = append(names, m.name)
	}
	return names
}

// ranks gives those that a method is tried at; 0 stands for none.
func (m method) ranks(all []int) []int {
	if !m.ranked {
		return []int{0}
	}
	return all
}

// whole is rows that are stored as they are: keys are quantized per channel and
// values per token, as KIVI does.
func whole(b *block, l, h, kind int) part {
	return part{b.layers[l].x[kind][h], []origin{{l, h, kind, nil}}, kind == keys, []user{{l, h, kind, nil}}}
}

func fixed(parts []part) func(int) []part { return func(int) []part { return parts } }

// each calls do for the keys and the values of every layer.
func (b *block) each(do func(l, kind int) error) error {
	for l := range b.layers {
		for kind := range 2 {
			if err := do(l, kind); err != nil {
				return err
			}
		}
	}
	return nil
}

func none(b *block) (func(int) []part, error) {
	var parts []part
	err := b.each(func(l, kind int) error {
		for h := range b.layers[l].x[kind] {
			parts = append(parts, whole(b, l, h, kind))
		}
		return nil
	})
	return fixed(parts), err
}

// projection is rows in a basis of full rank, the most important columns first.
type projection struct {
	rows  *mat.Dense
	from  []origin
	users []user // with maps of full rank
	per   int    // columns that rank 1 stands for
}

// cut leaves out all but the first columns. They differ in range from column to
// column, so they are quantized per channel.
func cut(all []projection) func(rank int) []part {
	return func(rank int) (parts []part) {
		for _, p := range all {
			n, m := p.rows.Dims()
			w := min(rank*p.per, m)
			q := part{rows: p.rows.Slice(0, n, 0, w).(*mat.Dense), perChannel: true}
			for _, o := range p.from {
				d, _ := o.to.Dims()
				o.to = o.to.Slice(0, d, 0, w).(*mat.Dense)
				q.from = append(q.from, o)
			}
			for _, u := range p.users {
				_, d := u.back.Dims()
				u.back = u.back.Slice(0, w, 0, d).(*mat.Dense)
				q.users = append(q.users, u)
			}
			parts = append(parts, q)
		}
		return parts
	}
}

// lowRank has a basis for each head; with weighed, that of the keys is the best for
// the queries seen.
func lowRank(b *block, weighed bool) (func(int) []part, error) {
	var all []projection
	err := b.each(func(l, kind int) error {
		for h, x := range b.layers[l].x[kind] {
			to, back, err := headBasis(b, l, h, kind, weighed)
			if err != nil {
				return err
			}
			p := projection{rows: new(mat.Dense), from: []origin{{l, h, kind, to}}, users: []user{{l, h, kind, back}}, per: 1}
			p.rows.Mul(x, to)
			all = append(all, p)
		}
		return nil
	})
	return cut(all), err
}

// headBasis gives the maps into and out of a head's basis.
func headBasis(b *block, l, h, kind int, weighed bool) (to, back *mat.Dense, err error) {
	x := b.fit(b.layers[l].x[kind][h])
	if kind != keys || !weighed {
		v, err := basis(x)
		if err != nil {
			return nil, nil, err
		}
		return v, mat.DenseCopyOf(v.T()), nil
	}
	low, inverse, err := factor(b.layers[l].q[h], b.ridge)
	if err != nil {
		return nil, nil, err
	}
	var xl mat.Dense
	xl.Mul(x, low)
	v, err := basis(&xl)
	if err != nil {
		return nil, nil, err
	}
	to, back = new(mat.Dense), new(mat.Dense)
	to.Mul(low, v)
	back.Mul(v.T(), inverse)
	return to, back, nil
}

// joint has a basis for all heads of so many layers side by side.
func joint(b *block, layers int) (func(int) []part, error) {
	var all []projection
	for first := 0; first < len(b.layers); first += layers {
		for kind := range 2 {
			var xs []*mat.Dense
			var users []user
			var from []origin
			for l := first; l < min(first+layers, len(b.layers)); l++ {
				for h, x := range b.layers[l].x[kind] {
					xs, users = append(xs, x), append(users, user{l, h, kind, nil})
				}
			}
			x := beside(xs)
			v, err := basis(b.fit(x))
			if err != nil {
				return nil, err
			}
			_, m := v.Dims()
			for i := range users {
				own := v.Slice(i*b.dims, (i+1)*b.dims, 0, m).(*mat.Dense)
				users[i].back = mat.DenseCopyOf(own.T())
				from = append(from, origin{users[i].layer, users[i].head, kind, own})
			}
			p := projection{rows: new(mat.Dense), from: from, users: users, per: len(users)}
			p.rows.Mul(x, v)
			all = append(all, p)
		}
	}
	return cut(all), nil
}

// merge stores the mean of a layer's heads; with fit each head has its own map.
func merge(b *block, fit bool) (func(int) []part, error) {
	var parts []part
	err := b.each(func(l, kind int) error {
		xs := b.layers[l].x[kind]
		p := part{rows: mean(xs), perChannel: kind == keys}
		for h, x := range xs {
			u := user{l, h, kind, nil}
			p.from = append(p.from, origin{l, h, kind, shareOf(b.dims, len(xs))})
			if fit {
				var err error
				if u.back, _, err = solve(b.fit(p.rows), b.fit(x), b.ridge); err != nil {
					return err
				}
			}
			p.users = append(p.users, u)
		}
		parts = append(parts, p)
		return nil
	})
	return fixed(parts), err
}

// shareOf is the map that takes one of so many equal shares.
func shareOf(dims, shares int) *mat.Dense {
	m := mat.NewDense(dims, dims, nil)
	for i := range dims {
		m.Set(i, i, 1/float64(shares))
	}
	return m
}

// share stores the first layer of a block; with fit the heads of the second pick the
// head they take their rows from. A block of one layer is stored as it is.
func share(b *block, fit bool) (func(int) []part, error) {
	var parts []part
	for kind := range 2 {
		at := len(parts)
		for h := range b.layers[0].x[kind] {
			parts = append(parts, whole(b, 0, h, kind))
		}
		for _, l := range b.layers[1:] {
			for h, x := range l.x[kind] {
				from, u := h, user{1, h, kind, nil}
				if fit {
					best := 0.
					for g, y := range b.layers[0].x[kind] {
						m, left, err := solve(b.fit(y), b.fit(x), b.ridge)
						if err != nil {
							return nil, err
						}
						if g == 0 || left < best {
							best, from, u.back = left, g, m
						}
					}
				}
				parts[at+from].users = append(parts[at+from].users, u)
			}
		}
	}
	return fixed(parts), nil
}
