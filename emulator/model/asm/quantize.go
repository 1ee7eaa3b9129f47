package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func copyFinite() {
	TEXT("copyFinite", NOSPLIT, "func(dst []uint64, src []byte) int")
	Pragma("noescape")
	Doc("copyFinite copies elements, 16 at a time, up to the first that is not finite, and gives the words copied. dst is a multiple of 4 long; src has its elements at least.")
	dst, n := Load(Param("dst").Base(), GP64()), Load(Param("dst").Len(), GP64())
	src := Load(Param("src").Base(), GP64())
	exponents := broadcast("exponents", half(0x7c00))
	at := GP64()
	XORQ(at, at)
	Label("copyLoop")
	CMPQ(at, n)
	JGE(LabelRef("copyDone"))
	v, t, bad := YMM(), YMM(), GP32()
	VMOVDQU(Mem{Base: src, Index: at, Scale: 8}, v)
	VPAND(v, exponents, t)
	VPCMPEQW(t, exponents, t)
	VPMOVMSKB(t, bad)
	TESTL(bad, bad)
	JNZ(LabelRef("copyDone"))
	VMOVDQU(v, Mem{Base: dst, Index: at, Scale: 8})
	ADDQ(U8(4), at)
	JMP(LabelRef("copyLoop"))
	Label("copyDone")
	VZEROUPPER()
	Store(at, ReturnIndex(0))
	RET()
}

// extent is the running range of 16 columns of keys.
type extent struct{ low, high VecVirtual }

func newExtent() extent {
	e := extent{YMM(), YMM()}
	VPCMPEQW(e.low, e.low, e.low)
	VPSRLW(U8(1), e.low, e.low)
	VPCMPEQW(e.high, e.high, e.high)
	VPSLLW(U8(15), e.high, e.high)
	return e
}

// add takes 16 elements. The key of an element is itself, all but its sign
// inverted if it is negative.
func (e extent) add(src Mem) {
	v, t := YMM(), YMM()
	VMOVDQU(src, v)
	VPSRAW(U8(15), v, t)
	VPSRLW(U8(1), t, t)
	VPXOR(v, t, v)
	VPMINSW(v, e.low, e.low)
	VPMAXSW(v, e.high, e.high)
}

func tokenExtents() {
	TEXT("tokenExtents", NOSPLIT, "func(x []uint64, group int, low, high []uint64)")
	Pragma("noescape")
	Doc("tokenExtents gives the lowest and the highest key of each group of so many words, a multiple of 4; low and high have room for 4 a word.")
	x, n := Load(Param("x").Base(), GP64()), Load(Param("x").Len(), GP64())
	group := Load(Param("group"), GP64())
	lows, highs := Load(Param("low").Base(), GP64()), Load(Param("high").Base(), GP64())
	end := GP64()
	LEAQ(Mem{Base: x, Index: n, Scale: 8}, end)
	bias, inverse := XMM(), XMM()
	VPCMPEQW(bias, bias, bias)
	VPSRLW(U8(1), bias, inverse) // 7fff
	VPSLLW(U8(15), bias, bias)   // 8000
	CMPQ(x, end)
	JGE(LabelRef("tokenExtentsDone"))
	Label("tokenExtentsGroup")
	e := newExtent()
	next := GP64()
	LEAQ(Mem{Base: x, Index: group, Scale: 8}, next)
	Label("tokenExtentsLoop")
	e.add(Mem{Base: x})
	ADDQ(U8(32), x)
	CMPQ(x, next)
	JLT(LabelRef("tokenExtentsLoop"))
	low, high := XMM(), XMM()
	VEXTRACTI128(U8(1), e.low, low)
	VPMINSW(low, e.low.AsX(), low)
	VPXOR(low, bias, low)
	VPHMINPOSUW(low, low) // the least of eight unsigned words
	VPXOR(low, bias, low)
	VPEXTRW(U8(0), low, Mem{Base: lows})
	VEXTRACTI128(U8(1), e.high, high)
	VPMAXSW(high, e.high.AsX(), high)
	VPXOR(high, inverse, high)
	VPHMINPOSUW(high, high)
	VPXOR(high, inverse, high)
	VPEXTRW(U8(0), high, Mem{Base: highs})
	ADDQ(U8(2), lows)
	ADDQ(U8(2), highs)
	CMPQ(x, end)
	JLT(LabelRef("tokenExtentsGroup"))
	Label("tokenExtentsDone")
	VZEROUPPER()
	RET()
}

