package jtag

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
)

// vector is the most bits of one shift that the cable takes, in bytes.
const vector = 32 << 10

// Cable is a Xilinx Virtual Cable, version 1.0, on a loopback port.
type Cable struct {
	// CutAfter, if not 0, is after how many bits the connection is dropped, for good.
	CutAfter int

	mu     sync.Mutex // one connection at a time has the TAP
	tap    *TAP
	bits   int
	listen net.Listener
	done   sync.WaitGroup
}

// Plug connects a part to a new cable; Unplug ends it.
func Plug(p Part, cutAfter int) (*Cable, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p.Reset() // as after power-up
	c := &Cable{CutAfter: cutAfter, tap: &TAP{Part: p}, listen: l}
	c.done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.done.Go(func() {
				defer conn.Close()
				_ = c.serve(conn) // a host that says nonsense is hung up on
			})
		}
	})
	return c, nil
}

// Address is host and port.
func (c *Cable) Address() (host, port string) {
	host, port, _ = net.SplitHostPort(c.listen.Addr().String())
	return host, port
}

// Bits is how many cycles of TCK there have been.
func (c *Cable) Bits() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bits
}

// Unplug closes the port and waits for what is under way.
func (c *Cable) Unplug() error {
	err := c.listen.Close()
	c.done.Wait()
	return err
}

// serve answers getinfo:, settck: and shift:, the only three commands.
func (c *Cable) serve(conn net.Conn) error {
	in := bufio.NewReaderSize(conn, 2*vector+64)
	var period [4]byte
	for {
		word, err := in.ReadString(':')
		if err != nil {
			return err
		}
		switch strings.TrimSuffix(word, ":") {
		case "getinfo":
			_, err = fmt.Fprintf(conn, "xvcServer_v1.0:%d\n", vector)
		case "settck":
			if _, err = io.ReadFull(in, period[:]); err == nil {
				_, err = conn.Write(period[:])
			}
		case "shift":
			acknowledge(conn)
			err = c.shift(in, conn)
		default:
			err = fmt.Errorf("jtag: no command %q", word)
		}
		if err != nil {
			return err
		}
	}
}

func (c *Cable) shift(in io.Reader, out io.Writer) error {
	var length [4]byte
	if _, err := io.ReadFull(in, length[:]); err != nil {
		return err
	}
	n := int(binary.LittleEndian.Uint32(length[:]))
	size := (n + 7) / 8
	if n <= 0 || size > vector {
		return fmt.Errorf("jtag: a shift of %d bits, want 1 to %d", n, 8*vector)
	}
	both := make([]byte, 2*size)
	if _, err := io.ReadFull(in, both); err != nil {
		return err
	}
	tms, tdi, tdo := both[:size], both[size:], make([]byte, size)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range n {
		if c.bits++; c.CutAfter != 0 && c.bits > c.CutAfter {
			return io.ErrUnexpectedEOF
		}
		mask := byte(1) << (i % 8)
		if c.tap.Clock(tms[i/8]&mask != 0, tdi[i/8]&mask != 0) {
			tdo[i/8] |= mask
		}
	}
	_, err := out.Write(tdo)
	return err
}
