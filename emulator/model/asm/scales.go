package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// unkey turns four keys into elements.
func unkey(x VecVirtual) {
	t := XMM()
	VPSRAW(U8(15), x, t)
	VPSRLW(U8(1), t, t)
	VPXOR(x, t, x)
}

func groupScales() {
	TEXT("groupScales", NOSPLIT, "func(low, high, scales, minima []uint64, mins, recips []float64, top float64, symmetric uint64)")
	Pragma("noescape")
	Doc("groupScales gives scales and minima of groups from their lowest and highest keys, four a word, and the minima and the reciprocals of the scales as numbers. symmetric is all ones or 0.")
	low, n := Load(Param("low").Base(), GP64()), Load(Param("low").Len(), GP64())
	high := Load(Param("high").Base(), GP64())
	scales, minima := Load(Param("scales").Base(), GP64()), Load(Param("minima").Base(), GP64())
	mins, recips := Load(Param("mins").Base(), GP64()), Load(Param("recips").Base(), GP64())
	top, sym := YMM(), YMM()
	broadcastParam("top", top)
	broadcastParam("symmetric", sym)
	odd := newOdd()
	most, one, negative, zero := broadcast("top16", word32(65504)), broadcast("one", float(1)), broadcast("signs", half(0x8000)), YMM()
	VPXOR(zero, zero, zero)
	i := GP64()
	XORQ(i, i)
	Label("groupScalesLoop")
	CMPQ(i, n)
	JGE(LabelRef("groupScalesDone"))
	l, h, t := XMM(), XMM(), XMM()
	VMOVQ(Mem{Base: low, Index: i, Scale: 8}, l)
	VMOVQ(Mem{Base: high, Index: i, Scale: 8}, h)
	unkey(l)
	unkey(h)
	VPCMPEQW(l, negative.AsX(), t) // a minimum of -0 is +0
	VPANDN(l, t, l)
	VPANDN(l, sym.AsX(), t)
	VMOVQ(t, Mem{Base: minima, Index: i, Scale: 8})
	lf, hf, r, q := YMM(), YMM(), YMM(), YMM()
	VCVTPH2PS(l, l)
	VCVTPS2PD(l, lf)
	VCVTPH2PS(h, h)
	VCVTPS2PD(h, hf)
	VSUBPD(lf, zero, q) // symmetric: the larger of -low and high
	VMAXPD(q, hf, q)
	VSUBPD(lf, hf, r)
	VBLENDVPD(sym, q, r, r)
	VADDPD(zero, r, r) // the range of zeros alone may be -0
	VANDNPD(lf, sym, lf)
	index := GP64()
	MOVQ(i, index)
	SHLQ(U8(5), index)
	VMOVUPD(lf, Mem{Base: mins, Index: index, Scale: 1})
	VDIVPD(top, r, r)
	s, sf, keep := XMM(), YMM(), YMM()
	odd.round(r, s)
	VMINPS(most.AsX(), s, s)
	VCVTPS2PH(U8(0), s, s)
	VMOVQ(s, Mem{Base: scales, Index: i, Scale: 8})
	VCVTPH2PS(s, s)
	VCVTPS2PD(s, sf)
	VCMPPD(U8(4), zero, sf, keep) // not equal
	VDIVPD(sf, one, sf)
	VANDPD(keep, sf, sf)
	VMOVUPD(sf, Mem{Base: recips, Index: index, Scale: 1})
	INCQ(i)
	JMP(LabelRef("groupScalesLoop"))
	Label("groupScalesDone")
	VZEROUPPER()
	RET()
}
