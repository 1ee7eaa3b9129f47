// Package safetensors reads and writes safetensors files: an 8-byte
// little-endian header length, a JSON header that names each tensor's type,
// shape and place, and the tensors' bytes. The format is described at
// https://github.com/huggingface/safetensors.
//
// Files come from outside, so [Open] checks everything a header claims before
// any tensor is read: the tensors must tile the data exactly, without gap,
// overlap or rest. Tensors are then read piece by piece; memory is bounded by
// what is asked for.
package safetensors

import (
	"errors"
	"fmt"
	"strings"
)

// What can be wrong with a file. An *[Error] wraps one of these; all of them
// but ErrNotFound and ErrConvert also satisfy errors.Is(err, ErrFormat).
var (
	ErrFormat    = errors.New("not a valid safetensors file")
	ErrTruncated = formatError("file is truncated")
	ErrOversized = formatError("file goes on after its last tensor")
	ErrHeader    = formatError("header is malformed")
	ErrDuplicate = formatError("header names something twice")
	ErrDType     = formatError("unknown dtype")
	ErrShape     = formatError("shape does not fit the data")
	ErrOffsets   = formatError("data offsets are wrong")

	ErrNotFound = errors.New("no such tensor")
	ErrConvert  = errors.New("dtype cannot be converted")
)

type formatErr struct{ text string }

func formatError(text string) error       { return &formatErr{text} }
func (e *formatErr) Error() string        { return e.text }
func (e *formatErr) Is(target error) bool { return target == ErrFormat }

// Error says what is wrong with which tensor of which file.
type Error struct {
	File   string // path or other name of the file
	Tensor string // empty if the fault is not one tensor's
	Reason string // what was found and what would be accepted
	Err    error  // one of the sentinels of this package
}

func (e *Error) Error() string {
	if e.Tensor == "" {
		return fmt.Sprintf("%s: %v: %s", e.File, e.Err, e.Reason)
	}
	return fmt.Sprintf("%s: tensor %q: %v: %s", e.File, e.Tensor, e.Err, e.Reason)
}

// Unwrap gives the sentinel.
func (e *Error) Unwrap() error { return e.Err }

// DType names an element type as the header spells it.
type DType string

// The element types this package converts. Others are known, can be listed and
// copied as bytes, and fail with ErrConvert when their values are asked for.
const (
	F16  DType = "F16"
	BF16 DType = "BF16"
	F32  DType = "F32"
	I64  DType = "I64"
	U8   DType = "U8"
)

// dtypeBits is the width of every known dtype; those below 8 bits are packed.
var dtypeBits = map[DType]int{
	"BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
	"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
	"U16": 16, "I16": 16, "F16": 16, "BF16": 16,
	"U32": 32, "I32": 32, "F32": 32,
	"U64": 64, "I64": 64, "F64": 64, "C64": 64,
}

// Bits is the width of one element, 0 for an unknown dtype.
func (d DType) Bits() int { return dtypeBits[d] }

// joinDTypes lists dtypes for an error message.
func joinDTypes(ds ...DType) string {
	s := make([]string, len(ds))
	for i, d := range ds {
		s[i] = string(d)
	}
	return strings.Join(s, ", ")
}
