// Package spec is the one table of registers, packet headers, codes, limits
// and latencies, and the renderers that turn it into Go constants, the Verilog
// package and the reference page. Nothing but the generator and its test
// imports it; programs use package regmap.
package spec

// Const is one named number.
type Const struct {
	Name  string // CamelCase; the Verilog name is derived from it
	Value uint64
	Hex   bool
	Doc   string
}

// Enum is a family of codes. Go names are Prefix+Name, Verilog names
// PREFIX_NAME.
type Enum struct {
	Prefix string
	Doc    string
	ABI    bool // part of what SPEC_ID hashes
	Values []Const
}

// Access is how software may use a register.
type Access string

// The kinds of access.
const (
	RO  Access = "RO"  // reads; a write is refused
	RW  Access = "RW"  // reads and writes
	W1C Access = "W1C" // reads; writing 1 to a bit clears it
	WO  Access = "WO"  // writes act; reads as 0
)

// Register is one 32-bit register at a byte address.
type Register struct {
	Name   string
	Addr   uint32
	Access Access
	Doc    string
}

// Field is a run of bits in a 32-bit word of a packet header.
type Field struct {
	Name     string
	Word     int
	Low      int
	Width    int
	Doc      string
	Commands string // which commands read it; empty: all
}

// Header is one 32-byte packet header or trailer.
type Header struct {
	Name   string
	Doc    string
	Fields []Field
}
