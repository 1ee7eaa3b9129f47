// Package cache holds a compressed KV cache and reads and writes it as a
// safetensors file. The file is a function of the trace and the policy alone:
// nothing in it depends on the device that computed it.
//
// Per layer l and key-value head h the file has
//
//	layers.{l}.heads.{h}.k.codes, .v.codes   U8: what QUANTIZE gives for the first rows kept
//	layers.{l}.heads.{h}.k.fp16, .v.fp16     F16 [R, D]: the remaining rows kept, bit for bit; of a policy with format bf16 k.bf16, v.bf16, BF16
//	layers.{l}.heads.{h}.positions           I64: the positions kept, ascending; only if the policy evicts
//	layers.{l}.heads.{h}.tiers               U8: the tier of each row kept; only if the policy has tiers
//
// With tiers, codes has the rows per token of tiers 1 to 3 (8, 4 and 2 bits),
// in order, each as QUANTIZE gives it at that width, and fp16 those of tier 0.
//
// The metadata has the policy as JSON, with a rule for every layer or head that
// has settings of its own, and the shape. How many rows the codes stand for
// follows from them and the tiers: [policy.Policy.QuantizedRows] of the rows kept.
package cache

import "github.com/kvaccel/kvaccel/host/policy"

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
	Positions []int   // kept, ascending
	Tiers     []uint8 // of each kept row; nil if the policy has none
	K, V      Part
}

// Part is one head's keys or values: the quantized rows, and the others. Without
// tiers the quantized ones come first.
type Part struct {
	Codes []byte   // scales, minima and codes
	FP16  []uint16 // rows that stay binary16, or bfloat16 if that is the policy's format
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
// left as fp16 and, if the policy evicts, the list of positions; or with tiers
// the engine's tier map, 4 bits for each position of the prefix.
func (c *Cache) Bytes(l, h int) Bytes {
	head := &c.Layers[l][h]
	pol := c.Policy.At(l, h)
	var b Bytes
	switch {
	case pol.Tiers != nil:
		b.Positions = int64(c.Prefix+1) / 2
	case pol.Evicts():
		b.Positions = positionBytes * int64(len(head.Positions))
	}
	for _, p := range parts(pol, c.Prefix, c.Dims, head) {
		b.Residual += 2 * int64(len(p.data.FP16))
		codes := int64(p.codeBits(c.Dims) / 8)
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