func columnExtents() {
	TEXT("columnExtents", NOSPLIT, "func(x, low, high []uint64)")
	Pragma("noescape")
	Doc("columnExtents gives the lowest and the highest key of each column; x has one row or more of as many words as low and high, a multiple of 4.")
	x, size := Load(Param("x").Base(), GP64()), Load(Param("x").Len(), GP64())
	low, words := Load(Param("low").Base(), GP64()), Load(Param("low").Len(), GP64())
	high := Load(Param("high").Base(), GP64())
	end, at := GP64(), GP64()
	LEAQ(Mem{Base: x, Index: size, Scale: 8}, end)
	XORQ(at, at)
	TESTQ(words, words)
	JZ(LabelRef("columnExtentsDone"))
	Label("columnExtentsBlock")
	e := newExtent()
	row := GP64()
	LEAQ(Mem{Base: x, Index: at, Scale: 8}, row)
	Label("columnExtentsLoop")
	e.add(Mem{Base: row})
	LEAQ(Mem{Base: row, Index: words, Scale: 8}, row)
	CMPQ(row, end)
	JLT(LabelRef("columnExtentsLoop"))
	VMOVDQU(e.low, Mem{Base: low, Index: at, Scale: 8})
	VMOVDQU(e.high, Mem{Base: high, Index: at, Scale: 8})
	ADDQ(U8(4), at)
	CMPQ(at, words)
	JLT(LabelRef("columnExtentsBlock"))
	Label("columnExtentsDone")
	VZEROUPPER()
	RET()
}

// tie is where sums of 1.5 * 2^11 have their last bit at 2^-41; whole moves it
// to 1.
const (
	tie   = 3 << 10
	whole = 3<<51 - tie
)

// none in a byte shuffle gives zeros.
const none = 0x8080_8080_8080_8080

// coder codes eight elements at a time.
type coder struct {
	tie, whole, low, high, bytes VecVirtual
	bits, mask                   GPVirtual
}

func newCoder() coder {
	c := coder{tie: broadcast("tie", float(tie)), whole: broadcast("whole", float(whole)), low: YMM(), high: YMM()}
	c.bits, c.mask = GP64(), GP64()
	Load(Param("bits"), c.bits)
	Load(Param("mask"), c.mask)
	broadcastParam("low", c.low)
	broadcastParam("high", c.high)
	// In either half of a register: the low bytes of the first two double words
	// are elements 0 and 1 (2 and 3), of the others 4 and 5 (6 and 7).
	c.bytes = YMM()
	VMOVDQU(constant("codeBytes", 0x8080_0c08_8080_0400, none, 0x0c08_8080_0400_8080, none), c.bytes)
	return c
}

// broadcastParam fills a register with a parameter of 64 bits.
func broadcastParam(name string, y VecVirtual) {
	p, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	VPBROADCASTQ(p.Addr, y)
}

// code codes the eight elements at src, whose minima and reciprocal scales come
// in two halves, and puts them at dst.
func (c coder) code(src, dst Mem, minimum, recip [2]Op) {
	var v [2]VecVirtual
	for i := range v {
		t := XMM()
		v[i] = YMM()
		VCVTPH2PS(src.Offset(8*i), t)
		VCVTPS2PD(t, v[i])
		VSUBPD(minimum[i], v[i], v[i])
		VFMADD132PD(recip[i], c.tie, v[i])
		VADDPD(c.whole, v[i], v[i])
	}
	q, t, r := YMM(), XMM(), GP64()
	VSHUFPS(U8(0x88), v[1], v[0], q)
	VPMAXSD(c.low, q, q)
	VPMINSD(c.high, q, q)
	VPSHUFB(c.bytes, q, q)
	VEXTRACTI128(U8(1), q, t)
	VPOR(t, q.AsX(), t)
	VMOVQ(t, r)
	PEXTQ(c.mask, r, r)
	MOVQ(r, dst)
}

