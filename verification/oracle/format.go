package oracle

import (
	"math/big"
	"sort"
	"sync"
)

// Format is a 16-bit floating-point format of a sign, an exponent and a fraction,
// with subnormals, infinities and NaN as IEEE 754 has them.
type Format struct {
	fraction int // bits of the fraction
	bias     int // of the exponent
}

// The formats of elements, scales and minima.
var (
	FP16 = Format{10, 15}
	BF16 = Format{7, 127}
)

// infinity is the pattern of the positive infinity; those above it are NaN, and
// the one below it is the largest finite number.
func (f Format) infinity() uint16 { return 0x8000 - 1<<f.fraction }

// Sanitise gives the finite number an element counts as: NaN is 0, an infinity
// the largest number of its sign, and -0 is +0. nonFinite tells whether it was
// NaN or infinite.
func (f Format) Sanitise(h uint16) (clean uint16, nonFinite bool) {
	sign, magnitude := h&0x8000, h&0x7fff
	switch {
	case magnitude > f.infinity():
		return 0, true
	case magnitude == f.infinity():
		return sign | (magnitude - 1), true
	case magnitude == 0:
		return 0, false
	}
	return h, false
}

// Value is the number a finite element stands for: with e the exponent field and
// f the bits of the fraction, (-1)^sign * 2^(max(e,1)-bias-f) * (2^f*[e>0] + fraction).
func (f Format) Value(h uint16) *big.Rat {
	exponent, fraction := int((h&0x7fff)>>f.fraction), int64(h&(1<<f.fraction-1))
	if exponent > 0 {
		fraction += 1 << f.fraction
	} else {
		exponent = 1
	}
	v := new(big.Rat).SetFrac(
		new(big.Int).Lsh(big.NewInt(fraction), uint(exponent)),
		new(big.Int).Lsh(big.NewInt(1), uint(f.bias+f.fraction)))
	if h&0x8000 != 0 {
		v.Neg(v)
	}
	return v
}

// magnitudes are the values of a format's finite bit patterns from 0 up, which
// ascend with the pattern, and one more step: the power of two behind them.
var magnitudes = map[Format]func() []*big.Rat{FP16: FP16.list(), BF16: BF16.list()}

func (f Format) list() func() []*big.Rat {
	return sync.OnceValue(func() []*big.Rat {
		top := f.infinity()
		list := make([]*big.Rat, top+1)
		for h := range list[:top] {
			list[h] = f.Value(uint16(h))
		}
		step := new(big.Rat).Sub(list[top-1], list[top-2])
		list[top] = step.Add(step, list[top-1])
		return list
	})
}

// ExactRound rounds a number to the nearest of the format, the even pattern where
// two are equally near. What would round past the largest becomes the largest of
// its sign, and is reported. A zero is +0.
func (f Format) ExactRound(v *big.Rat) (h uint16, saturated bool) {
	abs := new(big.Rat).Abs(v)
	list := magnitudes[f]()
	above := sort.Search(len(list), func(i int) bool { return list[i].Cmp(abs) >= 0 })
	if above == len(list) {
		above--
	}
	h = uint16(above)
	if above > 0 {
		middle := new(big.Rat).Add(list[above-1], list[above])
		middle.Quo(middle, big.NewRat(2, 1))
		if c := abs.Cmp(middle); c < 0 || c == 0 && above%2 == 1 {
			h--
		}
	}
	if h == f.infinity() {
		h, saturated = h-1, true
	}
	if h != 0 && v.Sign() < 0 {
		h |= 0x8000
	}
	return h, saturated
}
