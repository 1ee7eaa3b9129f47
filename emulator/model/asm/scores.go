package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// scoreBits is the width of a score.
const scoreBits = 40

func accumulate() {
	TEXT("accumulate", NOSPLIT, "func(scores []uint64, x []byte) int")
	Pragma("noescape")
	Doc("accumulate adds weights to scores, 8 at a time, as long as all are finite and positive and no sum leaves the range, and gives how many it added. scores is a multiple of 8 long; x has its weights at least.")
	scores, n := Load(Param("scores").Base(), GP64()), Load(Param("scores").Len(), GP64())
	x := Load(Param("x").Base(), GP64())
	exponents, carries, signs := broadcast("exponents", half(0x7c00)), broadcast("carries", half(0x0400)), broadcast("signs", half(0x8000))
	units, magic := broadcast("units", float(1<<24)), broadcast("magic", float(1<<52))
	beyond := broadcast("beyond", ^uint64(1<<scoreBits-1))
	at := GP64()
	XORQ(at, at)
	Label("accumulateLoop")
	CMPQ(at, n)
	JGE(LabelRef("accumulateDone"))
	src := Mem{Base: x, Index: at, Scale: 2}
	w, t := XMM(), XMM()
	VMOVDQU(src, w)
	VPAND(w, exponents.AsX(), t)
	VPADDW(t, carries.AsX(), t)
	VPOR(w, t, t)
	VPTEST(t, signs.AsX())
	JNZ(LabelRef("accumulateDone"))
	var s [2]VecVirtual
	for i := range s {
		s[i] = YMM()
		h := XMM()
		VCVTPH2PS(src.Offset(8*i), h)
		VCVTPS2PD(h, s[i])
		VFMADD132PD(units, magic, s[i])
		VPXOR(magic, s[i], s[i])
		VPADDQ(Mem{Base: scores, Index: at, Scale: 8}.Offset(32*i), s[i], s[i])
	}
	or := YMM()
	VPOR(s[0], s[1], or)
	VPTEST(or, beyond)
	JNZ(LabelRef("accumulateDone"))
	for i := range s {
		VMOVDQU(s[i], Mem{Base: scores, Index: at, Scale: 8}.Offset(32*i))
	}
	ADDQ(U8(8), at)
	JMP(LabelRef("accumulateLoop"))
	Label("accumulateDone")
	VZEROUPPER()
	Store(at, ReturnIndex(0))
	RET()
}
