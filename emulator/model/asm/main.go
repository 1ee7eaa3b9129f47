// Command asm writes the vector kernels of package model: AVX2, FMA, F16C and
// BMI2. It is a module of its own, so that nothing but `go generate` needs avo.
//
// All kernels work on eight elements at a time: whole bytes, whatever the width of a
// code. Why they are exact is told where package model calls them.
package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("amd64")
	hasF16C()
	copyFinite()
	tokenExtents()
	columnExtents()
	groupScales()
	tokenCodes()
	columnCodes()
	tokenLines()
	tokenRestore("tokenRestore", false)
	tokenRestore("tokenRestoreNarrow", true)
	columnRestore("columnRestore", false)
	columnRestore("columnRestoreNarrow", true)
	accumulate()
	Generate()
}

var constants = map[string]Mem{}

// constant is a global of 64-bit words.
func constant(name string, v ...uint64) Mem {
	m, ok := constants[name]
	if !ok {
		m = GLOBL(name, RODATA|NOPTR)
		for i, w := range v {
			DATA(8*i, U64(w))
		}
		constants[name] = m
	}
	return m
}

func float(v float64) uint64 { return math.Float64bits(v) }

func half(v uint16) uint64 { return uint64(v) * 0x0001_0001_0001_0001 }

func word32(v float32) uint64 {
	b := uint64(math.Float32bits(v))
	return b | b<<32
}

// broadcast fills a register with a word.
func broadcast(name string, v uint64) VecVirtual {
	y := YMM()
	VPBROADCASTQ(constant(name, v), y)
	return y
}

func hasF16C() {
	TEXT("hasF16C", NOSPLIT, "func() bool")
	Doc("hasF16C reports whether the processor converts binary16.")
	MOVL(U32(1), EAX)
	XORL(ECX, ECX)
	CPUID()
	SHRL(U8(29), ECX)
	ANDL(U8(1), ECX)
	r := GP8()
	MOVB(CL, r)
	Store(r, ReturnIndex(0))
	RET()
}
