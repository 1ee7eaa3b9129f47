package oracle

import "math/big"

// unit is one unit of a score, 2^-24.
var unit = new(big.Rat).SetFrac64(1, 1<<24)

// ExactDecay is floor(lambda s / 65536) of a score in units.
func ExactDecay(score int64, lambda uint16) *big.Int {
	v := new(big.Rat).SetFrac64(int64(lambda), 65536)
	v.Mul(v, new(big.Rat).SetInt64(score))
	return new(big.Int).Div(v.Num(), v.Denom())
}

// ExactKeyNorm is 2^40 - 1 - min(2^40 - 1, floor(2^24 sum x^2)) of the elements of
// a row.
func ExactKeyNorm(row []uint16) *big.Int {
	sum := new(big.Rat)
	for _, h := range row {
		clean, _ := Sanitise(h)
		x := Value(clean)
		sum.Add(sum, x.Mul(x, x))
	}
	sum.Quo(sum, unit)
	norm := new(big.Int).Div(sum.Num(), sum.Denom())
	top := big.NewInt(scoreMax)
	if norm.Cmp(top) > 0 {
		norm = top
	}
	return new(big.Int).Sub(top, norm)
}

// ExactPool is the sum of the scores within half of position j, in units, before
// it is clamped.
func ExactPool(scores []int64, j, half int) *big.Int {
	sum := new(big.Int)
	for i, v := range scores {
		if j-half <= i && i <= j+half {
			sum.Add(sum, big.NewInt(v))
		}
	}
	return sum
}
