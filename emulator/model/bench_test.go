package model

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kvaccel/kvaccel/internal/fp16"
)

// BenchmarkKernels runs the arithmetic alone; bytes are those of the elements.
func BenchmarkKernels(b *testing.B) {
	const rows, dims, group = 32, 128, 32
	rng := rand.New(rand.NewPCG(1, 1))
	x := make([]uint16, rows*dims)
	for i := range x {
		x[i] = fp16.FromFloat64(rng.NormFloat64())
	}
	words := pack(x)
	var w Bits
	columns, stats := NewColumns(dims), make([]uint64, dims/2)
	for _, c := range []Coder{{Bits: 4}, {Bits: 8, Symmetric: true}, {Bits: 4, Format: BF16}} {
		run := func(name string, elements int, f func()) {
			b.Run(fmt.Sprintf("%s/%d-format%d", name, c.Bits, c.Format), func(b *testing.B) {
				b.SetBytes(int64(2 * elements))
				for b.Loop() {
					f()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*elements), "ns/element")
			})
		}
		n := dims / 2
		if c.Symmetric {
			n = dims / 4
		}
		run("quantize-token", group, func() { c.QuantizeToken(words[:group/4], &w); w.Reset() })
		run("quantize-channel", rows*dims, func() { c.QuantizeChannel(columns, words, dims, stats[:n], &w); w.Reset() })
		var dst [4]uint64
		src := [4]uint64{words[0], words[1], words[2]}
		s, _ := c.Format.ReadStat(0x2c00, 0xbc00)
		st := make([]Stat, 8)
		for i := range st {
			st[i] = s
		}
		run("restore-token", 8, func() { c.RestoreToken(&dst, &src, 8, s) })
		run("restore-channel", 8, func() { c.RestoreChannel(&dst, &src, st) })
		table := c.AppendTable(nil, s)
		run("look-up", 8, func() { c.LookUp(&dst, &src, 8, table, 0) })
	}
	block, counts := make([]uint64, MaxRotate/4), make([]uint8, MaxRotate/8)
	b.Run("rotate", func(b *testing.B) {
		b.SetBytes(2 * MaxRotate)
		for b.Loop() {
			copy(block, words)
			Rotate(block, RotateIn(MaxRotate), 8, counts)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*MaxRotate), "ns/element")
	})
	scores := make([]uint64, rows*dims)
	b.Run("accumulate", func(b *testing.B) {
		b.SetBytes(2 * rows * dims)
		for b.Loop() {
			for i := range words {
				words[i] &= 0x3fff_3fff_3fff_3fff
			}
			Accumulate(scores, words)
			clear(scores)
		}
	})
}
