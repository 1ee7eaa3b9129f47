package oracle

import (
	"fmt"
	"math/big"
	"math/bits"
)

// The rotation of blocks of R elements is scaled by 2^-e: the exponents on the way
// into the quantizer and on the way out of it.
var (
	exponentIn  = map[int]int{32: 2, 64: 3, 128: 3}
	exponentOut = map[int]int{32: 3, 64: 3, 128: 4}
)

// ExactRotate rotates a block of finite binary16 elements:
// y_i = RN16(2^-e sum_j (-1)^popcount(i AND j) x_j). It tells how many were clamped.
func ExactRotate(block []uint16, e int) (y []uint16, saturated int) {
	for i := range block {
		sum := new(big.Rat)
		for j, h := range block {
			if bits.OnesCount(uint(i&j))%2 == 0 {
				sum.Add(sum, Value(h))
			} else {
				sum.Sub(sum, Value(h))
			}
		}
		h, clamped := ExactRN16(sum.Quo(sum, new(big.Rat).SetInt64(1<<e)))
		if clamped {
			saturated++
		}
		y = append(y, h)
	}
	return y, saturated
}

// Rotate is ExactRotate in units of 2^-24 and as many steps as the block's size has
// bits: the sum of 128 elements is below 2^47.
func Rotate(block []uint16, e int) (y []uint16, saturated int) {
	sums := make([]int64, len(block))
	for i, h := range block {
		sums[i] = units(h)
	}
	for apart := 1; apart < len(sums); apart *= 2 {
		for i := range sums {
			if i&apart == 0 {
				a, b := sums[i], sums[i+apart]
				sums[i], sums[i+apart] = a+b, a-b
			}
		}
	}
	y = make([]uint16, len(block))
	for i, v := range sums {
		var clamped bool
		if y[i], clamped = rn16(v, 1<<e); clamped {
			saturated++
		}
	}
	return y, saturated
}

// rotateRows rotates finite elements in place, block by block, scaled as one of
// the tables of exponents says, and counts those clamped.
func rotateRows(x []uint16, size int, exponents map[int]int) (saturated int) {
	if size == 0 {
		return 0
	}
	e, legal := exponents[size]
	if !legal || len(x)%size != 0 {
		panic(fmt.Sprintf("oracle: no rotation of %d elements in blocks of %d", len(x), size))
	}
	for at := 0; at < len(x); at += size {
		y, clamped := Rotate(x[at:at+size], e)
		copy(x[at:], y)
		saturated += clamped
	}
	return saturated
}
