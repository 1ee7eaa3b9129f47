// Package regmap is the engine's specification as constants: registers, packet
// headers, opcodes, status codes, limits and latencies. The numbers are
// generated from package spec, as are the Verilog package and the reference
// page, so that no side can drift.
package regmap

//go:generate go run ./gen

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Register describes one 32-bit register.
type Register struct {
	Name   string
	Addr   uint32
	Access string // RO, RW, W1C or WO
	Doc    string
}

// Code is one value of a family of codes.
type Code struct {
	Value uint32
	Name  string
	Doc   string
}

// Codes is a family of codes in table order.
type Codes []Code

// Find gives the code with value v.
func (c Codes) Find(v uint32) (Code, bool) {
	for _, k := range c {
		if k.Value == v {
			return k, true
		}
	}
	return Code{}, false
}

// Bits names the bits set in mask, the values of the family being bit numbers.
func (c Codes) Bits(mask uint32) []string {
	names := []string{}
	for _, k := range c {
		if mask>>k.Value&1 != 0 {
			names = append(names, k.Name)
		}
	}
	return names
}

// Field is a run of bits in a 32-bit word of a packet header.
type Field struct{ Word, Low, Width int }

// Get reads the field from a header of HeaderBytes bytes.
func (f Field) Get(h []byte) uint32 {
	return binary.LittleEndian.Uint32(h[4*f.Word:]) >> f.Low & f.mask()
}

// Put writes the field into a header of HeaderBytes bytes. Bits of v that do
// not fit are dropped.
func (f Field) Put(h []byte, v uint32) {
	w := binary.LittleEndian.Uint32(h[4*f.Word:])
	w = w&^(f.mask()<<f.Low) | v&f.mask()<<f.Low
	binary.LittleEndian.PutUint32(h[4*f.Word:], w)
}

func (f Field) mask() uint32 { return uint32(1<<f.Width - 1) }

// Params are the parameters an engine is built with.
type Params struct {
	Lanes      int `json:"lanes"`       // fp16 elements per beat: 2, 4, 8 or 16
	MaxDim     int `json:"max_dim"`     // largest dims: a power of two, 32 to 512
	TileTokens int `json:"tile_tokens"` // most rows in a tile: a power of two, 16 to 256
	MaxTokens  int `json:"max_tokens"`  // most positions in a SELECT: a power of two, 256 to 65536
}

// DefaultParams is the engine that emu: and rtl: stand for without options.
func DefaultParams() Params {
	return Params{Lanes: 8, MaxDim: 256, TileTokens: 128, MaxTokens: 4096}
}

// ErrParams says that no engine can be built with the parameters.
var ErrParams = errors.New("illegal engine parameters")

// Validate reports the first parameter that is out of range.
func (p Params) Validate() error {
	for _, c := range []struct {
		name         string
		v, low, high int
	}{
		{"lanes", p.Lanes, 2, 16},
		{"max-dim", p.MaxDim, 32, 512},
		{"tile-tokens", p.TileTokens, 16, 256},
		{"max-tokens", p.MaxTokens, 256, 65536},
	} {
		if c.v < c.low || c.v > c.high || c.v&(c.v-1) != 0 {
			return fmt.Errorf("%w: %s=%d, want a power of two from %d to %d", ErrParams, c.name, c.v, c.low, c.high)
		}
	}
	return nil
}

// BeatBytes is the width of a beat in bytes.
func (p Params) BeatBytes() int { return 2 * p.Lanes }

// HeaderBeats is the number of beats of a header or trailer.
func (p Params) HeaderBeats() int { return HeaderBytes / p.BeatBytes() }

// PayloadDepth is the depth of the payload FIFO, in beats, of an engine with a
// mask of features.
func (p Params) PayloadDepth(features uint32) int {
	n := p.MaxDim/p.Lanes + 8*p.HeaderBeats() + 16
	if features>>FeatRotate&1 != 0 {
		n += LatRotate + 2*min(p.MaxDim, 128)/p.Lanes
	}
	return ceilPow2(n)
}

// CodeDepth is the depth of DEQUANTIZE's input FIFO in beats.
func (p Params) CodeDepth() int { return ceilPow2(p.MaxDim/p.Lanes + 16) }

func ceilPow2(n int) int {
	p := 1
	for p < n {
		p *= 2
	}
	return p
}
