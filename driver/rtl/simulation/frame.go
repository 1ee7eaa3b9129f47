package simulation

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Version is the protocol that this package speaks.
const Version = 1

// MaxAnswer is the longest answer a simulation may give; the longest response
// packet, an ECHO, is 1 MiB.
const MaxAnswer = 16 << 20

// ErrFrame says that the child does not speak the protocol.
var ErrFrame = errors.New("the simulation does not speak the protocol")

const (
	kindHello   = 'H'
	kindReset   = 'R'
	kindSend    = 'S'
	kindReceive = 'V'
	kindRead    = 'r'
	kindWrite   = 'w'
	kindQuiesce = 'q'
	kindPins    = 'p'
	kindError   = 'E'
)

// frameHead is the size of a frame's header: u32 body length, u8 kind.
const frameHead = 5

// appendHead starts a frame; the body follows, and sealFrame fills in its length.
func appendHead(dst []byte, kind byte) []byte { return append(dst, 0, 0, 0, 0, kind) }

func sealFrame(frame []byte) { binary.LittleEndian.PutUint32(frame, uint32(len(frame)-frameHead)) }

// readFrame reads one frame into buf, which it grows as needed. The body is
// checked against MaxAnswer before memory is taken for it.
func readFrame(r *bufio.Reader, buf []byte) (kind byte, body []byte, err error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, buf, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > MaxAnswer {
		return 0, buf, fmt.Errorf("%w: a frame of %d bytes, at most %d are possible", ErrFrame, n, MaxAnswer)
	}
	if uint32(cap(buf)) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	_, err = io.ReadFull(r, buf)
	return head[4], buf, err
}

// Hello is what a simulation says about itself when it starts.
type Hello struct {
	Version    uint32
	Lanes      uint32
	MaxDim     uint32
	TileTokens uint32
	MaxTokens  uint32
	Features   uint32
	BuildHash  uint32 // hash of the Verilog it was built from
	CanTrace   bool
}

func parseHello(kind byte, body []byte) (Hello, error) {
	if kind != kindHello || len(body) != 32 {
		return Hello{}, fmt.Errorf("%w: it starts with frame %q of %d bytes, want a hello of 32", ErrFrame, kind, len(body))
	}
	var w [8]uint32
	for i := range w {
		w[i] = binary.LittleEndian.Uint32(body[4*i:])
	}
	h := Hello{w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7] != 0}
	if h.Version != Version {
		return h, fmt.Errorf("%w: it speaks version %d, this program %d: make rtl", ErrFrame, h.Version, Version)
	}
	return h, nil
}
