package link

import (
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/wire"
)

// ahead reports whether sequence number x is ahead of y.
func ahead(x, y uint8) bool { return x != y && x-y < 128 }

// sender is the sending half of a stream: frames from the first unacknowledged
// one on, and how far they have gone.
type sender struct {
	base   uint8        // sequence number of frames[0]
	limit  uint8        // first that may not be sent
	frames []wire.Frame // made and not yet acknowledged
	cursor int          // next of them to send
	high   int          // how many of them were ever sent
	window int          // most that may be unacknowledged
}

// next is the sequence number that the next frame made will have.
func (s *sender) next() uint8 { return s.base + uint8(len(s.frames)) }

// room reports whether another frame may be made and sent.
func (s *sender) room() bool { return len(s.frames) < s.window && ahead(s.limit, s.next()) }

// add makes a frame of beats, which are kept until it is acknowledged.
func (s *sender) add(beats []byte, last bool) {
	f := wire.Frame{Type: regmap.FrameData, A: s.next(), Payload: beats}
	if last {
		f.Flags = 1 << regmap.FrameFlagLast
	}
	s.frames = append(s.frames, f)
}

// fill makes frames of the bytes at the front of a packet and gives the rest.
func (s *sender) fill(packet []byte, chunk int) []byte {
	for len(packet) > 0 && s.room() {
		n := min(chunk, len(packet))
		s.add(packet[:n], n == len(packet))
		packet = packet[n:]
	}
	return packet
}

// send gives the next frame to send, if there is one.
func (s *sender) send() (f wire.Frame, ok bool) {
	if s.cursor == len(s.frames) || !ahead(s.limit, s.frames[s.cursor].A) {
		return f, false
	}
	f = s.frames[s.cursor]
	s.cursor++
	s.high = max(s.high, s.cursor)
	return f, true
}

// goBack has everything unacknowledged sent again.
func (s *sender) goBack() { s.cursor = 0 }

// ack follows an ACK and reports whether it made progress. One that names a frame
// never sent is ignored.
func (s *sender) ack(f wire.Frame) (progress bool) {
	n := int(f.A - s.base)
	if n > s.high {
		return false
	}
	progress = n > 0 || f.B != s.limit
	clear(s.frames[:n]) // lets go of their payloads
	s.frames = s.frames[n:]
	s.base, s.limit = f.A, f.B
	s.high -= n
	s.cursor = max(0, s.cursor-n)
	if f.Has(regmap.FrameFlagNak) {
		s.goBack()
	}
	return progress
}

// receiver is the receiving half: what is expected and what is to be said of it.
type receiver struct {
	next uint8
	gap  bool // a gap has been told and not yet closed
	due  bool // an ACK is to be sent
	nak  bool // with Nak
}

// verdict is what becomes of a DATA frame.
type verdict int

const (
	taken verdict = iota
	dropped
	noRoom
)

// take decides on a whole DATA frame of legal size.
func (r *receiver) take(seq uint8, room bool) verdict {
	switch {
	case seq == r.next && !room:
		return noRoom
	case seq == r.next:
		r.next++
		r.gap, r.due = false, true
		return taken
	case ahead(seq, r.next):
		if !r.gap {
			r.lost()
		}
	default:
		r.due = true
	}
	return dropped
}

// lost notes that a frame may have been lost.
func (r *receiver) lost() { r.gap, r.due, r.nak = true, true, true }

// ack makes the ACK that is due.
func (r *receiver) ack(limit uint8, poll bool) wire.Frame {
	f := wire.Frame{Type: regmap.FrameAck, A: r.next, B: limit}
	if r.nak {
		f.Flags |= 1 << regmap.FrameFlagNak
	}
	if poll {
		f.Flags |= 1 << regmap.FrameFlagPoll
	}
	r.due, r.nak = false, false
	return f
}

// chunk is the most payload bytes of a frame for beats of n bytes.
func chunk(n int) int { return regmap.LinkMaxPayload / n * n }
