// Package cache holds a compressed KV cache and reads and writes it as a
// safetensors file. The file is a function of the trace and the policy alone:
// nothing in it depends on the device that computed it.
//
// Per layer l and key-value head h the file has
//
//	layers.{l}.heads.{h}.k.codes, .v.codes   U8: what QUANTIZE gives for the first rows kept
//	layers.{l}.heads.{h}.k.fp16, .v.fp16     F16 [R, D]: the remaining rows kept, bit for bit
//	layers.{l}.heads.{h}.positions           I64: the positions kept, ascending; only if the policy evicts
//
// The metadata has the policy as JSON and the shape. How many rows the codes
// stand for follows from them: [policy.Policy.QuantizedRows] of the rows kept.
package cache

import (
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/session"
)

// Cache is a compressed KV cache.
type Cache struct {
	Policy policy.Policy // resolved: no shares of the prefix
	Model  string        // may be empty
	Prefix int           // positions before compression
	Dims   int           // elements of a row
	Layers [][]Head      // by layer and key-value head; each layer has as many heads
}

// Head is one head's part.
type Head struct {
	Positions []int // kept, ascending
	K, V      Part
}

// Part is one head's keys or values: first the quantized rows, then the others.
type Part struct {
	Codes []byte   // scales, minima and codes
	FP16  []uint16 // rows that stay binary16
}

// Bytes counts what a cache takes.
type Bytes struct {
	Codes     int64 `json:"codes"`
	Scales    int64 `json:"scales"` // scales and minima
	Residual  int64 `json:"residual"`
	Positions int64 `json:"positions"`
}

// Total is the sum.
func (b Bytes) Total() int64 { return b.Codes + b.Scales + b.Residual + b.Positions }

// Add adds the counts of o.
func (b *Bytes) Add(o Bytes) {
	b.Codes += o.Codes
	b.Scales += o.Scales
	b.Residual += o.Residual
	b.Positions += o.Positions
}

// positionBytes is what a kept position counts: the 16 bits that SELECT gives
// for it. (The file spells positions as I64, which other tools can read.)
const positionBytes = 2

// Bytes counts what head h of layer l takes: codes, scales and minima, rows
// left as fp16 and, if the policy evicts, the list of positions.
func (c *Cache) Bytes(l, h int) Bytes {
	head := &c.Layers[l][h]
	var b Bytes
	if c.Policy.Evicts() {
		b.Positions = positionBytes * int64(len(head.Positions))
	}
	for _, p := range c.parts(head) {
		b.Residual += 2 * int64(len(p.data.FP16))
		codes := int64(p.rows) * int64(c.Dims) * int64(p.layout.Bits) / 8
		b.Codes += codes
		b.Scales += int64(len(p.data.Codes)) - codes
	}
	return b
}

// Total counts what the whole cache takes.
func (c *Cache) Total() Bytes {
	var b Bytes
	for l := range c.Layers {
		for h := range c.Layers[l] {
			b.Add(c.Bytes(l, h))
		}
	}
	return b
}

// BytesIn is what the prefix takes as fp16, keys and values.
func (c *Cache) BytesIn() int64 {
	if len(c.Layers) == 0 {
		return 0
	}
	return 2 * 2 * int64(len(c.Layers)) * int64(len(c.Layers[0])) * int64(c.Prefix) * int64(c.Dims)
}

// part is a Part with how to read it.
type part struct {
	name   string
	layout packet.Layout
	rows   int // quantized rows
	data   *Part
}

func (c *Cache) parts(h *Head) [2]part {
	k, _ := c.Policy.KLayout()
	v, _ := c.Policy.VLayout()
	kept := c.Policy.Kept(c.Prefix)
	return [2]part{
		{"k", k, c.Policy.QuantizedRows(kept, c.Policy.KBits, c.Policy.KAxis), &h.K},
		{"v", v, c.Policy.QuantizedRows(kept, c.Policy.VBits, c.Policy.VAxis), &h.V},
	}
}

// codeBytes is how many bytes of codes a part has.
func (p part) codeBytes(dims int) int {
	if p.rows == 0 {
		return 0
	}
	return p.layout.QuantizedBytes(p.rows, dims)
}

// Coded gives the quantized rows of every head of layer l, first the keys of
// all, then the values of all, as DEQUANTIZE takes them.
func (c *Cache) Coded(l int) []session.Coded {
	var keys, values []session.Coded
	for h := range c.Layers[l] {
		p := c.parts(&c.Layers[l][h])
		keys = append(keys, session.Coded{Layout: p[0].coded(), Rows: p[0].rows, Dims: c.Dims, Data: p[0].data.Codes})
		values = append(values, session.Coded{Layout: p[1].coded(), Rows: p[1].rows, Dims: c.Dims, Data: p[1].data.Codes})
	}
	return append(keys, values...)
}

// coded is the layout, or for a part that stays fp16 one that any engine takes
// for its no rows.
func (p part) coded() packet.Layout {
	if p.rows == 0 {
		return packet.Layout{Scheme: regmap.SchemeAsym, Axis: regmap.AxisToken, Bits: 8}
	}
	return p.layout
}
