package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// liner works out the lines of four groups at a time.
type liner struct {
	origin, top, abs, limit, exponent, grid, zero VecVirtual
}

func newLiner() liner {
	l := liner{
		origin: YMM(), top: YMM(), zero: YMM(),
		abs:      broadcast("absolute", 1<<63-1),
		limit:    broadcast("limit", float(65520)),
		exponent: broadcast("exponent", 0x7ff<<52),
		grid:     broadcast("grid", float(3<<28)),
	}
	broadcastParam("origin", l.origin)
	broadcastParam("top", l.top)
	VPXOR(l.zero, l.zero, l.zero)
	return l
}

// lines makes bases of minima; it gives the bits of the groups with all results
// in the range, and of those with all of them in float32.
func (l liner) lines(scale, minimum VecVirtual) (straight, narrow GPVirtual) {
	last, most, t, grid := YMM(), YMM(), YMM(), YMM()
	VFNMADD231PD(scale, l.origin, minimum)
	VADDPD(l.zero, minimum, minimum) // no -0
	VMOVAPD(minimum, last)
	VFMADD231PD(scale, l.top, last)
	VANDPD(l.abs, last, last)
	VANDPD(l.abs, minimum, most)
	VMAXPD(last, most, most)
	VCMPPD(U8(0x11), l.limit, most, t) // <
	straight, narrow = GP32(), GP32()
	VMOVMSKPD(t, straight)
	// A multiple of 2^-23 of the largest's binade stays when it is rounded there.
	VANDPD(l.exponent, most, grid)
	VMULPD(l.grid, grid, grid)
	keeps := func(x VecVirtual) VecVirtual {
		r := YMM()
		VADDPD(grid, x, r)
		VSUBPD(grid, r, r)
		VCMPPD(U8(0), x, r, r)
		return r
	}
	VANDPD(keeps(minimum), keeps(scale), t)
	VMOVMSKPD(t, narrow)
	return straight, narrow
}

func tokenLines() {
	TEXT("tokenLines", NOSPLIT, "func(src []uint64, at, stride int, bases, scales []float64, mask, origin, top uint64) (n int, narrow bool)")
	Pragma("noescape")
	Doc("tokenLines reads scale and minimum of groups, the bits of mask, every so many bytes, four groups at a time, up to the first that is not straight. bases and scales are a multiple of 4 long.")
	src, at, stride := Load(Param("src").Base(), GP64()), Load(Param("at"), GP64()), Load(Param("stride"), GP64())
	bases, n := Load(Param("bases").Base(), GP64()), Load(Param("bases").Len(), GP64())
	scales := Load(Param("scales").Base(), GP64())
	l := newLiner()
	mask, low := YMM(), broadcast("lowHalves", 0x0000ffff_0000ffff)
	broadcastParam("mask", mask)
	ADDQ(at, src)
	i, all := GP64(), GP32()
	XORQ(i, i)
	MOVL(U32(15), all)
	Label("tokenLinesLoop")
	CMPQ(i, n)
	JGE(LabelRef("tokenLinesDone"))
	h, s := XMM(), XMM()
	VMOVD(Mem{Base: src}, h)
	ADDQ(stride, src)
	for k := 1; k < 4; k++ {
		VPINSRD(U8(k), Mem{Base: src}, h, h)
		ADDQ(stride, src)
	}
	VPAND(mask.AsX(), h, h)
	VPAND(low.AsX(), h, s)
	VPSRLD(U8(16), h, h)
	VPACKUSDW(h, h, h)
	VPACKUSDW(s, s, s)
	scale, minimum := YMM(), YMM()
	VCVTPH2PS(s, s)
	VCVTPS2PD(s, scale)
	VCVTPH2PS(h, h)
	VCVTPS2PD(h, minimum)
	straight, narrow := l.lines(scale, minimum)
	VMOVUPD(minimum, Mem{Base: bases, Index: i, Scale: 8})
	VMOVUPD(scale, Mem{Base: scales, Index: i, Scale: 8})
	ANDL(narrow, all)
	CMPL(straight, U32(15))
	JNE(LabelRef("tokenLinesStop"))
	ADDQ(U8(4), i)
	JMP(LabelRef("tokenLinesLoop"))
	Label("tokenLinesStop")
	NOTL(straight)
	BSFL(straight, straight)
	MOVL(straight, straight)
	ADDQ(straight.As64(), i)
	Label("tokenLinesDone")
	VZEROUPPER()
	Store(i, Return("n"))
	CMPL(all, U32(15))
	r := GP8()
	SETEQ(r)
	Store(r, Return("narrow"))
	RET()
}
