package policy

import (
	"fmt"
	"slices"
	"strconv"
)

// RotateRow as Rotate rotates as much of a row together as its dims allow: the
// largest of 32, 64 and 128 that divides them.
const RotateRow = -1

// Rotations lists the blocks of elements that an engine rotates together.
var Rotations = []int{32, 64, 128}

// misfit is the rotation in a layout of rows that no block divides: no engine takes it.
const misfit = -1

// rotation is the block that rows of dims elements are rotated in; 0 is none.
func (p Policy) rotation(dims int) int {
	if p.Rotate != RotateRow {
		return p.Rotate
	}
	for _, size := range slices.Backward(Rotations) {
		if dims%size == 0 {
			return size
		}
	}
	return misfit
}

// checkRotation reports a rotation of what is not coded by QUANTIZE, or of no
// known size.
func (p Policy) checkRotation() error {
	switch {
	case p.Rotate == 0:
		return nil
	case p.Rotate != RotateRow && !slices.Contains(Rotations, p.Rotate):
		return bad("rotate is %d, want 32, 64 or 128 elements, row, or none", p.Rotate)
	case p.Tiers != nil:
		return bad("tiers go through COMPRESS, which does not rotate: rotate is for k-bits and v-bits; a selection with these goes through SELECT and QUANTIZE")
	}
	return nil
}

// ParseRotate reads a rotation: a number of elements, "row" or "none".
func ParseRotate(s string) (int, error) {
	switch s {
	case "none":
		return 0, nil
	case "row":
		return RotateRow, nil
	}
	if n, err := strconv.Atoi(s); err == nil && slices.Contains(Rotations, n) {
		return n, nil
	}
	return 0, fmt.Errorf("%w: rotate is %q, want 32, 64 or 128 elements, row or none", ErrInvalid, s)
}

func readRotate(s string, o *Override) error {
	n, err := ParseRotate(s)
	o.Rotate = &n
	return err
}

// rotationWords says what is rotated, "" for nothing.
func (p Policy) rotationWords() string {
	switch p.Rotate {
	case 0:
		return ""
	case RotateRow:
		return "rotated over the row"
	}
	return fmt.Sprintf("rotated over %d dims", p.Rotate)
}