func tokenCodes() {
	TEXT("tokenCodes", NOSPLIT, "func(dst []uint64, at, head int, x []uint64, group int, scales, minima []uint64, mins, recips []float64, bits int, mask, low, high uint64)")
	Pragma("noescape")
	Doc("tokenCodes writes groups of so many words from byte at on: the head bytes of scale and minimum, then the codes. It writes up to 8 bytes beyond them.")
	dst, at, head := Load(Param("dst").Base(), GP64()), Load(Param("at"), GP64()), Load(Param("head"), GP64())
	x, group := Load(Param("x").Base(), GP64()), Load(Param("group"), GP64())
	size := Load(Param("x").Len(), GP64())
	scales, minima := Load(Param("scales").Base(), GP64()), Load(Param("minima").Base(), GP64())
	mins, recips := Load(Param("mins").Base(), GP64()), Load(Param("recips").Base(), GP64())
	c := newCoder()
	ADDQ(at, dst)
	i, end := GP64(), GP64()
	LEAQ(Mem{Base: x, Index: size, Scale: 8}, end)
	XORQ(i, i)
	CMPQ(x, end)
	JGE(LabelRef("tokenCodesDone"))
	Label("tokenCodesGroup")
	h, next, m, r := GP32(), GP64(), YMM(), YMM()
	MOVWLZX(Mem{Base: scales, Index: i, Scale: 2}, h)
	MOVW(h.As16(), Mem{Base: dst})
	MOVWLZX(Mem{Base: minima, Index: i, Scale: 2}, h)
	MOVW(h.As16(), Mem{Base: dst}.Offset(2))
	ADDQ(head, dst)
	VBROADCASTSD(Mem{Base: mins, Index: i, Scale: 8}, m)
	VBROADCASTSD(Mem{Base: recips, Index: i, Scale: 8}, r)
	LEAQ(Mem{Base: x, Index: group, Scale: 8}, next)
	Label("tokenCodesLoop")
	for k := range 2 {
		c.code(Mem{Base: x}.Offset(16*k), Mem{Base: dst}, [2]Op{m, m}, [2]Op{r, r})
		ADDQ(c.bits, dst)
	}
	ADDQ(U8(32), x)
	CMPQ(x, next)
	JLT(LabelRef("tokenCodesLoop"))
	INCQ(i)
	CMPQ(x, end)
	JLT(LabelRef("tokenCodesGroup"))
	Label("tokenCodesDone")
	VZEROUPPER()
	RET()
}

func columnCodes() {
	TEXT("columnCodes", NOSPLIT, "func(dst []uint64, at int, x []uint64, mins, recips []float64, bits int, mask, low, high uint64)")
	Pragma("noescape")
	Doc("columnCodes writes the codes of rows of as many elements as there are minima, a multiple of 16, from byte at on. It writes up to 8 bytes beyond them.")
	dst, at := Load(Param("dst").Base(), GP64()), Load(Param("at"), GP64())
	x, size := Load(Param("x").Base(), GP64()), Load(Param("x").Len(), GP64())
	mins, dims := Load(Param("mins").Base(), GP64()), Load(Param("mins").Len(), GP64())
	recips := Load(Param("recips").Base(), GP64())
	c := newCoder()
	ADDQ(at, dst)
	end := GP64()
	LEAQ(Mem{Base: x, Index: size, Scale: 8}, end)
	CMPQ(x, end)
	JGE(LabelRef("columnCodesDone"))
	Label("columnCodesRow")
	i := GP64()
	XORQ(i, i)
	Label("columnCodesLoop")
	for k := range 2 {
		var m, r [2]Op
		for half := range 2 {
			m[half] = Mem{Base: mins, Index: i, Scale: 8}.Offset(64*k + 32*half)
			r[half] = Mem{Base: recips, Index: i, Scale: 8}.Offset(64*k + 32*half)
		}
		c.code(Mem{Base: x, Index: i, Scale: 2}.Offset(16*k), Mem{Base: dst}, m, r)
		ADDQ(c.bits, dst)
	}
	ADDQ(U8(16), i)
	CMPQ(i, dims)
	JLT(LabelRef("columnCodesLoop"))
	LEAQ(Mem{Base: x, Index: dims, Scale: 2}, x)
	CMPQ(x, end)
	JLT(LabelRef("columnCodesRow"))
	Label("columnCodesDone")
	VZEROUPPER()
	RET()
}
