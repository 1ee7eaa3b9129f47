package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// odd rounds float64 to float32 so that what is lost stays in the last bit:
// rounded once more, to the 11 bits of a binary16, that gives what one rounding
// gives.
type odd struct{ sticky VecVirtual }

func newOdd() odd { return odd{broadcast("sticky", 1<<29-1)} }

// round spoils v.
func (o odd) round(v, dst VecVirtual) {
	t := YMM()
	VPAND(v, o.sticky, t)
	VPADDQ(t, o.sticky, t)
	VPOR(v, t, v)
	VPANDN(v, o.sticky, v)
	VCVTPD2PSY(v, dst)
}

// restorer restores eight elements at a time and counts the clamped ones.
type restorer struct {
	odd                           odd
	abs, over, top, bottom, count VecVirtual
	bits, mask, flip              GPVirtual
}

func newRestorer() restorer {
	r := restorer{
		odd:    newOdd(),
		abs:    broadcast("abs", word32(math.Float32frombits(0x7fffffff))),
		over:   broadcast("over", word32(65520)),
		top:    broadcast("top", word32(65504)),
		bottom: broadcast("bottom", word32(-65504)),
		count:  YMM(),
	}
	r.bits, r.mask, r.flip = GP64(), GP64(), GP64()
	Load(Param("bits"), r.bits)
	Load(Param("mask"), r.mask)
	Load(Param("flip"), r.flip)
	VPXOR(r.count, r.count, r.count)
	return r
}

// restore restores the eight codes at src, whose bases and scales come in two
// halves, to dst.
func (r restorer) restore(src, dst Mem, base, scale [2]Op) {
	g, x, y := GP64(), XMM(), YMM()
	MOVQ(src, g)
	PDEPQ(r.mask, g, g)
	XORQ(r.flip, g)
	VMOVQ(g, x)
	VPMOVZXBD(x, y)
	high := XMM()
	VEXTRACTI128(U8(1), y, high)
	var f [2]VecVirtual
	for i, q := range []Op{y.AsX(), high} {
		v := YMM()
		VCVTDQ2PD(q, v)
		if m, ok := base[i].(Mem); ok {
			t := YMM()
			VMOVUPD(m, t)
			VFMADD132PD(scale[i], t, v)
		} else {
			VFMADD132PD(scale[i], base[i].(VecVirtual), v)
		}
		f[i] = XMM()
		r.odd.round(v, f[i])
	}
	v, t := YMM(), YMM()
	VINSERTF128(U8(1), f[1], f[0].AsY(), v)
	VANDPS(v, r.abs, t)
	VCMPPS(U8(0x1d), r.over, t, t) // >=
	VPSUBD(t, r.count, r.count)
	VMINPS(r.top, v, v)
	VMAXPS(r.bottom, v, v)
	VCVTPS2PH(U8(0), v, dst)
}

// total stores the count.
func (r restorer) total() {
	t, n := XMM(), GP32()
	VEXTRACTI128(U8(1), r.count, t)
	VPADDD(t, r.count.AsX(), t)
	VPHADDD(t, t, t)
	VPHADDD(t, t, t)
	VMOVD(t, n)
	VZEROUPPER()
	Store(n.As64(), ReturnIndex(0))
}

func tokenRestore() {
	TEXT("tokenRestore", NOSPLIT, "func(dst, src []byte, head, group int, bases, scales []float64, bits int, mask, flip uint64) int")
	Pragma("noescape")
	Doc("tokenRestore restores groups of so many elements, a multiple of 16, each behind head bytes, and counts the clamped ones. It reads up to 8 bytes beyond the last code.")
	dst, src := Load(Param("dst").Base(), GP64()), Load(Param("src").Base(), GP64())
	head, group := Load(Param("head"), GP64()), Load(Param("group"), GP64())
	bases, n := Load(Param("bases").Base(), GP64()), Load(Param("bases").Len(), GP64())
	scales := Load(Param("scales").Base(), GP64())
	r := newRestorer()
	i := GP64()
	XORQ(i, i)
	TESTQ(n, n)
	JZ(LabelRef("tokenRestoreDone"))
	Label("tokenRestoreGroup")
	b, s, end := YMM(), YMM(), GP64()
	ADDQ(head, src)
	VBROADCASTSD(Mem{Base: bases, Index: i, Scale: 8}, b)
	VBROADCASTSD(Mem{Base: scales, Index: i, Scale: 8}, s)
	LEAQ(Mem{Base: dst, Index: group, Scale: 2}, end)
	Label("tokenRestoreLoop")
	for k := range 2 {
		r.restore(Mem{Base: src}, Mem{Base: dst}.Offset(16*k), [2]Op{b, b}, [2]Op{s, s})
		ADDQ(r.bits, src)
	}
	ADDQ(U8(32), dst)
	CMPQ(dst, end)
	JLT(LabelRef("tokenRestoreLoop"))
	INCQ(i)
	CMPQ(i, n)
	JLT(LabelRef("tokenRestoreGroup"))
	Label("tokenRestoreDone")
	r.total()
	RET()
}

func columnRestore() {
	TEXT("columnRestore", NOSPLIT, "func(dst, src []byte, bases, scales []float64, bits int, mask, flip uint64) int")
	Pragma("noescape")
	Doc("columnRestore restores rows of as many elements as there are bases, a multiple of 16, until dst is full, and counts the clamped ones. It reads up to 8 bytes beyond the last code.")
	dst, size := Load(Param("dst").Base(), GP64()), Load(Param("dst").Len(), GP64())
	src := Load(Param("src").Base(), GP64())
	bases, dims := Load(Param("bases").Base(), GP64()), Load(Param("bases").Len(), GP64())
	scales := Load(Param("scales").Base(), GP64())
	r := newRestorer()
	end := GP64()
	LEAQ(Mem{Base: dst, Index: size, Scale: 1}, end)
	CMPQ(dst, end)
	JGE(LabelRef("columnRestoreDone"))
	Label("columnRestoreRow")
	i := GP64()
	XORQ(i, i)
	Label("columnRestoreLoop")
	for k := range 2 {
		var b, s [2]Op
		for half := range 2 {
			b[half] = Mem{Base: bases, Index: i, Scale: 8}.Offset(64*k + 32*half)
			s[half] = Mem{Base: scales, Index: i, Scale: 8}.Offset(64*k + 32*half)
		}
		r.restore(Mem{Base: src}, Mem{Base: dst, Index: i, Scale: 2}.Offset(16*k), b, s)
		ADDQ(r.bits, src)
	}
	ADDQ(U8(16), i)
	CMPQ(i, dims)
	JLT(LabelRef("columnRestoreLoop"))
	LEAQ(Mem{Base: dst, Index: dims, Scale: 2}, dst)
	CMPQ(dst, end)
	JLT(LabelRef("columnRestoreRow"))
	Label("columnRestoreDone")
	r.total()
	RET()
}
