// Package simulationtest is a stand-in for the Verilated engine: a child process
// that speaks the protocol of package simulation, well or badly. A test binary
// becomes the child by starting itself again.
package simulationtest

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/driver/regmap"
)

const variable = "KVACCEL_FAKE_SIMULATION"

// The ways a child can behave.
const (
	Good      = "good"       // registers can be read; requests come back as responses
	Silent    = "silent"     // says nothing, not even hello
	Garbage   = "garbage"    // prints text
	Huge      = "huge"       // announces a frame of 4 GiB
	OldHello  = "old-hello"  // speaks another version
	Crash     = "crash"      // ends with status 3 and a message at the first request
	Hang      = "hang"       // says hello, then reads and never answers
	Deaf      = "deaf"       // says hello, then neither reads nor answers
	WrongKind = "wrong-kind" // answers with another kind of frame
	WrongSize = "wrong-size" // answers with too many bytes
	Refuse    = "refuse"     // answers that the request is malformed, and ends
	Busy      = "busy"       // like Good, but no response is ever complete
	Stuck     = "stuck"      // like Good, but the engine shows no sign of life
	SpecDrift = "spec-drift" // like Good, but from another register map
	Resetting = "resetting"  // like Good, but a soft reset takes three looks at STATUS
)

// Main runs the child and exits if this process was started as one; call it first
// in TestMain.
func Main() {
	if mode := os.Getenv(variable); mode != "" {
		os.Exit((&child{mode: mode}).run())
	}
}

// Program makes the next child behave in the given way and returns its path.
func Program(t testing.TB, mode string) string {
	t.Helper()
	t.Setenv(variable, mode)
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

type child struct {
	mode  string
	queue [][]byte
	looks int // at STATUS since a soft reset
}

func (c *child) run() int {
	switch c.mode {
	case Silent:
		_, _ = io.Copy(io.Discard, os.Stdin)
		return 0
	case Garbage:
		fmt.Println("Segmentation fault? No: this is not a simulation at all, just some text.")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return 0
	}
	p := regmap.DefaultParams()
	version := uint32(1)
	if c.mode == OldHello {
		version = 0
	}
	c.send('H', words(version, uint32(p.Lanes), uint32(p.MaxDim), uint32(p.TileTokens), uint32(p.MaxTokens), 15, 0xABCD, 0))
	if c.mode == Deaf {
		time.Sleep(time.Minute)
	}
	for {
		head := make([]byte, 5)
		if _, err := io.ReadFull(os.Stdin, head); err != nil {
			return 0
		}
		body := make([]byte, binary.LittleEndian.Uint32(head))
		if _, err := io.ReadFull(os.Stdin, body); err != nil {
			return 0
		}
		if code := c.answer(head[4], body); code >= 0 {
			return code
		}
	}
}

// answer returns an exit status, or -1 to go on.
func (c *child) answer(kind byte, body []byte) int {
	switch c.mode {
	case Crash:
		fmt.Fprintln(os.Stderr, "assertion failed in kv_shell")
		return 3
	case Hang:
		time.Sleep(time.Minute)
	case WrongKind:
		c.send(kind+1, nil)
		return -1
	case WrongSize:
		c.send(kind, make([]byte, 77))
		return -1
	case Huge:
		_, _ = os.Stdout.Write([]byte{0xFF, 0xFF, 0xFF, 0xFF, kind})
		return -1
	case Refuse:
		c.send('E', []byte("no such request"))
		return 2
	}
	c.send(kind, c.good(kind, body))
	return -1
}

func (c *child) good(kind byte, body []byte) []byte {
	switch kind {
	case 'S':
		c.queue = append(c.queue, body)
	case 'R':
		c.queue = nil
	case 'V':
		switch {
		case c.mode == Stuck:
			return []byte{2}
		case c.mode == Busy || len(c.queue) == 0:
			return []byte{0}
		}
		r := append([]byte{1}, c.queue[0]...)
		c.queue = c.queue[1:]
		return r
	case 'r':
		return c.read(binary.LittleEndian.Uint32(body))
	case 'w':
		return []byte{c.write(body)}
	case 'q':
		c.looks++
		if c.mode == Resetting && c.looks < 3 {
			return []byte{0}
		}
		return []byte{1}
	case 'p':
		return make([]byte, len(body)/44*104)
	}
	return nil
}

func (c *child) write(body []byte) byte {
	switch binary.LittleEndian.Uint32(body) {
	case regmap.RegScratch:
		return 0
	case regmap.RegCtrl:
		if body[8] == 1 {
			c.queue, c.looks = nil, 0
		}
		return 0
	}
	return 2
}

func (c *child) read(addr uint32) []byte {
	p := regmap.DefaultParams()
	regs := map[uint32]uint32{
		regmap.RegMagic: regmap.Magic, regmap.RegABI: regmap.ABIVersion, regmap.RegSpecID: regmap.SpecID,
		regmap.RegBuildHash: 0xABCD, regmap.RegFeatures: 15,
		regmap.RegLanes: uint32(p.Lanes), regmap.RegMaxDim: uint32(p.MaxDim),
		regmap.RegTileTokens: uint32(p.TileTokens), regmap.RegMaxTokens: uint32(p.MaxTokens),
	}
	if c.mode == SpecDrift {
		regs[regmap.RegSpecID]++
	}
	v, ok := regs[addr]
	if !ok {
		return append([]byte{2}, words(0)...)
	}
	return append([]byte{0}, words(v)...)
}

func (c *child) send(kind byte, body []byte) {
	f := append(words(uint32(len(body))), kind)
	_, _ = os.Stdout.Write(append(f, body...))
}

func words(v ...uint32) []byte {
	var b []byte
	for _, w := range v {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}
