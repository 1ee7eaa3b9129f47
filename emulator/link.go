package emulator

import (
	"encoding/binary"

	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator/core"
)

// link is the ideal link that driver.Device describes: request beats that are
// queued are always offered, response beats always taken.
type link struct {
	e    *core.Engine
	in   core.Inputs
	beat int // bytes

	requests [][]byte // queued packets
	spare    [][]byte // buffers of packets that are gone
	at       int      // bytes of the first packet already taken
	received []byte   // whole responses and, at the end, the one under way
	ends     []int    // where in received each whole response ends
	quiet    int      // clocks since the last stream handshake

	ideal core.Ideal // what a burst may use
}

func newLink(e *core.Engine) *link {
	l := &link{e: e, beat: e.Params().BeatBytes()}
	l.in.MReady = true
	return l
}

// reset holds rst_i for two clocks and forgets all packets.
func (l *link) reset() {
	l.spare = append(l.spare, l.requests...)
	l.requests, l.at, l.quiet = l.requests[:0], 0, 0
	l.forget()
	rst := core.Inputs{Reset: true}
	l.e.Step(&rst)
	l.e.Step(&rst)
	l.offer()
}

// send queues a copy of a packet, a whole number of beats.
func (l *link) send(packet []byte) {
	var buf []byte
	if n := len(l.spare); n > 0 {
		buf, l.spare = l.spare[n-1], l.spare[:n-1]
	}
	l.requests = append(l.requests, append(buf[:0], packet...))
	if len(l.requests) == 1 {
		l.offer()
	}
}

// offer puts the beat at the front of the queue on s_axis.
func (l *link) offer() {
	l.in.SValid = len(l.requests) > 0
	if !l.in.SValid {
		return
	}
	p := l.requests[0]
	b := p[l.at : l.at+l.beat]
	if l.beat == 4 {
		l.in.SData[0] = uint64(binary.LittleEndian.Uint32(b))
	} else {
		for i := range l.beat / 8 {
			l.in.SData[i&3] = binary.LittleEndian.Uint64(b[8*i:])
		}
	}
	l.in.SLast = l.at+l.beat == len(p)
}

// taken goes on by n bytes of the first packet.
func (l *link) taken(n int) {
	l.at += n
	if l.at == len(l.requests[0]) {
		l.spare = append(l.spare, l.requests[0])
		n := copy(l.requests, l.requests[1:])
		l.requests, l.at = l.requests[:n], 0
	}
	l.offer()
}

// clock passes one clock cycle and gives the pins as they were in it.
func (l *link) clock() core.Outputs {
	out := l.e.Outputs()
	l.e.Step(&l.in)
	l.quiet++
	if out.MValid {
		l.quiet = 0
		if l.beat == 4 {
			l.received = binary.LittleEndian.AppendUint32(l.received, uint32(out.MData[0]))
		} else {
			for i := range l.beat / 8 {
				l.received = binary.LittleEndian.AppendUint64(l.received, out.MData[i&3])
			}
		}
		if out.MLast {
			l.ends = append(l.ends, len(l.received))
		}
	}
	if l.in.SValid && out.SReady {
		l.quiet = 0
		l.taken(l.beat)
	}
	return out
}

// burst passes clock cycles in which no register is accessed, one at least, and
// stops behind the end of a response.
func (l *link) burst() (clocks int) {
	i := &l.ideal
	i.Packet, i.At, i.Got = nil, 0, l.received
	if l.in.SValid {
		i.Packet, i.At = l.requests[0], l.at
	}
	n := l.e.Burst(i)
	if n == 0 {
		l.clock()
		return 1
	}
	l.quiet += int(n)
	if len(i.Got) > len(l.received) || l.in.SValid && i.At > l.at {
		l.quiet = 0
	}
	l.received = i.Got
	if l.in.SValid {
		l.taken(i.At - l.at)
	}
	return int(n)
}

// receive moves the first whole response to dst.
func (l *link) receive(dst []byte) []byte {
	n := l.ends[0]
	dst = append(dst, l.received[:n]...)
	l.received = l.received[:copy(l.received, l.received[n:])]
	l.ends = l.ends[:copy(l.ends, l.ends[1:])]
	for i := range l.ends {
		l.ends[i] -= n
	}
	return dst
}

// forget drops all that was received.
func (l *link) forget() { l.received, l.ends = l.received[:0], l.ends[:0] }

// read reads a register: valid and ready are held until their handshakes.
func (l *link) read(addr uint16) (uint32, uint8) {
	l.in.ARValid, l.in.ARAddr, l.in.RReady = true, addr, true
	for {
		out := l.clock()
		if out.ARReady {
			l.in.ARValid = false
		}
		if out.RValid {
			l.in.RReady = false
			return out.RData, out.RResp
		}
	}
}

// write writes a register in the same way.
func (l *link) write(addr uint16, v uint32) uint8 {
	l.in.AWValid, l.in.AWAddr, l.in.BReady = true, addr, true
	l.in.WValid, l.in.WData, l.in.WStrb = true, v, 0xf
	for {
		out := l.clock()
		if out.AWReady {
			l.in.AWValid = false
		}
		if out.WReady {
			l.in.WValid = false
		}
		if out.BValid {
			l.in.BReady = false
			return out.BResp
		}
	}
}

// drop forgets every packet of which no beat was taken yet, and all that was
// received. A packet already begun must still reach its TLAST.
func (l *link) drop() {
	keep := 0
	if l.at > 0 {
		keep = 1
	}
	l.spare = append(l.spare, l.requests[keep:]...)
	l.requests = l.requests[:keep]
	l.offer()
	l.forget()
}

// resetting reads STATUS and reports whether a soft reset is still going on.
// What is received until then is of no request.
func (l *link) resetting() bool {
	v, _ := l.read(regmap.RegStatus)
	l.forget()
	return v>>regmap.StatResetting&1 != 0
}
