package main

import (
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

// restorer restores eight elements at a time.
type restorer struct {
	odd              odd
	bits, mask, flip GPVirtual
}

func newRestorer() restorer {
	r := restorer{newOdd(), GP64(), GP64(), GP64()}
	Load(Param("bits"), r.bits)
	Load(Param("mask"), r.mask)
	Load(Param("flip"), r.flip)
	return r
}

// restore restores the eight codes at src, whose bases and scales come in two
// halves, to dst, and goes on in src.
func (r restorer) restore(src Register, dst Mem, base, scale [2]Op) {
	g, x, y, high := GP64(), XMM(), YMM(), XMM()
	MOVQ(Mem{Base: src}, g)
	ADDQ(r.bits, src)
	PDEPQ(r.mask, g, g)
	XORQ(r.flip, g)
	VMOVQ(g, x)
	VPMOVZXBD(x, y)
	VEXTRACTI128(U8(1), y, high)
	var f [2]VecVirtual
	for i, q := range []Op{y.AsX(), high} {
		v, t := YMM(), YMM()
		VCVTDQ2PD(q, v)
		if m, ok := base[i].(Mem); ok {
			VMOVUPD(m, t)
			VFMADD132PD(scale[i], t, v)
		} else {
			VFMADD132PD(scale[i], base[i].(VecVirtual), v)
		}
		f[i] = XMM()
		r.odd.round(v, f[i])
	}
	v := YMM()
	VINSERTF128(U8(1), f[1], f[0].AsY(), v)
	VCVTPS2PH(U8(0), v, dst)
}

// narrow restores the eight codes at src by lines that float32 holds, with all
// that comes of them, and goes on in src.
func (r restorer) narrow(src Register, dst Mem, base Op, scale VecVirtual) {
	g, x, y := GP64(), XMM(), YMM()
	MOVQ(Mem{Base: src}, g)
	ADDQ(r.bits, src)
	PDEPQ(r.mask, g, g)
	XORQ(r.flip, g)
	VMOVQ(g, x)
	VPMOVZXBD(x, y)
	VCVTDQ2PS(y, y)
	VFMADD213PS(base, scale, y)
	VCVTPS2PH(U8(0), y, dst)
}

func tokenRestore(name string, narrow bool) {
	TEXT(name, NOSPLIT, "func(dst []byte, src []uint64, at, head, group int, bases, scales []float64, bits int, mask, flip uint64)")
	Pragma("noescape")
	Doc(name + " restores, from byte at on, groups of so many elements, a multiple of 8, each behind head bytes. None may be clamped. It reads up to 8 bytes beyond the last code.")
	dst, src, at := Load(Param("dst").Base(), GP64()), Load(Param("src").Base(), GP64()), Load(Param("at"), GP64())
	ADDQ(at, src)
	head, group := Load(Param("head"), GP64()), Load(Param("group"), GP64())
	bases, n := Load(Param("bases").Base(), GP64()), Load(Param("bases").Len(), GP64())
	scales := Load(Param("scales").Base(), GP64())
	r := newRestorer()
	i := GP64()
	XORQ(i, i)
	TESTQ(n, n)
	JZ(LabelRef(name + "Done"))
	Label(name + "Group")
	b, s, end := YMM(), YMM(), GP64()
	ADDQ(head, src)
	for y, p := range []Register{bases, scales} {
		y, m := []VecVirtual{b, s}[y], Mem{Base: p, Index: i, Scale: 8}
		if VBROADCASTSD(m, y); narrow {
			VCVTPD2PSY(y, y.AsX())
			VBROADCASTSS(y.AsX(), y)
		}
	}
	LEAQ(Mem{Base: dst, Index: group, Scale: 2}, end)
	Label(name + "Loop")
	if narrow {
		r.narrow(src, Mem{Base: dst}, b, s)
	} else {
		r.restore(src, Mem{Base: dst}, [2]Op{b, b}, [2]Op{s, s})
	}
	ADDQ(U8(16), dst)
	CMPQ(dst, end)
	JLT(LabelRef(name + "Loop"))
	INCQ(i)
	CMPQ(i, n)
	JLT(LabelRef(name + "Group"))
	Label(name + "Done")
	VZEROUPPER()
	RET()
}

func columnRestore(name string, narrow bool) {
	float := "float64"
	if narrow {
		float = "float32"
	}
	TEXT(name, NOSPLIT, "func(dst []byte, src []uint64, at int, bases, scales []"+float+", bits int, mask, flip uint64)")
	Pragma("noescape")
	Doc(name + " restores, from byte at on, rows of as many elements as there are bases, a multiple of 8, until dst is full. None may be clamped. It reads up to 8 bytes beyond the last code.")
	dst, size := Load(Param("dst").Base(), GP64()), Load(Param("dst").Len(), GP64())
	src, at := Load(Param("src").Base(), GP64()), Load(Param("at"), GP64())
	ADDQ(at, src)
	bases, dims := Load(Param("bases").Base(), GP64()), Load(Param("bases").Len(), GP64())
	scales := Load(Param("scales").Base(), GP64())
	r := newRestorer()
	end := GP64()
	LEAQ(Mem{Base: dst, Index: size, Scale: 1}, end)
	CMPQ(dst, end)
	JGE(LabelRef(name + "Done"))
	Label(name + "Row")
	i := GP64()
	XORQ(i, i)
	Label(name + "Loop")
	if narrow {
		s := YMM()
		VMOVUPS(Mem{Base: scales, Index: i, Scale: 4}, s)
		r.narrow(src, Mem{Base: dst, Index: i, Scale: 2}, Mem{Base: bases, Index: i, Scale: 4}, s)
	} else {
		var b, s [2]Op
		for half := range 2 {
			b[half] = Mem{Base: bases, Index: i, Scale: 8}.Offset(32 * half)
			s[half] = Mem{Base: scales, Index: i, Scale: 8}.Offset(32 * half)
		}
		r.restore(src, Mem{Base: dst, Index: i, Scale: 2}, b, s)
	}
	ADDQ(U8(8), i)
	CMPQ(i, dims)
	JLT(LabelRef(name + "Loop"))
	LEAQ(Mem{Base: dst, Index: dims, Scale: 2}, dst)
	CMPQ(dst, end)
	JLT(LabelRef(name + "Row"))
	Label(name + "Done")
	VZEROUPPER()
	RET()
}
