package wire

import "bytes"

// Scanner cuts what a pipe delivers into frames. It holds one frame's bytes at
// most, whatever comes. The zero value reads what a host sends.
type Scanner struct {
	Dir     Direction
	Frames  int // whole ones so far
	Damaged int // others so far

	part []byte // since the last delimiter
	long bool   // more than a frame has: nothing is kept of it
}

// Scan takes the next bytes and calls each for every frame that they complete,
// with ErrDamaged for what is none. A frame's payload is valid during the call.
func (s *Scanner) Scan(b []byte, each func(Frame, error)) {
	for {
		piece, rest, ended := bytes.Cut(b, []byte{Delimiter})
		if room := MaxCoded - len(s.part); len(piece) > room {
			s.long = true
		} else {
			s.part = append(s.part, piece...)
		}
		if !ended {
			return
		}
		b = rest
		if len(s.part) == 0 && !s.long {
			continue
		}
		f, err := Frame{}, error(ErrDamaged)
		if !s.long {
			f, err = Decode(s.part, s.Dir)
		}
		s.part, s.long = s.part[:0], false
		if err != nil {
			s.Damaged++
		} else {
			s.Frames++
		}
		each(f, err)
	}
}
